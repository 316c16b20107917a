//! When something is due.
//!
//! A date is due at the end of its day in its zone: at the first instant of the next day. The resolved instant is
//! stored with the zone, so new time-zone data never changes what was recorded.

use super::{Instant, InvalidValue, earliest_instant, local_time};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// First year a date may lie in.
pub const YEAR_MIN: i32 = 1900;
/// Last year a date may lie in.
pub const YEAR_MAX: i32 = 2999;

/// The instant at which something is due. `date` is set if it was given as a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The instant.
    pub at: Instant,
    /// The day, if a day was given; `at` is then its end in `time_zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<NaiveDate>,
    /// The zone in which days are counted.
    pub time_zone: Tz,
}

impl Due {
    /// Due at the end of a day in a zone.
    pub fn on(date: NaiveDate, time_zone: Tz) -> Self {
        let next_day = date.checked_add_days(Days::new(1)).expect("a valid date is far from the end of the calendar");
        Self { at: earliest_instant(next_day.and_time(NaiveTime::MIN), time_zone), date: Some(date), time_zone }
    }

    /// Due at an instant. The zone is where days before it are counted.
    pub fn at(at: Instant, time_zone: Tz) -> Self {
        Self { at, date: None, time_zone }
    }

    /// The same local time some days earlier, by the calendar of the zone.
    pub(crate) fn days_before(&self, days: u32) -> Instant {
        let days = Days::new(u64::from(days));
        let local = match self.date {
            Some(date) => date.checked_add_days(Days::new(1)).map(|next| next.and_time(NaiveTime::MIN)),
            None => Some(local_time(self.at, self.time_zone)),
        };
        let earlier = local.and_then(|local| local.checked_sub_days(days));
        earlier.map_or_else(|| DateTime::<Utc>::MIN_UTC.into(), |local| earliest_instant(local, self.time_zone))
    }
}

/// A due date as requested: a date without a zone has that of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueRequest {
    /// The end of a day, in the given zone or else the project's.
    On(NaiveDate, Option<Tz>),
    /// An instant.
    At(Instant),
}

impl DueRequest {
    /// The resolved due time, with `zone` as the default time zone.
    pub fn resolve(self, zone: Tz) -> Due {
        match self {
            Self::On(date, given) => Due::on(date, given.unwrap_or(zone)),
            Self::At(at) => Due::at(at, zone),
        }
    }
}

/// Planned first and last day, each optional, in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DateSpan {
    /// First day.
    pub start_on: Option<NaiveDate>,
    /// Last day.
    pub due_on: Option<NaiveDate>,
}

impl DateSpan {
    /// Whether the first day is not after the last.
    pub fn in_order(&self) -> bool {
        !matches!((self.start_on, self.due_on), (Some(start), Some(due)) if start > due)
    }
}

/// A date within the years that Milepost supports.
pub fn valid_date(date: NaiveDate) -> Result<NaiveDate, InvalidValue> {
    match date.year() {
        YEAR_MIN..=YEAR_MAX => Ok(date),
        year => {
            Err(InvalidValue::new(format!("a date must be between {YEAR_MIN}-01-01 and {YEAR_MAX}-12-31; this one is in the year {year}")))
        }
    }
}

/// An instant within the years that Milepost supports.
pub fn valid_instant(at: Instant) -> Result<Instant, InvalidValue> {
    valid_date(at.utc().date_naive()).map(|_| at)
}
