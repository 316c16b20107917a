//! A command with what the domain may not find out by itself: who, where, when, and what else it depends on.

use crate::fields::Fields;
use crate::ids::{UserId, WorkspaceId};
use crate::values::Instant;

/// A command as it reaches an aggregate.
#[derive(Debug, Clone)]
pub struct Issued<C, X = ()> {
    /// The user who sends it.
    pub by: UserId,
    /// The workspace it is sent in. An aggregate of another workspace is not found.
    pub workspace: WorkspaceId,
    /// When it is sent, to the millisecond. It becomes `occurred_at` of the events.
    pub at: Instant,
    /// What it asks for.
    pub command: C,
    /// The state of other aggregates that the decision depends on.
    pub context: X,
}

impl<C> Issued<C> {
    /// The same command with a context.
    pub fn in_context<X>(self, context: X) -> Issued<C, X> {
        Issued { by: self.by, workspace: self.workspace, at: self.at, command: self.command, context }
    }
}

/// What can be said of every command of an aggregate.
pub trait DomainCommand {
    /// Whether it creates the aggregate.
    fn creates(&self) -> bool;

    /// The fields that it sets.
    fn fields(&self) -> Fields;
}
