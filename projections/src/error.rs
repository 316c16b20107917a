//! Why a question was not answered, and what it says of rows that they could not be read or written.

use crate::querying::page::ForeignCursor;
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

/// What an error says of the rows that an event changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsClass {
    /// Nothing: whatever is read or written meets it. Wait as long as it takes.
    Waits,
    /// Something is wrong with them, or with how the server got at them: it may pass.
    MayPass,
    /// They meet it again until somebody changes them.
    Stays,
}

/// What an error says of the rows that an event changes.
pub(crate) fn class(error: &sqlx::Error) -> RowsClass {
    match error {
        // What cannot be written, and a stored value that is none.
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => RowsClass::Stays,
        sqlx::Error::Database(refused) => class_of_code(&refused.code().unwrap_or_default()),
        // Connections; and columns and types, which all rows have.
        _ => RowsClass::Waits,
    }
}

/// The same by the code of the server. Codes that are not known say nothing: to wait loses nothing.
fn class_of_code(code: &str) -> RowsClass {
    let is_one_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    match code {
        // Two values for one row, data exceptions, broken constraints, exceeded limits, errors that functions raise.
        _ if is_one_of(&["21", "22", "23", "54", "P0"]) => RowsClass::Stays,
        // Damaged pages and indexes, and whatever the server did not expect, such as an allocation of an invalid size.
        _ if is_one_of(&["XX"]) => RowsClass::MayPass,
        _ => RowsClass::Waits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_something_about_rows_parks_an_event() {
        for code in ["21000", "22001", "22021", "22P02", "23505", "23514", "54000", "54001", "P0001"] {
            assert_eq!(class_of_code(code), RowsClass::Stays, "{code}");
        }
        for code in ["XX000", "XX001", "XX002"] {
            assert_eq!(class_of_code(code), RowsClass::MayPass, "{code}");
        }
        // Connections, rights and tables, transactions, resources, locks, what an administrator does, trouble with files.
        let of_all = ["08006", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "42501", "42P01", "53100", "53200", "55P03"];
        for code in of_all.into_iter().chain(["57014", "57P01", "58030", "99999", ""]) {
            assert_eq!(class_of_code(code), RowsClass::Waits, "{code}");
        }
        let stored = sqlx::Error::Decode("9 is no priority".into());
        assert_eq!([class(&stored), class(&sqlx::Error::PoolTimedOut)], [RowsClass::Stays, RowsClass::Waits]);
    }
}
