//! What a task looks like.

use crate::graphql::connection::connection;
use crate::graphql::context::{ContextExt, Paging, missing, seen};
use crate::graphql::error::unanswered;
use crate::graphql::loaders::{CommentsOf, FollowerOf};
use crate::graphql::project::Project;
use crate::graphql::scalars::{Date, DateTime, Long, TimeZone, version};
use crate::graphql::schedule::Schedule;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::ids::TaskId;
use projections::model::ReadModel;
use projections::project_overview::ProjectView;
use projections::schedules::{ScheduleView, Schedules};
use projections::task_comments::{CommentRow, TaskComments, list_comments};
use projections::task_list::{TaskList, TaskView};
use std::sync::Arc;

/// Where a task is in its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::task::Status")]
pub enum TaskStatus {
    /// Not begun.
    Todo,
    /// Being worked on.
    InProgress,
    /// Being looked at by others.
    InReview,
    /// It cannot go on, for a reason.
    Blocked,
    /// It is done. Left only by `taskReopen`.
    Done,
    /// It will not be done. Left only by `taskReopen`.
    Cancelled,
}

/// How pressing a task is. Ascending: most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::values::Priority")]
pub enum TaskPriority {
    /// Drop everything else.
    Critical,
    /// Before the ordinary.
    High,
    /// The ordinary.
    Medium,
    /// When there is time.
    Low,
}

/// The moment something is due.
#[derive(Debug, Clone, SimpleObject)]
pub struct Due {
    /// The instant.
    at: DateTime,
    /// The day, if it was given as a day; `at` is then the end of that day in `timeZone`.
    date: Option<Date>,
    /// The zone in which days are counted.
    time_zone: TimeZone,
}

impl From<domain::values::Due> for Due {
    fn from(due: domain::values::Due) -> Self {
        Self { at: DateTime(due.at.utc()), date: due.date.map(Date), time_zone: TimeZone(due.time_zone.name().to_owned()) }
    }
}

/// One piece of work in a project.
#[derive(Clone)]
pub struct Task {
    pub(crate) view: TaskView,
    /// What is nested is read no earlier than at this position.
    pub(crate) seen: i64,
}

/// One piece of work in a project.
#[Object]
impl Task {
    /// Its id, a UUID. It stays the same when the task moves.
    pub(crate) async fn id(&self) -> ID {
        ID(self.view.task.id.to_string())
    }

    /// The key of its project and its number there, such as `PRJ-12`. Keys it had before still lead to it.
    async fn key(&self) -> String {
        self.view.task.key()
    }

    /// Its number in its project, never given twice.
    async fn number(&self) -> i32 {
        self.view.task.number
    }

    /// The project it is in.
    async fn project(&self, ctx: &Context<'_>) -> Result<Project> {
        match &self.view.project {
            Some(project) => {
                let view = ProjectView { project: Arc::clone(project), overdue: self.view.project_overdue };
                Ok(Project { view, seen: self.seen })
            }
            None => Project::of_task(ctx, self).await,
        }
    }

    /// What is to be done, in a line.
    async fn title(&self) -> &str {
        &self.view.task.title
    }

    /// What it is about; empty if nothing was said.
    async fn description(&self) -> &str {
        &self.view.task.description
    }

    /// Where it is in its work.
    async fn status(&self) -> TaskStatus {
        self.view.task.status.into()
    }

    /// Why it cannot go on, where it is blocked.
    async fn blocked_reason(&self) -> Option<&str> {
        self.view.task.blocked_reason.as_deref()
    }

    /// How pressing it is.
    async fn priority(&self) -> TaskPriority {
        self.view.task.priority.into()
    }

    /// A free word that groups tasks.
    async fn category(&self) -> Option<&str> {
        self.view.task.category.as_deref()
    }

    /// Its labels, in alphabetical order.
    async fn tags(&self) -> &[String] {
        &self.view.task.tags
    }

    /// Who works on it, in the order in which they were assigned.
    async fn assignee_ids(&self) -> Vec<ID> {
        self.view.task.assignee_ids.iter().map(|person| ID(person.to_string())).collect()
    }

    /// How long it should take, in minutes.
    async fn estimate_minutes(&self) -> Option<i32> {
        self.view.task.estimate_minutes
    }

    /// When it is due.
    async fn due(&self) -> Option<Due> {
        self.view.task.due.map(Due::from)
    }

    /// Whether its due moment has passed and it is neither done nor cancelled, by the clock at the moment of asking.
    async fn is_overdue(&self, ctx: &Context<'_>) -> bool {
        self.view.task.is_overdue(ctx.now())
    }

    /// The schedule that follows its due date.
    async fn schedule(&self, ctx: &Context<'_>) -> Result<Option<Schedule>> {
        let row = match &self.view.schedule {
            Some(row) => row.clone(),
            None => {
                seen(ctx, &[Schedules::NAME], self.seen).await?;
                ctx.loaders().load_one(FollowerOf(self.view.task.id)).await?
            }
        };
        Ok(row.map(|schedule| Schedule { view: ScheduleView { schedule, project: None, task: None }, seen: self.seen }))
    }

    /// Who created it.
    async fn created_by(&self) -> ID {
        ID(self.view.task.created_by.to_string())
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.view.task.created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.view.task.updated_at)
    }

    /// When it was done, where it is done.
    async fn completed_at(&self) -> Option<DateTime> {
        self.view.task.completed_at.map(DateTime)
    }

    /// Milliseconds from its creation until it was done, where it is done.
    async fn time_to_complete_ms(&self) -> Option<Long> {
        self.view.task.time_to_complete_ms.map(Long)
    }

    /// How often it has changed, from 1. For `expectedVersion`.
    async fn version(&self) -> i32 {
        version(self.view.task.version)
    }

    /// What was said about it, the oldest first.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many rows, from the beginning or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
    ) -> Result<CommentConnection> {
        let window = Paging { first, after, ..Paging::default() }.window(&ctx.look_ahead())?;
        seen(ctx, &[TaskComments::NAME], self.seen).await?;
        let task = self.view.task.id;
        let page = match window.after {
            // First pages are read together with those of the tasks beside this one.
            None => ctx
                .loaders()
                .load_one(CommentsOf { task, rows: window.limit, total: window.total })
                .await?
                .ok_or_else(|| missing("a page of comments"))?,
            Some(_) => list_comments(&ctx.reader(), ctx.workspace(), task, &window).await.map_err(unanswered)?,
        };
        Ok(page.map(|row| Comment { row }).into())
    }
}

impl Task {
    /// The task that a schedule is about, unless it is gone.
    pub(crate) async fn load(ctx: &Context<'_>, id: TaskId, position: i64) -> Result<Option<Self>> {
        seen(ctx, &[TaskList::NAME], position).await?;
        let row = ctx.loaders().load_one(id).await?;
        Ok(row.map(|task| Self { view: TaskView { task, project: None, project_overdue: None, schedule: None }, seen: position }))
    }
}

/// Something that was said about a task.
#[derive(Clone)]
pub struct Comment {
    pub(crate) row: CommentRow,
}

/// Something that was said about a task.
#[Object]
impl Comment {
    /// Its id, a UUID.
    pub(crate) async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }

    /// Who said it.
    async fn author(&self) -> ID {
        ID(self.row.author.to_string())
    }

    /// What was said.
    async fn body(&self) -> &str {
        &self.row.body
    }

    /// When it was said.
    async fn created_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }
}

connection!(TaskConnection, TaskEdge, Task, "tasks");
connection!(CommentConnection, CommentEdge, Comment, "comments");
