//! What the errors of PostgreSQL mean, and what to do about them.

use application::ports::LogError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;
use thiserror::Error;

/// The database cannot be used, with what to do about it.
#[derive(Debug, Error)]
pub enum DatabaseError {
    #[error("DATABASE_URL is not a PostgreSQL URL such as postgres://user:password@host:5432/name: {0}")]
    Url(String),
    #[error("cannot reach PostgreSQL at {place}: {reason}")]
    Unreachable { place: String, reason: String },
    #[error("PostgreSQL {found} is too old; Milepost needs 14 or newer")]
    TooOld { found: String },
    #[error(
        "the database was made by a newer Milepost, and its migration {migration} has no room for this one: it needs a program that knows the migration {needs}; use that version or a newer one"
    )]
    Newer { migration: i64, needs: i64 },
    #[error("the database is older than this Milepost; run `milepost migrate`")]
    Older,
    #[error("the migration {0} differs from the one that was run; the binary and the database do not belong together")]
    Changed(i64),
    #[error(
        "{user} may not {what}: {reason}; deploy/postgres/roles.sql gives a login what it needs, and migrations may use another one by MILEPOST_MIGRATE_DATABASE_URL"
    )]
    Forbidden { user: String, what: &'static str, reason: String },
    #[error("migration failed: {0}")]
    Migration(#[source] MigrateError),
    #[error("PostgreSQL refused to {what}: {reason}")]
    Refused { what: &'static str, reason: String },
}

/// There is no connection.
pub(super) fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> DatabaseError {
    let reason = match error {
        sqlx::Error::Database(refused) => refused.message().to_owned(),
        error => error.to_string(),
    };
    DatabaseError::Unreachable { place: place(options), reason }
}

/// A statement failed on a connection that is there.
pub(super) fn refusal(options: &PgConnectOptions, what: &'static str, error: sqlx::Error) -> DatabaseError {
    let sqlx::Error::Database(refused) = &error else { return unreachable(options, &error) };
    let (code, reason) = (refused.code().unwrap_or_default().into_owned(), refused.message().to_owned());
    match code.as_str() {
        // Insufficient privilege, or a role that does not exist.
        "42501" | "22023" => DatabaseError::Forbidden { user: options.get_username().to_owned(), what, reason },
        code if is_passing(code) => unreachable(options, &error),
        code => {
            let advice = advice(code).map_or_else(String::new, |advice| format!("; {advice}"));
            DatabaseError::Refused { what, reason: format!("{reason}{advice}") }
        }
    }
}

/// A statement that the server does not carry out, whoever sends it again.
#[derive(Debug, Error)]
#[error("{0}")]
struct Unfit(String);

/// No file can grow.
pub(crate) const DISK_FULL: &str = "53100";
/// The server, or the transaction, takes no writes.
pub(crate) const READ_ONLY: &str = "25006";
/// A lock was not had in the time there was.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
/// The server ended a transaction that waited for its client for too long, or lasted too long.
const TRANSACTION_ENDED: [&str; 2] = ["25P03", "25P04"];

/// What a failed statement means to the application.
pub(crate) fn log_error(error: sqlx::Error) -> LogError {
    let code = match &error {
        sqlx::Error::Database(refused) => refused.code().unwrap_or_default().into_owned(),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. } => return LogError::Corrupt(Arc::new(error)),
        _ => return LogError::Unreachable(Arc::new(error)),
    };
    match advice(&code) {
        _ if code == DISK_FULL => LogError::NoRoom(Arc::new(error)),
        Some(advice) => LogError::Unfit(Arc::new(Unfit(format!("{error}; {advice}")))),
        None if is_passing(&code) || is_about_the_connection(&code) => LogError::Unreachable(Arc::new(error)),
        None => LogError::Unfit(Arc::new(error)),
    }
}

/// What an admin should hear of an error that comes of a statement which the server does not carry out; nothing of one
/// that passes.
pub fn refused_for_good(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let refused = causes.find_map(|cause| match cause.downcast_ref::<sqlx::Error>()? {
        sqlx::Error::Database(refused) => Some(refused),
        _ => None,
    })?;
    let code = refused.code().unwrap_or_default();
    let passing = is_passing(&code) || is_about_the_connection(&code);
    let advice = advice(&code).map_or_else(String::new, |advice| format!("; {advice}"));
    (!passing).then(|| format!("PostgreSQL refuses: {}{advice}", refused.message()))
}

/// What an admin does about a refusal.
fn advice(code: &str) -> Option<&'static str> {
    match code {
        "42501" => Some("the login lacks a privilege: see deploy/postgres/roles.sql, and run `milepost migrate` once more"),
        // A table, a column, a function, a schema that is not there.
        "42P01" | "42703" | "42883" | "3F000" => {
            Some("the database schema does not match this version of Milepost: run `milepost migrate`")
        }
        _ => None,
    }
}

/// The same for an error that no statement caused.
pub(crate) fn refusal_advice(code: &str) -> &'static str {
    advice(code).unwrap_or(match code {
        DISK_FULL => "free disk space for PostgreSQL",
        READ_ONLY => "name the primary in DATABASE_URL, or turn default_transaction_read_only off",
        _ => "the log of PostgreSQL may say more",
    })
}

/// A password, or a database that is not there.
fn is_about_the_connection(code: &str) -> bool {
    ["28", "3D"].iter().any(|class| code.starts_with(class))
}

/// Refusals that say nothing about the statement: a connection that breaks, insufficient resources, such as a full disk; a
/// server that only reads; a transaction that waited for too long; a lock that could not be had, a statement that was cancelled or took too long, a transaction
/// that was rolled back, trouble with files.
pub(crate) fn is_passing(code: &str) -> bool {
    code == READ_ONLY
        || TRANSACTION_ENDED.contains(&code)
        || ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
}

/// Where a database is, as messages name it.
pub fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or("?"))
}
