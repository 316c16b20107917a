//! The migrations, and whether what was run fits this program.
//!
//! A program runs on a database that is newer than it, since nodes of both versions run during a deployment, and somebody
//! may have to go back. Only a migration that takes something away says which programs it leaves behind: it ends with
//! `_needs_<version>`, the oldest migration that a program must know.

use super::connect::{connect, connect_options};
use super::error::{DatabaseError, LOCK_NOT_AVAILABLE, refusal};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Any number that no other program is likely to lock: it keeps nodes that start together from creating the schema twice.
const MIGRATION_LOCK: i64 = 0x6d69_6c65_706f_5374;

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations");
    migrations.set_ignore_missing(true);
    migrations
});

/// How long the connection of a migration may say nothing. Then the server closes it, so that a program that was stopped does
/// not keep the others from migrating.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// Longest wait of a migration for a lock. Whoever uses the table waits behind it meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_millis(50);
/// Pause before it is tried again, and the longest: it doubles each time.
const LOCK_PAUSE: Duration = Duration::from_millis(500);
const LOCK_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long it is tried.
const LOCK_TRIED_FOR: Duration = Duration::from_secs(600);

/// A migration that was run: its version, its name without underscores, and its hash.
pub(super) type Applied = (i64, String, Vec<u8>);

/// Whether a database with these migrations is of use to a program that knows those.
pub(super) fn fits(applied: &[Applied], known: &[i64]) -> Result<(), DatabaseError> {
    let newest = known.iter().copied().max().unwrap_or(0);
    let left_behind = applied.iter().filter(|(version, ..)| !known.contains(version)).find_map(|(version, name, _)| {
        let needs = needs(name).filter(|needs| *needs > newest)?;
        Some(DatabaseError::Newer { migration: *version, needs })
    });
    match left_behind {
        Some(newer) => Err(newer),
        None if known.iter().any(|known| applied.iter().all(|(version, ..)| version != known)) => Err(DatabaseError::Older),
        None => Ok(()),
    }
}

/// The oldest migration that a program must know to run after this one, if it says so.
fn needs(name: &str) -> Option<i64> {
    name.rsplit_once("needs ")?.1.parse().ok()
}

fn known() -> Vec<i64> {
    MIGRATIONS.iter().map(|migration| migration.version).collect()
}

pub(super) async fn check(options: &PgConnectOptions, connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let applied = applied(options, connection).await?;
    fits(&applied, &known())?;
    let strange: Vec<i64> = applied.iter().map(|(version, ..)| *version).filter(|version| !known().contains(version)).collect();
    if !strange.is_empty() {
        tracing::warn!(migrations = ?strange, "the database is newer than this program, which its migrations allow");
    }
    Ok(())
}

async fn applied(options: &PgConnectOptions, connection: &mut PgConnection) -> Result<Vec<Applied>, DatabaseError> {
    let read = "read which migrations were run";
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('milepost._sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| refusal(options, read, error))?;
    if table.is_none() {
        return Ok(vec![]);
    }
    sqlx::query_as("SELECT version, description, checksum FROM milepost._sqlx_migrations WHERE success ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(|error| refusal(options, read, error))
}

/// Creates the schema and runs the migrations that are missing. Nodes that do so at once wait for each other.
pub async fn migrate(url: &str) -> Result<usize, DatabaseError> {
    let options = connect_options(url)?.options([("idle_session_timeout", SILENT_MAX.as_millis().to_string())]);
    let mut connection = connect(&options).await?;
    let locked = sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut connection).await;
    locked.map_err(|error| refusal(&options, "lock the migrations", error))?;
    let before = applied(&options, &mut connection).await?;
    match fits(&before, &known()) {
        // Whoever has nothing to do needs no right to do it.
        Ok(()) => return unchanged(&before).map(|()| 0),
        Err(DatabaseError::Older) => {}
        Err(error) => return Err(error),
    }
    connection
        .execute("CREATE SCHEMA IF NOT EXISTS milepost; SET search_path = milepost, pg_temp")
        .await
        .map_err(|error| refusal(&options, "create a schema", error))?;
    let tables = "create tables and roles";
    run_missing(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMismatch(version) => DatabaseError::Changed(version),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => refusal(&options, tables, error),
        error => DatabaseError::Migration(error),
    })?;
    // Another login than this one may serve, and looks whether the tables are there.
    connection
        .execute("GRANT SELECT ON milepost._sqlx_migrations TO milepost_worker, milepost_service")
        .await
        .map_err(|error| refusal(&options, tables, error))?;
    let after = applied(&options, &mut connection).await?;
    let _ = connection.close().await;
    Ok(after.len() - before.len())
}

/// Runs what is missing. A migration waits for a lock only for a moment at a time, since queries wait behind it.
async fn run_missing(connection: &mut PgConnection) -> Result<(), MigrateError> {
    connection.execute(format!("SET lock_timeout = {}", LOCK_PATIENCE.as_millis()).as_str()).await?;
    let (begun, mut pause) = (Instant::now(), LOCK_PAUSE);
    loop {
        match MIGRATIONS.run(&mut *connection).await {
            Err(error) if lacks_lock(&error) && begun.elapsed() < LOCK_TRIED_FOR => {
                let held_by = lock_holders(connection).await.unwrap_or_default();
                tracing::warn!(
                    ?held_by,
                    pause_ms = pause.as_millis() as u64,
                    "a migration waits for transactions that hold tables; it tries again"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOCK_PAUSE_MAX);
            }
            done => return done,
        }
    }
}

fn lacks_lock(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    matches!(error, sqlx::Error::Database(refused) if refused.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

/// Who holds locks on tables of Milepost, in words: the longest transactions first.
async fn lock_holders(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT format('pid %s (%s, user %s), in a transaction for %s s, %s: %s', pid, application_name, usename, \
                       round(extract(epoch FROM clock_timestamp() - xact_start)), state, left(query, 200)) \
         FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND pid IN ( \
           SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
           WHERE relnamespace = 'milepost'::regnamespace AND granted \
             AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
         ORDER BY xact_start LIMIT 5",
    )
    .fetch_all(connection)
    .await
}

/// Whether the migrations were run as this program knows them.
fn unchanged(applied: &[Applied]) -> Result<(), DatabaseError> {
    let differs = |(version, _, hash): &&Applied| {
        MIGRATIONS.iter().any(|migration| migration.version == *version && migration.checksum.as_ref() != hash.as_slice())
    };
    applied.iter().find(differs).map_or(Ok(()), |(version, ..)| Err(DatabaseError::Changed(*version)))
}
