//! Which schedules exist, in what state, and when does the next one fire?
//!
//! One row for each schedule. `next_fire_at` is what the scheduler sleeps until; a schedule of an archived project
//! keeps its next time, so that it continues where it was, but does not fire.
//!
//! A schedule of a deleted project or of a deleted task keeps its row permanently, and is hidden from every query and
//! from the scheduler.

mod columns;
mod queries;
#[cfg(test)]
mod tests;

pub(crate) use queries::page_statement;
pub use queries::{
    DueNow, ScheduleFilter, ScheduleSelection, ScheduleView, due_now, find_schedule, find_schedules, list_schedules, next_fire_after,
    schedules_of_tasks,
};

use crate::model::{About, Changes, ReadModel};
use chrono::{DateTime, Utc};
use domain::event::Recorded;
use domain::ids::{ProjectId, ScheduleId, TaskId, WorkspaceId};
use domain::project::ProjectEvent;
use domain::schedule::{ScheduleChanges, ScheduleCreated, ScheduleEvent, Subject, next_moment};
use domain::task::TaskEvent;
use domain::values::{Due, Instant, ResolvedThreshold};

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedules;

/// The row of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    pub id: ScheduleId,
    pub workspace_id: WorkspaceId,
    pub project_id: Option<ProjectId>,
    pub task_id: Option<TaskId>,
    pub follows_task: bool,
    pub title: String,
    pub state: ScheduleState,
    pub due: Due,
    pub due_revision: i32,
    pub thresholds: Vec<ResolvedThreshold>,
    pub fired_through: Option<DateTime<Utc>>,
    /// The time of the next firing, unless the schedule is silenced.
    pub next_fire_at: Option<DateTime<Utc>>,
    pub project_at_rest: bool,
    /// Whether its project or its task was deleted.
    pub hidden: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i64,
}

/// The state of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScheduleState {
    Pending,
    Approaching,
    Overdue,
    Met,
    Deleted,
}

impl ScheduleRow {
    /// Whether nothing fires although a time may be set.
    pub fn is_silenced(&self) -> bool {
        self.project_at_rest || self.hidden
    }
}

impl ReadModel for Schedules {
    const NAME: &'static str = "schedules";
    const VERSION: u32 = 3;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        let others = ["project_archived", "project_unarchived", "project_deleted", "task_deleted", "task_moved"];
        ScheduleEvent::NAMES.into_iter().chain(others).collect()
    }

    type Key = ScheduleId;
    /// The schedules that one event of another aggregate changes.
    type Group = About;
    type Row = ScheduleRow;

    fn key(row: &ScheduleRow) -> ScheduleId {
        row.id
    }

    fn belongs(row: &ScheduleRow, group: About) -> bool {
        group.includes(row.project_id, row.task_id)
    }

    fn on_schedule(event: &ScheduleEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        let id = ScheduleId(recorded.aggregate_id);
        if let ScheduleEvent::ScheduleCreated(created) = event {
            return rows.put(id, || created_row(id, created, recorded));
        }
        rows.change(id, |row| {
            apply(row, event);
            row.next_fire_at = match row.state {
                ScheduleState::Met | ScheduleState::Deleted => None,
                ScheduleState::Pending | ScheduleState::Approaching | ScheduleState::Overdue => {
                    next_moment(&row.thresholds, &row.due, row.fired_through.map(Instant::from)).map(Instant::utc)
                }
            };
            row.version = recorded.version;
            row.updated_at = recorded.metadata.occurred_at.utc();
        });
    }

    fn on_project(event: &ProjectEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        let schedules = About::Project(ProjectId(recorded.aggregate_id));
        if let ProjectEvent::ProjectArchived(_) = event {
            rows.change_all(schedules, |row| row.project_at_rest = true);
        } else if let ProjectEvent::ProjectUnarchived(_) = event {
            rows.change_all(schedules, |row| row.project_at_rest = false);
        } else if let ProjectEvent::ProjectDeleted(_) = event {
            rows.change_all(schedules, |row| {
                row.project_at_rest = true;
                row.hidden = true;
            });
        }
    }

    fn on_task(event: &TaskEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        let schedules = About::Task(TaskId(recorded.aggregate_id));
        if let TaskEvent::TaskMoved(moved) = event {
            rows.change_all(schedules, |row| {
                row.project_id = Some(moved.project_id);
                row.project_at_rest = false;
            });
        } else if let TaskEvent::TaskDeleted(_) = event {
            rows.change_all(schedules, |row| row.hidden = true);
        }
    }
}

fn created_row(id: ScheduleId, created: &ScheduleCreated, event: &Recorded) -> ScheduleRow {
    let at = event.metadata.occurred_at.utc();
    ScheduleRow {
        id,
        workspace_id: event.workspace_id,
        project_id: created.place.project_id,
        task_id: created.place.task_id,
        follows_task: matches!(created.subject, Subject::TaskDueDate { .. }),
        title: created.title.to_string(),
        state: ScheduleState::Pending,
        due: created.due,
        due_revision: as_int(created.due_revision),
        thresholds: created.thresholds.clone(),
        fired_through: None,
        next_fire_at: next_moment(&created.thresholds, &created.due, None).map(Instant::utc),
        project_at_rest: created.project_at_rest,
        hidden: false,
        created_at: at,
        updated_at: at,
        version: event.version,
    }
}

fn apply(row: &mut ScheduleRow, event: &ScheduleEvent) {
    match event {
        ScheduleEvent::ScheduleCreated(_) => {}
        ScheduleEvent::ScheduleUpdated(updated) => {
            let ScheduleChanges { title, thresholds } = &updated.changes;
            title.iter().for_each(|title| row.title = title.to.to_string());
            thresholds.iter().for_each(|thresholds| row.thresholds.clone_from(&thresholds.to));
        }
        ScheduleEvent::ScheduleRescheduled(moved) => open(row, moved.to, moved.due_revision, &moved.thresholds),
        ScheduleEvent::ScheduleReopened(reopened) => {
            row.title = reopened.title.to_string();
            open(row, reopened.due, reopened.due_revision, &reopened.thresholds);
        }
        ScheduleEvent::ScheduleDeleted(_) => row.state = ScheduleState::Deleted,
        ScheduleEvent::DeadlineApproaching(fired) => {
            row.state = ScheduleState::Approaching;
            row.fired_through = Some(fired.scheduled_for.utc());
        }
        ScheduleEvent::DeadlineOverdue(fired) => {
            row.state = ScheduleState::Overdue;
            row.fired_through = Some(fired.due.at.utc());
        }
        ScheduleEvent::DeadlineMet(_) => row.state = ScheduleState::Met,
    }
}

fn open(row: &mut ScheduleRow, due: Due, due_revision: u32, thresholds: &[ResolvedThreshold]) {
    row.state = ScheduleState::Pending;
    row.due = due;
    row.due_revision = as_int(due_revision);
    row.thresholds = thresholds.to_vec();
    row.fired_through = None;
}

/// Revisions count manual changes.
fn as_int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
