//! Connections to PostgreSQL, their roles, and the migrations.

mod connect;
mod error;
mod known;
mod migrations;
#[cfg(test)]
mod tests;

pub use connect::{IDLE_IN_TRANSACTION_MAX, connect_options};
pub(crate) use error::{DISK_FULL, READ_ONLY, is_passing, log_error, refusal_advice};
pub use error::{DatabaseError, place, refused_for_good};
pub use known::{Known, WENT_BACK_TOLD_FOR, WentBack};
pub use migrations::migrate;

use connect::connect;
use error::refusal;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The schema that everything of Milepost lives in.
pub const SCHEMA: &str = "milepost";
/// The role that appends, relays and keeps read models.
pub const WORKER_ROLE: &str = "milepost_worker";
/// The role that answers queries.
pub const SERVICE_ROLE: &str = "milepost_service";

/// Oldest server that Milepost runs on.
pub const SERVER_VERSION_MIN: i32 = 140_000;

/// Connections for whoever asks how a node is: a node asks itself, and so does a load balancer.
const HEALTH_CONNECTIONS: u32 = 2;

/// Connections for leases: one statement at a time, and one that is given up holds its connection for a while.
const LEASE_CONNECTIONS: u32 = 2;

/// Connections for read models: one for each, and a few for building.
const PROJECTOR_CONNECTIONS: u32 = 10;

/// Connections without a pool: one to append, one to listen, and one to try whether events are taken.
const SINGLE_CONNECTIONS: u32 = 3;

/// Most connections that a node has open beside those of the pools whose sizes are settings.
pub const CONNECTIONS_BESIDE_POOLS: u32 = PROJECTOR_CONNECTIONS + HEALTH_CONNECTIONS + LEASE_CONNECTIONS + SINGLE_CONNECTIONS;

/// A connection that was not used for so long is tested before it is used.
const TEST_AFTER_IDLE: Duration = Duration::from_millis(500);

/// Longest wait for the answer of a connection that is tested before it is used. After that it counts as lost, and a new one
/// is opened.
const TEST_WITHIN: Duration = Duration::from_secs(1);

/// Longest wait for what is left of a statement whose sender no longer waits for it. After that its connection is closed: it
/// would hold a place in the pool as long as it is silent, which may be for ever.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Longest time from a statement's start to its end before the sender stops waiting for it. For statements whose size is
/// bounded; those that legitimately take longer are watched instead.
pub const STATEMENT_WITHIN: Duration = Duration::from_secs(10);

/// How soon the server notices, in the middle of a statement, that its client has closed the connection. Servers on systems
/// that cannot tell do without.
const NOTICE_CLOSED: &str = "SET client_connection_check_interval = '1s'";

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
    /// The id of this node. Its end is in the `application_name` of each of its connections; it holds the leases.
    pub node: Uuid,
    /// Reads and writes as [`WORKER_ROLE`].
    pub worker: PgPool,
    /// The same for leases: whatever takes all connections of the others, commands of clients as well, costs no lease.
    pub leases: PgPool,
    /// As [`WORKER_ROLE`], without waiting for the disk, for read models: rows and position are lost together, or neither is.
    pub projector: PgPool,
    /// Reads as [`SERVICE_ROLE`].
    pub service: PgPool,
    /// The same for whoever asks how the node is: queries that hold all connections of the others are no fault of the database.
    pub health: PgPool,
    /// What this node knows of the database. Every connection proves it before it is used.
    pub known: Arc<Known>,
}

/// The options of the connections that do one kind of work on a node. The name is seen in `pg_stat_activity`.
pub(crate) fn options_for(options: &PgConnectOptions, work: &str, node: Uuid) -> PgConnectOptions {
    let id = node.simple().to_string();
    options.clone().application_name(&format!("milepost {work} {}", &id[id.len() - NODE_NAME_LENGTH..]))
}

/// How many of the last digits of a node's id are in the names of its connections.
const NODE_NAME_LENGTH: usize = 8;

/// Lets the server end a statement soon after its client has closed the connection.
pub(crate) async fn notice_closed(connection: &mut PgConnection) {
    let _ = connection.execute(NOTICE_CLOSED).await;
}

/// Waits for a statement no longer than [`STATEMENT_WITHIN`]. A connection that did not answer in time is not used again.
pub(crate) async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(STATEMENT_WITHIN, statement).await.unwrap_or_else(|_| Err(no_answer()))
}

/// The error of a connection that did not answer in time.
pub(crate) fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer in time"))
}

impl Database {
    /// Opens the pools. The schema must be there already.
    pub async fn connect(url: &str, pools: Pools) -> Result<Self, DatabaseError> {
        let options = connect_options(url)?;
        let known = Arc::<Known>::default();
        check_server(&options, &known).await?;
        let node = Uuid::now_v7();
        let of = |work| options_for(&options, work, node);
        let pool = |options, role, size| pool(options, role, size, &known);
        let worker = pool(of("worker"), WORKER_ROLE, pools.worker);
        let leases = pool(of("leases"), WORKER_ROLE, LEASE_CONNECTIONS);
        let projector = pool(of("projector").options([("synchronous_commit", "off")]), WORKER_ROLE, PROJECTOR_CONNECTIONS);
        let statement_timeout = (pools.request_timeout + STATEMENT_GRACE).as_millis().to_string();
        let service = pool(of("service").options([("statement_timeout", statement_timeout)]), SERVICE_ROLE, pools.service);
        let health = pool(of("health"), SERVICE_ROLE, HEALTH_CONNECTIONS);
        for pool in [&worker, &projector, &service] {
            pool.acquire().await.map_err(|error| refusal(&options, "open its pools", error))?;
        }
        Ok(Self { options, node, worker, leases, projector, service, health, known })
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.worker.close().await;
        self.leases.close().await;
        self.projector.close().await;
        self.service.close().await;
        self.health.close().await;
    }
}

fn pool(options: PgConnectOptions, role: &'static str, size: u32, known: &Arc<Known>) -> PgPool {
    let (new, used) = (Arc::clone(known), Arc::clone(known));
    PgPoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        // To ask each time would double the way to the server; one that was of use a moment ago mostly still is.
        .test_before_acquire(false)
        .before_acquire(move |connection, about| {
            // One to the database as it was before leads nowhere, or to a server that is not the one any more.
            let outdated = used.is_outdated(about.age);
            Box::pin(async move {
                if outdated {
                    return Ok(false);
                }
                if about.idle_for >= TEST_AFTER_IDLE {
                    tokio::time::timeout(TEST_WITHIN, connection.ping()).await.unwrap_or_else(|_| Err(no_answer()))?;
                }
                Ok(true)
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // Nothing is left of a statement that was waited for, and then this sends nothing.
                tokio::time::timeout(FLUSH_WITHIN, connection.flush()).await.unwrap_or_else(|_| Err(no_answer()))?;
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let known = Arc::clone(&new);
            Box::pin(async move {
                known.prove(&mut *connection, role).await?;
                notice_closed(connection).await;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Whether this server, this database and this login are of use. Later nobody would hear why: a pool only says that it
/// found no connection.
async fn check_server(options: &PgConnectOptions, known: &Known) -> Result<(), DatabaseError> {
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
    known.prove(&mut connection, WORKER_ROLE).await.map_err(|error| refusal(options, "say which log it holds", error))?;
    // What is left of it is nobody's concern.
    let _ = connection.close().await;
    Ok(())
}
