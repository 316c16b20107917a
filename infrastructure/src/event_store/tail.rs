//! The newest events of the log in memory, so that readers of this node need not ask the database for what it just took.

use domain::event::{Fact, Recorded};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Most facts kept in memory.
pub const TAIL_FACTS_MAX: usize = 8_192;

/// A window of consecutive facts that ends near the head of the log, and the head itself.
pub(crate) struct Tail {
    facts: Mutex<VecDeque<Arc<Fact>>>,
    head: watch::Sender<i64>,
}

impl Tail {
    pub(crate) fn new(head: i64) -> Self {
        Self { facts: Mutex::default(), head: watch::Sender::new(head) }
    }

    /// The highest position known to this node.
    pub(crate) fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// Somebody saw this position.
    pub(crate) fn saw(&self, position: i64) {
        self.head.send_if_modified(|head| {
            let moved = position > *head;
            *head = (*head).max(position);
            moved
        });
    }

    /// Takes events of one batch, in order.
    pub(crate) fn publish(&self, recorded: Vec<Arc<Recorded>>) {
        let facts = recorded.into_iter().map(|recorded| {
            let (position, aggregate_id, event_type) = (recorded.position, recorded.aggregate_id, recorded.event.name().to_owned());
            Arc::new(Fact { position, aggregate_id, event_type, recorded: Ok(recorded) })
        });
        self.extend(facts);
    }

    /// Takes facts in order. What does not follow the window begins a new one.
    pub(crate) fn extend(&self, facts: impl IntoIterator<Item = Arc<Fact>>) {
        let mut window = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        for fact in facts {
            match window.back().map(|last| last.position) {
                Some(last) if fact.position <= last => continue,
                Some(last) if fact.position > last + 1 => window.clear(),
                Some(_) | None => {}
            }
            if window.len() == TAIL_FACTS_MAX {
                window.pop_front();
            }
            window.push_back(fact);
        }
        let newest = window.back().map(|fact| fact.position);
        drop(window);
        if let Some(newest) = newest {
            self.saw(newest);
        }
    }

    /// The facts after a position, or `None` if the window does not begin early enough.
    pub(crate) fn after(&self, position: i64, limit: usize) -> Option<Vec<Arc<Fact>>> {
        let window = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let first = window.front()?.position;
        let skip = usize::try_from(position + 1 - first).ok()?;
        (skip < window.len()).then(|| window.iter().skip(skip).take(limit).cloned().collect())
    }
}
