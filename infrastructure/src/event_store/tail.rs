//! The newest events of the log in memory, so that readers of this node need not ask the database for what it just took.

use domain::event::{Fact, Recorded};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Most facts kept in memory.
pub const TAIL_FACTS_MAX: usize = 8_192;
/// Most bytes of them, by the length of what is stored.
pub const TAIL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A window of consecutive facts that ends near the head of the log, and the head itself.
pub(crate) struct Tail {
    window: Mutex<Window>,
    head: watch::Sender<i64>,
}

#[derive(Default)]
struct Window {
    /// Each with its bytes.
    facts: VecDeque<(Arc<Fact>, usize)>,
    bytes: usize,
}

impl Window {
    /// Takes the fact that follows, and lets go of the oldest that have no room beside it.
    fn push(&mut self, fact: Arc<Fact>, bytes: usize) {
        self.facts.push_back((fact, bytes));
        self.bytes += bytes;
        while self.facts.len() > TAIL_FACTS_MAX || self.bytes > TAIL_BYTES_MAX {
            let Some((_, gone)) = self.facts.pop_front() else { return };
            self.bytes -= gone;
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Tail {
    pub(crate) fn new(head: i64) -> Self {
        Self { window: Mutex::default(), head: watch::Sender::new(head) }
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

    /// Takes events of one batch, in order, each with its bytes.
    pub(crate) fn publish(&self, recorded: Vec<(Arc<Recorded>, usize)>) {
        let facts = recorded.into_iter().map(|(recorded, bytes)| {
            let (position, aggregate_id, event_type) = (recorded.position, recorded.aggregate_id, recorded.event.name().to_owned());
            (Arc::new(Fact { position, aggregate_id, event_type, recorded: Ok(recorded) }), bytes)
        });
        self.extend(facts);
    }

    /// Takes facts in order, each with its bytes. What does not follow the window begins a new one.
    pub(crate) fn extend(&self, facts: impl IntoIterator<Item = (Arc<Fact>, usize)>) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest = None;
        for (fact, bytes) in facts {
            newest = Some(fact.position);
            match window.facts.back().map(|(last, _)| last.position) {
                Some(last) if fact.position <= last => continue,
                Some(last) if fact.position > last + 1 => window.clear(),
                Some(_) | None => {}
            }
            window.push(fact, bytes);
        }
        drop(window);
        if let Some(newest) = newest {
            self.saw(newest);
        }
    }

    /// The facts after a position, or `None` if the window does not begin early enough.
    pub(crate) fn after(&self, position: i64, limit: usize) -> Option<Vec<Arc<Fact>>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, _) = window.facts.front()?;
        let skip = usize::try_from(position + 1 - first.position).ok()?;
        (skip < window.facts.len()).then(|| window.facts.iter().skip(skip).take(limit).map(|(fact, _)| Arc::clone(fact)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::event::DecodeError;
    use uuid::Uuid;

    fn fact(position: i64, bytes: usize) -> (Arc<Fact>, usize) {
        let recorded = Err(DecodeError::UnknownAggregate("none".to_owned()));
        (Arc::new(Fact { position, aggregate_id: Uuid::nil(), event_type: "none".to_owned(), recorded }), bytes)
    }

    fn positions(tail: &Tail, after: i64) -> Option<Vec<i64>> {
        tail.after(after, usize::MAX).map(|facts| facts.iter().map(|fact| fact.position).collect())
    }

    #[test]
    fn what_is_large_is_kept_for_a_shorter_while() {
        let tail = Tail::new(0);
        let half = TAIL_BYTES_MAX / 2;
        tail.extend([fact(1, half), fact(2, half), fact(3, 10), fact(4, half - 10)]);
        assert_eq!(positions(&tail, 0), None);
        assert_eq!(positions(&tail, 2), Some(vec![3, 4]));
        tail.extend([fact(5, half)]);
        assert_eq!((positions(&tail, 2), positions(&tail, 3)), (Some(vec![3, 4, 5]), Some(vec![4, 5])), "there was room for it");
    }

    #[test]
    fn what_is_larger_than_the_window_is_not_kept_and_the_head_moves() {
        let tail = Tail::new(0);
        tail.extend([fact(1, 10), fact(2, TAIL_BYTES_MAX + 1)]);
        assert_eq!((positions(&tail, 0), positions(&tail, 1), *tail.head().borrow()), (None, None, 2));
        tail.extend([fact(3, 10)]);
        assert_eq!((positions(&tail, 2), *tail.head().borrow()), (Some(vec![3]), 3));
    }

    #[test]
    fn of_small_ones_so_many_are_kept() {
        let tail = Tail::new(0);
        let count = TAIL_FACTS_MAX as i64 + 1;
        tail.extend((1..=count).map(|position| fact(position, 1)));
        assert_eq!((positions(&tail, 0), positions(&tail, 1).map(|all| all.len())), (None, Some(TAIL_FACTS_MAX)));
    }
}
