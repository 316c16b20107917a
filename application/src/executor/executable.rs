//! What the executor needs to know of an aggregate whose commands it carries out.

use crate::access::{CallerRole, Need};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::input::Refusal;
use crate::ports::{Claim, Guard};
use crate::state_cache::{CachedAggregate, StateCache, Versioned};
use cqrs_es::Aggregate;
use domain::ids::ProjectId;
use domain::issued::{DomainCommand, Issued};
use uuid::Uuid;

/// A command for one aggregate, checked: what the input of a command becomes.
#[derive(Debug, Clone)]
pub(crate) struct Request<C> {
    /// The aggregate. `None`: the command creates one, under a new id.
    pub(crate) id: Option<Uuid>,
    /// The version of the aggregate that the sender has seen, if given.
    pub(crate) expected_version: Option<i64>,
    pub(crate) command: C,
}

impl<C> Request<C> {
    /// A command on an aggregate that exists.
    pub(crate) fn on(id: Uuid, expected_version: Option<i64>, command: C) -> Self {
        Self { id: Some(id), expected_version, command }
    }

    /// A command that creates an aggregate, under an id of the sender's choice or a new one.
    pub(crate) fn create(id: Option<Uuid>, command: C) -> Self {
        Self { id, expected_version: None, command }
    }
}

/// What the check of an input gives: the request, or everything that is wrong with the input.
pub(crate) type Checked<C> = Result<Request<C>, Vec<Refusal>>;

/// The name of a command and what it requires of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) command: &'static str,
    pub(crate) need: Need,
}

impl Requirement {
    /// Of a command that only the service's own workers send.
    pub(crate) fn of_service(command: &'static str) -> Self {
        Self { command, need: Need::Service }
    }
}

/// What a decision depends on besides the aggregate itself.
pub(crate) struct Dependencies<X> {
    /// What the rules read of other aggregates.
    pub(crate) context: X,
    /// The versions of these aggregates, which the append proves, and whether each state came from the cache.
    pub(crate) guards: Vec<(Guard, bool)>,
    /// The project that the events belong to.
    pub(crate) project_id: Option<ProjectId>,
    /// What the sender is to what the command is about.
    pub(crate) role: CallerRole,
    /// A value to claim, with the refusal if it is taken.
    pub(crate) claim: Option<(Claim, Refusal)>,
}

/// An aggregate whose commands the executor carries out.
pub(crate) trait Executable: CachedAggregate + Aggregate<Command = Issued<Self::DomainCommand, Self::Context>> {
    type DomainCommand: DomainCommand + Clone + Send + Sync;
    type Context: Send;

    /// Whether "nothing to do" is recorded under the command's id, so that a late retry does nothing either. Not for commands
    /// that depend on the time at which they are sent, such as a tick: sent again later, they may find something to do.
    fn settles(_: &Self::DomainCommand) -> bool {
        true
    }

    /// Reads what the decision depends on besides the aggregate itself.
    fn dependencies(
        id: Uuid,
        command: &Self::DomainCommand,
        states: &StateCache,
        caller: &Caller,
        own: &Versioned<Self>,
    ) -> impl Future<Output = Result<Dependencies<Self::Context>, CommandError>> + Send;
}
