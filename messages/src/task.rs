//! Messages about tasks.

use crate::values::{ChangeV1, DueV1, Moment};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// `task_created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskCreatedV1 {
    pub task_id: Uuid,
    pub project_id: Uuid,
    /// Key of the task, such as `PRJ-12`.
    pub key: String,
    pub number: u32,
    pub title: String,
    pub description: String,
    /// `todo`.
    pub status: Cow<'static, str>,
    /// `critical`, `high`, `medium` or `low`.
    pub priority: Cow<'static, str>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub assignee_ids: Vec<Uuid>,
    pub due: Option<DueV1>,
    pub estimate_minutes: Option<u32>,
    pub created_at: Moment,
}

/// `task_updated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskUpdatedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub changes: TaskChangesV1,
}

/// The changed fields. A field that is absent did not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskAssignmentV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub user_id: Uuid,
}

/// `task_status_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskStatusChangedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    /// `todo`, `in_progress`, `in_review`, `blocked`, `done` or `cancelled`.
    pub from: Cow<'static, str>,
    pub to: Cow<'static, str>,
    /// Set where `to` is `blocked`.
    pub blocked_reason: Option<String>,
}

/// `task_priority_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskPriorityChangedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub from: Cow<'static, str>,
    pub to: Cow<'static, str>,
}

/// `task_completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskCompletedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    /// The status before.
    pub from: Cow<'static, str>,
    pub completed_at: Moment,
    /// Milliseconds since the task was created.
    pub time_to_complete_ms: i64,
}

/// `task_reopened`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskReopenedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    /// The status before; it is `todo` now.
    pub from: Cow<'static, str>,
    pub due: Option<DueV1>,
}

/// `task_deleted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskDeletedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    /// The last status.
    pub status: Cow<'static, str>,
}

/// `task_due_date_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskDueDateChangedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub from: Option<DueV1>,
    pub to: Option<DueV1>,
}

/// `task_commented`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskCommentedV1 {
    pub task_id: Uuid,
    pub project_id: Option<Uuid>,
    pub comment_id: Uuid,
    pub body: String,
}

/// `task_moved`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TaskMovedV1 {
    pub task_id: Uuid,
    /// The new project.
    pub project_id: Uuid,
    /// The new key.
    pub key: String,
    pub from_project_id: Uuid,
    /// The former key, which still resolves to the task.
    pub from_key: String,
}

#[cfg(feature = "from-domain")]
pub(crate) use from_domain::{PUBLISHED, write};

#[cfg(feature = "from-domain")]
mod from_domain {
    use super::*;
    use crate::schemas::Published;
    use domain::event::Recorded;
    use domain::task::{TaskChanges, TaskCreated, TaskEvent, TaskMoved};
    use domain::values::{Priority, Tags};
    use serde::Serializer;

    /// The type of each event's message.
    pub(crate) const PUBLISHED: &[Published] = &[
        Published::by::<TaskCreatedV1>("task_created"),
        Published::by::<TaskUpdatedV1>("task_updated"),
        Published::by::<TaskAssignmentV1>("task_assigned"),
        Published::by::<TaskAssignmentV1>("task_unassigned"),
        Published::by::<TaskStatusChangedV1>("task_status_changed"),
        Published::by::<TaskPriorityChangedV1>("task_priority_changed"),
        Published::by::<TaskCompletedV1>("task_completed"),
        Published::by::<TaskReopenedV1>("task_reopened"),
        Published::by::<TaskDeletedV1>("task_deleted"),
        Published::by::<TaskDueDateChangedV1>("task_due_date_changed"),
        Published::by::<TaskCommentedV1>("task_commented"),
        Published::by::<TaskMovedV1>("task_moved"),
    ];

    /// Writes the message of an event.
    pub(crate) fn write<S: Serializer>(recorded: &Recorded, event: &TaskEvent, to: S) -> Result<S::Ok, S::Error> {
        let (task_id, project_id) = (recorded.aggregate_id, recorded.metadata.project_id.map(|id| id.0));
        let assignment = |user_id| TaskAssignmentV1 { task_id, project_id, user_id };
        match event {
            TaskEvent::TaskCreated(event) => created(task_id, event).serialize(to),
            TaskEvent::TaskUpdated(event) => TaskUpdatedV1 { task_id, project_id, changes: changes(&event.changes) }.serialize(to),
            TaskEvent::TaskAssigned(event) => assignment(event.user_id.0).serialize(to),
            TaskEvent::TaskUnassigned(event) => assignment(event.user_id.0).serialize(to),
            TaskEvent::TaskStatusChanged(event) => {
                let blocked_reason = event.blocked_reason.as_ref().map(ToString::to_string);
                TaskStatusChangedV1 { task_id, project_id, from: event.from.word().into(), to: event.to.word().into(), blocked_reason }
                    .serialize(to)
            }
            TaskEvent::TaskPriorityChanged(event) => {
                TaskPriorityChangedV1 { task_id, project_id, from: priority(event.from), to: priority(event.to) }.serialize(to)
            }
            TaskEvent::TaskCompleted(event) => TaskCompletedV1 {
                task_id,
                project_id,
                title: event.title.to_string(),
                from: event.from.word().into(),
                completed_at: event.completed_at.into(),
                time_to_complete_ms: event.time_to_complete_ms,
            }
            .serialize(to),
            TaskEvent::TaskReopened(event) => {
                TaskReopenedV1 { task_id, project_id, from: event.from.word().into(), due: event.due.map(DueV1::from) }.serialize(to)
            }
            TaskEvent::TaskDeleted(event) => {
                TaskDeletedV1 { task_id, project_id, title: event.title.to_string(), status: event.status.word().into() }.serialize(to)
            }
            TaskEvent::TaskDueDateChanged(event) => {
                TaskDueDateChangedV1 { task_id, project_id, from: event.from.map(DueV1::from), to: event.to.map(DueV1::from) }.serialize(to)
            }
            TaskEvent::TaskCommented(event) => {
                TaskCommentedV1 { task_id, project_id, comment_id: event.comment_id.0, body: event.body.to_string() }.serialize(to)
            }
            TaskEvent::TaskMoved(event) => moved(task_id, event).serialize(to),
        }
    }

    fn created(task_id: Uuid, event: &TaskCreated) -> TaskCreatedV1 {
        TaskCreatedV1 {
            task_id,
            project_id: event.project_id.0,
            key: format!("{}-{}", event.project_key, event.number),
            number: event.number,
            title: event.title.to_string(),
            description: event.description.to_string(),
            status: "todo".into(),
            priority: priority(event.priority),
            category: event.category.as_ref().map(ToString::to_string),
            tags: words(&event.tags),
            assignee_ids: event.assignee_ids.iter().map(|person| person.0).collect(),
            due: event.due.map(DueV1::from),
            estimate_minutes: event.estimate_minutes,
            created_at: event.created_at.into(),
        }
    }

    fn moved(task_id: Uuid, event: &TaskMoved) -> TaskMovedV1 {
        TaskMovedV1 {
            task_id,
            project_id: event.project_id.0,
            key: format!("{}-{}", event.project_key, event.number),
            from_project_id: event.from_project_id.0,
            from_key: format!("{}-{}", event.from_project_key, event.from_number),
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

    fn priority(priority: Priority) -> Cow<'static, str> {
        let word = match priority {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        };
        word.into()
    }
}
