//! A reaction, and the event that it answers.

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::error::CommandError;
use crate::ports::CommandKey;
use async_trait::async_trait;
use domain::event::{Event, Recorded};
use domain::ids::{derived, system};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// When <event>, then <command>.
#[async_trait]
pub trait Reaction: Send + Sync {
    /// The name its position is stored under. Never renamed.
    fn name(&self) -> &'static str;

    /// Whether an event may need a command.
    fn listens_to(&self, event: &Event) -> bool;

    /// Carries out the commands that the event needs.
    async fn react(&self, application: &Application, cause: &Cause<'_>) -> Result<(), CommandError>;
}

/// The event that a reaction answers, and what its commands take from it.
pub struct Cause<'a> {
    pub(super) reaction: &'static str,
    pub(super) event: &'a Recorded,
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
