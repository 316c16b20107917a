//! Commands on a task.

use crate::fields::Fields;
use crate::ids::{CommentId, ProjectId, UserId};
use crate::issued::DomainCommand;
use crate::project::Home;
use crate::task::Status;
use crate::values::{Assignees, BlockedReason, Category, CommentBody, Description, DueRequest, Priority, Tags, Title};

/// The projects that a command on a task depends on, as they are when it is decided.
#[derive(Debug, Clone)]
pub struct TaskContext {
    /// The project of the task; for a new task, the project it is created in.
    pub home: Home,
    /// The project that the task is moved to, for that command.
    pub target: Option<Home>,
}

impl TaskContext {
    /// Of every command but a move.
    pub fn new(home: Home) -> Self {
        Self { home, target: None }
    }
}

/// A command on one task.
#[derive(Debug, Clone)]
pub enum TaskCommand {
    Create(Box<CreateTask>),
    Update(Box<UpdateTask>),
    Assign(UserId),
    Unassign(UserId),
    ChangeStatus(ChangeStatus),
    ChangePriority(Priority),
    SetDue(DueRequest),
    ClearDue,
    Complete,
    Reopen,
    Move(MoveTask),
    Comment(Comment),
    Delete,
}

/// Creates a task.
#[derive(Debug, Clone)]
pub struct CreateTask {
    /// The project it is created in.
    pub project_id: ProjectId,
    pub title: Title,
    pub description: Description,
    pub priority: Priority,
    pub category: Option<Category>,
    pub tags: Tags,
    pub assignee_ids: Assignees,
    pub due: Option<DueRequest>,
    pub estimate_minutes: Option<u32>,
}

/// Sets the given fields. `None` leaves a field as it is; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdateTask {
    pub title: Option<Title>,
    pub description: Option<Description>,
    pub category: Option<Option<Category>>,
    pub tags: Option<Tags>,
    pub estimate_minutes: Option<Option<u32>>,
}

/// Changes the status.
#[derive(Debug, Clone)]
pub struct ChangeStatus {
    pub to: Status,
    /// Required if `to` is blocked.
    pub blocked_reason: Option<BlockedReason>,
}

/// Moves the task to another project.
#[derive(Debug, Clone)]
pub struct MoveTask {
    /// The other project.
    pub project_id: ProjectId,
}

/// Adds a comment.
#[derive(Debug, Clone)]
pub struct Comment {
    pub comment_id: CommentId,
    pub body: CommentBody,
}

impl DomainCommand for TaskCommand {
    fn creates(&self) -> bool {
        matches!(self, Self::Create(_))
    }

    fn fields(&self) -> Fields {
        match self {
            Self::Create(_) | Self::Delete => Fields::All,
            Self::Update(update) => Fields::which([
                ("title", update.title.is_some()),
                ("description", update.description.is_some()),
                ("category", update.category.is_some()),
                ("tags", update.tags.is_some()),
                ("estimateMinutes", update.estimate_minutes.is_some()),
            ]),
            Self::Assign(_) | Self::Unassign(_) => Fields::one("assigneeIds"),
            Self::ChangeStatus(_) | Self::Complete | Self::Reopen => Fields::one("status"),
            Self::ChangePriority(_) => Fields::one("priority"),
            Self::SetDue(_) | Self::ClearDue => Fields::one("due"),
            Self::Move(_) => Fields::one("project"),
            // A comment sets no field, so it conflicts with no change.
            Self::Comment(_) => Fields::Some(vec![]),
        }
    }
}
