//! A lock for each key, for as long as it is held or waited for.
//!
//! Commands of this node on one aggregate are decided one after the other, since all but one would conflict. Each aggregate has a
//! lock of its own: a client that chooses ids cannot make commands on other aggregates wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// The locks that are held or waited for, by key.
pub(super) struct KeyedLocks<K>(Mutex<HashMap<K, KeyLock>>);

#[derive(Default)]
struct KeyLock {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// How many hold the lock or wait for it.
    users: usize,
}

/// The lock of a key. It is released when this is dropped.
pub(super) struct KeyGuard<'a, K: Copy + Eq + Hash> {
    // Dropped before the use is, so that a lock is not removed while it is held.
    _held: OwnedMutexGuard<()>,
    _use: Use<'a, K>,
}

/// One use of a lock: holding it or waiting for it.
struct Use<'a, K: Copy + Eq + Hash> {
    locks: &'a KeyedLocks<K>,
    key: K,
}

impl<K> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> KeyedLocks<K> {
    /// Waits until no other holds the lock of a key.
    pub(super) async fn lock(&self, key: K) -> KeyGuard<'_, K> {
        let lock = {
            let mut locks = self.locks();
            let entry = locks.entry(key).or_default();
            entry.users += 1;
            Arc::clone(&entry.lock)
        };
        let counted = Use { locks: self, key };
        KeyGuard { _held: lock.lock_owned().await, _use: counted }
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<K, KeyLock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Use<'_, K> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.locks.locks().entry(self.key) {
            entry.get_mut().users -= 1;
            if entry.get().users == 0 {
                entry.remove();
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
        let locks = KeyedLocks::default();
        let id = Uuid::from_u128(7);
        let first = locks.lock(id).now_or_never().expect("no other holds it");
        let others: Vec<_> = (0..128).map(|bit| Uuid::from_u128(7 ^ (1 << bit))).collect();
        for other in others {
            assert!(locks.lock(other).now_or_never().is_some(), "{other} waits for {id}");
        }
        let mut second = Box::pin(locks.lock(id));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        let second = second.now_or_never().expect("the first is done");
        assert!(locks.lock(id).now_or_never().is_none(), "one that stops waiting is counted until then");
        drop(second);
        assert!(locks.locks().is_empty(), "a lock that is no longer used is not removed");
    }
}
