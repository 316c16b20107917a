//! Which fields of an input are omitted, and so are not written. What is written of a request is hashed, and the log keeps the hash.

use super::patch::Patch;
use super::values::{Moment, Wire};
use chrono::NaiveDate;
use uuid::Uuid;

/// The type of a field.
pub(crate) trait Field {
    /// Whether the field is omitted. One that is required never is.
    fn is_omitted(&self) -> bool {
        false
    }
}

impl<T> Field for Option<T> {
    fn is_omitted(&self) -> bool {
        self.is_none()
    }
}

impl<T> Field for Patch<T> {
    fn is_omitted(&self) -> bool {
        self.is_absent()
    }
}

impl Field for Uuid {}
impl Field for i64 {}
impl Field for String {}
impl Field for NaiveDate {}
impl Field for Moment {}
impl<T> Field for Wire<T> {}
impl<T> Field for Vec<T> {}
