//! What can be wished of a task.

use crate::fields::Fields;
use crate::ids::{CommentId, UserId};
use crate::project::Home;
use crate::task::Status;
use crate::values::{Assignees, BlockedReason, Category, CommentBody, Description, DueWish, Priority, Tags, Title};

/// A wish with the project that the task lives in, as it was when the decision was made.
#[derive(Debug, Clone)]
pub struct InProject<C> {
    /// The project of the task; for a new task, the project it is to live in.
    pub home: Home,
    /// What is wished.
    pub wish: C,
}

/// A wish about one task.
#[derive(Debug, Clone)]
pub enum TaskCommand {
    Create(Box<CreateTask>),
    Update(Box<UpdateTask>),
    Assign(UserId),
    Unassign(UserId),
    ChangeStatus(ChangeStatus),
    ChangePriority(Priority),
    SetDue(DueWish),
    ClearDue,
    Complete,
    Reopen,
    Move(MoveTask),
    Comment(Comment),
    Delete,
}

/// Begin a task.
#[derive(Debug, Clone)]
pub struct CreateTask {
    pub title: Title,
    pub description: Description,
    pub priority: Priority,
    pub category: Option<Category>,
    pub tags: Tags,
    pub assignee_ids: Assignees,
    pub due: Option<DueWish>,
    pub estimate_minutes: Option<u32>,
}

/// Set the given fields. `None` leaves a field as it is; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdateTask {
    pub title: Option<Title>,
    pub description: Option<Description>,
    pub category: Option<Option<Category>>,
    pub tags: Option<Tags>,
    pub estimate_minutes: Option<Option<u32>>,
}

/// Move it along.
#[derive(Debug, Clone)]
pub struct ChangeStatus {
    pub to: Status,
    /// Needed where `to` is blocked.
    pub blocked_reason: Option<BlockedReason>,
}

/// Take it to another project.
#[derive(Debug, Clone)]
pub struct MoveTask {
    /// The other project.
    pub to: Home,
}

/// Say something about it.
#[derive(Debug, Clone)]
pub struct Comment {
    pub comment_id: CommentId,
    pub body: CommentBody,
}

impl TaskCommand {
    /// The fields that the wish sets.
    pub fn fields(&self) -> Fields {
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
            // A comment adds and sets nothing, so it meets no other change.
            Self::Comment(_) => Fields::Some(vec![]),
        }
    }
}
