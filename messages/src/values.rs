//! What the messages of several aggregates say.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
#[cfg(feature = "schema")]
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC: RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub DateTime<Utc>);

/// When something is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct DueV1 {
    pub at: Moment,
    /// The due date, if a date was given; `at` is then the end of that day in `time_zone`.
    pub date: Option<NaiveDate>,
    pub time_zone: String,
}

/// Old and new value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ChangeV1<T> {
    pub from: T,
    pub to: T,
}

impl Moment {
    /// As it is written.
    pub fn text(&self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self)
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(feature = "from-domain")]
mod from_domain {
    use super::{ChangeV1, DueV1, Moment};
    use domain::values::{Change, Due, Instant};

    impl From<Instant> for Moment {
        fn from(instant: Instant) -> Self {
            Self(instant.utc())
        }
    }

    impl From<Due> for DueV1 {
        fn from(due: Due) -> Self {
            Self { at: due.at.into(), date: due.date, time_zone: due.time_zone.name().to_owned() }
        }
    }

    impl<T> ChangeV1<T> {
        /// The change of a field, if it changed.
        pub(crate) fn of<U: Clone>(change: &Option<Change<U>>, make: impl Fn(U) -> T) -> Option<Self> {
            change.as_ref().map(|change| Self { from: make(change.from.clone()), to: make(change.to.clone()) })
        }
    }
}
