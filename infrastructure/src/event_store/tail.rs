//! The newest events of the log in memory, so that readers of this node need not ask the database for what it just took.

use crate::postgres::Known;
use domain::event::{Fact, Recorded};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most facts kept in memory.
pub const TAIL_FACTS_MAX: usize = 8_192;
/// Most bytes of them, by the length of what is stored.
pub const TAIL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A window of consecutive facts that ends near the head of the log. It is of one generation of the database: facts of an
/// earlier one may be lost, or others may be in their places, so they are forgotten.
pub(crate) struct Tail {
    known: Arc<Known>,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    generation: u64,
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
        *self = Self { generation: self.generation, ..Self::default() };
    }
}

impl Tail {
    pub(crate) fn new(known: Arc<Known>) -> Self {
        Self { known, window: Mutex::default() }
    }

    /// What this node knows of the database.
    pub(crate) fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// The window, without what is of an earlier generation.
    fn window(&self) -> MutexGuard<'_, Window> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.known.generation_now();
        if window.generation != generation {
            *window = Window { generation, ..Window::default() };
        }
        window
    }

    /// Takes events of one batch, in order, each with its bytes, that were appended under a generation.
    pub(crate) fn publish(&self, generation: u64, recorded: Vec<(Arc<Recorded>, usize)>) {
        let facts = recorded.into_iter().map(|(recorded, bytes)| {
            let (position, event_id, aggregate_id) = (recorded.position, recorded.event_id, recorded.aggregate_id);
            let event_type = recorded.event.name().to_owned();
            (Arc::new(Fact { position, event_id, aggregate_id, event_type, recorded: Ok(recorded) }), bytes)
        });
        self.extend(generation, facts);
    }

    /// Takes facts in order, each with its bytes, that were read under a generation. What does not follow the window begins a
    /// new one.
    pub(crate) fn extend(&self, generation: u64, facts: impl IntoIterator<Item = (Arc<Fact>, usize)>) {
        let mut window = self.window();
        if window.generation != generation {
            return;
        }
        let mut newest = None;
        for (fact, bytes) in facts {
            newest = Some((fact.position, fact.event_id));
            match window.facts.back().map(|(last, _)| last.position) {
                Some(last) if fact.position <= last => continue,
                Some(last) if fact.position > last + 1 => window.clear(),
                Some(_) | None => {}
            }
            window.push(fact, bytes);
        }
        drop(window);
        if let Some((position, event)) = newest {
            self.known.saw(generation, position, event);
        }
    }

    /// The facts after a position, or `None` if the window does not begin early enough.
    pub(crate) fn after(&self, position: i64, limit: usize) -> Option<Vec<Arc<Fact>>> {
        let window = self.window();
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
        (Arc::new(Fact { position, event_id: Uuid::nil(), aggregate_id: Uuid::nil(), event_type: "none".to_owned(), recorded }), bytes)
    }

    fn tail() -> Tail {
        Tail::new(Arc::default())
    }

    fn positions(tail: &Tail, after: i64) -> Option<Vec<i64>> {
        tail.after(after, usize::MAX).map(|facts| facts.iter().map(|fact| fact.position).collect())
    }

    #[test]
    fn what_is_large_is_kept_for_a_shorter_while() {
        let tail = tail();
        let half = TAIL_BYTES_MAX / 2;
        tail.extend(0, [fact(1, half), fact(2, half), fact(3, 10), fact(4, half - 10)]);
        assert_eq!(positions(&tail, 0), None);
        assert_eq!(positions(&tail, 2), Some(vec![3, 4]));
        tail.extend(0, [fact(5, half)]);
        assert_eq!((positions(&tail, 2), positions(&tail, 3)), (Some(vec![3, 4, 5]), Some(vec![4, 5])), "there was room for it");
    }

    #[test]
    fn what_is_larger_than_the_window_is_not_kept_and_the_head_moves() {
        let tail = tail();
        tail.extend(0, [fact(1, 10), fact(2, TAIL_BYTES_MAX + 1)]);
        assert_eq!((positions(&tail, 0), positions(&tail, 1), *tail.known.head().borrow()), (None, None, 2));
        tail.extend(0, [fact(3, 10)]);
        assert_eq!((positions(&tail, 2), *tail.known.head().borrow()), (Some(vec![3]), 3));
    }

    #[test]
    fn of_small_ones_so_many_are_kept() {
        let tail = tail();
        let count = TAIL_FACTS_MAX as i64 + 1;
        tail.extend(0, (1..=count).map(|position| fact(position, 1)));
        assert_eq!((positions(&tail, 0), positions(&tail, 1).map(|all| all.len())), (None, Some(TAIL_FACTS_MAX)));
    }
}
