use super::{is_stored_as, refusal_of};
use crate::testing::{day, for_all, instant};
use crate::values::{DateSpan, Due, DueRequest, earliest_instant, local_time, parse_zone, valid_date, valid_instant};
use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

/// A day, its zone, the instant at which it ends, and what is special about it.
const ENDS_OF_DAYS: [(&str, &str, &str, &str); 24] = [
    ("2031-03-01", "UTC", "2031-03-02T00:00:00Z", "ordinary"),
    ("1900-01-01", "UTC", "1900-01-02T00:00:00Z", "the first day there is"),
    ("2999-12-31", "UTC", "3000-01-01T00:00:00Z", "the last day there is"),
    ("2031-03-29", "Europe/Zurich", "2031-03-29T23:00:00Z", "the last day of winter time"),
    ("2031-03-30", "Europe/Zurich", "2031-03-30T22:00:00Z", "23 hours long"),
    ("2031-10-25", "Europe/Zurich", "2031-10-25T22:00:00Z", "the last day of summer time"),
    ("2031-10-26", "Europe/Zurich", "2031-10-26T23:00:00Z", "25 hours long"),
    ("2031-07-01", "Asia/Kolkata", "2031-07-01T18:30:00Z", "half an hour off"),
    ("1971-06-01", "Africa/Monrovia", "1971-06-02T00:44:30Z", "seconds off"),
    ("2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "the next midnight is skipped"),
    ("2018-11-04", "America/Sao_Paulo", "2018-11-05T02:00:00Z", "its midnight is skipped"),
    ("2018-02-17", "America/Sao_Paulo", "2018-02-18T03:00:00Z", "its last hour passes twice"),
    ("2023-04-27", "Africa/Cairo", "2023-04-27T22:00:00Z", "the next midnight is skipped"),
    ("2022-03-26", "Asia/Beirut", "2022-03-26T22:00:00Z", "the next midnight is skipped"),
    ("2022-11-05", "America/Havana", "2022-11-06T04:00:00Z", "the next midnight passes twice"),
    ("2022-11-06", "America/Havana", "2022-11-07T05:00:00Z", "its midnight passes twice"),
    ("2010-11-06", "America/St_Johns", "2010-11-07T02:30:00Z", "its last hour passes again after it ended"),
    ("2011-12-28", "Pacific/Apia", "2011-12-29T10:00:00Z", "before the last day east of the date line"),
    ("2011-12-29", "Pacific/Apia", "2011-12-30T10:00:00Z", "the next day is skipped"),
    ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "skipped itself"),
    ("2011-12-31", "Pacific/Apia", "2011-12-31T10:00:00Z", "its eve is skipped"),
    ("1993-08-20", "Pacific/Kwajalein", "1993-08-21T12:00:00Z", "the next day is skipped"),
    ("1994-12-31", "Pacific/Kiritimati", "1994-12-31T10:00:00Z", "skipped itself"),
    ("1969-09-30", "Pacific/Kwajalein", "1969-10-01T12:00:00Z", "47 hours long"),
];

#[test]
fn a_date_is_due_at_the_end_of_its_day_in_its_zone() {
    for (date, zone, end, special) in ENDS_OF_DAYS {
        let (date, zone) = (day(date), parse_zone(zone).expect("a zone"));
        assert_eq!(Due::on(date, zone), Due { at: instant(end), date: Some(date), time_zone: zone }, "{date} in {zone}: {special}");
    }
}

