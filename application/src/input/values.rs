//! The types of the fields of inputs. Tables of inputs use these names, and `api` has types of GraphQL under the same names.

use chrono::{DateTime, NaiveDate, Utc};
use domain::task::Status;
use domain::values::{self, Instant, Priority};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use uuid::Uuid;

/// The id of an aggregate, a user or a command.
pub(crate) type Id = Uuid;
/// A whole number.
pub(crate) type Int = i64;
pub(crate) type Text = String;
/// A calendar date.
pub(crate) type Day = NaiveDate;
/// The name of an IANA time zone.
pub(crate) type Zone = String;
pub(crate) type TaskPriority = Wire<Priority>;
pub(crate) type TaskStatus = Wire<Status>;
pub(crate) type CollaboratorRole = Wire<values::CollaboratorRole>;
pub(crate) type ThresholdUnit = Wire<values::ThresholdUnit>;

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub Instant);

impl From<DateTime<Utc>> for Moment {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.into())
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A value that callers name by an upper-case word.
pub trait Word: Copy + PartialEq + 'static {
    /// The name of the enumeration.
    const NAME: &'static str;
    /// Every word with its value.
    const WORDS: &'static [(&'static str, Self)];
}

/// A value written as its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire<T>(pub T);

impl Word for Priority {
    const NAME: &'static str = "TaskPriority";
    const WORDS: &'static [(&'static str, Self)] =
        &[("CRITICAL", Self::Critical), ("HIGH", Self::High), ("MEDIUM", Self::Medium), ("LOW", Self::Low)];
}

impl Word for Status {
    const NAME: &'static str = "TaskStatus";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("TODO", Self::Todo),
        ("IN_PROGRESS", Self::InProgress),
        ("IN_REVIEW", Self::InReview),
        ("BLOCKED", Self::Blocked),
        ("DONE", Self::Done),
        ("CANCELLED", Self::Cancelled),
    ];
}

impl Word for values::CollaboratorRole {
    const NAME: &'static str = "CollaboratorRole";
    const WORDS: &'static [(&'static str, Self)] =
        &[("VIEWER", Self::Viewer), ("EDITOR", Self::Editor), ("MANAGER", Self::Manager), ("OWNER", Self::Owner)];
}

impl Word for values::ThresholdUnit {
    const NAME: &'static str = "ThresholdUnit";
    const WORDS: &'static [(&'static str, Self)] = &[("MINUTES", Self::Minutes), ("HOURS", Self::Hours), ("DAYS", Self::Days)];
}

fn words<T: Word>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(word, _)| *word).collect()
}

impl<T: Word> Serialize for Wire<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (word, _) = T::WORDS.iter().find(|(_, value)| *value == self.0).expect("every value has a word");
        serializer.serialize_str(word)
    }
}

impl<'de, T: Word> Deserialize<'de> for Wire<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = String::deserialize(deserializer)?;
        match T::WORDS.iter().find(|(word, _)| *word == given) {
            Some((_, value)) => Ok(Self(*value)),
            None => Err(serde::de::Error::custom(format!("{given:?} is not one of {}", words::<T>().join(", ")))),
        }
    }
}

impl<T: Word> JsonSchema for Wire<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": words::<T>() })
    }
}
