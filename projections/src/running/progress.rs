//! The positions of the live read models, and waiting for them.
//!
//! A position is known under one generation of the log. Once that increases, positions are unknown until they are read
//! again: a position that a node has read, or has itself committed asynchronously, may be lost with its database.

use crate::registry::{self, LivePosition};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// How often the progress of other nodes is queried while a request waits for it.
const QUERY_EVERY_WHILE_WAITED_FOR: Duration = Duration::from_millis(10);
/// Timeout of the query. After that its connection is closed and another one is used.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is queried otherwise.
const QUERY_EVERY: Duration = Duration::from_secs(1);

/// The positions of the live read models, as far as this node knows.
pub struct Progress {
    positions: BTreeMap<&'static str, watch::Sender<Option<i64>>>,
    /// The generation of the log.
    generation: watch::Receiver<u64>,
    known: Mutex<Basis>,
    /// The read models that requests on this node wait for, once for each request.
    waited_for: watch::Sender<Vec<&'static str>>,
}

/// The known positions and their generation.
#[derive(Default)]
struct Basis {
    /// The generation that they are of.
    generation: u64,
    /// The versions that this node itself keeps up to date: it knows positions before they are written.
    maintained: BTreeMap<&'static str, i32>,
    /// The versions that were live at the last query.
    live: BTreeMap<&'static str, i32>,
}

/// A read model did not reach a position in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct NotReached {
    pub name: &'static str,
    /// `None` if it is not known.
    pub reached: Option<i64>,
    pub wanted: i64,
}

impl std::fmt::Display for NotReached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, reached, wanted } = self;
        match reached {
            Some(reached) => write!(f, "{name} is at position {reached} and has not reached {wanted} in time"),
            None => write!(f, "how far {name} is could not be read from the database in time; try again"),
        }
    }
}

impl Progress {
    /// The progress of these read models, unknown at first, under the generations of their log.
    pub fn of(names: impl IntoIterator<Item = &'static str>, generation: watch::Receiver<u64>) -> Self {
        let positions = names.into_iter().map(|name| (name, watch::Sender::new(None))).collect();
        Self { positions, generation, known: Mutex::default(), waited_for: watch::Sender::default() }
    }