/// A local time, its zone and the instant it means.
const LOCAL_TIMES: [(&str, &str, &str); 8] = [
    ("2031-03-30T01:59:59", "Europe/Zurich", "2031-03-30T00:59:59Z"),
    ("2031-03-30T02:00:00", "Europe/Zurich", "2031-03-30T01:00:00Z"),
    ("2031-03-30T02:59:59.999", "Europe/Zurich", "2031-03-30T01:00:00Z"),
    ("2031-03-30T03:00:00", "Europe/Zurich", "2031-03-30T01:00:00Z"),
    ("2031-10-26T02:30:00", "Europe/Zurich", "2031-10-26T00:30:00Z"),
    ("2031-10-26T03:00:00", "Europe/Zurich", "2031-10-26T02:00:00Z"),
    ("2011-12-30T12:00:00", "Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("2011-12-30T23:59:59", "Pacific/Apia", "2011-12-30T10:00:00Z"),
];

#[test]
fn a_skipped_time_means_the_end_of_the_gap_and_a_doubled_one_its_first_passing() {
    for (local, zone, at) in LOCAL_TIMES {
        let means = earliest_instant(local.parse().expect("a local time"), parse_zone(zone).expect("a zone"));
        assert_eq!(means, instant(at), "{local} in {zone}");
    }
}

/// `Due::on` must be the first instant whose local date is after the day.
fn assert_end_of_day(date: NaiveDate, zone: Tz) {
    let at = Due::on(date, zone).at;
    assert!(local_time(at, zone).date() > date, "{date} in {zone} has not ended at {at}");
    let quarter_hours = (0..120).map(|quarter| TimeDelta::minutes(15 * quarter));
    for earlier in quarter_hours.map(|back| at - TimeDelta::milliseconds(1) - back) {
        assert!(local_time(earlier, zone).date() <= date, "{date} in {zone} has ended at {earlier}, before {at}");
    }
}

fn zones() -> impl Strategy<Value = Tz> {
    select(&TZ_VARIANTS[..])
}

#[test]
fn every_day_of_every_zone_ends_at_the_first_instant_of_a_later_date() {
    let days = (day("1900-01-01").num_days_from_ce()..=day("2999-12-31").num_days_from_ce())
        .prop_map(|n| NaiveDate::from_num_days_from_ce_opt(n).expect("a day between 1900 and 2999"));
    for_all(10_000, (zones(), days), |(zone, date)| assert_end_of_day(date, zone));
}

/// The days of a year on which a zone changes its clocks.
fn clock_changes(zone: Tz, year: i32) -> Vec<NaiveDate> {
    let offset_at = |date: NaiveDate| {
        let midnight = date.and_time(NaiveTime::MIN);
        local_time(midnight.and_utc().into(), zone) - midnight
    };
    let days = NaiveDate::from_ymd_opt(year, 1, 1).expect("a new year's day").iter_days().take_while(|date| date.year() == year);
    days.filter(|date| offset_at(*date) != offset_at(*date + Days::new(1))).collect()
}

#[test]
fn days_around_a_change_of_clocks_end_at_the_first_instant_of_a_later_date() {
    for_all(1_500, (zones(), 1900..2999), |(zone, year)| {
        for change in clock_changes(zone, year) {
            for date in (change - Days::new(2)).iter_days().take(5) {
                assert_end_of_day(date, zone);
            }
        }
    });
}

#[test]
fn around_a_change_of_clocks_a_local_time_means_the_first_instant_that_reaches_it() {
    for_all(1_500, (zones(), 1900..2999, 0..(3 * 24 * 60i64)), |(zone, year, minutes)| {
        for change in clock_changes(zone, year) {
            let wanted = (change - Days::new(1)).and_time(NaiveTime::MIN) + TimeDelta::minutes(minutes);
            let at = earliest_instant(wanted, zone);
            assert!(local_time(at, zone) >= wanted, "{wanted} in {zone} is not reached at {at}");
            let before = at - TimeDelta::milliseconds(1);
            assert!(local_time(before, zone) < wanted, "{wanted} in {zone} is reached before {at}");
        }
    });
}

#[test]
fn a_requested_date_takes_the_projects_zone_unless_it_names_one() {
    let (date, at) = (day("2031-03-01"), instant("2031-03-01T12:00:00Z"));
    assert_eq!(DueRequest::On(date, None).resolve(Tz::Europe__Zurich), Due::on(date, Tz::Europe__Zurich));
    assert_eq!(DueRequest::On(date, Some(Tz::Asia__Tokyo)).resolve(Tz::Europe__Zurich), Due::on(date, Tz::Asia__Tokyo));
    assert_eq!(DueRequest::At(at).resolve(Tz::Europe__Zurich), Due::at(at, Tz::Europe__Zurich));
}

#[test]
fn dates_and_instants_lie_between_1900_and_2999() {
    for good in ["1900-01-01", "2999-12-31"] {
        assert_eq!(valid_date(day(good)), Ok(day(good)));
    }
    for (bad, year) in [("1899-12-31", 1899), ("3000-01-01", 3000)] {
        let refused = valid_date(day(bad)).expect_err("a date out of range was accepted");
        assert_eq!(refused.message, format!("a date must be between 1900-01-01 and 2999-12-31; this one is in the year {year}"));
    }
    for good in ["1900-01-01T00:00:00Z", "2999-12-31T23:59:59.999Z"] {
        assert_eq!(valid_instant(instant(good)), Ok(instant(good)));
    }
    for bad in ["1899-12-31T23:59:59.999Z", "3000-01-01T00:00:00Z"] {
        assert_eq!(valid_instant(instant(bad)).expect_err("an instant out of range was accepted").code, "INVALID_VALUE");
    }
}

#[test]
fn a_zone_is_known_by_its_name_in_the_iana_database() {
    for good in ["UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires", "Asia/Calcutta"] {
        assert_eq!(parse_zone(good).expect("a zone").name(), good);
    }
    for bad in ["", "Mars/Olympus", "europe/zurich", "+02:00", " UTC"] {
        let refused = parse_zone(bad).expect_err("a zone that is none was accepted");
        assert_eq!(refused.message, format!("{bad:?} is not an IANA time zone; use a name such as Europe/Zurich or UTC"));
    }
}

#[test]
fn a_span_is_in_order_unless_it_ends_before_it_starts() {
    let (first, last) = (Some(day("2031-03-01")), Some(day("2031-03-02")));
    for (start_on, due_on, in_order) in
        [(first, last, true), (first, first, true), (last, first, false), (last, None, true), (None, first, true), (None, None, true)]
    {
        assert_eq!(DateSpan { start_on, due_on }.in_order(), in_order, "{start_on:?} to {due_on:?}");
    }
}

#[test]
fn a_stored_due_moment_keeps_its_instant_and_its_zone() {
    is_stored_as(
        &Due::on(day("2031-03-01"), Tz::Europe__Zurich),
        &json!({"at": "2031-03-01T23:00:00Z", "date": "2031-03-01", "time_zone": "Europe/Zurich"}),
    );
    is_stored_as(&Due::at(instant("2031-03-01T12:00:00.5Z"), Tz::UTC), &json!({"at": "2031-03-01T12:00:00.500Z", "time_zone": "UTC"}));
    // What was recorded stays, even where the rules of the zone have changed since.
    let recorded = Due { at: instant("2031-03-01T22:00:00Z"), ..Due::on(day("2031-03-01"), Tz::Europe__Zurich) };
    is_stored_as(&recorded, &json!({"at": "2031-03-01T22:00:00Z", "date": "2031-03-01", "time_zone": "Europe/Zurich"}));
}

#[test]
fn bad_stored_due_moments_are_refused() {
    refusal_of::<Due>(json!({"at": "2031-03-01T23:00:00Z", "time_zone": "Mars/Olympus"}));
    refusal_of::<Due>(json!({"at": "2031-03-01", "time_zone": "UTC"}));
    refusal_of::<Due>(json!({"at": "2031-03-01T23:00:00Z"}));
    refusal_of::<Due>(json!({"date": "2031-03-01", "time_zone": "UTC"}));
}

#[test]
fn a_skipped_time_with_a_fraction_of_a_second_means_the_end_of_the_gap_too() {
    let end = instant("2027-03-28T01:00:00Z");
    for millis in [0, 1, 300, 999, 1_300] {
        let local = NaiveDate::from_ymd_opt(2027, 3, 28).and_then(|day| day.and_hms_opt(2, 0, 0)).expect("a time")
            + TimeDelta::milliseconds(millis);
        assert_eq!(earliest_instant(local, chrono_tz::Europe::Zurich), end, "{local}");
    }
}
