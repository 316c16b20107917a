//! Signs of progress, for whoever renews the lease of a read model: without one for a while, the lease goes to another node.
//!
//! Progress is: a batch was taken in; there is nothing to do; or the server works on a transaction of ours, however long it
//! takes. A statement that is not answered and an error that comes again are not.

use crate::running::lock_holders;
use sqlx::PgPool;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;

/// How often a sign is given while there is nothing to do, or while the server works.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for whether the server works.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Gives signs of progress.
#[derive(Debug, Clone, Default)]
pub struct Pulse(watch::Sender<()>);

impl Pulse {
    /// To whoever listens to the sender.
    pub fn of(signs: watch::Sender<()>) -> Self {
        Self(signs)
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
            if let Ok(done) = tokio::time::timeout(SIGN_EVERY, &mut work).await {
                return done;
            }
        }
    }

    /// Waits for statements of a transaction. As long as the transaction is open the server works on it, or has answered a
    /// moment ago: it ends one whose client says nothing. Names those whose locks they wait for.
    pub(crate) async fn while_open<T>(&self, pool: &PgPool, pid: i32, name: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut said = vec![];
        loop {
            if let Ok(done) = tokio::time::timeout(SIGN_EVERY, &mut work).await {
                return done;
            }
            tokio::select! {
                done = &mut work => return done,
                () = self.look(pool, pid, name, &mut said) => {}
            }
        }
    }

    /// Gives a sign if a server process has a transaction open, and names those whose locks it waits for, if others than before.
    async fn look(&self, pool: &PgPool, pid: i32, name: &str, said: &mut Vec<i32>) {
        let Ok(Ok((open, waits_for))) = tokio::time::timeout(ANSWER_WITHIN, state_of(pool, pid)).await else { return };
        if open {
            self.beat();
        }
        if !waits_for.is_empty() && waits_for != *said {
            let blocked_by = lock_holders::described(pool, &waits_for).await;
            tracing::warn!(projection.name = name, ?blocked_by, "a read model waits for the locks of other transactions");
            *said = waits_for;
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
    async fn while_there_is_nothing_to_do_signs_are_given_again_and_again() {
        let signs = watch::Sender::new(());
        let (mut heard, pulse) = (signs.subscribe(), Pulse::of(signs));
        let work = async {
            for _ in 0..2 {
                heard.changed().await.expect("somebody gives signs");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), pulse.idle(work)).await.expect("signs are given");
    }
}
