//! The rule for due dates and daylight saving, worked out by brute force and without the code under test.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::values::{Threshold, ThresholdUnit};

/// Clocks change at whole quarters of an hour.
const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// When something is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    EndOf(NaiveDate, Tz),
    At(DateTime<Utc>, Tz),
}

impl When {
    /// The due moment.
    pub(super) fn at(self) -> DateTime<Utc> {
        match self {
            Self::EndOf(..) => self.days_before(0),
            Self::At(at, _) => at,
        }
    }

    /// The moment of a threshold.
    pub(super) fn before(self, lead: Threshold) -> DateTime<Utc> {
        let amount = i64::from(lead.amount);
        match lead.unit {
            ThresholdUnit::Minutes => self.at() - TimeDelta::minutes(amount),
            ThresholdUnit::Hours => self.at() - TimeDelta::hours(amount),
            ThresholdUnit::Days => self.days_before(amount),
        }
    }

    /// Everything that may fire, the earliest first. The last is the due moment.
    pub(super) fn moments(self, leads: &[Threshold]) -> Vec<DateTime<Utc>> {
        let due = self.at();
        let mut moments: Vec<_> = leads.iter().map(|lead| self.before(*lead)).filter(|moment| *moment < due).chain([due]).collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    fn days_before(self, days: i64) -> DateTime<Utc> {
        match self {
            Self::EndOf(date, zone) => first_not_before((date + TimeDelta::days(1 - days)).and_time(NaiveTime::MIN), zone),
            Self::At(at, zone) => first_not_before(at.with_timezone(&zone).naive_local() - TimeDelta::days(days), zone),
        }
    }
}

/// The first moment at which the clocks of a zone show a local time or, where they skip it, a later one.
fn first_not_before(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let earliest = local.and_utc().timestamp() - 15 * 3_600;
    let mut quarter = DateTime::from_timestamp(earliest - earliest.rem_euclid(900), 0).expect("a moment of the calendar");
    loop {
        let offset = zone.offset_from_utc_datetime(&quarter.naive_utc()).fix();
        let shown = (local - offset).and_utc().max(quarter);
        if shown < quarter + QUARTER {
            return shown;
        }
        quarter += QUARTER;
    }
}

#[test]
fn skipped_and_repeated_midnights_are_read_as_the_rule_says() {
    let end_of = |day: &str, zone| When::EndOf(day.parse().expect("a day"), zone).at();
    for (day, zone, at) in [
        // Cairo's clocks go from 23:59:59 to 1:00, Havana's show midnight twice, and Apia had no 30 December at all.
        ("2031-04-24", Tz::Africa__Cairo, "2031-04-24T22:00:00Z"),
        ("2031-11-01", Tz::America__Havana, "2031-11-02T04:00:00Z"),
        ("2011-12-29", Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
        ("2031-03-30", Tz::Europe__Berlin, "2031-03-30T22:00:00Z"),
    ] {
        assert_eq!(end_of(day, zone), at.parse::<DateTime<Utc>>().expect("a moment"), "{day} {zone}");
    }
}
