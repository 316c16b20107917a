//! Commands on schedules. Each relies on the project and the task that the schedule is about.

use crate::access::{Asks, InProject, Standing};
use crate::caller::Caller;
use crate::error::CommandError;
use crate::executor::{Handling, Prepared, refused};
use crate::inputs::Refusal;
use crate::ports::{Claim, Guard};
use crate::schedule::ScheduleOrder;
use crate::state_cache::{States, Versioned};
use crate::task::home;
use domain::fields::Fields;
use domain::ids::{ProjectId, ScheduleId, TaskId};
use domain::issued::Issued;
use domain::schedule::{About, FollowedTask, Schedule, ScheduleCommand, ScheduleError, Subject};
use domain::task::Task;
use uuid::Uuid;

/// A schedule command with its id settled.
pub(crate) struct ScheduleHandling {
    pub(crate) id: ScheduleId,
    /// The task that a new schedule is to follow.
    pub(crate) begins_to_follow: Option<TaskId>,
    pub(crate) asks: Asks,
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
            (ScheduleCommand::Follow, Schedule::Absent) if self.begins_to_follow.is_some() => Ok((None, self.begins_to_follow)),
            // Also where a claim says that this schedule follows a task, and the log holds nothing of it.
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
        matches!(self.order.wish, ScheduleCommand::Create(_)) || self.begins_to_follow.is_some()
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

    fn asks(&self) -> Asks {
        self.asks
    }

    async fn prepare(&self, states: &States, caller: &Caller, own: &Versioned<Schedule>) -> Result<Prepared<Schedule>, CommandError> {
        let (project_id, task_id) = self.about(own)?;
        let mut relied_on = vec![];
        let mut task = None;
        if let Some(task_id) = task_id {
            let loaded = states.get::<Task>(task_id.0).await?;
            relied_on.push((Guard { aggregate_id: task_id.0, version: loaded.version }, loaded.cached));
            task = Some(FollowedTask::of(task_id, &loaded.state).ok_or_else(|| refused(&ScheduleError::TaskNotFound))?);
        }
        let (mut place, mut standing) = (None, Standing::NoProject);
        if let Some(project_id) = task.as_ref().map(|task| task.project_id).or(project_id) {
            let (home, project, also) = home(states, project_id).await?;
            standing = Standing::InProject(InProject::of(&project, caller.actor));
            relied_on.extend(also);
            place = Some(home);
        }
        let wish = self.order.wish.clone();
        let project_id = place.as_ref().map(|home| home.id);
        let command = Box::new(|issued: Issued<()>| issued.with(About { home: place, task, wish }));
        let claim = self.begins_to_follow.map(|task| (follower_of(task), followed_already()));
        Ok(Prepared { command, relied_on, project_id, standing, claim })
    }
}

/// The kind of claim by which the one schedule that follows a task is found. It is made with the schedule and never
/// released: a follower that was deleted is opened again when its task is to be followed again.
pub const FOLLOWER_CLAIM: &str = "task_schedule";

pub(crate) fn follower_of(task: TaskId) -> Claim {
    Claim { kind: FOLLOWER_CLAIM, value: task.to_string() }
}

/// No client sees it: whoever meets it looks for the follower again.
fn followed_already() -> Refusal {
    Refusal { code: "FOLLOWED_ALREADY", message: "another schedule follows this task".to_owned(), path: vec![] }
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
        let begun = one.follow(&how, None, task).await.expect("it is followed");
        assert_eq!((begun.version, begun.recorded.len()), (1, 1));
        send(&other, "taskUpdate", json!({ "id": task.0, "title": "Renamed" })).await.expect("another title");
        let renamed = other.follow(&how, None, task).await.expect("it is followed");
        assert_eq!((renamed.aggregate_id, renamed.version), (begun.aggregate_id, 2), "the same schedule goes on");
        let begins = log.names().into_iter().filter(|name| *name == "schedule_created").count();
        assert_eq!(begins, 1);
    }

    #[tokio::test]
    async fn two_who_begin_to_follow_a_task_at_the_same_time_end_up_with_one_schedule() {
        let (log, [one, other], task) = due_task().await;
        let how = by(caller(Role::Service));
        let first = one.follow(&how, None, task).await.expect("it is followed");
        // As it looks to somebody who asked before the first one was there.
        log.hide_holder_once();
        send(&other, "taskUpdate", json!({ "id": task.0, "title": "Renamed" })).await.expect("another title");
        let second = other.follow(&how, None, task).await.expect("it is followed");
        assert_eq!((second.aggregate_id, second.version), (first.aggregate_id, 2));
    }

    #[tokio::test]
    async fn a_claim_that_is_refused_although_nobody_holds_it_is_an_error() {
        let (log, [one, _], task) = due_task().await;
        log.plan([Ok(Appended::ClaimTaken)]);
        let refused = one.follow(&by(caller(Role::Service)), None, task).await;
        assert!(matches!(&refused, Err(CommandError::Refused(why)) if why[0].code == "FOLLOWED_ALREADY"), "{refused:?}");
    }

    #[tokio::test]
    async fn a_task_and_a_follower_that_do_not_exist_are_errors() {
        let (log, [one, _], task) = due_task().await;
        let how = by(caller(Role::Service));
        let missing = TaskId(Uuid::from_u128(404));
        for found in [one.may_have_follower(missing, 1).await.map(|_| ()), one.follow(&how, None, missing).await.map(|_| ())] {
            assert!(matches!(found, Err(CommandError::NotFound(_))), "{found:?}");
        }
        // The claim is held by a schedule of which the log has no event.
        one.follow(&how, None, task).await.expect("it is followed");
        log.lose_last();
        let nodes_without_memory = node(&log, 3);
        let found = nodes_without_memory.follow(&how, None, task).await;
        assert!(matches!(found, Err(CommandError::NotFound(_))), "{found:?}");
    }

    #[tokio::test]
    async fn a_task_that_is_not_to_be_followed_is_not_claimed() {
        let (log, [one, _], task) = due_task().await;
        let how = by(caller(Role::Service));
        send(&one, "taskClearDue", json!({ "id": task.0 })).await.expect("no due date");
        let nothing = one.follow(&how, None, task).await.expect("there is nothing to do");
        assert!(nothing.recorded.is_empty());
        assert_eq!(log.asked().last().map(|unit| unit.claims.clone()), Some(vec![]));
        send(&one, "taskSetDue", json!({ "id": task.0, "due": { "at": DUE } })).await.expect("a due date");
        assert_eq!(one.follow(&how, None, task).await.expect("it is followed").recorded.len(), 1);
    }
}
