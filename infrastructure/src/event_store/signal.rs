//! Nodes tell each other that the log has grown.
//!
//! The telling is a statement of its own, never part of an append, because notifying takes a lock that would put all
//! appends in line. A word that is lost costs a moment: the head is asked for now and then anyway.

use super::tail::Tail;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CHANNEL: &str = "milepost_log";
/// Least time between two words of one node.
const TELL_PAUSE: Duration = Duration::from_millis(5);
/// How often the head is asked for without a word from anybody.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Tells other nodes whenever the head moves.
pub(super) fn tell(pool: PgPool, mut head: watch::Receiver<i64>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while head.changed().await.is_ok() {
            let position = *head.borrow_and_update();
            let told = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(position.to_string()).execute(&pool).await;
            if let Err(error) = told {
                tracing::debug!(%error, "other nodes could not be told of the log's growth");
            }
            tokio::time::sleep(TELL_PAUSE).await;
        }
    })
}

/// Listens to other nodes, and asks for the head now and then.
pub(super) fn listen(pool: PgPool, tail: Arc<Tail>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            if let Err(error) = listen_until_lost(&pool, &tail).await {
                tracing::debug!(%error, "the ear for other nodes was lost");
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    })
}

async fn listen_until_lost(pool: &PgPool, tail: &Tail) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        match tokio::time::timeout(ASK_EVERY, listener.recv()).await {
            Ok(notification) => {
                if let Ok(position) = notification?.payload().parse() {
                    tail.saw(position);
                }
            }
            Err(_) => {
                let head: Option<i64> = sqlx::query_scalar("SELECT max(position) FROM milepost.events").fetch_one(pool).await?;
                tail.saw(head.unwrap_or(0));
            }
        }
    }
}
