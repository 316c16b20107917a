//! The events of a task.

use crate::fields::Fields;
use crate::ids::{CommentId, ProjectId, UserId, WorkspaceId};
use crate::values::{
    Assignees, BlockedReason, Category, Change, CommentBody, Description, Due, Instant, Priority, ProjectKey, Tags, Title,
};
use serde::{Deserialize, Serialize};

events! {
    /// One fact about a task.
    pub enum TaskEvent {
        TaskCreated(Box<TaskCreated>) = "task_created", sets Fields::All;
        TaskUpdated(Box<TaskUpdated>) = "task_updated", sets Fields::named(TaskChanges::default().by_name());
        TaskAssigned(TaskAssigned) = "task_assigned", sets Fields::one("assigneeIds");
        TaskUnassigned(TaskUnassigned) = "task_unassigned", sets Fields::one("assigneeIds");
        TaskStatusChanged(TaskStatusChanged) = "task_status_changed", sets Fields::one("status");
        TaskPriorityChanged(TaskPriorityChanged) = "task_priority_changed", sets Fields::one("priority");
        TaskCompleted(TaskCompleted) = "task_completed", sets Fields::one("status");
        TaskReopened(TaskReopened) = "task_reopened", sets Fields::one("status");
        TaskDeleted(TaskDeleted) = "task_deleted", sets Fields::All;
        TaskDueDateChanged(TaskDueDateChanged) = "task_due_date_changed", sets Fields::one("due");
        TaskCommented(TaskCommented) = "task_commented", sets Fields::one("comments");
        TaskMoved(TaskMoved) = "task_moved", sets Fields::one("project");
    }
}

/// Where a task is in its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Todo,
    InProgress,
    InReview,
    Blocked,
    Done,
    Cancelled,
}

/// The task was created. A creation is this one event, whatever it sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskCreated {
    /// Its place in the project's numbering, drawn when the event is appended. The first field: see [`TaskEvent::draw`].
    pub number: u32,
    pub workspace_id: WorkspaceId,
    pub project_id: ProjectId,
    pub project_key: ProjectKey,
    pub title: Title,
    pub description: Description,
    pub priority: Priority,
    pub category: Option<Category>,
    pub tags: Tags,
    pub assignee_ids: Assignees,
    pub due: Option<Due>,
    pub estimate_minutes: Option<u32>,
    pub created_at: Instant,
}

/// One or several fields changed. A field that is absent stayed as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskUpdated {
    pub changes: TaskChanges,
}

/// The fields that an update can change, each with its old and new value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskChanges {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Change<Title>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Change<Description>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Change<Option<Category>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Change<Tags>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_minutes: Option<Change<Option<u32>>>,
}

/// A user was assigned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskAssigned {
    pub user_id: UserId,
}

/// A user was unassigned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskUnassigned {
    pub user_id: UserId,
}

/// It moved along, other than to done and back. From blocked to blocked, the reason changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskStatusChanged {
    pub from: Status,
    pub to: Status,
    /// Set where `to` is blocked.
    pub blocked_reason: Option<BlockedReason>,
}

/// The priority changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskPriorityChanged {
    pub from: Priority,
    pub to: Priority,
}

/// It is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskCompleted {
    pub title: Title,
    pub from: Status,
    pub completed_at: Instant,
    /// Milliseconds since its creation.
    pub time_to_complete_ms: i64,
}

/// It was done or cancelled and is to do again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskReopened {
    pub from: Status,
    /// When it is due, if it is.
    pub due: Option<Due>,
}

/// The task was deleted permanently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDeleted {
    pub title: Title,
    pub status: Status,
}

/// The due date was set, changed or cleared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDueDateChanged {
    pub from: Option<Due>,
    pub to: Option<Due>,
}

/// A comment was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskCommented {
    pub comment_id: CommentId,
    pub body: CommentBody,
}

/// It went to another project and has a new number there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskMoved {
    /// The new number, drawn when the event is appended. The first field: see [`TaskEvent::draw`].
    pub number: u32,
    pub project_id: ProjectId,
    pub project_key: ProjectKey,
    pub from_number: u32,
    pub from_project_id: ProjectId,
    pub from_project_key: ProjectKey,
    pub status: Status,
}

