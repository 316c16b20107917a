//! The commands of a request that are stored, independent of its answer.

use super::scalars::{Position, version};
use application::executor::Outcome;
use async_graphql::{Error, ErrorExtensions, Value, value};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// When a request must be answered.
pub(crate) struct Deadline(pub(crate) Instant);

/// The commands of a request that are stored, for an answer that has no place for their payloads.
#[derive(Default)]
pub(crate) struct Stored(Mutex<Vec<Value>>);

impl Stored {
    /// Notes a command, under the key that its payload would have had.
    pub(crate) fn note(&self, key: &str, outcome: &Outcome) {
        let noted = value!({
            "path": [key],
            "position": (Position(outcome.position).to_string()),
            "version": (version(outcome.version)),
            "replayed": (outcome.replayed),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
    }

    /// The error about the whole request, with the commands that are stored all the same.
    pub(crate) fn told_by(&self, error: Error) -> Error {
        let stored = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if stored.is_empty() {
            return error;
        }
        error.extend_with(|_, extensions| extensions.set("stored", Value::List(stored)))
    }
}
