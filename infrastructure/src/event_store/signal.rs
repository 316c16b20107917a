//! Nodes tell each other that the log has grown.
//!
//! The telling is a statement of its own, never part of an append, because notifying takes a lock that would put all
//! appends in line. A notification is a hint to look and nothing more: anybody who may connect can send one. Its payload only
//! saves a look for what this node knows already; the head is always read from the log, at most once in [`LOOK_PAUSE`].
//! A notification that is lost costs a moment: the head is read now and then anyway.

use crate::postgres::{Known, WORKER_ROLE};
use application::ports::LogError;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
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
/// Longest wait for the answer.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
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
                tracing::debug!(%error, "other nodes could not be told of the log's growth");
            }
            tokio::time::sleep(TELL_PAUSE).await;
        }
    })
}

/// Listens to other nodes, and reads the head now and then.
pub(super) fn listen(pool: PgPool, known: Arc<Known>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            if let Err(error) = listen_until_lost(&pool, &known).await {
                tracing::debug!(%error, "notifications of other nodes cannot be heard");
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    })
}

async fn listen_until_lost(pool: &PgPool, known: &Known) -> Result<(), LogError> {
    let lost = crate::postgres::log_error;
    let mut listener = PgListener::connect_with(pool).await.map_err(lost)?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await.map_err(lost)?;
    // What was appended before somebody listened.
    let (mut looked, mut hinted) = (None::<Instant>, true);
    loop {
        let due = looked.map_or_else(Instant::now, |at| at + if hinted { LOOK_PAUSE } else { LOOK_EVERY });
        // Looked at here, since notifications may come without end.
        if due <= Instant::now() {
            look(pool, known).await?;
            (looked, hinted) = (Some(Instant::now()), false);
            continue;
        }
        match tokio::time::timeout_at(due, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => hinted |= says_more(notification.payload(), *known.head().borrow()),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(lost(error)),
            Err(_) => {}
        }
    }
}

async fn look(pool: &PgPool, known: &Known) -> Result<(), LogError> {
    let slow = || LogError::Unreachable(Arc::new(std::io::Error::other("the head of the log was not read in time")));
    tokio::time::timeout(LOOK_WITHIN, known.look(pool, WORKER_ROLE)).await.map_err(|_| slow())?
}

/// Whether a notification may tell of something that is not known. What is no position may.
fn says_more(payload: &str, head: i64) -> bool {
    payload.parse().map_or(true, |position: i64| position > head)
}
