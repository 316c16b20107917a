//! The state that a task's rules need, and how events change it.

use super::{Status, TaskChanges, TaskCreated, TaskEvent};
use crate::ids::{ProjectId, WorkspaceId};
use crate::values::{Assignees, BlockedReason, Category, Description, Due, Instant, Priority, ProjectKey, Tags, Title};
use serde::{Deserialize, Serialize};

/// A task as its rules see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Task {
    #[default]
    Absent,
    Live(Box<LiveTask>),
    Deleted {
        workspace_id: WorkspaceId,
        project_id: ProjectId,
    },
}

/// A task that exists, open or closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveTask {
    pub workspace_id: WorkspaceId,
    pub project_id: ProjectId,
    pub project_key: ProjectKey,
    pub number: u32,
    pub title: Title,
    pub description: Description,
    pub status: Status,
    pub blocked_reason: Option<BlockedReason>,
    pub priority: Priority,
    pub category: Option<Category>,
    pub tags: Tags,
    pub assignee_ids: Assignees,
    pub due: Option<Due>,
    pub estimate_minutes: Option<u32>,
    pub created_at: Instant,
    /// When it was done, where it is done.
    pub completed_at: Option<Instant>,
}

impl Task {
    /// The project that the task lives or lived in.
    pub fn project_id(&self) -> Option<ProjectId> {
        match self {
            Self::Absent => None,
            Self::Live(task) => Some(task.project_id),
            Self::Deleted { project_id, .. } => Some(*project_id),
        }
    }

    /// The workspace that the task belongs to.
    pub fn workspace_id(&self) -> Option<WorkspaceId> {
        match self {
            Self::Absent => None,
            Self::Live(task) => Some(task.workspace_id),
            Self::Deleted { workspace_id, .. } => Some(*workspace_id),
        }
    }
}

/// The state after an event. It cannot fail: a stored event is a fact.
pub fn evolve(task: Task, event: TaskEvent) -> Task {
    match (task, event) {
        (_, TaskEvent::TaskCreated(created)) => Task::Live(Box::new(begin(*created))),
        (Task::Live(live), TaskEvent::TaskDeleted(_)) => Task::Deleted { workspace_id: live.workspace_id, project_id: live.project_id },
        (Task::Live(mut live), event) => {
            go_on(&mut live, event);
            Task::Live(live)
        }
        (gone @ (Task::Absent | Task::Deleted { .. }), _) => gone,
    }
}

fn begin(created: TaskCreated) -> LiveTask {
    LiveTask {
        workspace_id: created.workspace_id,
        project_id: created.project_id,
        project_key: created.project_key,
        number: created.number,
        title: created.title,
        description: created.description,
        status: Status::Todo,
        blocked_reason: None,
        priority: created.priority,
        category: created.category,
        tags: created.tags,
        assignee_ids: created.assignee_ids,
        due: created.due,
        estimate_minutes: created.estimate_minutes,
        created_at: created.created_at,
        completed_at: None,
    }
}

fn go_on(live: &mut LiveTask, event: TaskEvent) {
    match event {
        TaskEvent::TaskCreated(_) | TaskEvent::TaskDeleted(_) | TaskEvent::TaskCommented(_) => {}
        TaskEvent::TaskUpdated(updated) => update(live, updated.changes),
        TaskEvent::TaskAssigned(assigned) => live.assignee_ids = std::mem::take(&mut live.assignee_ids).with_stored(assigned.user_id),
        TaskEvent::TaskUnassigned(unassigned) => live.assignee_ids = std::mem::take(&mut live.assignee_ids).without(unassigned.user_id),
        TaskEvent::TaskStatusChanged(changed) => {
            live.status = changed.to;
            live.blocked_reason = changed.blocked_reason;
        }
        TaskEvent::TaskPriorityChanged(changed) => live.priority = changed.to,
        TaskEvent::TaskCompleted(completed) => {
            live.status = Status::Done;
            live.blocked_reason = None;
            live.completed_at = Some(completed.completed_at);
        }
        TaskEvent::TaskReopened(_) => {
            live.status = Status::Todo;
            live.completed_at = None;
        }
        TaskEvent::TaskDueDateChanged(changed) => live.due = changed.to,
        TaskEvent::TaskMoved(moved) => {
            live.project_id = moved.project_id;
            live.project_key = moved.project_key;
            live.number = moved.number;
        }
    }
}

fn update(live: &mut LiveTask, changes: TaskChanges) {
    let TaskChanges { title, description, category, tags, estimate_minutes } = changes;
    if let Some(title) = title {
        live.title = title.to;
    }
    if let Some(description) = description {
        live.description = description.to;
    }
    if let Some(category) = category {
        live.category = category.to;
    }
    if let Some(tags) = tags {
        live.tags = tags.to;
    }
    if let Some(estimate_minutes) = estimate_minutes {
        live.estimate_minutes = estimate_minutes.to;
    }
}
