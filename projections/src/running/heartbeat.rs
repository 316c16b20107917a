//! Heartbeats of progress, for the task that renews the lease of a read model: without one for a while, the lease goes
//! to another node.
//!
//! Progress is: a batch was applied; there is nothing to do; or the server works on a transaction of ours, however long
//! it takes. A statement without an answer and a repeated error are not progress.

use crate::running::lock_holders;
use sqlx::PgPool;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;

/// Interval of heartbeats while there is nothing to do, or while the server works.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Timeout of the query whether the server works.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends heartbeats.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat(watch::Sender<()>);

impl Heartbeat {
    /// Sends to the receivers of this sender.
    pub fn of(beats: watch::Sender<()>) -> Self {
        Self(beats)
    }

    /// There was progress.
    pub(crate) fn beat(&self) {
        self.0.send_replace(());
    }

    /// Waits for something to do.
    pub(crate) async fn idle<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.beat();
            if let Ok(done) = tokio::time::timeout(BEAT_EVERY, &mut work).await {
                return done;
            }
        }
    }

    /// Waits for statements of a transaction. As long as the transaction is open the server works on it, or has just
    /// answered: it ends a transaction whose client is silent. Logs the holders of locks that the statements wait for.
    pub(crate) async fn while_open<T>(&self, pool: &PgPool, pid: i32, name: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut reported = vec![];
        loop {
            if let Ok(done) = tokio::time::timeout(BEAT_EVERY, &mut work).await {
                return done;
            }
            tokio::select! {
                done = &mut work => return done,
                () = self.look(pool, pid, name, &mut reported) => {}
            }
        }
    }

    /// Sends a heartbeat if a server process has a transaction open, and logs the holders of the locks that it waits
    /// for, if they changed.
    async fn look(&self, pool: &PgPool, pid: i32, name: &str, reported: &mut Vec<i32>) {
        let Ok(Ok((open, waits_for))) = tokio::time::timeout(ANSWER_TIMEOUT, state_of(pool, pid)).await else { return };
        if open {
            self.beat();
        }
        if !waits_for.is_empty() && waits_for != *reported {
            let blocked_by = lock_holders::described(pool, &waits_for).await;
            tracing::warn!(projection.name = name, ?blocked_by, "a read model waits for the locks of other transactions");
            *reported = waits_for;
        }
    }
}

/// Whether a server process has a transaction open, and which others hold locks that it waits for.
async fn state_of(pool: &PgPool, pid: i32) -> Result<(bool, Vec<i32>), sqlx::Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND locktype = 'virtualxid' AND granted), pg_blocking_pids($1)";
    sqlx::query_as(sql).bind(pid).fetch_one(pool).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heartbeats_repeat_while_there_is_nothing_to_do() {
        let beats = watch::Sender::new(());
        let (mut received, heartbeat) = (beats.subscribe(), Heartbeat::of(beats));
        let work = async {
            for _ in 0..2 {
                received.changed().await.expect("heartbeats are sent");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), heartbeat.idle(work)).await.expect("heartbeats are sent");
    }
}