    /// The known positions, without those of an earlier generation.
    fn known(&self) -> MutexGuard<'_, Basis> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = *self.generation.borrow();
        if known.generation != generation {
            known.generation = generation;
            for position in self.positions.values() {
                position.send_replace(None);
            }
        }
        known
    }

    /// Records that a read model was seen at this position under a generation. It can be lower than before, after a
    /// rollback to an older version.
    pub fn set(&self, name: &str, generation: u64, position: i64) {
        let known = self.known();
        if known.generation == generation {
            self.report(name, Some(position));
        }
    }

    fn report(&self, name: &str, position: Option<i64>) {
        if let Some(known) = self.positions.get(name) {
            known.send_if_modified(|known| std::mem::replace(known, position) != position);
        }
    }

    /// Registers that this node keeps a version up to date, until the guard is dropped.
    pub(crate) fn maintain(&self, name: &'static str, version: i32) -> Maintained<'_> {
        self.known().maintained.insert(name, version);
        Maintained { progress: self, name }
    }

    /// Records the live versions and their positions, as queried under a generation. The database may not yet have what
    /// this node applied. The position of a version of another log is unknown; without a live version, no position is
    /// reached. Watchers read the rows again when another version is live, although its position may be the same.
    fn record_live(&self, generation: u64, live: &[LivePosition]) {
        let mut known = self.known();
        if known.generation != generation {
            return;
        }
        for (name, position) in &self.positions {
            let reported = match live.iter().find(|live| live.name == *name) {
                Some(live) if !live.of_this_log => None,
                Some(live) if known.maintained.get(name) == Some(&live.version) => Some(live.position).max(*position.borrow()),
                Some(live) => Some(live.position),
                None => Some(0),
            };
            let now = live.iter().find(|live| live.name == *name).map(|live| live.version);
            let before = match now {
                Some(version) => known.live.insert(name, version),
                None => known.live.remove(name),
            };
            if before == now {
                self.report(name, reported);
            } else {
                position.send_replace(reported);
            }
        }
    }

    /// The position of a read model, `None` while it is not known. It moves also when another version becomes live.
    pub fn watch(&self, name: &str) -> Option<watch::Receiver<Option<i64>>> {
        let _known = self.known();
        self.positions.get(name).map(watch::Sender::subscribe)
    }

    /// The positions of all.
    pub fn all(&self) -> Vec<(&'static str, Option<i64>)> {
        let _known = self.known();
        self.positions.iter().map(|(name, position)| (*name, *position.borrow())).collect()
    }

    /// Returns when every named read model is known to have reached a position, or fails when it takes too long.
    pub async fn reached(&self, names: &[&'static str], wanted: i64, timeout: Duration) -> Result<(), NotReached> {
        if names.iter().all(|name| self.position(name) >= Some(wanted)) {
            return Ok(());
        }
        let _waiting = Waiting::new(self, names);
        let all = async {
            for name in names {
                if let Some(mut position) = self.watch(name) {
                    let _ = position.wait_for(|position| *position >= Some(wanted)).await;
                }
            }
        };
        if tokio::time::timeout(timeout, all).await.is_ok() {
            return Ok(());
        }
        let late = names.iter().find(|name| self.position(name) < Some(wanted));
        late.map_or(Ok(()), |name| Err(NotReached { name, reached: self.position(name), wanted }))
    }

    /// Pauses, unless a request on this node waits for one of these read models.
    pub(crate) async fn pause(&self, longest: Duration, unless: impl Fn(&str) -> bool) {
        let mut waited_for = self.waited_for.subscribe();
        let _ = tokio::time::timeout(longest, waited_for.wait_for(|names| names.iter().any(|name| unless(name)))).await;
    }

    fn position(&self, name: &str) -> Option<i64> {
        let _known = self.known();
        self.positions.get(name).and_then(|position| *position.borrow())
    }

    /// Queries the positions that other nodes have reached, often while a request waits, and at once when positions
    /// become unknown. Never returns.
    pub async fn follow(&self, pool: &PgPool) {
        let mut renewals = self.generation.clone();
        loop {
            let generation = *renewals.borrow_and_update();
            match tokio::time::timeout(ANSWER_TIMEOUT, registry::live_positions(pool)).await {
                Ok(Ok(live)) => self.record_live(generation, &live),
                Ok(Err(error)) => tracing::debug!(%error, "failed to read the progress of read models"),
                Err(_) => tracing::debug!("reading the progress of read models timed out"),
            }
            if self.waited_for.borrow().is_empty() {
                tokio::select! {
                    () = self.pause(QUERY_EVERY, |_| true) => {}
                    Ok(()) = renewals.changed() => {}
                }
            } else {
                tokio::time::sleep(QUERY_EVERY_WHILE_WAITED_FOR).await;
            }
        }
    }
}

/// Registers, until it is dropped, that this node keeps a read model up to date.
pub(crate) struct Maintained<'a> {
    progress: &'a Progress,
    name: &'static str,
}

impl Drop for Maintained<'_> {
    fn drop(&mut self) {
        self.progress.known().maintained.remove(self.name);
    }
}

/// Registers a waiting request until it is dropped.
struct Waiting<'a> {
    progress: &'a Progress,
    names: &'a [&'static str],
}

