//! Which deadlines were announced, and how late?
//!
//! One row for each firing; rows are never removed. The id is derived from the schedule, the due revision and the time,
//! so a second firing for the same time cannot be written.
//!
//! Once the project or the task of its schedule is deleted, a firing is hidden from every query.

mod columns;
mod queries;
#[cfg(test)]
mod tests;

pub(crate) use queries::page_statement;
pub use queries::{FIRINGS_OF_MAX, FiringFilter, FiringSelection, FiringView, find_firing, firings_of, list_firings};

use crate::model::{About, Changes, ReadModel};
use chrono::{DateTime, Utc};
use domain::event::Recorded;
use domain::ids::{ProjectId, ScheduleId, TaskId, WorkspaceId, derived};
use domain::project::ProjectEvent;
use domain::schedule::{DeadlineContext, ScheduleEvent};
use domain::task::TaskEvent;
use domain::values::Threshold;
use uuid::Uuid;

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadlineLog;

/// One firing.
#[derive(Debug, Clone, PartialEq)]
pub struct FiringRow {
    pub id: Uuid,
    pub workspace_id: WorkspaceId,
    pub schedule_id: ScheduleId,
    /// The project that the schedule is about, or that its task is in now.
    pub project_id: Option<ProjectId>,
    pub task_id: Option<TaskId>,
    /// The threshold that was reached; `None` when the due moment itself passed.
    pub threshold: Option<Threshold>,
    pub due_revision: i32,
    pub due_at: DateTime<Utc>,
    /// The time for which the firing was scheduled.
    pub scheduled_for: DateTime<Utc>,
    pub fired_at: DateTime<Utc>,
    pub late_by_ms: i64,
    pub position: i64,
    /// Whether the project or the task was deleted.
    pub hidden: bool,
}

struct Firing<'a> {
    about: &'a DeadlineContext,
    threshold: Option<Threshold>,
    due_revision: u32,
    due_at: DateTime<Utc>,
    scheduled_for: DateTime<Utc>,
    late_by_ms: i64,
}

fn firing(event: &ScheduleEvent) -> Option<Firing<'_>> {
    if let ScheduleEvent::DeadlineApproaching(fired) = event {
        Some(Firing {
            about: &fired.about,
            threshold: Some(fired.threshold),
            due_revision: fired.due_revision,
            due_at: fired.due.at.utc(),
            scheduled_for: fired.scheduled_for.utc(),
            late_by_ms: fired.late_by_ms,
        })
    } else if let ScheduleEvent::DeadlineOverdue(fired) = event {
        Some(Firing {
            about: &fired.about,
            threshold: None,
            due_revision: fired.due_revision,
            due_at: fired.due.at.utc(),
            scheduled_for: fired.due.at.utc(),
            late_by_ms: fired.late_by_ms,
        })
    } else {
        None
    }
}

fn id(event: &Recorded, firing: &Firing<'_>) -> Uuid {
    let moment = firing.scheduled_for.timestamp_millis().to_string();
    derived(&["firing", &event.aggregate_id.to_string(), &firing.due_revision.to_string(), &moment])
}

impl ReadModel for DeadlineLog {
    const NAME: &'static str = "deadline_log";
    const VERSION: u32 = 3;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        vec!["deadline_approaching", "deadline_overdue", "project_deleted", "task_deleted", "task_moved"]
    }

    type Key = Uuid;
    /// The firings that one event of another aggregate changes.
    type Group = About;
    type Row = FiringRow;

    fn key(row: &FiringRow) -> Uuid {
        row.id
    }

    fn belongs(row: &FiringRow, group: About) -> bool {
        group.includes(row.project_id, row.task_id)
    }

    fn on_schedule(event: &ScheduleEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        if let Some(firing) = firing(event) {
            let id = id(recorded, &firing);
            rows.put(id, || row(id, firing, recorded));
        }
    }

    fn on_project(event: &ProjectEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        if let ProjectEvent::ProjectDeleted(_) = event {
            rows.change_all(About::Project(ProjectId(recorded.aggregate_id)), |row| row.hidden = true);
        }
    }

    fn on_task(event: &TaskEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        let firings = About::Task(TaskId(recorded.aggregate_id));
        if let TaskEvent::TaskMoved(moved) = event {
            rows.change_all(firings, |row| row.project_id = Some(moved.project_id));
        } else if let TaskEvent::TaskDeleted(_) = event {
            rows.change_all(firings, |row| row.hidden = true);
        }
    }
}

fn row(id: Uuid, firing: Firing<'_>, event: &Recorded) -> FiringRow {
    FiringRow {
        id,
        workspace_id: event.workspace_id,
        schedule_id: ScheduleId(event.aggregate_id),
        project_id: firing.about.project_id,
        task_id: firing.about.task_id,
        threshold: firing.threshold,
        due_revision: i32::try_from(firing.due_revision).unwrap_or(i32::MAX),
        due_at: firing.due_at,
        scheduled_for: firing.scheduled_for,
        fired_at: event.metadata.occurred_at.utc(),
        late_by_ms: firing.late_by_ms,
        position: event.position,
        hidden: false,
    }
}
