//! Commands of this node on one aggregate take turns, since all but one would be decided in vain.
//!
//! Each aggregate has a lane of its own: whoever chooses ids cannot make commands on other aggregates wait. Other things that take
//! turns by what they are about have lanes as well.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// The lanes in which anybody is or waits.
pub(super) struct Lanes<K>(Mutex<HashMap<K, Lane>>);

#[derive(Default)]
struct Lane {
    turns: Arc<tokio::sync::Mutex<()>>,
    /// Who has the turn, and who waits for it.
    commands: usize,
}

/// The turn of a command. It ends when this is dropped.
pub(super) struct Turn<'a, K: Copy + Eq + Hash> {
    // Dropped before the place, so that a lane is not removed while it is in use.
    _turn: OwnedMutexGuard<()>,
    _place: Place<'a, K>,
}

/// A place in a lane, with the turn or waiting for it.
struct Place<'a, K: Copy + Eq + Hash> {
    lanes: &'a Lanes<K>,
    id: K,
}

impl<K> Default for Lanes<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Lanes<K> {
    /// Waits until no other command is in the lane of an aggregate.
    pub(super) async fn turn(&self, id: K) -> Turn<'_, K> {
        let turns = {
            let mut lanes = self.lanes();
            let lane = lanes.entry(id).or_default();
            lane.commands += 1;
            Arc::clone(&lane.turns)
        };
        let place = Place { lanes: self, id };
        Turn { _turn: turns.lock_owned().await, _place: place }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<K, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut lane) = self.lanes.lanes().entry(self.id) {
            lane.get_mut().commands -= 1;
            if lane.get().commands == 0 {
                lane.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use uuid::Uuid;

    #[test]
    fn commands_wait_for_those_on_the_same_aggregate_and_for_no_others() {
        let lanes = Lanes::default();
        let id = Uuid::from_u128(7);
        let first = lanes.turn(id).now_or_never().expect("nobody is before it");
        let others: Vec<_> = (0..128).map(|bit| Uuid::from_u128(7 ^ (1 << bit))).collect();
        for other in others {
            assert!(lanes.turn(other).now_or_never().is_some(), "{other} waits for {id}");
        }
        let mut second = Box::pin(lanes.turn(id));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        let second = second.now_or_never().expect("the first is done");
        assert!(lanes.turn(id).now_or_never().is_none(), "who gives up waiting has been in the lane");
        drop(second);
        assert!(lanes.lanes().is_empty(), "nobody is remembered who is done or has given up");
    }
}
