//! Commands on schedules. Each relies on the project and the task that the schedule is about.

use crate::commands::ScheduleOrder;
use crate::error::CommandError;
use crate::executor::{Handling, Prepared, refused};
use crate::ports::Guard;
use crate::states::{States, Versioned};
use crate::tasks::home;
use domain::fields::Fields;
use domain::ids::{ProjectId, ScheduleId, TaskId};
use domain::schedule::{About, FollowedTask, Schedule, ScheduleCommand, ScheduleError, Subject};
use domain::task::Task;
use uuid::Uuid;

/// A schedule command with its id settled.
pub(crate) struct ScheduleHandling {
    pub(crate) id: ScheduleId,
    /// The task to follow, for the schedule of a task's due date.
    pub(crate) follows: Option<TaskId>,
    pub(crate) order: ScheduleOrder,
}

impl ScheduleHandling {
    /// What the schedule is about: as wished, or as it has been from its beginning.
    fn about(&self, own: &Versioned<Schedule>) -> Result<(Option<ProjectId>, Option<TaskId>), CommandError> {
        match (&self.order.wish, &*own.state) {
            (ScheduleCommand::Create(create), _) => Ok((create.project_id, create.task_id)),
            (_, Schedule::Present(live)) => Ok(match live.subject {
                Subject::Milestone => (None, None),
                Subject::Project { project_id } => (Some(project_id), None),
                Subject::Task { task_id } | Subject::TaskDueDate { task_id } => (None, Some(task_id)),
            }),
            (ScheduleCommand::Follow, Schedule::Absent) => Ok((None, self.follows)),
            (_, Schedule::Absent) => Err(refused(&ScheduleError::NotFound)),
        }
    }
}

impl Handling for ScheduleHandling {
    type Entity = Schedule;

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn creates(&self) -> bool {
        matches!(self.order.wish, ScheduleCommand::Create(_))
    }

    fn expected_version(&self) -> Option<i64> {
        self.order.expected_version
    }

    fn fields(&self) -> Fields {
        self.order.wish.fields()
    }

    fn settles(&self) -> bool {
        !matches!(self.order.wish, ScheduleCommand::Tick | ScheduleCommand::Follow)
    }

    async fn prepare(&self, states: &States, own: &Versioned<Schedule>) -> Result<Prepared<Schedule>, CommandError> {
        let (project_id, task_id) = self.about(own)?;
        let mut relied_on = vec![];
        let mut task = None;
        if let Some(task_id) = task_id {
            let loaded = states.get::<Task>(task_id.0).await?;
            relied_on.push((Guard { aggregate_id: task_id.0, version: loaded.version }, loaded.cached));
            task = Some(FollowedTask::of(task_id, &loaded.state).ok_or_else(|| refused(&ScheduleError::TaskNotFound))?);
        }
        let mut place = None;
        if let Some(project_id) = task.as_ref().map(|task| task.project_id).or(project_id) {
            let (home, also) = home(states, project_id).await?;
            relied_on.extend(also);
            place = Some(home);
        }
        let wish = self.order.wish.clone();
        let project_id = place.as_ref().map(|home| home.id);
        Ok(Prepared { command: Box::new(|issued| issued.with(About { home: place, task, wish })), relied_on, project_id, claim: None })
    }
}
