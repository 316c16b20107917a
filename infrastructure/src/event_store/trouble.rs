//! Why the database takes no events.

use crate::postgres::refusal_advice;
use std::time::{Duration, Instant};

/// How long after the last refusal it is tried whether the cause is gone. Whoever asks does so as often as they like.
const TRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal that says nothing about what was to be appended.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// When the database was last asked.
    pub(super) at: Instant,
    /// Its words, and what to do.
    pub(super) why: String,
}

impl Trouble {
    pub(super) fn now(code: &str, message: &str) -> Self {
        Self { at: Instant::now(), why: format!("{message}; {}", refusal_advice(code)) }
    }

    pub(super) fn is_to_be_tried(&self) -> bool {
        self.at.elapsed() >= TRY_AFTER
    }
}
