//! Enumerations as callers write them: the upper-case names of the GraphQL schema.

use domain::task::Status;
use domain::values::{CollaboratorRole, Priority, ThresholdUnit};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

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

impl Word for CollaboratorRole {
    const NAME: &'static str = "CollaboratorRole";
    const WORDS: &'static [(&'static str, Self)] =
        &[("VIEWER", Self::Viewer), ("EDITOR", Self::Editor), ("MANAGER", Self::Manager), ("OWNER", Self::Owner)];
}

impl Word for ThresholdUnit {
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
