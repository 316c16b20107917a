//! How the relay is doing, for whoever asks this node.

use super::checkpoint::{Known, known};
use super::refusal::{REASONS, Refusal};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the position and the lag are shown while nothing changes.
pub(super) const SHOW_EVERY: Duration = Duration::from_millis(500);

/// So long after it has lost the lease a node has no trouble of its own any more. One that released it for want of progress takes
/// it again after three seconds if no other node does, and its trouble is the same then.
const LEAVE_AFTER: Duration = Duration::from_secs(5);

/// Where a session begins, as a thing that is logged when it is news.
pub(super) const PLACE: &str = "place";
/// Why it is not known how long brokers keep the relay's record, likewise.
pub(super) const POLICY: &str = "policy";

/// How the relay is doing on this node. Nothing where another node relays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayState {
    /// The position up to which everything is on Kafka, if this node knows.
    pub position: Option<i64>,
    pub trouble: Option<Trouble>,
}

/// Why nothing is sent, each in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It tries again by itself, and will succeed once the cause is gone.
    Stuck(String),
    /// The record and the log do not agree.
    Refuses(Refusal),
    /// It stands before an event that it cannot send.
    StoppedBefore { position: i64, sentence: String },
}

/// Who says how the relay is doing: in the log when that is news, and to whoever asks the node. A node that does not hold
/// the lease has nothing to say.
pub(super) struct Teller {
    state: watch::Sender<RelayState>,
    lease: watch::Receiver<Option<i64>>,
    /// What was logged last of each thing that every session finds out anew.
    logged: Mutex<HashMap<&'static str, String>>,
}

impl Teller {
    pub(super) fn new(lease: watch::Receiver<Option<i64>>) -> Self {
        Self { state: watch::Sender::new(RelayState::default()), lease, logged: Mutex::default() }
    }

    /// Whether something else was found out of a thing than the last time.
    pub(super) fn is_news(&self, thing: &'static str, found: String) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.insert(thing, found.clone()).is_none_or(|before| before != found)
    }

    pub(super) fn watch(&self) -> watch::Receiver<RelayState> {
        self.state.subscribe()
    }

    pub(super) fn refuses(&self) -> bool {
        matches!(self.state.borrow().trouble, Some(Trouble::Refuses(_)))
    }

    /// Everything up to a position is sent.
    pub(super) fn at(&self, position: i64) {
        self.change(|state| state.position = Some(position));
    }

    /// The relay sends.
    pub(super) fn sound(&self) {
        if self.change(|state| state.trouble = None) {
            tracing::info!("the relay to Kafka sends again");
        }
    }

    /// The relay does not send.
    pub(super) fn trouble(&self, trouble: Trouble) {
        let news = self.change(|state| {
            if matches!(trouble, Trouble::Refuses(_)) {
                state.position = None;
            }
            state.trouble = Some(trouble.clone());
        });
        if !news {
            return;
        }
        metrics::counter!("milepost_relay_troubles_total").increment(1);
        // Whoever reads of the trouble wants to read of its end.
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).remove(PLACE);
        match trouble {
            Trouble::Stuck(reason) => tracing::warn!(reason, "the relay to Kafka is stuck; retrying"),
            Trouble::Refuses(refusal) => {
                tracing::error!(reason = refusal.reason(), refusal = %refusal, "the relay to Kafka refuses to send");
            }
            Trouble::StoppedBefore { position, sentence } => {
                tracing::error!(event.position = position, reason = sentence, "the relay to Kafka is stopped before event {position}");
            }
        }
    }

    /// Another node may send more.
    fn forget_position(&self) {
        self.state.send_if_modified(|state| state.position.take().is_some());
    }

    /// Another node relays, or will.
    fn leave(&self) {
        self.state.send_if_modified(|state| std::mem::take(state) != RelayState::default());
    }

    /// Whether that is news.
    fn change(&self, change: impl FnOnce(&mut RelayState)) -> bool {
        if self.lease.borrow().is_none() {
            return false;
        }
        let mut news = false;
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            news = before.trouble != state.trouble;
            before != *state
        });
        news
    }
}

/// Keeps the metrics and the state true while the relay itself waits for brokers: a node that has lost the lease
/// has no trouble of its own any more after a while. Ends with the lease.
pub(super) async fn show(pool: PgPool, mut head: watch::Receiver<i64>, teller: Arc<Teller>) {
    let (mut lease, mut state) = (teller.lease.clone(), teller.watch());
    let (mut confirmed, mut lost_at) = (None, None::<Instant>);
    loop {
        let held = lease.borrow_and_update().is_some();
        if held {
            lost_at = None;
        } else {
            confirmed = None;
            teller.forget_position();
            if lost_at.get_or_insert_with(Instant::now).elapsed() >= LEAVE_AFTER {
                teller.leave();
            }
        }
        let (known_here, refusal) = {
            let state = state.borrow_and_update();
            let refusal = match &state.trouble {
                Some(Trouble::Refuses(refusal)) => Some(refusal.reason()),
                Some(Trouble::Stuck(_) | Trouble::StoppedBefore { .. }) | None => None,
            };
            (state.position, refusal)
        };
        for reason in REASONS {
            metrics::gauge!("milepost_relay_refused", "reason" => reason).set(f64::from(u8::from(refusal == Some(reason))));
        }
        // Before Kafka is reached, the database tells what was sent at least.
        if held && known_here.is_none() && refusal.is_none() && confirmed.is_none() {
            // Not what was sent before a refusal that still stands.
            confirmed = known(&pool).await.ok().and_then(|known| match known.unwrap_or_default() {
                Known { refusal: Some(_), .. } => None,
                Known { position, refusal: None } => Some(position),
            });
        }
        let position = known_here.or(confirmed).filter(|_| held && refusal.is_none());
        // Not 0 where it is not known, and below 0 where Kafka is ahead of the log.
        let lag = position.map_or(f64::NAN, |position| (*head.borrow_and_update() - position) as f64);
        metrics::gauge!("milepost_relay_lag_events").set(lag);
        let changed = tokio::time::timeout(SHOW_EVERY, async {
            tokio::select! {
                changed = lease.changed() => changed,
                changed = state.changed() => changed,
                changed = head.changed() => changed,
            }
        });
        if let Ok(Err(_)) = changed.await {
            return;
        }
    }
}
