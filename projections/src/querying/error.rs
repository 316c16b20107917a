//! Why a query was not answered.

use super::page::ForeignCursor;
use thiserror::Error;

/// Why a query failed.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The caller: the cursor is not of this list.
    #[error(transparent)]
    Cursor(#[from] ForeignCursor),
    /// The caller: a value that no row can have, so it is refused before the database compares it.
    #[error("a text of the query contains the character U+0000, which no stored text has")]
    Value(#[source] sqlx::Error),
    /// The caller: the answer needs more data than one request may read.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// Us, temporarily: the database is unavailable or overloaded.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// Us, temporarily: the database cancelled the query because it took too long.
    #[error("the database took too long; request less, or try again")]
    TooSlow(#[source] sqlx::Error),
    /// Us, until a new version is live: the live one has other columns, or none exists yet.
    #[error("the read model is being built for this version of Milepost; try again")]
    Building(#[source] sqlx::Error),
    /// Us: the query or the rows are wrong.
    #[error("the database query failed")]
    Broken(#[source] sqlx::Error),
}

impl From<sqlx::Error> for QueryError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what sqlx adds is not the fault of the caller")]
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // A connection that ends at its very beginning is a broken protocol to sqlx.
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(refused) if refused.code().as_deref() == Some("22021") => Self::Value(error),
            sqlx::Error::Database(refused) if refused.code().as_deref() == Some("57014") => Self::TooSlow(error),
            // The table or the column does not exist.
            sqlx::Error::Database(refused) if matches!(refused.code().as_deref(), Some("42P01" | "42703")) => Self::Building(error),
            // Connection exceptions, transactions that waited for too long, conflicts, insufficient resources, locks,
            // actions of an administrator, and file system errors.
            sqlx::Error::Database(refused)
                if refused
                    .code()
                    .is_some_and(|code| ["08", "25P", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Broken(error),
        }
    }
}

/// More was read for one request than it may have: the limit that is reached, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooMuch {
    /// Of one answer.
    #[error("{limit} is {value}, and {allowed} is allowed")]
    InAnswer { limit: &'static str, value: usize, allowed: usize },
    /// The limit of all running requests, of one caller or of the node.
    #[error("{limit} is at its limit of {allowed}")]
    Underway { limit: &'static str, allowed: usize, of_node: bool },
}
