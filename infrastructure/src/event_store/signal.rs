//! Nodes tell each other that the log has grown.
//!
//! The telling is a statement of its own, never part of an append, because notifying takes a lock that would put all
//! appends in line. A notification is a hint to look and nothing more: anybody who may connect can send one. Its payload only
//! saves a look for what this node knows already; the head is always read from the log, at most once in [`LOOK_PAUSE`].
//! A notification that is lost costs a moment: the head is read now and then anyway.
//!
//! The head is read by the connection that listens, so that one which died without a word is noticed. It is of no pool that
//! others use: whatever becomes of it holds nobody up.

use crate::postgres::{Database, Known, WORKER_ROLE, log_error, no_answer, options_for};
use application::ports::LogError;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor, PgPool, Postgres};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const CHANNEL: &str = "milepost_log";
/// Least time between two notifications of one node.
const TELL_PAUSE: Duration = Duration::from_millis(5);
/// How often the head is read without a notification from anybody.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Least time between two reads of the head, however many notifications come.
pub const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for the answer. After that the connection counts as lost.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// Longest wait for a connection that listens.
const LISTEN_WITHIN: Duration = Duration::from_secs(5);
/// Pause before listening again after the connection was lost.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);

/// Tells other nodes whenever the head moves.
pub(super) fn tell(pool: PgPool, mut head: watch::Receiver<i64>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while head.changed().await.is_ok() {
            let position = *head.borrow_and_update();
            let told = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(position.to_string()).execute(&pool);
            let told = crate::postgres::within(told).await;
            if let Err(error) = told {
                tracing::debug!(%error, "failed to notify other nodes of new events");
            }
            tokio::time::sleep(TELL_PAUSE).await;
        }
    })
}

/// Listens to other nodes, and reads the head now and then, also while nobody can be heard.
pub(super) fn listen(database: &Database) -> JoinHandle<()> {
    let options = options_for(&database.worker.connect_options(), "listener", database.node);
    let (pool, known) = (database.worker.clone(), Arc::clone(&database.known));
    tokio::spawn(async move {
        loop {
            if let Err(error) = listen_until_lost(&options, &known).await {
                tracing::debug!(%error, "failed to listen for notifications of other nodes");
                if let Err(error) = look(&pool, &known).await {
                    tracing::debug!(%error, "failed to read the head of the log");
                }
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    })
}

/// Listens until the connection is lost, or is of a database that is not the one any more.
async fn listen_until_lost(options: &PgConnectOptions, known: &Known) -> Result<(), LogError> {
    let connected = tokio::time::timeout(LISTEN_WITHIN, connect(options, known)).await.unwrap_or_else(|_| Err(no_answer()));
    let (mut listener, generation) = connected.map_err(log_error)?;
    // What was appended before somebody listened.
    let (mut looked, mut hinted) = (None::<Instant>, true);
    while known.generation_now() == generation {
        let due = looked.map_or_else(Instant::now, |at| at + if hinted { LOOK_PAUSE } else { LOOK_EVERY });
        // Looked at here, since notifications may come without end.
        if due <= Instant::now() {
            look(&mut listener, known).await?;
            (looked, hinted) = (Some(Instant::now()), false);
            continue;
        }
        match tokio::time::timeout_at(due, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => hinted |= says_more(notification.payload(), *known.head().borrow()),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(log_error(error)),
            Err(_) => {}
        }
    }
    Ok(())
}

/// A connection that listens, and the generation that it is of. When a listener is dropped, its connection is waited for before
/// its place in the pool is free; so each has a pool of its own.
async fn connect(options: &PgConnectOptions, known: &Known) -> Result<(PgListener, u64), sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    let generation = known.prove(&mut listener, WORKER_ROLE).await?;
    listener.listen(CHANNEL).await?;
    Ok((listener, generation))
}

async fn look(connection: impl Executor<'_, Database = Postgres>, known: &Known) -> Result<(), LogError> {
    tokio::time::timeout(LOOK_WITHIN, known.look(connection, WORKER_ROLE)).await.unwrap_or_else(|_| Err(log_error(no_answer())))
}

/// Whether a notification may tell of something that is not known. What is no position may.
fn says_more(payload: &str, head: i64) -> bool {
    payload.parse().map_or(true, |position: i64| position > head)
}
