//! Time zones: what a local time means, in any year.
//!
//! The rules come from the IANA database as jiff carries it: tables for what has been decided, and for all years after
//! them the rule that each zone ends with. The names are those of chrono-tz, whose own tables end with 2099. A local time
//! that the clocks skip means the first moment after the gap; one that they pass twice means the first passing.

use super::{Instant, InvalidValue};
use chrono::{Datelike, NaiveDateTime, TimeDelta, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

/// The rules of every zone that has been asked for: reading them takes longer than using them.
static RULES: LazyLock<HashMap<Tz, OnceLock<TimeZone>>> =
    LazyLock::new(|| TZ_VARIANTS.iter().map(|zone| (*zone, OnceLock::new())).collect());

fn rules(zone: Tz) -> &'static TimeZone {
    RULES[&zone]
        .get_or_init(|| TimeZoneDatabase::bundled().get(zone.name()).expect("jiff knows every zone of chrono-tz, which a test proves"))
}

/// A zone by its name in the IANA database, such as `Europe/Zurich`.
pub fn parse_zone(name: &str) -> Result<Tz, InvalidValue> {
    name.parse().map_err(|_| InvalidValue::new(format!("{name:?} is not an IANA time zone; use a name such as Europe/Zurich or UTC")))
}

/// What the clocks of a zone show at an instant.
pub fn local_time(at: Instant, zone: Tz) -> NaiveDateTime {
    let offset = rules(zone).to_offset(timestamp(at.utc().naive_utc()));
    at.utc().naive_utc() + seconds(offset)
}

/// The instant of a local time.
pub fn earliest_instant(local: NaiveDateTime, zone: Tz) -> Instant {
    let utc = match rules(zone).to_ambiguous_timestamp(civil(local)).offset() {
        AmbiguousOffset::Unambiguous { offset } => local - seconds(offset),
        AmbiguousOffset::Fold { before, .. } => local - seconds(before),
        AmbiguousOffset::Gap { before, .. } => return end_of_gap(local - seconds(before), zone),
    };
    utc.and_utc().into()
}

/// The moment at which the clocks jumped, where `after` is a moment soon after it: in UTC, as clocks that had not jumped show it.
fn end_of_gap(after: NaiveDateTime, zone: Tz) -> Instant {
    let changes = rules(zone).preceding(timestamp(after + TimeDelta::seconds(1)));
    let jump = changes.map(|change| change.timestamp()).next().expect("a gap begins with a change of clocks");
    chrono::DateTime::from_timestamp_millis(jump.as_millisecond()).expect("a change of clocks is at a moment").into()
}

fn seconds(offset: Offset) -> TimeDelta {
    TimeDelta::seconds(i64::from(offset.seconds()))
}

const IN_RANGE: &str = "Milepost's years are far within jiff's, which are -9999 to 9999";

fn timestamp(utc: NaiveDateTime) -> Timestamp {
    Timestamp::from_millisecond(utc.and_utc().timestamp_millis()).expect(IN_RANGE)
}

fn civil(local: NaiveDateTime) -> DateTime {
    let (date, time) = (local.date(), local.time());
    let year = i16::try_from(date.year()).expect(IN_RANGE);
    let part = |part: u32| i8::try_from(part).expect("months to seconds are below 100");
    let [month, day, hour, minute, second] = [date.month(), date.day(), time.hour(), time.minute(), time.second()].map(part);
    let nanosecond = i32::try_from(time.nanosecond()).expect("a second has fewer nanoseconds");
    DateTime::new(year, month, day, hour, minute, second, nanosecond).expect(IN_RANGE)
}