/// The status that a task had before an event, and the one after it. `None` before it was created, and after it was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChange {
    pub from: Option<Status>,
    pub to: Option<Status>,
}

impl TaskEvent {
    /// The fields that changed, by the names callers use.
    pub fn fields(&self) -> Fields {
        if let Self::TaskUpdated(updated) = self {
            return Fields::which(updated.changes.by_name());
        }
        Self::fields_of(self.name()).unwrap_or(Fields::All)
    }

    /// How the event changed the status of the task, if it did.
    pub fn status_change(&self) -> Option<StatusChange> {
        match self {
            Self::TaskCreated(_) => Some(StatusChange { from: None, to: Some(Status::Todo) }),
            Self::TaskStatusChanged(changed) => Some(StatusChange { from: Some(changed.from), to: Some(changed.to) }),
            Self::TaskCompleted(completed) => Some(StatusChange { from: Some(completed.from), to: Some(Status::Done) }),
            Self::TaskReopened(reopened) => Some(StatusChange { from: Some(reopened.from), to: Some(Status::Todo) }),
            Self::TaskDeleted(deleted) => Some(StatusChange { from: Some(deleted.status), to: None }),
            Self::TaskUpdated(_)
            | Self::TaskAssigned(_)
            | Self::TaskUnassigned(_)
            | Self::TaskPriorityChanged(_)
            | Self::TaskDueDateChanged(_)
            | Self::TaskCommented(_)
            | Self::TaskMoved(_) => None,
        }
    }

    /// The project from whose sequence this event takes its number, if it takes one. The number is the first field of
    /// the event, so that the log can insert it without parsing the rest.
    pub fn draw(&self) -> Option<ProjectId> {
        match self {
            Self::TaskCreated(created) => Some(created.project_id),
            Self::TaskMoved(moved) => Some(moved.project_id),
            Self::TaskUpdated(_)
            | Self::TaskAssigned(_)
            | Self::TaskUnassigned(_)
            | Self::TaskStatusChanged(_)
            | Self::TaskPriorityChanged(_)
            | Self::TaskCompleted(_)
            | Self::TaskReopened(_)
            | Self::TaskDeleted(_)
            | Self::TaskDueDateChanged(_)
            | Self::TaskCommented(_) => None,
        }
    }

    /// The event as stored, once its number is drawn.
    #[must_use]
    pub fn with_drawn(self, number: u32) -> Self {
        match self {
            Self::TaskCreated(created) => Self::TaskCreated(Box::new(TaskCreated { number, ..*created })),
            Self::TaskMoved(moved) => Self::TaskMoved(TaskMoved { number, ..moved }),
            Self::TaskUpdated(_)
            | Self::TaskAssigned(_)
            | Self::TaskUnassigned(_)
            | Self::TaskStatusChanged(_)
            | Self::TaskPriorityChanged(_)
            | Self::TaskCompleted(_)
            | Self::TaskReopened(_)
            | Self::TaskDeleted(_)
            | Self::TaskDueDateChanged(_)
            | Self::TaskCommented(_) => self,
        }
    }
}

impl TaskChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The names that callers use, and whether each changed.
    fn by_name(&self) -> [(&'static str, bool); 5] {
        let Self { title, description, category, tags, estimate_minutes } = self;
        [
            ("title", title.is_some()),
            ("description", description.is_some()),
            ("category", category.is_some()),
            ("tags", tags.is_some()),
            ("estimateMinutes", estimate_minutes.is_some()),
        ]
    }
}

impl Status {
    /// Every status, in the order of work.
    pub const ALL: [Self; 6] = [Self::Todo, Self::InProgress, Self::InReview, Self::Blocked, Self::Done, Self::Cancelled];

    /// Whether nothing is left to do.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// The word used in stored facts and rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Todo => "todo",
            Self::InProgress => "in_progress",
            Self::InReview => "in_review",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Where a change of status may lead from here.
    pub fn may_become(self) -> Vec<Self> {
        match self {
            Self::Done | Self::Cancelled => vec![],
            Self::Todo | Self::InProgress | Self::InReview | Self::Blocked => Self::ALL.into_iter().filter(|to| *to != self).collect(),
        }
    }
}
