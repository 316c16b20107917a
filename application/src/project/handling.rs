//! Commands on projects.

use crate::access::{Asks, InProject, Standing};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::executor::{Handling, Prepared};
use crate::inputs::Refusal;
use crate::ports::Claim;
use crate::project::ProjectOrder;
use crate::state_cache::{States, Versioned};
use domain::fields::Fields;
use domain::ids::ProjectId;
use domain::project::{Project, ProjectCommand, ProjectError};
use uuid::Uuid;

/// The kind of claim that keeps project keys unique in a workspace, for ever.
pub const PROJECT_KEY_CLAIM: &str = "project_key";

/// A project command with its id settled.
pub(crate) struct ProjectHandling {
    pub(crate) id: ProjectId,
    pub(crate) asks: Asks,
    pub(crate) order: ProjectOrder,
}

impl Handling for ProjectHandling {
    type Entity = Project;

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn creates(&self) -> bool {
        matches!(self.order.wish, ProjectCommand::Create(_))
    }

    fn expected_version(&self) -> Option<i64> {
        self.order.expected_version
    }

    fn fields(&self) -> Fields {
        self.order.wish.fields()
    }

    fn asks(&self) -> Asks {
        self.asks
    }

    async fn prepare(&self, _: &States, caller: &Caller, own: &Versioned<Project>) -> Result<Prepared<Project>, CommandError> {
        let wish = self.order.wish.clone();
        let claim = match &wish {
            ProjectCommand::Create(create) => {
                let taken = Refusal::by_rule(&ProjectError::KeyTaken(create.key.clone()));
                Some((Claim { kind: PROJECT_KEY_CLAIM, value: create.key.to_string() }, taken))
            }
            _ => None,
        };
        let standing = Standing::InProject(InProject::to_project(&own.state, caller.actor, &wish));
        Ok(Prepared { command: Box::new(|issued| issued.with(wish)), relied_on: vec![], project_id: Some(self.id), standing, claim })
    }
}
