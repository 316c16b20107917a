//! An instant on the time line, independent of its notation.
//!
//! Instants have milliseconds and no second 60. Finer digits are truncated, and a second 60, with which RFC 3339 writes
//! a leap second, is second 0 of the next minute, as PostgreSQL reads it. Every interface (GraphQL, the import, the
//! log) parses instants by [`Instant::from_str`], so that the stored, returned, compared and published values are
//! equal.

use super::InvalidValue;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// An instant in UTC, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(DateTime<Utc>);

impl Instant {
    /// As chrono's type. It never contains a leap second, which chrono writes as more than a second of nanoseconds.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }
}

impl From<DateTime<Utc>> for Instant {
    fn from(at: DateTime<Utc>) -> Self {
        // In milliseconds since 1970 a leap second is the second after it.
        Self(DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

impl From<Instant> for DateTime<Utc> {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

impl Add<TimeDelta> for Instant {
    type Output = Self;
    fn add(self, later: TimeDelta) -> Self {
        (self.0 + later).into()
    }
}

impl Sub for Instant {
    type Output = TimeDelta;
    fn sub(self, earlier: Self) -> TimeDelta {
        self.0 - earlier.0
    }
}

impl Sub<TimeDelta> for Instant {
    type Output = Self;
    fn sub(self, lead: TimeDelta) -> Self {
        (self.0 - lead).into()
    }
}

impl FromStr for Instant {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match DateTime::parse_from_rfc3339(text) {
            Ok(at) => Ok(at.with_timezone(&Utc).into()),
            Err(_) => Err(InvalidValue::new(format!(
                "{text:?} is not an RFC 3339 instant; write year, month, day, time and offset, such as 2031-03-10T12:00:00.000Z"
            ))),
        }
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Instant;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 instant such as 2031-03-10T12:00:00.000Z")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Instant, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
