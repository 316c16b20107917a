use super::{is_stored_as, refusal_of};
use crate::testing::{for_all, instant};
use crate::values::{Instant, valid_instant};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// What is written, and the instant that it is.
const WRITTEN: [(&str, &str); 10] = [
    ("2031-03-01T12:00:00Z", "2031-03-01T12:00:00Z"),
    ("2031-03-01t12:00:00z", "2031-03-01T12:00:00Z"),
    ("2031-03-01T12:00:00.123999Z", "2031-03-01T12:00:00.123Z"),
    ("2031-03-01T12:00:00.999999999Z", "2031-03-01T12:00:00.999Z"),
    ("2031-03-01T14:00:00+02:00", "2031-03-01T12:00:00Z"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z"),
    ("2031-03-01T12:34:60.9999Z", "2031-03-01T12:35:00.999Z"),
    ("2031-03-01T00:59:60+01:00", "2031-03-01T00:00:00Z"),
    ("1969-12-31T23:59:60.001Z", "1970-01-01T00:00:00.001Z"),
];

#[test]
fn an_instant_has_milliseconds_and_no_second_60() {
    for (written, is) in WRITTEN {
        let read = written.parse::<Instant>().expect("an instant");
        assert_eq!(read, instant(is), "{written}");
        assert_eq!(read.utc(), is.parse::<DateTime<Utc>>().expect("an instant"), "{written}");
        assert_eq!(serde_json::from_value::<Instant>(json!(written)).expect("an instant"), read, "{written} when stored");
        assert_eq!(Instant::from(written.parse::<DateTime<Utc>>().expect("chrono reads it")), read, "{written} as chrono has it");
        assert_eq!(serde_json::to_value(read).expect("JSON"), serde_json::to_value(read.utc()).expect("JSON"), "{written} is stored");
    }
    is_stored_as(&instant("2031-03-01T12:00:00.500Z"), &json!("2031-03-01T12:00:00.500Z"));
}

#[test]
fn what_is_no_instant_is_refused_by_naming_it_and_a_right_one() {
    for bad in ["", "tomorrow", "2031-03-01", "2031-03-01T12:00:00", "2031-03-01T12:00:61Z", "2031-3-1T12:00:00Z", "12031-03-01T12:00:00Z"]
    {
        let refused = bad.parse::<Instant>().expect_err("a text that is no instant was accepted");
        assert!(refused.message.starts_with(&format!("{bad:?} is not an RFC 3339 instant")), "{refused}");
        assert!(refused.message.contains("2031-03-10T12:00:00.000Z"), "{refused}");
        assert_eq!(refusal_of::<Instant>(json!(bad)), refused.message);
    }
    refusal_of::<Instant>(json!(7));
}

#[test]
fn second_60_of_the_last_year_is_beyond_it() {
    assert!(valid_instant(instant("2999-12-31T23:59:59.999Z")).is_ok());
    let refused = valid_instant(instant("2999-12-31T23:59:60Z")).expect_err("it is the first moment of 3000");
    assert!(refused.message.contains("3000"), "{refused}");
}

#[test]
fn every_moment_of_chrono_is_an_instant_that_stays_what_it_is() {
    let moments = (-62_000_000_000i64..250_000_000_000, 0..2_000_000_000u32);
    for_all(3_000, moments, |(seconds, nanos)| {
        // More than a second of nanoseconds is how chrono writes a leap second, which it takes at the end of a minute only.
        let seconds = if nanos >= 1_000_000_000 { seconds - seconds.rem_euclid(60) + 59 } else { seconds };
        let moment = DateTime::from_timestamp(seconds, nanos).expect("a moment");
        let at = Instant::from(moment);
        assert_eq!(at.utc().timestamp_millis(), moment.timestamp_millis());
        assert!(at.utc().timestamp_subsec_nanos() < 1_000_000_000 && at.utc().timestamp_subsec_nanos() % 1_000_000 == 0);
        assert_eq!(Instant::from(at.utc()), at);
        assert_eq!(
            serde_json::from_value::<Instant>(serde_json::to_value(at).expect("JSON")).ok(),
            Some(at).filter(|_| (0..=9999).contains(&chrono::Datelike::year(&moment)))
        );
        assert_eq!((at - TimeDelta::milliseconds(1)).utc() + TimeDelta::milliseconds(1), at.utc());
    });
    for edge in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        assert_eq!(Instant::from(Instant::from(edge).utc()), Instant::from(edge));
    }
}
