//! Which projects are there, who works in them, and how far are they?
//!
//! One row for each project, also when it is archived or deleted. Counts follow the tasks; what is overdue depends on
//! the clock and is counted when asked.

mod columns;
mod queries;
#[cfg(test)]
mod tests;

pub use columns::phase_word;
#[cfg(feature = "fuzzing")]
pub(crate) use queries::page_statement;
pub(crate) use queries::{Beside, push_overdue};
pub use queries::{ProjectFilter, ProjectSelection, ProjectView, find_project, find_projects, list_projects, project_by_key};

use crate::model::ReadModel;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::event::{Event, Recorded};
use domain::ids::{ProjectId, UserId, WorkspaceId};
use domain::project::{Phase, ProjectChanges, ProjectEvent};
use domain::task::{Status, TaskEvent};
use domain::values::CollaboratorRole;
use serde::{Deserialize, Serialize};

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectOverview;

/// What is known of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectRow {
    pub id: ProjectId,
    pub workspace_id: WorkspaceId,
    pub key: String,
    pub name: String,
    pub description: String,
    pub phase: Phase,
    pub start_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    pub time_zone: Tz,
    /// In the order in which they joined.
    pub collaborators: Vec<Collaborator>,
    pub counts: Counts,
    pub created_by: UserId,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i64,
}

/// Somebody who works in a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collaborator {
    pub user_id: UserId,
    pub role: CollaboratorRole,
    pub since: DateTime<Utc>,
}

/// How many tasks of a project are in each status. Deleted tasks are in none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub todo: i32,
    pub in_progress: i32,
    pub in_review: i32,
    pub blocked: i32,
    pub done: i32,
    pub cancelled: i32,
}

impl Counts {
    /// All tasks.
    pub fn total(&self) -> i32 {
        self.todo + self.in_progress + self.in_review + self.blocked + self.done + self.cancelled
    }

    fn of(&mut self, status: Status) -> &mut i32 {
        match status {
            Status::Todo => &mut self.todo,
            Status::InProgress => &mut self.in_progress,
            Status::InReview => &mut self.in_review,
            Status::Blocked => &mut self.blocked,
            Status::Done => &mut self.done,
            Status::Cancelled => &mut self.cancelled,
        }
    }
}

/// How an event moves tasks between statuses, from the view of one project.
struct Moved {
    from: Option<Status>,
    to: Option<Status>,
}

fn moved(event: &TaskEvent, project: ProjectId) -> Moved {
    let (from, to) = match event {
        TaskEvent::TaskCreated(_) => (None, Some(Status::Todo)),
        TaskEvent::TaskStatusChanged(changed) => (Some(changed.from), Some(changed.to)),
        TaskEvent::TaskCompleted(completed) => (Some(completed.from), Some(Status::Done)),
        TaskEvent::TaskReopened(reopened) => (Some(reopened.from), Some(Status::Todo)),
        TaskEvent::TaskDeleted(deleted) => (Some(deleted.status), None),
        TaskEvent::TaskMoved(moved) if moved.from_project_id == project => (Some(moved.status), None),
        TaskEvent::TaskMoved(moved) => (None, Some(moved.status)),
        TaskEvent::TaskUpdated(_)
        | TaskEvent::TaskAssigned(_)
        | TaskEvent::TaskUnassigned(_)
        | TaskEvent::TaskPriorityChanged(_)
        | TaskEvent::TaskDueDateChanged(_)
        | TaskEvent::TaskCommented(_) => (None, None),
    };
    Moved { from, to }
}

