//! A field of an update: omitted, cleared, or set.

use super::checks::Checks;
use domain::values::InvalidValue;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// What an update says about a field. An omitted field keeps its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Patch<T> {
    #[default]
    Absent,
    Null,
    Value(T),
}

impl<T> Patch<T> {
    /// Whether the field is omitted.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// A field that can be cleared.
    pub(crate) fn clearable<U>(
        self,
        checks: &mut Checks,
        path: &str,
        parse: impl FnOnce(T) -> Result<U, InvalidValue>,
    ) -> Option<Option<U>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => checks.value(path, parse(value)).map(Some),
        }
    }

    /// A field that is empty rather than absent when cleared.
    pub(crate) fn or_empty<U>(
        self,
        checks: &mut Checks,
        path: &str,
        empty: U,
        parse: impl FnOnce(T) -> Result<U, InvalidValue>,
    ) -> Option<U> {
        match self {
            Self::Absent => None,
            Self::Null => Some(empty),
            Self::Value(value) => checks.value(path, parse(value)),
        }
    }

    /// A field that always has a value.
    pub(crate) fn required<U>(self, checks: &mut Checks, path: &str, parse: impl FnOnce(T) -> Result<U, InvalidValue>) -> Option<U> {
        match self {
            Self::Absent => None,
            Self::Null => checks.value(path, Err(InvalidValue::new(format!("{path} cannot be null; omit it to keep the current value")))),
            Self::Value(value) => checks.value(path, parse(value)),
        }
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}
