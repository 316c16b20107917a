//! What commands on schedules depend on: the project and the task that the schedule is about.

use crate::access::{CallerRole, ProjectRole};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::executor::{Dependencies, Executable, refused};
use crate::ports::Guard;
use crate::schedule::follow::{already_followed, follower_of};
use crate::state_cache::{StateCache, Versioned};
use crate::task::home;
use domain::ids::{ProjectId, TaskId};
use domain::schedule::{FollowedTask, Schedule, ScheduleCommand, ScheduleContext, ScheduleError, Subject};
use domain::task::Task;
use uuid::Uuid;

impl Executable for Schedule {
    type DomainCommand = ScheduleCommand;
    type Context = ScheduleContext;

    /// What ticks and what follows a task depends on the time at which it is sent.
    fn settles(command: &ScheduleCommand) -> bool {
        !matches!(command, ScheduleCommand::Tick | ScheduleCommand::StartFollowing(_) | ScheduleCommand::Follow)
    }

    async fn dependencies(
        _: Uuid,
        command: &ScheduleCommand,
        states: &StateCache,
        caller: &Caller,
        own: &Versioned<Self>,
    ) -> Result<Dependencies<ScheduleContext>, CommandError> {
        let (project_id, task_id) = about(command, &own.state)?;
        let (mut context, mut guards, mut role) = (ScheduleContext::default(), vec![], CallerRole::NoProject);
        if let Some(task_id) = task_id {
            let loaded = states.get::<Task>(task_id.0).await?;
            guards.push((Guard { aggregate_id: task_id.0, version: loaded.version }, loaded.cached));
            context.task = Some(FollowedTask::of(task_id, &loaded.state).ok_or_else(|| refused(&ScheduleError::TaskNotFound))?);
        }
        let project_id = context.task.as_ref().map(|task| task.project_id).or(project_id);
        if let Some(project_id) = project_id {
            let (home, project, guard) = home(states, project_id).await?;
            role = CallerRole::InProject(ProjectRole::of(&project, caller.actor));
            guards.push(guard);
            context.home = Some(home);
        }
        let follows = if let ScheduleCommand::StartFollowing(task) = command { Some(*task) } else { None };
        let claim = follows.map(|task| (follower_of(task), already_followed()));
        Ok(Dependencies { context, guards, project_id, role, claim })
    }
}

/// What a schedule is about: for a new one as the command says, else as it has been since its creation.
fn about(command: &ScheduleCommand, schedule: &Schedule) -> Result<(Option<ProjectId>, Option<TaskId>), CommandError> {
    match (command, schedule) {
        (ScheduleCommand::Create(create), _) => Ok((create.project_id, create.task_id)),
        (ScheduleCommand::StartFollowing(task_id), _) => Ok((None, Some(*task_id))),
        (_, Schedule::Present(live)) => Ok(match live.subject {
            Subject::Milestone => (None, None),
            Subject::Project { project_id } => (Some(project_id), None),
            Subject::Task { task_id } | Subject::TaskDueDate { task_id } => (None, Some(task_id)),
        }),
        // Also if a claim says that this schedule follows a task, and the log holds no event of it.
        (_, Schedule::Absent) => Err(refused(&ScheduleError::NotFound)),
    }
}
