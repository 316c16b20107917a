//! Commands on schedules. Each relies on the project and the task that the schedule is about.

use crate::Application;
use crate::access::{Asks, InProject, Standing};
use crate::caller::{Caller, Circumstances};
use crate::commands::ScheduleOrder;
use crate::error::CommandError;
use crate::executor::{Handling, Outcome, Prepared, refused};
use crate::ports::{CommandKey, Guard};
use crate::states::{States, Versioned};
use crate::tasks::home;
use domain::fields::Fields;
use domain::ids::{ProjectId, ScheduleId, TaskId};
use domain::issued::Issued;
use domain::schedule::{About, FollowedTask, Schedule, ScheduleCommand, ScheduleError, Subject};
use domain::task::Task;
use uuid::Uuid;

/// A schedule command with its id settled.
pub(crate) struct ScheduleHandling {
    pub(crate) id: ScheduleId,
    /// The task to follow, for the schedule of a task's due date.
    pub(crate) follows: Option<TaskId>,
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
        Ok(Prepared { command, relied_on, project_id, standing, claim: None })
    }
}

/// How many ids the schedule that follows a task has, for callers may give them to other things.
const FOLLOWER_IDS: usize = 8;

impl Application {
    /// Brings the schedule that follows a task in step with it. Callers choose ids too, so what has its id may be
    /// something else: then it has the next one.
    pub(crate) async fn follow(&self, how: &Circumstances, key: Option<&CommandKey>, task: TaskId) -> Result<Outcome, CommandError> {
        let mut id = ScheduleId::following(task);
        for _ in 1..FOLLOWER_IDS {
            let followed = self.follow_as(id, how, key, task).await;
            if !self.is_anothers(id, task, &followed).await? {
                return followed;
            }
            id = id.instead();
        }
        self.follow_as(id, how, key, task).await
    }

    async fn follow_as(
        &self,
        id: ScheduleId,
        how: &Circumstances,
        key: Option<&CommandKey>,
        task: TaskId,
    ) -> Result<Outcome, CommandError> {
        let order = ScheduleOrder { id: Some(id), expected_version: None, wish: ScheduleCommand::Follow };
        self.executor.run(how, key, &ScheduleHandling { id, follows: Some(task), asks: Asks::for_the_service("follow"), order }).await
    }

    /// Whether an id names something else than the schedule that follows a task.
    async fn is_anothers(&self, id: ScheduleId, task: TaskId, followed: &Result<Outcome, CommandError>) -> Result<bool, CommandError> {
        Ok(match &*self.executor.states.get::<Schedule>(id.0).await?.state {
            Schedule::Present(live) => live.subject != Subject::TaskDueDate { task_id: task },
            // No schedule, and yet its beginning was never let in: a task or a project may be there.
            Schedule::Absent if matches!(followed, Err(CommandError::Contended)) => self.executor.log.versions(&[id.0]).await? != [0],
            Schedule::Absent => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Role;
    use crate::testing::{MemoryLog, by, caller, node, project, send};
    use serde_json::json;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_task_is_followed_also_where_its_ids_are_taken() {
        let log = Arc::new(MemoryLog::default());
        let node = node(&log, 1);
        let project = project(&node, "APOLLO").await;
        let id = TaskId(Uuid::from_u128(77));
        let first = ScheduleId::following(id);
        let taken = json!({ "id": first.0, "title": "Mine", "due": { "at": "2031-03-10T12:00:00Z" } });
        send(&node, "scheduleCreate", taken).await.expect("anybody may choose an id");
        let taken = json!({ "projectId": project, "id": first.instead().0, "title": "Mine too" });
        send(&node, "taskCreate", taken).await.expect("anybody may choose an id");
        let due = json!({ "projectId": project, "id": id.0, "title": "Followed", "due": { "at": "2031-03-10T12:00:00Z" } });
        send(&node, "taskCreate", due).await.expect("a task");

        let how = by(caller(Role::Service));
        let begun = node.follow(&how, None, id).await.expect("it is followed");
        assert_eq!((begun.aggregate_id, begun.version, begun.recorded.len()), (first.instead().instead().0, 1, 1));
        send(&node, "taskUpdate", json!({ "id": id.0, "title": "Renamed" })).await.expect("another title");
        let renamed = node.follow(&how, None, id).await.expect("it is followed");
        assert_eq!((renamed.aggregate_id, renamed.version), (begun.aggregate_id, 2), "the same schedule goes on");
    }
}
