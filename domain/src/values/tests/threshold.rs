use super::{is_stored_as, refusal_of};
use crate::testing::{day, for_all, instant};
use crate::values::ThresholdUnit::{Days, Hours, Minutes};
use crate::values::{Due, Instant, ResolvedThreshold, Threshold, ThresholdUnit, Thresholds, local_time};
use chrono::{NaiveTime, TimeDelta};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::sample::select;
use serde_json::json;

fn lead(amount: u32, unit: ThresholdUnit) -> Threshold {
    Threshold { amount, unit }
}

#[test]
fn a_lead_is_one_unit_to_ten_years() {
    for (unit, most) in [(Days, 3_650), (Hours, 87_600), (Minutes, 5_256_000)] {
        for amount in [1, most] {
            assert_eq!(Threshold::new(i64::from(amount), unit), Ok(lead(amount, unit)));
        }
        for amount in [0, -1, i64::from(most) + 1, i64::MAX, i64::MIN] {
            let refused = Threshold::new(amount, unit).expect_err("a lead out of range was accepted");
            assert_eq!(refused.code, "INVALID_VALUE");
            assert_eq!(refused.message, format!("a threshold must be 1 to {most} {}; got {amount}", unit.word()));
        }
    }
}

#[test]
fn days_are_counted_by_the_calendar_and_hours_by_the_clock() {
    let end_of = |date| Due::on(day(date), Tz::Europe__Zurich);
    let moment = |at| Due::at(instant(at), Tz::Europe__Zurich);
    for (due, lead, at, why) in [
        (end_of("2031-03-10"), lead(3, Days), "2031-03-07T23:00:00Z", "no change between"),
        (end_of("2031-04-01"), lead(3, Days), "2031-03-29T23:00:00Z", "71 hours: midnight in winter time"),
        (end_of("2031-04-01"), lead(72, Hours), "2031-03-29T22:00:00Z", "72 hours"),
        (end_of("2031-10-27"), lead(2, Days), "2031-10-25T22:00:00Z", "49 hours: midnight in summer time"),
        (end_of("2031-10-27"), lead(2_880, Minutes), "2031-10-25T23:00:00Z", "48 hours"),
        (moment("2031-03-31T07:00:00Z"), lead(3, Days), "2031-03-28T08:00:00Z", "nine o'clock on both days"),
        (moment("2031-03-31T07:00:00.5Z"), lead(1, Hours), "2031-03-31T06:00:00.5Z", "to the millisecond"),
        (moment("2031-04-02T00:30:00Z"), lead(3, Days), "2031-03-30T01:00:00Z", "half past two is skipped"),
        (moment("2031-10-29T01:30:00Z"), lead(3, Days), "2031-10-26T00:30:00Z", "half past two passes twice"),
        (end_of("2031-03-10"), lead(3_650, Days), "2021-03-12T23:00:00Z", "ten years"),
        (Due::on(day("1900-01-01"), Tz::UTC), lead(3_650, Days), "1890-01-04T00:00:00Z", "before the first day there is"),
        (Due::on(day("2011-12-30"), Tz::Pacific__Apia), lead(1, Days), "2011-12-30T10:00:00Z", "the day before is not there"),
    ] {
        assert_eq!(lead.before(&due), instant(at), "{why}");
    }
}

#[test]
fn days_before_the_end_of_a_day_end_days() {
    let inputs = (select(&TZ_VARIANTS[..]), 0..400_000u64, 1..3_651u32);
    for_all(3_000, inputs, |(zone, days, ahead)| {
        let date = day("1900-01-01") + chrono::Days::new(days);
        let earlier = date - chrono::Days::new(u64::from(ahead));
        assert_eq!(lead(ahead, Days).before(&Due::on(date, zone)), Due::on(earlier, zone).at);
    });
}

#[test]
fn days_before_an_instant_keep_the_local_time_or_pass_the_gap_it_falls_in() {
    let inputs = (select(&TZ_VARIANTS[..]), 0..(1_090 * 365 * 24 * 60i64), 1..400u32);
    for_all(3_000, inputs, |(zone, minutes, ahead)| {
        let at = Instant::from(day("1900-01-01").and_time(NaiveTime::MIN).and_utc() + TimeDelta::minutes(minutes));
        let local = |at: Instant| local_time(at, zone);
        let wanted = local(at) - chrono::Days::new(u64::from(ahead));
        let warned = lead(ahead, Days).before(&Due::at(at, zone));
        assert!(warned < at);
        // Later than wanted only in a gap, where nothing shows the wanted time.
        assert!(local(warned) >= wanted && local(warned - TimeDelta::milliseconds(1)) < wanted);
    });
}

#[test]
fn a_schedule_has_at_most_twenty_thresholds() {
    let leads = |count| (1..=count).map(|n| lead(n, Hours)).collect::<Vec<_>>();
    Thresholds::new(leads(20)).expect("twenty are allowed");
    let refused = Thresholds::new(leads(21)).expect_err("twenty-one are too many");
    assert_eq!((refused.code, refused.message.as_str()), ("TOO_MANY_THRESHOLDS", "a schedule can have at most 20 thresholds; got 21"));
}

#[test]
fn without_thresholds_a_schedule_warns_three_days_ahead() {
    assert_eq!(Some(Thresholds::default()), Thresholds::new(vec![lead(3, Days)]).ok());
}

#[test]
fn moments_are_resolved_earliest_first_and_leads_that_fall_together_stay_apart() {
    let requested = Thresholds::new(vec![lead(30, Minutes), lead(1, Days), lead(2, Hours), lead(24, Hours), lead(30, Minutes)]);
    let resolved = requested.expect("five leads").resolve(&Due::on(day("2031-03-10"), Tz::UTC));
    let moments = resolved.iter().map(|threshold| (threshold.lead(), threshold.at)).collect::<Vec<_>>();
    assert_eq!(
        moments,
        [
            (lead(24, Hours), instant("2031-03-10T00:00:00Z")),
            (lead(1, Days), instant("2031-03-10T00:00:00Z")),
            (lead(2, Hours), instant("2031-03-10T22:00:00Z")),
            (lead(30, Minutes), instant("2031-03-10T23:30:00Z")),
        ]
    );
}

#[test]
fn no_thresholds_at_all_are_allowed() {
    assert_eq!(Thresholds::new(vec![]).expect("none are allowed").resolve(&Due::on(day("2031-03-10"), Tz::UTC)), []);
}

#[test]
fn a_stored_threshold_keeps_its_moment() {
    is_stored_as(&lead(3, Days), &json!({"amount": 3, "unit": "days"}));
    is_stored_as(
        &ResolvedThreshold { amount: 90, unit: Minutes, at: instant("2031-03-10T22:30:00Z") },
        &json!({"amount": 90, "unit": "minutes", "at": "2031-03-10T22:30:00Z"}),
    );
    refusal_of::<Threshold>(json!({"amount": -1, "unit": "days"}));
    refusal_of::<Threshold>(json!({"amount": 1, "unit": "weeks"}));
    refusal_of::<ResolvedThreshold>(json!({"amount": 1, "unit": "days"}));
}
