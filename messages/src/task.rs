//! Messages about tasks.

use crate::{ChangeV1, DueV1, Moment, schema};
use domain::event::Recorded;
use domain::task::{TaskChanges, TaskEvent};
use domain::values::{Priority, Tags};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A message about a task.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TaskMessage {
    Created(TaskCreatedV1),
    Updated(TaskUpdatedV1),
    Assignment(TaskAssignmentV1),
    StatusChanged(TaskStatusChangedV1),
    PriorityChanged(TaskPriorityChangedV1),
    Completed(TaskCompletedV1),
    Reopened(TaskReopenedV1),
    Deleted(TaskDeletedV1),
    DueDateChanged(TaskDueDateChangedV1),
    Commented(TaskCommentedV1),
    Moved(TaskMovedV1),
}

/// `task_created`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskCreatedV1 {
    pub task_id: Uuid,
    pub project_id: Uuid,
    /// The key of the project and the number in it, such as `PRJ-12`.
    pub key: String,
    pub number: u32,
    pub title: String,
    pub description: String,
    /// `todo`.
    pub status: &'static str,
    /// `critical`, `high`, `medium` or `low`.
    pub priority: &'static str,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub assignee_ids: Vec<Uuid>,
    pub due: Option<DueV1>,
    pub estimate_minutes: Option<u32>,
    pub created_at: Moment,
}

/// `task_updated`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskUpdatedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub changes: TaskChangesV1,
}

/// What changed. A field that is absent stayed as it was.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskChangesV1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<ChangeV1<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<ChangeV1<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<ChangeV1<Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<ChangeV1<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate_minutes: Option<ChangeV1<Option<u32>>>,
}

/// `task_assigned` and `task_unassigned`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskAssignmentV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub user_id: Uuid,
}

/// `task_status_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskStatusChangedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    /// `todo`, `in_progress`, `in_review`, `blocked`, `done` or `cancelled`.
    pub from: &'static str,
    pub to: &'static str,
    /// Set where `to` is `blocked`.
    pub blocked_reason: Option<String>,
}

/// `task_priority_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskPriorityChangedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub from: &'static str,
    pub to: &'static str,
}

/// `task_completed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskCompletedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    /// The status before.
    pub from: &'static str,
    pub completed_at: Moment,
    /// Milliseconds since the creation.
    pub time_to_complete_ms: i64,
}

/// `task_reopened`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskReopenedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    /// The status before; it is `todo` now.
    pub from: &'static str,
    pub due: Option<DueV1>,
}

/// `task_deleted`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskDeletedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    /// The last status.
    pub status: &'static str,
}

/// `task_due_date_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskDueDateChangedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub from: Option<DueV1>,
    pub to: Option<DueV1>,
}

/// `task_commented`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskCommentedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub comment_id: Uuid,
    pub body: String,
}

/// `task_moved`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskMovedV1 {
    pub task_id: Uuid,
    /// The project it is in now.
    pub project_id: Uuid,
    /// Its key there.
    pub key: String,
    pub from_project_id: Uuid,
    /// The key it had; it still leads to the task.
    pub from_key: String,
}

