//! When a task's plan changes, then the schedule that follows its due date is brought in step.
//!
//! What is to be done is decided on the task as it is now, not on what the event says: the schedule ends up right
//! whatever happened meanwhile, and a second run finds nothing to do.

use super::{Cause, Reaction};
use crate::Application;
use crate::error::CommandError;
use async_trait::async_trait;
use domain::event::Event;
use domain::ids::TaskId;
use domain::task::{Status, TaskEvent};

pub(super) struct KeepScheduleInStepWithTask;

#[async_trait]
impl Reaction for KeepScheduleInStepWithTask {
    fn name(&self) -> &'static str {
        "keep_schedule_in_step_with_task"
    }

    fn listens_to(&self, event: &Event) -> bool {
        let Event::Task(event) = event else { return false };
        match event {
            TaskEvent::TaskCreated(created) => created.due.is_some(),
            TaskEvent::TaskUpdated(updated) => updated.changes.title.is_some(),
            TaskEvent::TaskStatusChanged(changed) => changed.to == Status::Cancelled,
            TaskEvent::TaskCompleted(_) | TaskEvent::TaskReopened(_) | TaskEvent::TaskDeleted(_) | TaskEvent::TaskDueDateChanged(_) => true,
            TaskEvent::TaskAssigned(_)
            | TaskEvent::TaskUnassigned(_)
            | TaskEvent::TaskPriorityChanged(_)
            | TaskEvent::TaskCommented(_)
            | TaskEvent::TaskMoved(_) => false,
        }
    }

    async fn react(&self, application: &Application, cause: &Cause<'_>) -> Result<(), CommandError> {
        let task = TaskId(cause.event().aggregate_id);
        let due_changed = matches!(cause.event().event, Event::Task(TaskEvent::TaskDueDateChanged(_)));
        if !due_changed && !application.may_have_follower(task).await? {
            return Ok(());
        }
        application.follow(&cause.circumstances(), Some(&cause.key("follow", task.0)), task).await.map(|_| ())
    }
}
