//! Histories that are read for commands which expect an earlier version. They have no bound, so no more than a few are read at a
//! time: everything else needs connections to the database as well.

use super::keyed_locks::{KeyGuard, KeyedLocks};
use crate::caller::Caller;
use domain::ids::{UserId, WorkspaceId};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The locks and permits for reading histories.
pub(super) struct Histories {
    /// Of each principal, an actor in a workspace, one is read at a time, so that those of others do not wait for all of its own.
    principals: KeyedLocks<(UserId, WorkspaceId)>,
    /// Of all together, and of other long streams, as many as the log can carry out beside everything else.
    all: Arc<Semaphore>,
}

/// The turn of a history. It ends when this is dropped.
pub(super) struct OfPrincipal<'a> {
    all: &'a Semaphore,
    _turn: KeyGuard<'a, (UserId, WorkspaceId)>,
}

impl Histories {
    /// With turns that others may take as well.
    pub(super) fn new(all: Arc<Semaphore>) -> Self {
        Self { principals: KeyedLocks::default(), all }
    }

    /// Waits until no other history is read for the sender of the command.
    pub(super) async fn turn(&self, caller: &Caller) -> OfPrincipal<'_> {
        let turn = self.principals.lock((caller.actor, caller.workspace)).await;
        OfPrincipal { all: &self.all, _turn: turn }
    }
}

impl OfPrincipal<'_> {
    /// Waits until the next step of it may be read. Others have their turn between two steps of a long history.
    pub(super) async fn step(&self) -> Option<SemaphorePermit<'_>> {
        self.all.acquire().await.ok()
    }
}
