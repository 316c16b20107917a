//! When a task's plan changes, then the schedule that follows its due date is brought in step.
//!
//! It is decided on the task as it is now, not on the event: the schedule is right whatever happened in between, and a second
//! run finds nothing to do.

use super::reaction::{Cause, Reaction};
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
        let (task, version) = (TaskId(cause.event().aggregate_id), cause.event().version);
        let due_changed = matches!(cause.event().event, Event::Task(TaskEvent::TaskDueDateChanged(_)));
        if !due_changed && !application.executor.may_have_follower(task, version).await? {
            return Ok(());
        }
        application.executor.follow(&cause.circumstances(), Some(&cause.key("follow", task.0)), task).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryLog, node, project, send, task};
    use serde_json::json;
    use std::sync::Arc;

    /// Answers the newest event as a node that reacts.
    async fn react_to_newest(log: &MemoryLog, node: &Application) {
        let (reaction, events) = (KeepScheduleInStepWithTask, log.events());
        let event = events.last().expect("an event");
        assert!(reaction.listens_to(&event.event), "{}", event.event.name());
        reaction.react(node, &Cause { reaction: reaction.name(), event }).await.expect("it is answered");
    }

    #[tokio::test]
    async fn a_node_that_takes_over_reacts_to_a_task_that_others_have_changed_since_it_knew_it() {
        for (command, input) in [
            ("taskComplete", json!({})),
            ("taskUpdate", json!({ "title": "Renamed" })),
            ("taskChangeStatus", json!({ "status": "CANCELLED" })),
            ("taskDelete", json!({})),
        ] {
            let log = Arc::new(MemoryLog::default());
            let [before, taking_over] = [node(&log, 1), node(&log, 2)];
            let project = project(&before, "APOLLO").await;
            // This node knows it as one without a due date, which nothing follows.
            let task = task(&taking_over, project, "A task").await;
            let due = json!({ "at": "2031-03-10T12:00:00Z" });
            send(&before, "taskSetDue", json!({ "id": task, "due": due })).await.expect("a due date");
            react_to_newest(&log, &before).await;
            assert_eq!(log.names().last(), Some(&"schedule_created"));
            let mut input = input;
            input["id"] = json!(task);
            send(&before, command, input).await.expect("a change");
            react_to_newest(&log, &taking_over).await;
            let followed = log.events().last().is_some_and(|last| matches!(last.event, Event::Schedule(_)));
            assert!(followed, "{command}: {:?}", log.names());
        }
    }
}
