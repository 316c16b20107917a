//! Which projects exist, who are their collaborators, and what is their progress?
//!
//! One row for each project, also when it is archived or deleted. Counts follow the tasks; overdue tasks depend on the
//! clock and are counted by the query.

mod columns;
mod queries;
#[cfg(test)]
mod tests;

pub use columns::phase_word;
pub(crate) use queries::page_statement;
pub(crate) use queries::{Beside, push_overdue};
pub use queries::{ProjectFilter, ProjectSelection, ProjectView, find_project, find_projects, list_projects, project_by_key};

use crate::model::{Changes, ReadModel};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::event::Recorded;
use domain::ids::{ProjectId, UserId, WorkspaceId};
use domain::project::{Phase, ProjectChanges, ProjectCreated, ProjectEvent};
use domain::task::{Status, StatusChange, TaskEvent};
use domain::values::CollaboratorRole;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectOverview;

/// The row of a project.
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

/// A collaborator of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collaborator {
    pub user_id: UserId,
    pub role: CollaboratorRole,
    pub since: DateTime<Utc>,
}

/// How many tasks of a project are in each status. Deleted tasks are not counted.
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
    type Group = Infallible;
    type Row = ProjectRow;

    fn key(row: &ProjectRow) -> ProjectId {
        row.id
    }

    fn on_project(event: &ProjectEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        let id = ProjectId(recorded.aggregate_id);
        if let ProjectEvent::ProjectCreated(created) = event {
            return rows.put(id, || created_row(id, created, recorded));
        }
        rows.change(id, |row| {
            apply(row, event, recorded);
            row.version = recorded.version;
            row.updated_at = recorded.metadata.occurred_at.utc();
        });
    }

    fn on_task(event: &TaskEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        if let TaskEvent::TaskMoved(moved) = event {
            rows.change(moved.from_project_id, |row| *row.counts.of(moved.status) -= 1);
            rows.change(moved.project_id, |row| *row.counts.of(moved.status) += 1);
        } else if let (Some(StatusChange { from, to }), Some(project_id)) = (event.status_change(), recorded.metadata.project_id) {
            rows.change(project_id, |row| {
                from.into_iter().for_each(|status| *row.counts.of(status) -= 1);
                to.into_iter().for_each(|status| *row.counts.of(status) += 1);
            });
        }
    }
}

fn created_row(id: ProjectId, created: &ProjectCreated, event: &Recorded) -> ProjectRow {
    let at = event.metadata.occurred_at.utc();
    ProjectRow {
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
    }
}

fn apply(row: &mut ProjectRow, event: &ProjectEvent, recorded: &Recorded) {
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
