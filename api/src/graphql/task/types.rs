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

/// Status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::task::Status")]
pub enum TaskStatus {
    /// Not started.
    Todo,
    /// In progress.
    InProgress,
    /// In review.
    InReview,
    /// Blocked, for a given reason.
    Blocked,
    /// Done. Only `taskReopen` leaves this status.
    Done,
    /// Cancelled. Only `taskReopen` leaves this status.
    Cancelled,
}

/// Priority of a task. Ascending order is most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::values::Priority")]
pub enum TaskPriority {
    /// Needs immediate attention.
    Critical,
    /// Above normal.
    High,
    /// Normal.
    Medium,
    /// Below normal.
    Low,
}

/// When something is due.
#[derive(Debug, Clone, SimpleObject)]
pub struct Due {
    /// The due instant.
    at: DateTime,
    /// The due date, if a date was given; `at` is then the end of that day in `timeZone`.
    date: Option<Date>,
    /// The time zone of the due date.
    time_zone: TimeZone,
}

impl From<domain::values::Due> for Due {
    fn from(due: domain::values::Due) -> Self {
        Self { at: DateTime(due.at.utc()), date: due.date.map(Date), time_zone: TimeZone(due.time_zone.name().to_owned()) }
    }
}

/// A task of a project.
#[derive(Clone)]
pub struct Task {
    pub(crate) view: TaskView,
    /// What is nested is read no earlier than at this position.
    pub(crate) seen: i64,
}

/// A task of a project.
#[Object]
impl Task {
    /// ID of the object, a UUID. It stays the same when the task moves to another project.
    pub(crate) async fn id(&self) -> ID {
        ID(self.view.task.id.to_string())
    }

    /// Key of the project and number of the task, such as `PRJ-12`. Former keys still resolve to the task.
    async fn key(&self) -> String {
        self.view.task.key()
    }

    /// Number of the task in its project; never reused.
    async fn number(&self) -> i32 {
        self.view.task.number
    }

    /// The project of the task.
    async fn project(&self, ctx: &Context<'_>) -> Result<Project> {
        match &self.view.project {
            Some(project) => {
                let view = ProjectView { project: Arc::clone(project), overdue: self.view.project_overdue };
                Ok(Project { view, seen: self.seen })
            }
            None => Project::of_task(ctx, self).await,
        }
    }

    /// Title of the task, one line.
    async fn title(&self) -> &str {
        &self.view.task.title
    }

    /// Description of the project; empty if none was given.
    async fn description(&self) -> &str {
        &self.view.task.description
    }

    /// Status of the task.
    async fn status(&self) -> TaskStatus {
        self.view.task.status.into()
    }

    /// Why the task is blocked; null unless it is.
    async fn blocked_reason(&self) -> Option<&str> {
        self.view.task.blocked_reason.as_deref()
    }

    /// Priority of the task.
    async fn priority(&self) -> TaskPriority {
        self.view.task.priority.into()
    }

    /// Category of the task, free text.
    async fn category(&self) -> Option<&str> {
        self.view.task.category.as_deref()
    }

    /// Tags of the task, in alphabetical order.
    async fn tags(&self) -> &[String] {
        &self.view.task.tags
    }

    /// The assignees, in the order in which they were assigned.
    async fn assignee_ids(&self) -> Vec<ID> {
        self.view.task.assignee_ids.iter().map(|person| ID(person.to_string())).collect()
    }

    /// Estimated duration in minutes.
    async fn estimate_minutes(&self) -> Option<i32> {
        self.view.task.estimate_minutes
    }

    /// When it is due.
    async fn due(&self) -> Option<Due> {
        self.view.task.due.map(Due::from)
    }

    /// Whether the task is open and its due instant has passed at the time of the query.
    async fn is_overdue(&self, ctx: &Context<'_>) -> bool {
        self.view.task.is_overdue(ctx.now())
    }

    /// The schedule that follows the task's due date.
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

    /// The user who created the project.
    async fn created_by(&self) -> ID {
        ID(self.view.task.created_by.to_string())
    }

    /// When the object was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.view.task.created_at)
    }

    /// When the task last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.view.task.updated_at)
    }

    /// When the task was completed; null unless it is done.
    async fn completed_at(&self) -> Option<DateTime> {
        self.view.task.completed_at.map(DateTime)
    }

    /// Milliseconds from creation to completion; null unless the task is done.
    async fn time_to_complete_ms(&self) -> Option<Long> {
        self.view.task.time_to_complete_ms.map(Long)
    }

    /// Version of the object: the number of its events, from 1. For `expectedVersion`.
    async fn version(&self) -> i32 {
        version(self.view.task.version)
    }

    /// Comments on the task, oldest first.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Maximum number of items, from the start of the list or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
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

/// A comment on a task.
#[derive(Clone)]
pub struct Comment {
    pub(crate) row: CommentRow,
}

/// A comment on a task.
#[Object]
impl Comment {
    /// ID of the object, a UUID.
    pub(crate) async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }

    /// The user who wrote the comment.
    async fn author(&self) -> ID {
        ID(self.row.author.to_string())
    }

    /// Text of the comment.
    async fn body(&self) -> &str {
        &self.row.body
    }

    /// When the comment was added.
    async fn created_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }
}

connection!(TaskConnection, TaskEdge, Task, "tasks");
connection!(CommentConnection, CommentEdge, Comment, "comments");