impl<'a> Waiting<'a> {
    fn new(progress: &'a Progress, names: &'a [&'static str]) -> Self {
        progress.waited_for.send_modify(|waited_for| waited_for.extend(names));
        Self { progress, names }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.progress.waited_for.send_modify(|waited_for| {
            for name in self.names {
                let place = waited_for.iter().position(|waited| waited == name);
                place.map(|place| waited_for.swap_remove(place));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The progress of these read models, and the sender of their generation.
    fn progress(names: &[&'static str]) -> (Progress, watch::Sender<u64>) {
        let (renew, generation) = watch::channel(0);
        (Progress::of(names.iter().copied(), generation), renew)
    }

    #[tokio::test]
    async fn a_pause_ends_when_a_request_waits_for_the_read_model() {
        const LONG: Duration = Duration::from_secs(3_600);
        let (progress, _renew) = progress(&["task_list", "activity"]);
        let _other = Waiting::new(&progress, &["activity"]);
        let paused = async {
            progress.pause(LONG, |name| name == "task_list").await;
            progress.set("task_list", 0, 1);
        };
        let waits = async {
            tokio::task::yield_now().await;
            progress.reached(&["task_list"], 1, LONG).await
        };
        let both = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(paused, waits).1 });
        assert_eq!(both.await, Ok(Ok(())), "the pause continued");
        assert_eq!(*progress.waited_for.borrow(), ["activity"], "it is over");
    }

    fn live(version: i32, position: i64) -> [LivePosition; 1] {
        [LivePosition { name: "task_list".to_owned(), version, position, of_this_log: true }]
    }

    #[test]
    fn the_node_that_maintains_a_version_knows_more_than_the_database_until_another_is_live() {
        let (progress, _renew) = progress(&["task_list"]);
        let at = |progress: &Progress| progress.position("task_list");
        assert_eq!(at(&progress), None, "nothing was read yet");
        progress.record_live(0, &live(1, 5));
        let guard = progress.maintain("task_list", 1);
        progress.set("task_list", 0, 9);
        progress.record_live(0, &live(1, 5));
        assert_eq!(at(&progress), Some(9), "what is not yet written was forgotten");
        progress.record_live(0, &live(1, 12));
        assert_eq!(at(&progress), Some(12));
        progress.record_live(0, &live(2, 7));
        assert_eq!(at(&progress), Some(7), "another version is live");
        progress.record_live(0, &live(1, 9));
        drop(guard);
        progress.record_live(0, &live(1, 8));
        assert_eq!(at(&progress), Some(8), "now another node maintains it");
        progress.record_live(0, &[]);
        assert_eq!(at(&progress), Some(0), "nothing is live");
    }

    #[tokio::test]
    async fn positions_of_an_earlier_generation_are_unknown() {
        let (progress, renew) = progress(&["task_list"]);
        let _guard = progress.maintain("task_list", 1);
        progress.set("task_list", 0, 9);
        let mut moved = progress.watch("task_list").expect("it is followed");
        renew.send_replace(1);
        assert_eq!((progress.all(), moved.has_changed().ok()), (vec![("task_list", None)], Some(true)));
        progress.set("task_list", 0, 10);
        progress.record_live(0, &live(1, 11));
        for wanted in [0, 5] {
            let late = progress.reached(&["task_list"], wanted, Duration::ZERO).await;
            assert_eq!(late, Err(NotReached { name: "task_list", reached: None, wanted }), "what was read before is not believed");
        }
        progress.record_live(1, &live(1, 5));
        assert_eq!(progress.position("task_list"), Some(5), "though this node kept it and knew more");
        moved.mark_unchanged();
        renew.send_replace(2);
        progress.record_live(2, &live(1, 5));
        assert_eq!(moved.has_changed().ok(), Some(true), "who looks at the rows looks again, though the position is the same");
    }

    #[test]
    fn a_new_watcher_under_another_generation_sees_nothing_of_the_previous_one() {
        let (progress, renew) = progress(&["task_list"]);
        progress.record_live(0, &live(1, 9));
        renew.send_replace(1);
        let watched = progress.watch("task_list").expect("it is followed");
        assert_eq!(*watched.borrow(), None);
    }

    #[test]
    fn watchers_are_notified_when_another_version_is_live_at_the_same_position() {
        let (progress, _renew) = progress(&["task_list"]);
        progress.record_live(0, &live(1, 9));
        let mut moved = progress.watch("task_list").expect("it is followed");
        for (now, looks) in [(live(1, 9), false), (live(2, 9), true), (live(2, 9), false), (live(1, 9), true)] {
            moved.mark_unchanged();
            progress.record_live(0, &now);
            assert_eq!(moved.has_changed().ok(), Some(looks), "version {}", now[0].version);
        }
    }

    #[test]
    fn the_position_of_a_version_of_another_log_is_unknown() {
        let (progress, _renew) = progress(&["task_list"]);
        let [live] = live(1, 5);
        progress.record_live(0, &[LivePosition { of_this_log: false, ..live }]);
        assert_eq!(progress.position("task_list"), None);
    }
}
