//! When something happened, then something is to be done: durable subscribers of the log whose answers are commands.
//!
//! Each reaction keeps how far it is. Its commands have ids made from the event, so a crash between the event and the
//! note of it repeats them without effect: nothing is lost, nothing is doubled.
//!
//! What one aggregate's event meets never stops another's. An event that fails although the log takes other commands is
//! parked after a bounded number of tries, with what follows it in its aggregate; everything else goes on. Parked events
//! are tried again with growing pauses, when an admin asks for it, and whenever a node takes over, such as a newer one.
//! Only what says nothing about the event, such as a database that is away, is waited for without bound.
//!
//! That a project at rest silences its schedules needs no reaction: every tick is guarded by the project's version, and
//! the read model that the scheduler looks at leaves them out. So there is no moment between the two.

mod attempt;
mod keep_schedule_in_step_with_task;
mod parked;
mod runner;
#[cfg(test)]
mod tests;

pub use attempt::{ATTEMPT_WITHIN, SETTLE_WITHIN, TRIES_MAX, TRY_FOR_MAX, TRY_WITHIN};
pub use parked::{PARKED_AT_ONCE, PARKED_LOOK_EVERY, PARKED_PAUSE_MAX, PARKED_PAUSE_MIN};
pub use runner::{AGGREGATES_AT_ONCE, BATCH_FACTS_MAX, Told, Trouble, run};

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::error::CommandError;
use crate::ports::CommandKey;
use async_trait::async_trait;
use domain::event::{Event, Recorded};
use domain::ids::{derived, system};
use keep_schedule_in_step_with_task::KeepScheduleInStepWithTask;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use uuid::Uuid;

/// When <event>, then <command>.
#[async_trait]
pub trait Reaction: Send + Sync {
    /// The name its position is stored under. Never renamed.
    fn name(&self) -> &'static str;

    /// Whether an event may call for something.
    fn listens_to(&self, event: &Event) -> bool;

    /// Does what is called for.
    async fn react(&self, application: &Application, cause: &Cause<'_>) -> Result<(), CommandError>;
}

/// Every reaction.
pub fn all() -> Vec<Arc<dyn Reaction>> {
    vec![Arc::new(KeepScheduleInStepWithTask)]
}

/// The lease of the node that reacts.
pub fn lease_name(reaction: &str) -> String {
    format!("reaction/{reaction}")
}

/// The event that a reaction answers, and what its commands have from it.
pub struct Cause<'a> {
    reaction: &'static str,
    event: &'a Recorded,
}

impl Cause<'_> {
    /// The event.
    pub fn event(&self) -> &Recorded {
        self.event
    }

    /// The circumstances of a command that answers it. What follows from an event happened when the event did, however
    /// late it is answered: imported history has schedules of its own time.
    pub(crate) fn circumstances(&self) -> Circumstances {
        let event = self.event;
        Circumstances {
            caller: Caller { actor: system::REACTIONS, workspace: event.workspace_id, role: Role::Service },
            source: Source::Reaction,
            at: Some(event.metadata.occurred_at.utc()),
            correlation_id: event.metadata.correlation_id,
            causation_id: Some(event.event_id),
            traceparent: event.metadata.traceparent.clone(),
        }
    }

    /// The id of one of the commands that answer it: the same whenever it is made, and another one for every command
    /// and for everything that a command is about, so that each of several commands is carried out.
    pub(crate) fn key(&self, command: &str, about: Uuid) -> CommandKey {
        let id = derived(&["reaction", self.reaction, &self.event.event_id.to_string(), command, &about.to_string()]);
        CommandKey { source: Source::Reaction, id, request_hash: Sha256::digest(id.as_bytes()).into() }
    }
}
