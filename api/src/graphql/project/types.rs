//! What a project looks like.

use crate::graphql::connection::connection;
use crate::graphql::context::{ContextExt, Paging, missing, seen};
use crate::graphql::scalars::{Date, DateTime, TimeZone, count, version};
use crate::graphql::task::{Task, TaskConnection, TaskFilter, TaskSort, list};
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::values::CollaboratorRole as Role;
use projections::model::ReadModel;
use projections::project_overview::{Counts, ProjectOverview, ProjectView};

/// Lifecycle state of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::project::Phase")]
pub enum ProjectStatus {
    /// Active.
    Active,
    /// Read-only; its schedules do not fire.
    Archived,
    /// Permanently deleted. Its key stays reserved.
    Deleted,
}

/// A user's role in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::values::CollaboratorRole")]
pub enum CollaboratorRole {
    /// Can read.
    Viewer,
    /// Can also create and change tasks and schedules.
    Editor,
    /// Can also change the project and its collaborators.
    Manager,
    /// Can do everything. A project always has at least one owner.
    Owner,
}

/// A member of a project.
#[derive(Debug, Clone, SimpleObject)]
pub struct Collaborator {
    /// The user.
    user_id: ID,
    /// The user's role in the project.
    role: CollaboratorRole,
    /// When the user was added to the project.
    since: DateTime,
}

/// Number of tasks of a project by status. Deleted tasks do not count.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct TaskCounts {
    /// All tasks.
    total: i32,
    /// Tasks with status TODO.
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
    /// Open tasks whose due instant has passed at the time of the query.
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

/// A project: a set of tasks and schedules, and its collaborators.
#[derive(Clone)]
pub struct Project {
    pub(crate) view: ProjectView,
    /// What is nested is read no earlier than at this position.
    pub(crate) seen: i64,
}

/// A project: a set of tasks and schedules, and its collaborators.
#[Object]
impl Project {
    /// ID of the object, a UUID.
    pub(crate) async fn id(&self) -> ID {
        ID(self.view.project.id.to_string())
    }

    /// Short name that prefixes the keys of the project's tasks. It never changes.
    async fn key(&self) -> &str {
        &self.view.project.key
    }

    /// Name of the project.
    async fn name(&self) -> &str {
        &self.view.project.name
    }

    /// Description of the project; empty if none was given.
    async fn description(&self) -> &str {
        &self.view.project.description
    }

    /// Lifecycle state of the project.
    async fn status(&self) -> ProjectStatus {
        self.view.project.phase.into()
    }

    /// Planned first day.
    async fn start_on(&self) -> Option<Date> {
        self.view.project.start_on.map(Date)
    }

    /// Planned last day.
    async fn due_on(&self) -> Option<Date> {
        self.view.project.due_on.map(Date)
    }

    /// Time zone of due dates that do not name one.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.view.project.time_zone.name().to_owned())
    }

    /// The collaborators, in the order in which they were added.
    async fn collaborators(&self) -> Vec<Collaborator> {
        let people = self.view.project.collaborators.iter();
        people
            .map(|one| Collaborator { user_id: ID(one.user_id.to_string()), role: Role::into(one.role), since: DateTime(one.since) })
            .collect()
    }

    /// Number of tasks by status.
    async fn task_counts(&self, ctx: &Context<'_>) -> Result<TaskCounts> {
        let (project, mut overdue) = (&self.view.project, self.view.overdue);
        if overdue.is_none() && ctx.look_ahead().field("overdue").exists() {
            seen(ctx, &[ProjectOverview::NAME, projections::task_list::TaskList::NAME], self.seen).await?;
            overdue = ctx.loaders().load_one(project.id).await?.and_then(|view: ProjectView| view.overdue);
        }
        Ok(TaskCounts::new(project.counts, overdue.unwrap_or_default()))
    }

    /// The user who created the project.
    async fn created_by(&self) -> ID {
        ID(self.view.project.created_by.to_string())
    }

    /// When the object was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.view.project.created_at)
    }

    /// When the project last changed. Changes to its tasks do not count.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.view.project.updated_at)
    }

    /// Version of the object: the number of its events, from 1. For `expectedVersion`.
    async fn version(&self) -> i32 {
        version(self.view.project.version)
    }

    /// The tasks of the project.
    #[allow(clippy::too_many_arguments)]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Filter.")] filter: Option<TaskFilter>,
        #[graphql(desc = "Sort order; by creation if omitted. Ties are broken by ID.")] sort: Option<Vec<TaskSort>>,
        #[graphql(desc = "Maximum number of items, from the start of the list or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Maximum number of items, from the end of the list or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor; without `first` or `last`, the last ones of them.")] before: Option<String>,
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