pub(crate) fn message(recorded: &Recorded, event: &TaskEvent) -> TaskMessage {
    let (task_id, project_id) = (recorded.aggregate_id, recorded.metadata.project_id.map(|id| id.0));
    let assignment = |user_id| TaskMessage::Assignment(TaskAssignmentV1 { task_id, project_id, user_id });
    match event {
        TaskEvent::TaskCreated(created) => TaskMessage::Created(TaskCreatedV1 {
            task_id,
            project_id: created.project_id.0,
            key: format!("{}-{}", created.project_key, created.number),
            number: created.number,
            title: created.title.to_string(),
            description: created.description.to_string(),
            status: "todo",
            priority: priority(created.priority),
            category: created.category.as_ref().map(ToString::to_string),
            tags: words(&created.tags),
            assignee_ids: created.assignee_ids.iter().map(|person| person.0).collect(),
            due: created.due.map(DueV1::from),
            estimate_minutes: created.estimate_minutes,
            created_at: Moment(created.created_at),
        }),
        TaskEvent::TaskUpdated(updated) => TaskMessage::Updated(TaskUpdatedV1 { task_id, project_id, changes: changes(&updated.changes) }),
        TaskEvent::TaskAssigned(assigned) => assignment(assigned.user_id.0),
        TaskEvent::TaskUnassigned(unassigned) => assignment(unassigned.user_id.0),
        TaskEvent::TaskStatusChanged(changed) => TaskMessage::StatusChanged(TaskStatusChangedV1 {
            task_id,
            project_id,
            from: changed.from.word(),
            to: changed.to.word(),
            blocked_reason: changed.blocked_reason.as_ref().map(ToString::to_string),
        }),
        TaskEvent::TaskPriorityChanged(changed) => {
            let (from, to) = (priority(changed.from), priority(changed.to));
            TaskMessage::PriorityChanged(TaskPriorityChangedV1 { task_id, project_id, from, to })
        }
        TaskEvent::TaskCompleted(completed) => TaskMessage::Completed(TaskCompletedV1 {
            task_id,
            project_id,
            title: completed.title.to_string(),
            from: completed.from.word(),
            completed_at: Moment(completed.completed_at),
            time_to_complete_ms: completed.time_to_complete_ms,
        }),
        TaskEvent::TaskReopened(reopened) => {
            let (from, due) = (reopened.from.word(), reopened.due.map(DueV1::from));
            TaskMessage::Reopened(TaskReopenedV1 { task_id, project_id, from, due })
        }
        TaskEvent::TaskDeleted(deleted) => {
            let (title, status) = (deleted.title.to_string(), deleted.status.word());
            TaskMessage::Deleted(TaskDeletedV1 { task_id, project_id, title, status })
        }
        TaskEvent::TaskDueDateChanged(changed) => {
            let (from, to) = (changed.from.map(DueV1::from), changed.to.map(DueV1::from));
            TaskMessage::DueDateChanged(TaskDueDateChangedV1 { task_id, project_id, from, to })
        }
        TaskEvent::TaskCommented(commented) => {
            let (comment_id, body) = (commented.comment_id.0, commented.body.to_string());
            TaskMessage::Commented(TaskCommentedV1 { task_id, project_id, comment_id, body })
        }
        TaskEvent::TaskMoved(moved) => TaskMessage::Moved(TaskMovedV1 {
            task_id,
            project_id: moved.project_id.0,
            key: format!("{}-{}", moved.project_key, moved.number),
            from_project_id: moved.from_project_id.0,
            from_key: format!("{}-{}", moved.from_project_key, moved.from_number),
        }),
    }
}

fn changes(changes: &TaskChanges) -> TaskChangesV1 {
    let TaskChanges { title, description, category, tags, estimate_minutes } = changes;
    TaskChangesV1 {
        title: ChangeV1::of(title, |title| title.to_string()),
        description: ChangeV1::of(description, |description| description.to_string()),
        category: ChangeV1::of(category, |category| category.map(|category| category.to_string())),
        tags: ChangeV1::of(tags, |tags| words(&tags)),
        estimate_minutes: ChangeV1::of(estimate_minutes, |minutes| minutes),
    }
}

fn words(tags: &Tags) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::High => "high",
        Priority::Medium => "medium",
        Priority::Low => "low",
    }
}

pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("task_created", schema::<TaskCreatedV1>()),
        ("task_updated", schema::<TaskUpdatedV1>()),
        ("task_assigned", schema::<TaskAssignmentV1>()),
        ("task_unassigned", schema::<TaskAssignmentV1>()),
        ("task_status_changed", schema::<TaskStatusChangedV1>()),
        ("task_priority_changed", schema::<TaskPriorityChangedV1>()),
        ("task_completed", schema::<TaskCompletedV1>()),
        ("task_reopened", schema::<TaskReopenedV1>()),
        ("task_deleted", schema::<TaskDeletedV1>()),
        ("task_due_date_changed", schema::<TaskDueDateChangedV1>()),
        ("task_commented", schema::<TaskCommentedV1>()),
        ("task_moved", schema::<TaskMovedV1>()),
    ]
}
