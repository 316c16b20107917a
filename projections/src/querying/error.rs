//! Why a query was not answered.

use super::page::ForeignCursor;
use thiserror::Error;

/// A question that was not answered.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The caller: the cursor is not of this list.
    #[error(transparent)]
    Cursor(#[from] ForeignCursor),
    /// The caller: a value that no row can have, so that the database does not even compare.
    #[error("a text of the query contains the character U+0000, which no stored text has")]
    Value(#[source] sqlx::Error),
    /// The caller: what the answer is made of is more than one request may have.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// Us, for a moment: the database is not there, or has too much to do.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// Us, for a moment: the database ended the question, since it took too long.
    #[error("the database took too long; request less, or try again")]
    TooSlow(#[source] sqlx::Error),
    /// Us, until a new version is live: what is there has other columns, or nothing is there yet.
    #[error("the read model is being built for this version of Milepost; try again")]
    Building(#[source] sqlx::Error),
    /// Us: the question or the rows are wrong.
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
            // The table or the column is not there.
            sqlx::Error::Database(refused) if matches!(refused.code().as_deref(), Some("42P01" | "42703")) => Self::Building(error),
            // Connection exceptions, transactions that waited for too long, conflicts, insufficient resources, locks, what an administrator does, and trouble with files.
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
    /// Of everything that is under way, for who asks or on the node.
    #[error("{limit} is at its limit of {allowed}")]
    Underway { limit: &'static str, allowed: usize, of_node: bool },
}
