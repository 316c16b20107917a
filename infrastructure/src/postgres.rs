//! Connections to PostgreSQL, their roles, and the migrations.

use application::ports::LogError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The schema that everything of Milepost lives in.
pub const SCHEMA: &str = "milepost";
/// The role that appends, relays and keeps read models.
pub const WORKER_ROLE: &str = "milepost_worker";
/// The role that answers queries.
pub const SERVICE_ROLE: &str = "milepost_service";

/// Oldest server that Milepost runs on.
pub const SERVER_VERSION_MIN: i32 = 140_000;

/// Longest wait for a server that takes a connection and then says nothing.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Any number that no other program is likely to lock: it keeps nodes that start together from creating the schema twice.
const MIGRATION_LOCK: i64 = 0x6d69_6c65_706f_5374;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Connections for read models: one for each, and a few for building.
const PROJECTOR_CONNECTIONS: u32 = 10;

/// How many connections a node opens.
#[derive(Debug, Clone, Copy)]
pub struct PoolSizes {
    pub worker: u32,
    pub service: u32,
}

/// Connections by what they may do.
#[derive(Debug, Clone)]
pub struct Database {
    pub options: PgConnectOptions,
    /// Reads and writes as [`WORKER_ROLE`].
    pub worker: PgPool,
    /// The same without waiting for the disk, for read models: rows and position are lost together, or neither is.
    pub projector: PgPool,
    /// Reads as [`SERVICE_ROLE`].
    pub service: PgPool,
}

/// The database cannot be used, with what to do about it.
#[derive(Debug, Error)]
pub enum DatabaseError {
    #[error("DATABASE_URL is not a PostgreSQL URL such as postgres://user:password@host:5432/name: {0}")]
    Url(String),
    #[error("cannot reach PostgreSQL at {place}: {reason}")]
    Unreachable { place: String, reason: String },
    #[error("PostgreSQL {found} is too old; Milepost needs 14 or newer")]
    TooOld { found: String },
    #[error("the database was made by a newer Milepost (migration {0}); use that version or a newer one")]
    Newer(i64),
    #[error("the database is older than this Milepost; run `milepost migrate`")]
    Older,
    #[error("the migration {0} differs from the one that was run; the binary and the database do not belong together")]
    Changed(i64),
    #[error("{user} may not {what}; grant it, or let somebody who may run `milepost migrate` with MILEPOST_MIGRATE_DATABASE_URL: {reason}")]
    Forbidden { user: String, what: &'static str, reason: String },
    #[error("migration failed: {0}")]
    Migration(#[source] MigrateError),
    #[error("PostgreSQL answered: {0}")]
    Other(#[source] sqlx::Error),
}

/// Reads a connection URL.
pub fn connect_options(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    // The driver would take any scheme.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(DatabaseError::Url("it begins otherwise".to_owned()));
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| DatabaseError::Url(error.to_string()))?;
    Ok(options
        .application_name("milepost")
        .options([("jit", "off"), ("default_transaction_isolation", r"read\ committed"), ("timezone", "UTC")])
        .log_slow_statements(tracing::log::LevelFilter::Debug, Duration::from_secs(1))
        .log_statements(tracing::log::LevelFilter::Trace))
}

impl Database {
    /// Opens the pools. The schema must be there already.
    pub async fn connect(url: &str, sizes: PoolSizes) -> Result<Self, DatabaseError> {
        let options = connect_options(url)?;
        check_server(&options).await?;
        let worker = pool(&options, WORKER_ROLE, sizes.worker);
        let projector = pool(&options.clone().options([("synchronous_commit", "off")]), WORKER_ROLE, PROJECTOR_CONNECTIONS);
        let service = pool(&options, SERVICE_ROLE, sizes.service);
        for pool in [&worker, &projector, &service] {
            pool.acquire().await.map_err(|error| unusable(&options, error))?;
        }
        Ok(Self { options, worker, projector, service })
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.worker.close().await;
        self.projector.close().await;
        self.service.close().await;
    }
}

fn pool(options: &PgConnectOptions, role: &'static str, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(format!("SET ROLE {role}").as_str()).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options.clone())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
    let connection = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(options)).await;
    let silent = || DatabaseError::Unreachable { place: place(options), reason: format!("no answer within {CONNECT_WITHIN:?}") };
    connection.map_err(|_| silent())?.map_err(|error| unusable(options, error))
}

async fn check_server(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let mut connection = connect(options).await?;
    let number: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut connection)
        .await
        .map_err(DatabaseError::Other)?;
    let applied = applied(&mut connection).await?;
    connection.close().await.map_err(DatabaseError::Other)?;
    if number < SERVER_VERSION_MIN {
        return Err(DatabaseError::TooOld { found: format!("{}.{}", number / 10_000, number % 10_000) });
    }
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    match applied.iter().find(|version| !known.contains(version)) {
        Some(newer) => Err(DatabaseError::Newer(*newer)),
        None if applied.len() < known.len() => Err(DatabaseError::Older),
        None => Ok(()),
    }
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, DatabaseError> {
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('milepost._sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(DatabaseError::Other)?;
    if table.is_none() {
        return Ok(vec![]);
    }
    sqlx::query_scalar("SELECT version FROM milepost._sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await
        .map_err(DatabaseError::Other)
}

/// Creates the schema and runs the migrations that are missing. Nodes that do so at once wait for each other.
pub async fn migrate(url: &str) -> Result<usize, DatabaseError> {
    let options = connect_options(url)?;
    let mut connection = connect(&options).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut connection).await.map_err(DatabaseError::Other)?;
    let before = applied(&mut connection).await?.len();
    connection
        .execute("CREATE SCHEMA IF NOT EXISTS milepost; SET search_path = milepost, pg_temp")
        .await
        .map_err(|error| forbidden(&options, "create a schema", error))?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => DatabaseError::Newer(version),
        MigrateError::VersionMismatch(version) => DatabaseError::Changed(version),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => forbidden(&options, "create tables and roles", error),
        error => DatabaseError::Migration(error),
    })?;
    let after = applied(&mut connection).await?.len();
    connection.close().await.map_err(DatabaseError::Other)?;
    Ok(after - before)
}

fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or("?"))
}

fn unusable(options: &PgConnectOptions, error: sqlx::Error) -> DatabaseError {
    match &error {
        // Insufficient privilege, or a role that does not exist.
        sqlx::Error::Database(refused) if matches!(refused.code().as_deref(), Some("42501" | "22023")) => DatabaseError::Forbidden {
            user: options.get_username().to_owned(),
            what: "act as the roles milepost_worker and milepost_service",
            reason: refused.message().to_owned(),
        },
        sqlx::Error::Database(refused) => DatabaseError::Unreachable { place: place(options), reason: refused.message().to_owned() },
        error => DatabaseError::Unreachable { place: place(options), reason: error.to_string() },
    }
}

fn forbidden(options: &PgConnectOptions, what: &'static str, error: sqlx::Error) -> DatabaseError {
    match &error {
        sqlx::Error::Database(refused) if refused.code().as_deref() == Some("42501") => {
            DatabaseError::Forbidden { user: options.get_username().to_owned(), what, reason: refused.message().to_owned() }
        }
        _ => DatabaseError::Other(error),
    }
}

/// What a failed statement means to the application.
pub(crate) fn log_error(error: sqlx::Error) -> LogError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => LogError::Corrupt(Arc::new(error)),
        error => LogError::Unreachable(Arc::new(error)),
    }
}
