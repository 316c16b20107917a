//! How far the live read models are, and waiting for them.

use crate::registry;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// How often other nodes' progress is asked for while somebody waits for it.
const ASK_WHILE_WAITED_FOR: Duration = Duration::from_millis(10);
/// How often it is asked for otherwise.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The positions of the live read models, as far as this node knows.
pub struct Progress {
    positions: BTreeMap<&'static str, watch::Sender<i64>>,
    /// The versions that this node itself keeps up to date: it knows of positions before they are written.
    kept: Mutex<BTreeMap<&'static str, i32>>,
    /// The read models that are waited for on this node, as often as somebody waits.
    waited_for: watch::Sender<Vec<&'static str>>,
}

/// Read models did not come so far in the time there was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} is at position {reached} and has not reached {wanted} in time")]
pub struct NotReached {
    pub name: &'static str,
    pub reached: i64,
    pub wanted: i64,
}

impl Progress {
    /// Of these read models, at position 0.
    pub fn of(names: impl IntoIterator<Item = &'static str>) -> Self {
        let positions = names.into_iter().map(|name| (name, watch::Sender::new(0))).collect();
        Self { positions, kept: Mutex::default(), waited_for: watch::Sender::default() }
    }

    /// Somebody saw a read model at this position. It can be lower than before, after going back to an older version.
    pub fn set(&self, name: &str, position: i64) {
        if let Some(known) = self.positions.get(name) {
            known.send_if_modified(|known| std::mem::replace(known, position) != position);
        }
    }

    /// This node keeps a version up to date, as long as what is given lives.
    pub(crate) fn keep(&self, name: &'static str, version: i32) -> Kept<'_> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name, version);
        Kept { progress: self, name }
    }

    /// The database says that a version is live and how far it is. It may not yet know what this node does.
    fn heard(&self, name: &str, version: i32, position: i64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.get(name) != Some(&version) || self.position(name) < position {
            self.set(name, position);
        }
    }

    /// The position of a read model.
    pub fn watch(&self, name: &str) -> Option<watch::Receiver<i64>> {
        self.positions.get(name).map(watch::Sender::subscribe)
    }

    /// The positions of all.
    pub fn all(&self) -> Vec<(&'static str, i64)> {
        self.positions.iter().map(|(name, position)| (*name, *position.borrow())).collect()
    }

    /// Returns when every named read model has reached a position, or fails when it takes too long.
    pub async fn reached(&self, names: &[&'static str], wanted: i64, patience: Duration) -> Result<(), NotReached> {
        if names.iter().all(|name| self.position(name) >= wanted) {
            return Ok(());
        }
        let _waiting = Waiting::new(self, names);
        let all = async {
            for name in names {
                if let Some(mut position) = self.watch(name) {
                    let _ = position.wait_for(|position| *position >= wanted).await;
                }
            }
        };
        if tokio::time::timeout(patience, all).await.is_ok() {
            return Ok(());
        }
        let late = names.iter().find(|name| self.position(name) < wanted);
        late.map_or(Ok(()), |name| Err(NotReached { name, reached: self.position(name), wanted }))
    }

    /// Rests, unless somebody on this node waits for one of these read models.
    pub(crate) async fn rest(&self, longest: Duration, unless: impl Fn(&str) -> bool) {
        let mut waited_for = self.waited_for.subscribe();
        let _ = tokio::time::timeout(longest, waited_for.wait_for(|names| names.iter().any(|name| unless(name)))).await;
    }

    fn position(&self, name: &str) -> i64 {
        self.positions.get(name).map_or(0, |position| *position.borrow())
    }

    /// Asks the database how far other nodes have brought the read models, often while somebody waits. Never returns.
    pub async fn follow(&self, pool: &PgPool) {
        loop {
            match registry::live_positions(pool).await {
                Ok(positions) => positions.into_iter().for_each(|(name, version, position)| self.heard(&name, version, position)),
                Err(error) => tracing::debug!(%error, "the progress of read models could not be read"),
            }
            if self.waited_for.borrow().is_empty() {
                self.rest(ASK_EVERY, |_| true).await;
            } else {
                tokio::time::sleep(ASK_WHILE_WAITED_FOR).await;
            }
        }
    }
}

/// Says that this node keeps a read model up to date.
pub(crate) struct Kept<'a> {
    progress: &'a Progress,
    name: &'static str,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.progress.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(self.name);
    }
}

/// Somebody who waits, as long as it lives.
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

    #[tokio::test]
    async fn a_rest_ends_when_somebody_begins_to_wait_for_what_rests() {
        const LONG: Duration = Duration::from_secs(3_600);
        let progress = Progress::of(["task_list", "activity"]);
        let _other = Waiting::new(&progress, &["activity"]);
        let rested = async {
            progress.rest(LONG, |name| name == "task_list").await;
            progress.set("task_list", 1);
        };
        let waits = async {
            tokio::task::yield_now().await;
            progress.reached(&["task_list"], 1, LONG).await
        };
        let both = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(rested, waits).1 });
        assert_eq!(both.await, Ok(Ok(())), "the rest went on");
        assert_eq!(*progress.waited_for.borrow(), ["activity"], "it is over");
    }

    #[test]
    fn who_keeps_a_version_knows_better_than_the_database_until_another_is_live() {
        let progress = Progress::of(["task_list"]);
        let at = |progress: &Progress| progress.position("task_list");
        progress.heard("task_list", 1, 5);
        let kept = progress.keep("task_list", 1);
        progress.set("task_list", 9);
        progress.heard("task_list", 1, 5);
        assert_eq!(at(&progress), 9, "what is not yet written was forgotten");
        progress.heard("task_list", 1, 12);
        assert_eq!(at(&progress), 12);
        progress.heard("task_list", 2, 7);
        assert_eq!(at(&progress), 7, "another version is live");
        progress.heard("task_list", 1, 9);
        drop(kept);
        progress.heard("task_list", 1, 8);
        assert_eq!(at(&progress), 8, "another node keeps it by now");
    }
}
