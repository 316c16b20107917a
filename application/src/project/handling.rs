//! What commands on projects depend on: nothing but the project itself, and a new project's key being unique.

use crate::access::{CallerRole, ProjectRole};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::executor::{Dependencies, Executable};
use crate::input::Refusal;
use crate::ports::Claim;
use crate::state_cache::{StateCache, Versioned};
use domain::ids::ProjectId;
use domain::project::{Project, ProjectCommand, ProjectError};
use uuid::Uuid;

/// The kind of claim that keeps project keys unique in a workspace, permanently.
pub const PROJECT_KEY_CLAIM: &str = "project_key";

impl Executable for Project {
    type DomainCommand = ProjectCommand;
    type Context = ();

    async fn dependencies(
        id: Uuid,
        command: &ProjectCommand,
        _: &StateCache,
        caller: &Caller,
        own: &Versioned<Self>,
    ) -> Result<Dependencies<()>, CommandError> {
        let claim = if let ProjectCommand::Create(create) = command {
            let taken = Refusal::by_rule(&ProjectError::KeyTaken(create.key.clone()));
            Some((Claim { kind: PROJECT_KEY_CLAIM, value: create.key.to_string() }, taken))
        } else {
            None
        };
        let role = CallerRole::InProject(ProjectRole::for_command(&own.state, caller.actor, command));
        Ok(Dependencies { context: (), guards: vec![], project_id: Some(ProjectId(id)), role, claim })
    }
}
