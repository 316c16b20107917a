//! How the binary ends.

use infrastructure::postgres::DatabaseError;

/// The answer is no: differences, rejects, not healthy.
pub const NO: u8 = 1;
/// Wrong use, or wrong settings.
pub const WRONG_USE: u8 = 2;
/// A server that is needed is not there.
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

    /// A server that is needed is not there.
    pub fn not_there(message: impl Into<String>) -> Self {
        Self { code: NOT_THERE, message: message.into() }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let message = error.to_string();
        match error {
            DatabaseError::Unreachable { .. } | DatabaseError::Other(_) => Self::not_there(message),
            DatabaseError::Url(_)
            | DatabaseError::TooOld { .. }
            | DatabaseError::Newer(_)
            | DatabaseError::Older
            | DatabaseError::Changed(_)
            | DatabaseError::Forbidden { .. }
            | DatabaseError::Migration(_) => Self::wrong_use(message),
        }
    }
}
