//! Commands on schedules that only the service sends: firing what is due, and keeping the schedule of a task's due date in step
//! with the task.

use crate::caller::Circumstances;
use crate::error::CommandError;
use crate::executor::{self, Executor, Outcome, Request};
use crate::input::Refusal;
use crate::ports::{Claim, CommandKey};
use domain::ids::{ScheduleId, TaskId};
use domain::schedule::{Schedule, ScheduleCommand, ScheduleError};
use domain::task::Task;
use uuid::Uuid;

/// The kind of claim by which the schedule that follows a task is found. It is made with the schedule and never
/// released: a follower that was deleted is reopened when its task is to be followed again.
pub const FOLLOWER_CLAIM: &str = "task_schedule";

pub(crate) fn follower_of(task: TaskId) -> Claim {
    Claim { kind: FOLLOWER_CLAIM, value: task.to_string() }
}

/// No client receives it: on this refusal the follower is looked up again.
pub(super) fn already_followed() -> Refusal {
    Refusal { code: "FOLLOWED_ALREADY", message: "another schedule follows this task".to_owned(), path: vec![] }
}

impl Executor {
    /// Lets a schedule fire what is due.
    pub(crate) async fn tick(&self, how: &Circumstances, key: Option<&CommandKey>, id: ScheduleId) -> Result<Outcome, CommandError> {
        self.run::<Schedule>(how, key, "tick", Request::on(id.0, None, ScheduleCommand::Tick)).await
    }

    /// Whether a schedule may follow a task: it has a due date, or is deleted and may have had one. The caller has seen an event of
    /// the task with this version, so it is decided on no older state, and a task that does not exist is an error.
    pub(crate) async fn may_have_follower(&self, task: TaskId, version: i64) -> Result<bool, CommandError> {
        Ok(match &*self.states.get_at_least::<Task>(task.0, version).await?.state {
            Task::Absent => return Err(executor::refused(&ScheduleError::TaskNotFound)),
            Task::Live(live) => live.due.is_some(),
            Task::Deleted { .. } => true,
        })
    }

    /// Brings the schedule that follows a task in step with it. It is found by its claim on the task, and has an id that is
    /// unknown before it exists: no id that a caller gives to another object can conflict with it.
    pub(crate) async fn follow(&self, how: &Circumstances, key: Option<&CommandKey>, task: TaskId) -> Result<Outcome, CommandError> {
        let workspace = how.caller.workspace;
        if let Some(follower) = self.log.holder(workspace, &follower_of(task)).await? {
            return self.follow_as(follower, how, key).await;
        }
        let start = Request::create(Some(self.ids.new_id()), ScheduleCommand::StartFollowing(task));
        let started = self.run::<Schedule>(how, key, "follow", start).await;
        match started {
            // Another node starts to follow it at the same time, such as one that has lost its lease without noticing.
            Err(CommandError::Refused(_)) => match self.log.holder(workspace, &follower_of(task)).await? {
                Some(follower) => self.follow_as(follower, how, key).await,
                None => started,
            },
            started => started,
        }
    }

    async fn follow_as(&self, id: Uuid, how: &Circumstances, key: Option<&CommandKey>) -> Result<Outcome, CommandError> {
        self.run::<Schedule>(how, key, "follow", Request::on(id, None, ScheduleCommand::Follow)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Application;
    use crate::caller::Role;
    use crate::ports::Appended;
    use crate::testing::{MemoryLog, by, caller, node, project, send};
    use serde_json::json;
    use std::sync::Arc;

    const DUE: &str = "2031-03-10T12:00:00Z";

    /// A log with a task that is due, and two nodes on it.
    async fn due_task() -> (Arc<MemoryLog>, [Application; 2], TaskId) {
        let log = Arc::new(MemoryLog::default());
        let nodes = [node(&log, 1), node(&log, 2)];
        let project = project(&nodes[0], "APOLLO").await;
        let task = json!({ "projectId": project, "title": "Followed", "due": { "at": DUE } });
        let task = TaskId(send(&nodes[0], "taskCreate", task).await.expect("a task").aggregate_id);
        (log, nodes, task)
    }

    #[tokio::test]
    async fn a_follower_is_found_by_its_task_on_every_node() {
        let (log, [one, other], task) = due_task().await;
        let how = by(caller(Role::Service));
        let begun = one.executor.follow(&how, None, task).await.expect("it is followed");
        assert_eq!((begun.version, begun.recorded.len()), (1, 1));
        send(&other, "taskUpdate", json!({ "id": task.0, "title": "Renamed" })).await.expect("another title");
        let renamed = other.executor.follow(&how, None, task).await.expect("it is followed");
        assert_eq!((renamed.aggregate_id, renamed.version), (begun.aggregate_id, 2), "the same schedule goes on");
        let begins = log.names().into_iter().filter(|name| *name == "schedule_created").count();
        assert_eq!(begins, 1);
    }

    #[tokio::test]
    async fn two_who_begin_to_follow_a_task_at_the_same_time_end_up_with_one_schedule() {
        let (log, [one, other], task) = due_task().await;
        let how = by(caller(Role::Service));
        let first = one.executor.follow(&how, None, task).await.expect("it is followed");
        // As seen by a node that asked before the first one existed.
        log.hide_holder_once();
        send(&other, "taskUpdate", json!({ "id": task.0, "title": "Renamed" })).await.expect("another title");
        let second = other.executor.follow(&how, None, task).await.expect("it is followed");
        assert_eq!((second.aggregate_id, second.version), (first.aggregate_id, 2));
    }

    #[tokio::test]
    async fn a_claim_that_is_refused_although_nobody_holds_it_is_an_error() {
        let (log, [one, _], task) = due_task().await;
        log.plan([Ok(Appended::ClaimTaken)]);
        let refused = one.executor.follow(&by(caller(Role::Service)), None, task).await;
        assert!(matches!(&refused, Err(CommandError::Refused(why)) if why[0].code == "FOLLOWED_ALREADY"), "{refused:?}");
    }

    #[tokio::test]
    async fn a_task_and_a_follower_that_do_not_exist_are_errors() {
        let (log, [one, _], task) = due_task().await;
        let how = by(caller(Role::Service));
        let missing = TaskId(Uuid::from_u128(404));
        for found in
            [one.executor.may_have_follower(missing, 1).await.map(|_| ()), one.executor.follow(&how, None, missing).await.map(|_| ())]
        {
            assert!(matches!(found, Err(CommandError::NotFound(_))), "{found:?}");
        }
        // The claim is held by a schedule of which the log has no event.
        one.executor.follow(&how, None, task).await.expect("it is followed");
        log.lose_last();
        let nodes_without_memory = node(&log, 3);
        let found = nodes_without_memory.executor.follow(&how, None, task).await;
        assert!(matches!(found, Err(CommandError::NotFound(_))), "{found:?}");
    }

    #[tokio::test]
    async fn a_task_that_is_not_to_be_followed_is_not_claimed() {
        let (log, [one, _], task) = due_task().await;
        let how = by(caller(Role::Service));
        send(&one, "taskClearDue", json!({ "id": task.0 })).await.expect("no due date");
        let nothing = one.executor.follow(&how, None, task).await.expect("there is nothing to do");
        assert!(nothing.recorded.is_empty());
        assert_eq!(log.asked().last().map(|unit| unit.claims.clone()), Some(vec![]));
        send(&one, "taskSetDue", json!({ "id": task.0, "due": { "at": DUE } })).await.expect("a due date");
        assert_eq!(one.executor.follow(&how, None, task).await.expect("it is followed").recorded.len(), 1);
    }
}