impl ReadModel for ProjectOverview {
    const NAME: &'static str = "project_overview";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        let tasks = ["task_created", "task_status_changed", "task_completed", "task_reopened", "task_deleted", "task_moved"];
        ProjectEvent::NAMES.into_iter().chain(tasks).collect()
    }

    type Key = ProjectId;
    type Group = ();
    type Row = ProjectRow;

    fn key(row: &ProjectRow) -> ProjectId {
        row.id
    }

    fn touches(event: &Recorded) -> Vec<ProjectId> {
        match &event.event {
            Event::Project(_) => vec![ProjectId(event.aggregate_id)],
            Event::Task(TaskEvent::TaskMoved(moved)) => vec![moved.from_project_id, moved.project_id],
            Event::Task(task) => match moved(task, ProjectId(event.aggregate_id)) {
                Moved { from: None, to: None } => vec![],
                Moved { .. } => event.metadata.project_id.into_iter().collect(),
            },
            Event::Schedule(_) => vec![],
        }
    }

    fn project(key: ProjectId, row: Option<ProjectRow>, event: &Recorded) -> Option<ProjectRow> {
        match (&event.event, row) {
            (Event::Project(ProjectEvent::ProjectCreated(_)), _) => begin(key, event),
            (Event::Project(project), Some(mut row)) => {
                go_on(&mut row, project, event);
                row.version = event.version;
                row.updated_at = event.metadata.occurred_at.utc();
                Some(row)
            }
            (Event::Task(task), Some(mut row)) => {
                let Moved { from, to } = moved(task, key);
                from.into_iter().for_each(|status| *row.counts.of(status) -= 1);
                to.into_iter().for_each(|status| *row.counts.of(status) += 1);
                Some(row)
            }
            (Event::Schedule(_), row) => row,
            (Event::Project(_) | Event::Task(_), None) => None,
        }
    }
}

fn begin(id: ProjectId, event: &Recorded) -> Option<ProjectRow> {
    let Event::Project(ProjectEvent::ProjectCreated(created)) = &event.event else { return None };
    let at = event.metadata.occurred_at.utc();
    Some(ProjectRow {
        id,
        workspace_id: event.workspace_id,
        key: created.key.to_string(),
        name: created.name.to_string(),
        description: created.description.to_string(),
        phase: Phase::Active,
        start_on: created.start_on,
        due_on: created.due_on,
        time_zone: created.time_zone,
        collaborators: vec![Collaborator { user_id: created.owner_id, role: CollaboratorRole::Owner, since: at }],
        counts: Counts::default(),
        created_by: event.metadata.actor,
        created_at: at,
        updated_at: at,
        version: event.version,
    })
}

fn go_on(row: &mut ProjectRow, event: &ProjectEvent, recorded: &Recorded) {
    match event {
        ProjectEvent::ProjectCreated(_) => {}
        ProjectEvent::ProjectUpdated(updated) => {
            let ProjectChanges { name, description, start_on, due_on, time_zone } = &updated.changes;
            name.iter().for_each(|name| row.name = name.to.to_string());
            description.iter().for_each(|description| row.description = description.to.to_string());
            start_on.iter().for_each(|start_on| row.start_on = start_on.to);
            due_on.iter().for_each(|due_on| row.due_on = due_on.to);
            time_zone.iter().for_each(|time_zone| row.time_zone = time_zone.to);
        }
        ProjectEvent::ProjectArchived(_) => row.phase = Phase::Archived,
        ProjectEvent::ProjectUnarchived(_) => row.phase = Phase::Active,
        ProjectEvent::ProjectDeleted(_) => row.phase = Phase::Deleted,
        ProjectEvent::ProjectCollaboratorAdded(added) => {
            let since = recorded.metadata.occurred_at.utc();
            row.collaborators.push(Collaborator { user_id: added.user_id, role: added.role, since });
        }
        ProjectEvent::ProjectCollaboratorRemoved(removed) => row.collaborators.retain(|one| one.user_id != removed.user_id),
        ProjectEvent::ProjectCollaboratorRoleChanged(changed) => {
            row.collaborators.iter_mut().filter(|one| one.user_id == changed.user_id).for_each(|one| one.role = changed.to);
        }
    }
}
