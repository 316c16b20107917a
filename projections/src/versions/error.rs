//! Why a build stopped.

use crate::running::apply::ApplyError;
use crate::running::log::ReadError;
use thiserror::Error;

/// Why a build stopped. It continues from there when it is started again.
#[derive(Debug, Error)]
pub enum BuildError {
    #[error("the log could not be read: {0}")]
    Log(ReadError),
    #[error("event {position} cannot be applied: {error}")]
    Failed { position: i64, error: String },
    #[error("another process has changed this version")]
    Busy,
    #[error("the version that was being built was dropped")]
    Dropped,
    #[error("the live version was built by other rules than this program's (number {live}, here {ours}); run `rebuild`")]
    OtherRules { live: i32, ours: i32 },
    #[error("the live version was not built from this log, but from another one or from events that were lost; run `rebuild`")]
    OtherLog,
    #[error("no version is retained for rollback")]
    NothingRetained,
    #[error("this read model has no live version yet")]
    NothingLive,
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for BuildError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only one error is special")]
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // Its table has gone with it.
            sqlx::Error::Database(refused) if refused.code().as_deref() == Some("42P01") => Self::Dropped,
            _ => Self::Database(error),
        }
    }
}

impl From<ApplyError> for BuildError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Fenced => Self::Busy,
            ApplyError::Data(error) | ApplyError::Database(error) => error.into(),
            ApplyError::Failed { position, error } => Self::Failed { position, error },
        }
    }
}
