//! When something happened, then something is to be done: durable subscribers of the log whose answers are commands.
//!
//! Each reaction keeps how far it is. Its commands have ids made from the event, so a crash between the event and the
//! note of it repeats them without effect: nothing is lost, nothing is doubled. What this program cannot read or carry out
//! is parked, with what follows it in its aggregate, and tried again by whichever node takes over, such as a newer one.
//!
//! That a project at rest silences its schedules needs no reaction: every tick is guarded by the project's version, and
//! the read model that the scheduler looks at leaves them out. So there is no moment between the two.

mod keep_schedule_in_step_with_task;
mod runner;

pub use runner::{AGGREGATES_AT_ONCE, BATCH_FACTS_MAX, run};

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

/// When <event>, then <command>.
#[async_trait]
pub trait Reaction: Send + Sync {
    /// The name its position is stored under. Never renamed.
    fn name(&self) -> &'static str;

    /// Whether an event may call for something.
    fn listens_to(&self, event: &Event) -> bool;

    /// Does what is called for.
    async fn react(&self, application: &Application, event: &Recorded) -> Result<(), CommandError>;
}

/// Every reaction.
pub fn all() -> Vec<Arc<dyn Reaction>> {
    vec![Arc::new(KeepScheduleInStepWithTask)]
}

/// The lease of the node that reacts.
pub fn lease_name(reaction: &str) -> String {
    format!("reaction/{reaction}")
}

/// The circumstances of a command that answers an event. What follows from an event happened when the event did, however
/// late it is answered: imported history has schedules of its own time.
fn because_of(event: &Recorded) -> Circumstances {
    Circumstances {
        caller: Caller { actor: system::REACTIONS, workspace: event.workspace_id, role: Role::Service },
        source: Source::Reaction,
        at: Some(event.metadata.occurred_at),
        correlation_id: event.metadata.correlation_id,
        causation_id: Some(event.event_id),
        traceparent: event.metadata.traceparent.clone(),
    }
}

/// The id of the command by which a reaction answers an event: the same whenever it is made.
fn key(reaction: &str, event: &Recorded) -> CommandKey {
    let id = derived(&["reaction", reaction, &event.event_id.to_string()]);
    CommandKey { source: Source::Reaction, id, request_hash: Sha256::digest(id.as_bytes()).into() }
}
