//! How the relay is doing, for whoever wants to know.

use super::CHECKPOINT;
use sqlx::PgPool;
use std::time::Duration;
use tokio::sync::watch;

/// How often the position and the lag are shown while nothing changes.
pub(super) const SHOW_EVERY: Duration = Duration::from_millis(500);

/// How the relay is doing on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayState {
    /// The position up to which everything is on Kafka, if this node knows.
    pub position: Option<i64>,
    /// Why it does not get on, if it does not.
    pub trouble: Option<String>,
}

/// Says how the relay is doing: in the log when that is news, and to whoever asks for the health of the node.
pub(super) fn tell(state: &watch::Sender<RelayState>, trouble: Option<String>) {
    let news = state.send_if_modified(|state| {
        let news = state.trouble != trouble;
        state.trouble.clone_from(&trouble);
        news
    });
    match (news, &trouble) {
        (true, Some(trouble)) => {
            metrics::counter!("milepost_relay_troubles_total").increment(1);
            tracing::warn!(error = trouble, "the relay to Kafka does not get on; it goes on trying");
        }
        (true, None) => tracing::info!("the relay to Kafka gets on again"),
        (false, _) => {}
    }
}

/// Keeps the figure of the lag true while the relay itself waits for brokers.
pub(super) async fn show_lag(
    pool: PgPool,
    mut head: watch::Receiver<i64>,
    mut state: watch::Receiver<RelayState>,
    lease: watch::Receiver<Option<i64>>,
) {
    let shown = sqlx::query_scalar("SELECT position FROM milepost.checkpoints WHERE name = $1").bind(CHECKPOINT).fetch_optional(&pool);
    let shown: i64 = shown.await.ok().flatten().unwrap_or(0);
    loop {
        let position = state.borrow_and_update().position.unwrap_or(shown);
        let lag = if lease.borrow().is_some() { (*head.borrow_and_update() - position).max(0) } else { 0 };
        metrics::gauge!("milepost_relay_lag_events").set(lag as f64);
        let changed = tokio::time::timeout(SHOW_EVERY, async {
            tokio::select! {
                changed = state.changed() => changed,
                changed = head.changed() => changed,
            }
        });
        if let Ok(Err(_)) = changed.await {
            return;
        }
    }
}
