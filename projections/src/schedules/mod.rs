//! Which deadlines are there, in what state, and when does the next one fire?
//!
//! One row for each schedule. `next_fire_at` is what the scheduler sleeps until; a schedule whose project rests keeps its
//! next moment, so that it goes on where it was, but is not looked at.
//!
//! A schedule goes with what it is about: that of a deleted project or of a deleted task keeps its row, for good, and is
//! hidden from every query and from the scheduler.

mod columns;
mod queries;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
pub(crate) use queries::page_statement;
pub use queries::{
    DueNow, ScheduleFilter, ScheduleSelection, ScheduleView, due_now, find_schedule, find_schedules, list_schedules, next_fire_after,
    schedules_of_tasks,
};

use crate::model::{About, ReadModel};
use chrono::{DateTime, Utc};
use domain::event::{Event, Recorded};
use domain::ids::{ProjectId, ScheduleId, TaskId, WorkspaceId};
use domain::project::ProjectEvent;
use domain::schedule::{ScheduleChanges, ScheduleEvent, Subject, next_moment};
use domain::task::TaskEvent;
use domain::values::{Due, Instant, ResolvedThreshold};

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedules;

/// What is known of a schedule.
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
    /// The next moment that fires, unless the schedule is silenced.
    pub next_fire_at: Option<DateTime<Utc>>,
    pub project_at_rest: bool,
    /// Whether its project or its task was deleted.
    pub hidden: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i64,
}

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScheduleState {
    Pending,
    Approaching,
    Overdue,
    Met,
    Deleted,
}

impl ScheduleRow {
    /// Whether nothing fires although a moment may be set.
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

    fn touches(event: &Recorded) -> Vec<ScheduleId> {
        match event.event {
            Event::Schedule(_) => vec![ScheduleId(event.aggregate_id)],
            Event::Project(_) | Event::Task(_) => vec![],
        }
    }

    fn spreads_to(event: &Recorded) -> Option<About> {
        match &event.event {
            Event::Project(ProjectEvent::ProjectArchived(_) | ProjectEvent::ProjectUnarchived(_) | ProjectEvent::ProjectDeleted(_)) => {
                Some(About::Project(ProjectId(event.aggregate_id)))
            }
            Event::Task(TaskEvent::TaskDeleted(_) | TaskEvent::TaskMoved(_)) => Some(About::Task(TaskId(event.aggregate_id))),
            Event::Project(_) | Event::Task(_) | Event::Schedule(_) => None,
        }
    }

    fn belongs(row: &ScheduleRow, group: About) -> bool {
        group.includes(row.project_id, row.task_id)
    }

    fn project(key: ScheduleId, row: Option<ScheduleRow>, event: &Recorded) -> Option<ScheduleRow> {
        match (&event.event, row) {
            (Event::Schedule(ScheduleEvent::ScheduleCreated(_)), _) => begin(key, event),
            (Event::Schedule(schedule), Some(mut row)) => {
                go_on(&mut row, schedule);
                row.next_fire_at = match row.state {
                    ScheduleState::Met | ScheduleState::Deleted => None,
                    ScheduleState::Pending | ScheduleState::Approaching | ScheduleState::Overdue => {
                        next_moment(&row.thresholds, &row.due, row.fired_through.map(Instant::from)).map(Instant::utc)
                    }
                };
                row.version = event.version;
                row.updated_at = event.metadata.occurred_at.utc();
                Some(row)
            }
            (Event::Project(project), Some(row)) => {
                let project_at_rest = !matches!(project, ProjectEvent::ProjectUnarchived(_));
                let hidden = row.hidden || matches!(project, ProjectEvent::ProjectDeleted(_));
                Some(ScheduleRow { project_at_rest, hidden, ..row })
            }
            (Event::Task(TaskEvent::TaskMoved(moved)), Some(row)) => {
                Some(ScheduleRow { project_id: Some(moved.project_id), project_at_rest: false, ..row })
            }
            (Event::Task(_), Some(row)) => Some(ScheduleRow { hidden: true, ..row }),
            (Event::Schedule(_) | Event::Project(_) | Event::Task(_), None) => None,
        }
    }
}

fn begin(id: ScheduleId, event: &Recorded) -> Option<ScheduleRow> {
    let Event::Schedule(ScheduleEvent::ScheduleCreated(created)) = &event.event else { return None };
    let at = event.metadata.occurred_at.utc();
    Some(ScheduleRow {
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
    })
}

fn go_on(row: &mut ScheduleRow, event: &ScheduleEvent) {
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

/// Revisions count what people did by hand.
fn as_int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
