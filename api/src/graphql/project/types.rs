//! What a project looks like.

use crate::graphql::connection::connection;
use crate::graphql::context::{ContextExt, Paging, missing, seen};
use crate::graphql::scalars::{Date, DateTime, TimeZone, count, version};
use crate::graphql::task::{Task, TaskConnection, TaskFilter, TaskSort, list};
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::values::CollaboratorRole as Role;
use projections::model::ReadModel;
use projections::project_overview::{Counts, ProjectOverview, ProjectView};

/// Where a project is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::project::Phase")]
pub enum ProjectStatus {
    /// It is worked on.
    Active,
    /// It rests: nothing in it changes, none of its schedules fires.
    Archived,
    /// It is gone for good. Its key stays reserved.
    Deleted,
}

/// What somebody may do in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::values::CollaboratorRole")]
pub enum CollaboratorRole {
    /// Reads.
    Viewer,
    /// Changes tasks.
    Editor,
    /// Changes the project and its people.
    Manager,
    /// Answers for the project. A project always has one.
    Owner,
}

/// Somebody who works in a project.
#[derive(Debug, Clone, SimpleObject)]
pub struct Collaborator {
    /// The person.
    user_id: ID,
    /// What they may do.
    role: CollaboratorRole,
    /// Since when they are in the project.
    since: DateTime,
}

/// How many tasks of a project are in each status. Deleted tasks are in none.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct TaskCounts {
    /// All tasks, whatever their status.
    total: i32,
    /// Tasks to do.
    todo: i32,
    /// Tasks in progress.
    in_progress: i32,
    /// Tasks in review.
    in_review: i32,
    /// Blocked tasks.
    blocked: i32,
    /// Done tasks.
    done: i32,
    /// Cancelled tasks.
    cancelled: i32,
    /// Open tasks whose due moment has passed, by the clock at the moment of asking.
    overdue: i32,
}

impl TaskCounts {
    fn new(counts: Counts, overdue: i64) -> Self {
        Self {
            total: counts.total(),
            todo: counts.todo,
            in_progress: counts.in_progress,
            in_review: counts.in_review,
            blocked: counts.blocked,
            done: counts.done,
            cancelled: counts.cancelled,
            overdue: count(overdue),
        }
    }
}

/// The frame that tasks and schedules live in, and the people who work in it.
#[derive(Clone)]
pub struct Project {
    pub(crate) view: ProjectView,
    /// What is nested is read no earlier than at this position.
    pub(crate) seen: i64,
}

/// The frame that tasks and schedules live in, and the people who work in it.
#[Object]
impl Project {
    /// Its id, a UUID.
    pub(crate) async fn id(&self) -> ID {
        ID(self.view.project.id.to_string())
    }

    /// The short name that its task keys begin with. It never changes.
    async fn key(&self) -> &str {
        &self.view.project.key
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.view.project.name
    }

    /// What it is about; empty if nothing was said.
    async fn description(&self) -> &str {
        &self.view.project.description
    }

    /// Where it is in its life.
    async fn status(&self) -> ProjectStatus {
        self.view.project.phase.into()
    }

    /// Its planned first day.
    async fn start_on(&self) -> Option<Date> {
        self.view.project.start_on.map(Date)
    }

    /// Its planned last day.
    async fn due_on(&self) -> Option<Date> {
        self.view.project.due_on.map(Date)
    }

    /// Where its dates end, unless they name a zone of their own.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.view.project.time_zone.name().to_owned())
    }

    /// The people who work in it, in the order in which they joined.
    async fn collaborators(&self) -> Vec<Collaborator> {
        let people = self.view.project.collaborators.iter();
        people
            .map(|one| Collaborator { user_id: ID(one.user_id.to_string()), role: Role::into(one.role), since: DateTime(one.since) })
            .collect()
    }

    /// How many tasks it has, by status.
    async fn task_counts(&self, ctx: &Context<'_>) -> Result<TaskCounts> {
        let (project, mut overdue) = (&self.view.project, self.view.overdue);
        if overdue.is_none() && ctx.look_ahead().field("overdue").exists() {
            seen(ctx, &[ProjectOverview::NAME, projections::task_list::TaskList::NAME], self.seen).await?;
            overdue = ctx.loaders().load_one(project.id).await?.and_then(|view: ProjectView| view.overdue);
        }
        Ok(TaskCounts::new(project.counts, overdue.unwrap_or_default()))
    }

    /// Who created it.
    async fn created_by(&self) -> ID {
        ID(self.view.project.created_by.to_string())
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.view.project.created_at)
    }

    /// When it last changed. Its tasks do not count.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.view.project.updated_at)
    }

    /// How often it has changed, from 1. For `expectedVersion`.
    async fn version(&self) -> i32 {
        version(self.view.project.version)
    }

    /// Its tasks.
    #[allow(clippy::too_many_arguments)]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only tasks for which all of this holds.")] filter: Option<TaskFilter>,
        #[graphql(desc = "The order. Not given: by creation. Ties are ordered by id.")] sort: Option<Vec<TaskSort>>,
        #[graphql(desc = "At most this many rows, from the beginning or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many rows, from the end or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor; alone, the last of them.")] before: Option<String>,
    ) -> Result<TaskConnection> {
        let paging = Paging { first, after, last, before };
        list(ctx, filter, sort, paging, self.seen, Some(self.view.project.id)).await
    }
}

connection!(ProjectConnection, ProjectEdge, Project, "projects");

impl Project {
    /// The project that a task or schedule lives in.
    pub(crate) async fn load(ctx: &Context<'_>, id: domain::ids::ProjectId, position: i64) -> Result<Option<Self>> {
        // Overdue tasks are counted in the list of tasks.
        let overdue = ctx.look_ahead().field("taskCounts").field("overdue").exists();
        let models = [ProjectOverview::NAME].into_iter().chain(overdue.then_some(projections::task_list::TaskList::NAME));
        seen(ctx, &models.collect::<Vec<_>>(), position).await?;
        let view = ctx.loaders().load_one(id).await?;
        Ok(view.map(|view| Self { view, seen: position }))
    }

    /// The project of a task, which cannot be without one.
    pub(crate) async fn of_task(ctx: &Context<'_>, task: &Task) -> Result<Self> {
        let found = Self::load(ctx, task.view.task.project_id, task.seen).await?;
        found.ok_or_else(|| missing("the project of a task"))
    }
}
