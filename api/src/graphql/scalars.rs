//! Scalars of the schema.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{NaiveDate, SecondsFormat, Utc};
use domain::values::Instant;
use std::fmt;

/// RFC 3339 instant, UTC, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// RFC 3339 instant in UTC with milliseconds. Finer fractions are truncated; a leap second (60) becomes second 0 of the
/// next minute.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text.parse().map(|at: Instant| Self(at.utc())).map_err(InputValueError::custom),
            _ => Err(InputValueError::custom("expected an RFC 3339 instant such as 2031-03-10T12:00:00.000Z")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// ISO 8601 calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

/// ISO 8601 calendar date.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let expected = "a calendar date such as 2031-03-10";
        match &value {
            // Only the ten characters of the form: the parser would take 2031-3-1 as well.
            Value::String(text) if text.len() == 10 => match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
                Ok(date) => Ok(Self(date)),
                Err(_) => Err(InputValueError::custom(format!("{text:?} is not {expected}"))),
            },
            Value::String(text) => Err(InputValueError::custom(format!("{text:?} is not {expected}"))),
            _ => Err(InputValueError::custom(format!("expected {expected}"))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

/// IANA time-zone name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(pub String);

/// IANA time-zone name, such as `Europe/Zurich` or `UTC`.
#[Scalar(name = "TimeZone")]
impl ScalarType for TimeZone {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(name) => Ok(Self(name)),
            _ => Err(InputValueError::custom("expected an IANA time zone name such as Europe/Zurich")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// Place in the one total order of all events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Position {
    /// Reads a position from its text.
    pub fn parse_text(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse().ok().map(Self) } else { None }
    }
}

/// Position in the log, which orders all events; a decimal string, because it can exceed Int.
#[Scalar(name = "Position")]
impl ScalarType for Position {
    fn parse(value: Value) -> InputValueResult<Self> {
        let expected = "a position is a decimal string such as \"42\"";
        match &value {
            Value::String(text) => Self::parse_text(text).ok_or_else(|| InputValueError::custom(format!("{expected}, got {text:?}"))),
            Value::Number(number) => match number.as_i64() {
                Some(position) if position >= 0 => Ok(Self(position)),
                _ => Err(InputValueError::custom(format!("{expected}, got {number}"))),
            },
            _ => Err(InputValueError::custom(expected)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// A whole number beyond 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long(pub i64);

/// The highest number that JSON readers keep exactly.
const SAFE_MAX: i64 = 1 << 53;

/// An integer that may exceed 32 bits, as a JSON number up to 2^53.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => match number.as_i64() {
                Some(number) if number.abs() <= SAFE_MAX => Ok(Self(number)),
                _ => Err(InputValueError::custom(format!("expected an integer up to 2^53, got {number}"))),
            },
            _ => Err(InputValueError::custom("expected an integer up to 2^53")),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0.clamp(-SAFE_MAX, SAFE_MAX))
    }
}

/// Any JSON value.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub serde_json::Value);

/// Any JSON value.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

/// A version as the schema's 32 bits.
pub(crate) fn version(version: i64) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

/// A count as the schema's 32 bits.
pub(crate) fn count(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
