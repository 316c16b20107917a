//! Which tasks exist, in what state, with which assignees, and when are they due?
//!
//! One row for each task. A deleted task, and a task of a deleted project, keeps its row and is hidden from every
//! query, so that the answer to its deletion can still show it.

mod columns;
mod queries;
#[cfg(test)]
mod tests;

pub use columns::priority_number;
pub(crate) use queries::page_statement;
pub use queries::{TaskFilter, TaskSelection, TaskSort, TaskSortField, TaskView, find_task, find_tasks, list_tasks, task_by_key};

use crate::model::{Changes, ReadModel};
use chrono::{DateTime, Utc};
use domain::event::Recorded;
use domain::ids::{ProjectId, TaskId, UserId, WorkspaceId};
use domain::project::ProjectEvent;
use domain::task::{Status, TaskChanges, TaskCreated, TaskEvent};
use domain::values::{Due, Priority};

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskList;

/// The row of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub id: TaskId,
    pub workspace_id: WorkspaceId,
    pub project_id: ProjectId,
    pub project_key: String,
    pub number: i32,
    /// Keys it had in projects that it has left.
    pub former_keys: Vec<String>,
    pub title: String,
    pub description: String,
    pub status: Status,
    pub blocked_reason: Option<String>,
    pub priority: Priority,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub assignee_ids: Vec<UserId>,
    pub due: Option<Due>,
    pub estimate_minutes: Option<i32>,
    pub created_by: UserId,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub time_to_complete_ms: Option<i64>,
    pub version: i64,
    pub hidden: bool,
}

impl TaskRow {
    /// Its current key, such as `PRJ-12`.
    pub fn key(&self) -> String {
        format!("{}-{}", self.project_key, self.number)
    }

    /// Whether its due date has passed and it is still open.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        !self.status.is_closed() && self.due.is_some_and(|due| due.at.utc() <= now)
    }
}

impl ReadModel for TaskList {
    const NAME: &'static str = "task_list";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        TaskEvent::NAMES.into_iter().chain(["project_deleted"]).collect()
    }

    type Key = TaskId;
    /// The tasks of a project.
    type Group = ProjectId;
    type Row = TaskRow;

    fn key(row: &TaskRow) -> TaskId {
        row.id
    }

    fn belongs(row: &TaskRow, project: ProjectId) -> bool {
        row.project_id == project
    }

    fn on_task(event: &TaskEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        let id = TaskId(recorded.aggregate_id);
        if let TaskEvent::TaskCreated(created) = event {
            return rows.put(id, || created_row(id, created, recorded));
        }
        rows.change(id, |row| {
            apply(row, event);
            row.version = recorded.version;
            row.updated_at = recorded.metadata.occurred_at.utc();
        });
    }

    fn on_project(event: &ProjectEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        if let ProjectEvent::ProjectDeleted(_) = event {
            rows.change_all(ProjectId(recorded.aggregate_id), |row| row.hidden = true);
        }
    }
}

fn created_row(id: TaskId, created: &TaskCreated, event: &Recorded) -> TaskRow {
    let at = event.metadata.occurred_at.utc();
    TaskRow {
        id,
        workspace_id: event.workspace_id,
        project_id: created.project_id,
        project_key: created.project_key.to_string(),
        number: as_int(created.number),
        former_keys: vec![],
        title: created.title.to_string(),
        description: created.description.to_string(),
        status: Status::Todo,
        blocked_reason: None,
        priority: created.priority,
        category: created.category.as_ref().map(ToString::to_string),
        tags: created.tags.iter().map(ToString::to_string).collect(),
        assignee_ids: created.assignee_ids.iter().collect(),
        due: created.due,
        estimate_minutes: created.estimate_minutes.map(as_int),
        created_by: event.metadata.actor,
        created_at: at,
        updated_at: at,
        completed_at: None,
        time_to_complete_ms: None,
        version: event.version,
        hidden: false,
    }
}

fn apply(row: &mut TaskRow, event: &TaskEvent) {
    match event {
        TaskEvent::TaskCreated(_) | TaskEvent::TaskCommented(_) => {}
        TaskEvent::TaskUpdated(updated) => update(row, &updated.changes),
        TaskEvent::TaskAssigned(assigned) => row.assignee_ids.push(assigned.user_id),
        TaskEvent::TaskUnassigned(unassigned) => row.assignee_ids.retain(|person| *person != unassigned.user_id),
        TaskEvent::TaskStatusChanged(changed) => {
            row.status = changed.to;
            row.blocked_reason = changed.blocked_reason.as_ref().map(ToString::to_string);
        }
        TaskEvent::TaskPriorityChanged(changed) => row.priority = changed.to,
        TaskEvent::TaskCompleted(completed) => {
            row.status = Status::Done;
            row.blocked_reason = None;
            row.completed_at = Some(completed.completed_at.utc());
            row.time_to_complete_ms = Some(completed.time_to_complete_ms);
        }
        TaskEvent::TaskReopened(_) => {
            row.status = Status::Todo;
            row.completed_at = None;
            row.time_to_complete_ms = None;
        }
        TaskEvent::TaskDeleted(_) => row.hidden = true,
        TaskEvent::TaskDueDateChanged(changed) => row.due = changed.to,
        TaskEvent::TaskMoved(moved) => {
            row.former_keys.push(row.key());
            row.project_id = moved.project_id;
            row.project_key = moved.project_key.to_string();
            row.number = as_int(moved.number);
        }
    }
}

fn update(row: &mut TaskRow, changes: &TaskChanges) {
    let TaskChanges { title, description, category, tags, estimate_minutes } = changes;
    title.iter().for_each(|title| row.title = title.to.to_string());
    description.iter().for_each(|description| row.description = description.to.to_string());
    category.iter().for_each(|category| row.category = category.to.as_ref().map(ToString::to_string));
    tags.iter().for_each(|tags| row.tags = tags.to.iter().map(ToString::to_string).collect());
    estimate_minutes.iter().for_each(|minutes| row.estimate_minutes = minutes.to.map(as_int));
}

/// Numbers and estimates are far below the limit of an integer column.
fn as_int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
