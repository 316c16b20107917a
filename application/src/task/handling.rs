//! What commands on tasks depend on: the task's project being active, and so its version.

use crate::access::{CallerRole, ProjectRole};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::executor::{Dependencies, Executable, refused};
use crate::ports::Guard;
use crate::state_cache::{StateCache, Versioned};
use domain::ids::{ProjectId, UserId};
use domain::project::{Home, Project};
use domain::task::{MoveTask, Task, TaskCommand, TaskContext, TaskError};
use std::sync::Arc;
use uuid::Uuid;

impl Executable for Task {
    type DomainCommand = TaskCommand;
    type Context = TaskContext;

    async fn dependencies(
        _: Uuid,
        command: &TaskCommand,
        states: &StateCache,
        caller: &Caller,
        own: &Versioned<Self>,
    ) -> Result<Dependencies<TaskContext>, CommandError> {
        let project_id = if let TaskCommand::Create(create) = command { Some(create.project_id) } else { own.state.project_id() };
        let project_id = project_id.ok_or_else(|| refused(&TaskError::NotFound))?;
        let (home, project, guard) = home(states, project_id).await?;
        let mut role = ProjectRole::of(&project, caller.actor).own_if(is_own(&own.state, command, caller.actor));
        let (mut context, mut guards) = (TaskContext::new(home), vec![guard]);
        if let TaskCommand::Move(MoveTask { project_id: target_id }) = command {
            let (target, project, guard) = self::home(states, *target_id).await?;
            role = role.and_in(&project, caller.actor);
            guards.extend((*target_id != project_id).then_some(guard));
            context.target = Some(target);
        }
        Ok(Dependencies { context, guards, project_id: Some(project_id), role: CallerRole::InProject(role), claim: None })
    }
}

/// Whether a command is about the caller's own work: a task assigned to the caller, and only the caller's part in it. The row of
/// the command says whether that is enough.
fn is_own(task: &Task, command: &TaskCommand, actor: UserId) -> bool {
    let mine = match task {
        Task::Live(live) => live.assignee_ids.contains(actor),
        Task::Absent | Task::Deleted { .. } => false,
    };
    let of_another = matches!(command, TaskCommand::Unassign(user_id) if *user_id != actor);
    mine && !of_another
}

/// The project of a task or schedule, as they see it and in full, with its version as a guard.
pub(crate) async fn home(states: &StateCache, id: ProjectId) -> Result<(Home, Arc<Project>, (Guard, bool)), CommandError> {
    let project = states.get::<Project>(id.0).await?;
    let home = project.state.as_home(id).ok_or_else(|| refused(&TaskError::ProjectNotFound))?;
    Ok((home, project.state, (Guard { aggregate_id: id.0, version: project.version }, project.cached)))
}
