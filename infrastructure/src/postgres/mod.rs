//! Connections to PostgreSQL, their roles, and the migrations.

mod error;
mod migrations;
#[cfg(test)]
mod tests;

pub(crate) use error::{DISK_FULL, is_passing, log_error};
pub use error::{DatabaseError, refused_for_good};
pub use migrations::migrate;

use error::{refusal, unreachable};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use std::str::FromStr;
use std::time::Duration;

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

/// Connections for read models: one for each, and a few for building.
const PROJECTOR_CONNECTIONS: u32 = 10;

/// A connection that was not used for so long is tested before it is used.
const TEST_AFTER_IDLE: Duration = Duration::from_millis(500);

/// How much longer than a request its statements may go on in the server: the request ends first, and says so.
const STATEMENT_GRACE: Duration = Duration::from_secs(1);

/// How many connections a node opens, and for how long its queries may hold them.
#[derive(Debug, Clone, Copy)]
pub struct Pools {
    pub worker: u32,
    pub service: u32,
    /// Longest time of a request. A statement that goes on after it is ended by the server.
    pub request_timeout: Duration,
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
    pub async fn connect(url: &str, pools: Pools) -> Result<Self, DatabaseError> {
        let options = connect_options(url)?;
        check_server(&options).await?;
        let worker = pool(&options, WORKER_ROLE, pools.worker);
        let projector = pool(&options.clone().options([("synchronous_commit", "off")]), WORKER_ROLE, PROJECTOR_CONNECTIONS);
        let statement_timeout = (pools.request_timeout + STATEMENT_GRACE).as_millis().to_string();
        let service = pool(&options.clone().options([("statement_timeout", statement_timeout)]), SERVICE_ROLE, pools.service);
        for pool in [&worker, &projector, &service] {
            pool.acquire().await.map_err(|error| refusal(&options, "open its pools", error))?;
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
        // To ask each time would double the way to the server; one that was of use a moment ago mostly still is.
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for >= TEST_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
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
    connection.map_err(|_| silent())?.map_err(|error| unreachable(options, &error))
}

/// Whether this server, this database and this login are of use. Later nobody would hear why: a pool only says that it
/// found no connection.
async fn check_server(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let mut connection = connect(options).await?;
    let number: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut connection)
        .await
        .map_err(|error| refusal(options, "read the server's version", error))?;
    if number < SERVER_VERSION_MIN {
        return Err(DatabaseError::TooOld { found: format!("{}.{}", number / 10_000, number % 10_000) });
    }
    migrations::check(options, &mut connection).await?;
    for (role, what) in [(WORKER_ROLE, "act as the role milepost_worker"), (SERVICE_ROLE, "act as the role milepost_service")] {
        connection.execute(format!("SET ROLE {role}").as_str()).await.map_err(|error| refusal(options, what, error))?;
    }
    // What is left of it is nobody's concern.
    let _ = connection.close().await;
    Ok(())
}

fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or("?"))
}
