//! Zones against the other library that knows them, and beyond the years that it knows.

use crate::testing::{day, instant};
use crate::values::{Due, Instant, local_time, parse_zone};
use chrono::{DateTime, Datelike, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::collections::BTreeSet;

/// Where the newer database of jiff differs from the older one of chrono-tz between 1970 and 2099: the zones, the first and
/// the last year, and why. An update of either may shorten this list; what is not in it must be equal.
const CHANGED_SINCE: [(&[&str], i32, i32, &str); 7] = [
    (&["Africa/Casablanca", "Africa/El_Aaiun"], 2026, 2099, "Morocco stays on UTC"),
    (
        &[
            "America/Edmonton",
            "America/Inuvik",
            "America/Rainy_River",
            "America/Vancouver",
            "America/Winnipeg",
            "America/Yellowknife",
            "Canada/Central",
            "Canada/Mountain",
            "Canada/Pacific",
        ],
        2026,
        2099,
        "provinces of Canada stay on daylight saving time",
    ),
    (&["America/Havana", "Cuba"], 2026, 2027, "Cuba stays on daylight saving time for a winter"),
    (&["Europe/Chisinau", "Europe/Tiraspol"], 2022, 2099, "Moldova changes an hour later"),
    (&["America/Bogota"], 1992, 1992, "an older change by a day"),
    (&["Asia/Tehran", "Iran"], 1979, 1979, "an older change by hours"),
    (&["America/Ensenada", "America/Santa_Isabel", "America/Tijuana", "Mexico/BajaNorte"], 1970, 1975, "older changes"),
];

fn offset_by_chrono(at: DateTime<Utc>, zone: Tz) -> TimeDelta {
    TimeDelta::seconds(i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()))
}

fn offset(at: DateTime<Utc>, zone: Tz) -> TimeDelta {
    local_time(at.into(), zone) - at.naive_utc()
}

#[test]
fn both_libraries_agree_on_the_years_that_both_know() {
    let first = instant("1970-01-01T00:00:00Z").utc();
    let moments: Vec<_> = (0..130 * 53).map(|week| first + TimeDelta::hours(week * 165)).filter(|at| at.year() < 2100).collect();
    let mut differs = BTreeSet::new();
    for zone in TZ_VARIANTS {
        for at in moments.iter().filter(|at| offset(**at, zone) != offset_by_chrono(**at, zone)) {
            let known =
                |(zones, from, to, _): &(&[&str], i32, i32, &str)| zones.contains(&zone.name()) && (*from..=*to).contains(&at.year());
            assert!(CHANGED_SINCE.iter().any(known), "{zone} differs at {at}");
            differs.insert(zone.name());
        }
    }
    let stale = CHANGED_SINCE.iter().filter(|(zones, from, to, _)| to - from > 1 && zones.iter().any(|zone| !differs.contains(zone)));
    assert_eq!(stale.collect::<Vec<_>>(), Vec::<&(&[&str], i32, i32, &str)>::new(), "these agree by now");
}

/// A day after the tables of chrono-tz, its zone and the instant at which it ends, worked out with another program.
const ENDS_OF_LATER_DAYS: [(&str, &str, &str); 18] = [
    ("2100-03-27", "Europe/Zurich", "2100-03-27T23:00:00Z"),
    ("2100-03-28", "Europe/Zurich", "2100-03-28T22:00:00Z"),
    ("2150-01-01", "America/New_York", "2150-01-02T05:00:00Z"),
    ("2150-03-07", "America/New_York", "2150-03-08T05:00:00Z"),
    ("2150-03-08", "America/New_York", "2150-03-09T04:00:00Z"),
    ("2150-07-01", "America/New_York", "2150-07-02T04:00:00Z"),
    ("2150-11-01", "America/New_York", "2150-11-02T05:00:00Z"),
    ("2150-03-07", "America/Havana", "2150-03-08T05:00:00Z"),
    ("2150-10-31", "America/Havana", "2150-11-01T04:00:00Z"),
    ("2150-04-23", "Africa/Cairo", "2150-04-23T22:00:00Z"),
    ("2150-04-24", "Africa/Cairo", "2150-04-24T21:00:00Z"),
    ("2150-01-15", "Australia/Lord_Howe", "2150-01-15T13:00:00Z"),
    ("2150-07-15", "Australia/Lord_Howe", "2150-07-15T13:30:00Z"),
    ("2150-07-01", "Asia/Kolkata", "2150-07-01T18:30:00Z"),
    ("2150-09-06", "America/Santiago", "2150-09-07T03:00:00Z"),
    ("2150-07-01", "Europe/Zurich", "2150-07-01T22:00:00Z"),
    ("2999-07-01", "Europe/Zurich", "2999-07-01T22:00:00Z"),
    ("2999-12-30", "Europe/Zurich", "2999-12-30T23:00:00Z"),
];

#[test]
fn daylight_saving_goes_on_after_2100() {
    for (date, zone, end) in ENDS_OF_LATER_DAYS {
        assert_eq!(Due::on(day(date), parse_zone(zone).expect("a zone")).at, instant(end), "{date} in {zone}");
    }
    let noon = instant("2150-07-01T16:00:00Z");
    assert_eq!(local_time(noon, Tz::America__New_York).to_string(), "2150-07-01 12:00:00");
    assert_eq!(Due::at(noon, Tz::America__New_York).days_before(180), instant("2150-01-02T17:00:00Z"), "noon in winter as well");
}

#[test]
fn every_zone_has_rules_in_every_year() {
    for zone in TZ_VARIANTS {
        for year in [1890, 1900, 1970, 2037, 2038, 2099, 2100, 2101, 2999] {
            let noon: Instant = format!("{year}-07-01T12:00:00Z").parse().expect("an instant");
            let shown = local_time(noon, zone) - noon.utc().naive_utc();
            assert!(shown.num_hours().abs() < 26, "{zone} in {year} is {shown} off");
        }
    }
}
