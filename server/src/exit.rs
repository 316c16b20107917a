//! Exit codes of the binary.

use application::ports::LogError;
use infrastructure::postgres::{DatabaseError, refused_for_good};
use std::error::Error;

/// The answer is no: differences, rejects, not healthy.
pub const NO: u8 = 1;
/// Wrong use, or wrong settings.
pub const WRONG_USE: u8 = 2;
/// A required server is unavailable.
pub const NOT_THERE: u8 = 3;

/// Why the binary ends with something else than 0.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    /// One sentence; empty where the answer was printed already.
    pub message: String,
}

impl Failure {
    /// The answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self { code: NO, message: message.into() }
    }

    /// Wrong use, or wrong settings.
    pub fn wrong_use(message: impl Into<String>) -> Self {
        Self { code: WRONG_USE, message: message.into() }
    }

    /// A required server is unavailable.
    pub fn not_there(message: impl Into<String>) -> Self {
        Self { code: NOT_THERE, message: message.into() }
    }
}

impl Failure {
    /// The database failed: it is unavailable, or it denies access.
    pub fn of_database(message: &str, error: &(dyn Error + 'static)) -> Self {
        match refused_for_good(error) {
            Some(reason) => Self::wrong_use(format!("{message}: {reason}")),
            None => Self::not_there(format!("{message}: {error}")),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let message = error.to_string();
        match error {
            DatabaseError::Unreachable { .. } => Self::not_there(message),
            DatabaseError::Url(_)
            | DatabaseError::TooOld { .. }
            | DatabaseError::Newer { .. }
            | DatabaseError::Older
            | DatabaseError::Changed(_)
            | DatabaseError::Forbidden { .. }
            | DatabaseError::Refused { .. }
            | DatabaseError::Migration(_) => Self::wrong_use(message),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Corrupt(cause) | LogError::Unfit(cause) => Self::wrong_use(format!("{error}: {cause}")),
            LogError::Rejected(_) => Self::wrong_use(error.to_string()),
            LogError::Overloaded { .. } | LogError::Unreachable(_) | LogError::NoRoom(_) | LogError::OutcomeUnknown => {
                Self::not_there(error.to_string())
            }
        }
    }
}
