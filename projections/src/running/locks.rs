//! Waits for locks with short timeouts.

use crate::running::lock_holders;
use crate::running::run_context::RunContext;
use sqlx::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Pause after locks were not had in the time there was, and the longest: it doubles each time. While they are waited for, for at
/// most 50 ms, queries wait behind that; so they do so for less than a tenth of the time.
const PAUSE: Duration = Duration::from_millis(600);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Waits for locks for which queries queue up: each try is short, and the pauses in between grow.
pub(crate) struct LockWait {
    model: &'static str,
    /// The reason for the wait, for the log.
    what: &'static str,
    pause: Duration,
}

impl LockWait {
    pub(crate) fn new(model: &'static str, what: &'static str) -> Self {
        Self { model, what, pause: PAUSE }
    }

    /// Pauses after an attempt that could not get its locks, because long transactions hold them, or that timed out
    /// itself. Logs the holders. Returns any other error.
    pub(crate) async fn pause_after(&mut self, context: &RunContext, error: Error) -> Result<(), Error> {
        if !error.as_database_error().and_then(|error| error.code()).is_some_and(|code| matches!(&*code, "55P03" | "25P03")) {
            return Err(error);
        }
        let blocked_by = lock_holders::of(&context.pool, self.model).await;
        tracing::warn!(
            projection.name = self.model,
            ?blocked_by,
            pause_ms = self.pause.as_millis() as u64,
            "{}; retrying after a pause",
            self.what
        );
        context.heartbeat.idle(tokio::time::sleep(around(self.pause))).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// A pause with up to a quarter of jitter, so that nodes that wait for the same lock do not retry at once.
fn around(pause: Duration) -> Duration {
    let quarters = f64::from(u8::try_from(RandomState::new().build_hasher().finish() >> 56).unwrap_or(0)) / 255.0;
    pause.mul_f64(0.75 + quarters / 2.0)
}
