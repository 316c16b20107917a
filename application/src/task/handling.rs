//! Commands on tasks. Each relies on the task's project being active, and so on its version.

use crate::access::{self, Asks, Standing};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::executor::{Handling, Prepared, refused};
use crate::ports::Guard;
use crate::state_cache::{States, Versioned};
use crate::task::{TaskOrder, TaskWish};
use domain::fields::Fields;
use domain::ids::{CommentId, ProjectId, TaskId, UserId};
use domain::project::{Home, Project};
use domain::task::{Comment, InProject, MoveTask, Task, TaskCommand, TaskError};
use std::sync::Arc;
use uuid::Uuid;

/// A task command with its ids settled.
pub(crate) struct TaskHandling {
    pub(crate) id: TaskId,
    /// The id of the comment, should the wish be one.
    pub(crate) comment_id: CommentId,
    pub(crate) asks: Asks,
    pub(crate) order: TaskOrder,
}

impl Handling for TaskHandling {
    type Entity = Task;

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn creates(&self) -> bool {
        matches!(self.order.wish, TaskWish::Create(..))
    }

    fn expected_version(&self) -> Option<i64> {
        self.order.expected_version
    }

    fn fields(&self) -> Fields {
        match &self.order.wish {
            TaskWish::Create(..) => Fields::All,
            TaskWish::Move(_) => Fields::one("project"),
            TaskWish::Comment(_) => Fields::Some(vec![]),
            TaskWish::Other(command) => command.fields(),
        }
    }

    fn asks(&self) -> Asks {
        self.asks
    }

    async fn prepare(&self, states: &States, caller: &Caller, own: &Versioned<Task>) -> Result<Prepared<Task>, CommandError> {
        let home_id = match &self.order.wish {
            TaskWish::Create(project_id, _) => *project_id,
            TaskWish::Move(_) | TaskWish::Comment(_) | TaskWish::Other(_) => {
                own.state.project_id().ok_or_else(|| refused(&TaskError::NotFound))?
            }
        };
        let (home, project, mut relied_on) = home(states, home_id).await?;
        let mut standing = access::InProject::of(&project, caller.actor).own_if(self.is_own(own, caller.actor));
        let wish = match &self.order.wish {
            TaskWish::Create(_, create) => TaskCommand::Create(create.clone()),
            TaskWish::Move(to) => {
                let (to, project, also) = self::home(states, *to).await?;
                standing = standing.and_in(&project, caller.actor);
                relied_on.extend(also.into_iter().filter(|_| to.id != home_id));
                TaskCommand::Move(MoveTask { to })
            }
            TaskWish::Comment(body) => TaskCommand::Comment(Comment { comment_id: self.comment_id, body: body.clone() }),
            TaskWish::Other(command) => command.clone(),
        };
        Ok(Prepared {
            command: Box::new(|issued| issued.with(InProject { home, wish })),
            relied_on,
            project_id: Some(home_id),
            standing: Standing::InProject(standing),
            claim: None,
        })
    }
}

impl TaskHandling {
    /// Whether the wish is about the caller's own work: a task assigned to the caller, and only the caller's part in it.
    fn is_own(&self, own: &Versioned<Task>, actor: UserId) -> bool {
        let mine = match &*own.state {
            Task::Live(live) => live.assignee_ids.contains(actor),
            Task::Absent | Task::Deleted { .. } => false,
        };
        match &self.order.wish {
            TaskWish::Other(TaskCommand::Unassign(user_id)) => mine && *user_id == actor,
            TaskWish::Create(..) | TaskWish::Move(_) | TaskWish::Comment(_) | TaskWish::Other(_) => mine,
        }
    }
}

/// The project that a task or schedule lives in, as they see it and in full, with its version to rely on.
pub(crate) async fn home(states: &States, id: ProjectId) -> Result<(Home, Arc<Project>, Vec<(Guard, bool)>), CommandError> {
    let project = states.get::<Project>(id.0).await?;
    let home = project.state.as_home(id).ok_or_else(|| refused(&TaskError::ProjectNotFound))?;
    Ok((home, project.state, vec![(Guard { aggregate_id: id.0, version: project.version }, project.cached)]))
}
