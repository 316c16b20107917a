//! A command with what the domain may not find out by itself: who, where and when.

use crate::ids::{UserId, WorkspaceId};
use crate::values::Instant;

/// A command as it reaches an aggregate.
#[derive(Debug, Clone)]
pub struct Issued<C> {
    /// Who wishes it.
    pub by: UserId,
    /// The workspace it is wished in. A thing of another workspace is not found.
    pub workspace: WorkspaceId,
    /// When it is wished, to the millisecond. It becomes `occurred_at` of the events.
    pub at: Instant,
    /// What is wished.
    pub command: C,
}

impl<C> Issued<C> {
    /// The same circumstances with another command.
    pub fn with<D>(self, command: D) -> Issued<D> {
        Issued { by: self.by, workspace: self.workspace, at: self.at, command }
    }
}
