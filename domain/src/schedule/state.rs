//! The state that a schedule's rules need, and how events change it.

use super::{ScheduleChanges, ScheduleCreated, ScheduleEvent, Subject};
use crate::ids::WorkspaceId;
use crate::values::{Due, Instant, ResolvedThreshold, Title};
use serde::{Deserialize, Serialize};

/// A schedule as its rules see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    #[default]
    Absent,
    Present(Box<LiveSchedule>),
}

/// A schedule that was created, also if it is met or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveSchedule {
    pub workspace_id: WorkspaceId,
    pub subject: Subject,
    pub life: ScheduleLife,
    pub title: Title,
    pub due: Due,
    pub due_revision: u32,
    /// Earliest first.
    pub thresholds: Vec<ResolvedThreshold>,
    /// The time of the latest firing of this revision. Times up to it never fire again.
    pub fired_through: Option<Instant>,
    /// When it was met, where it is met.
    pub met_at: Option<Instant>,
}

/// Where a schedule is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleLife {
    Waiting,
    Met,
    Deleted,
}

impl LiveSchedule {
    /// The time of the next firing, or `None` if nothing will fire.
    pub fn next_fire_at(&self) -> Option<Instant> {
        match self.life {
            ScheduleLife::Met | ScheduleLife::Deleted => None,
            ScheduleLife::Waiting => next_moment(&self.thresholds, &self.due, self.fired_through),
        }
    }

    /// The times of this revision that have not fired and are after the latest firing; earliest first.
    pub fn pending_moments(&self) -> impl Iterator<Item = Instant> {
        pending_moments(&self.thresholds, &self.due, self.fired_through)
    }
}

/// The time of the next firing of a due revision.
pub fn next_moment(thresholds: &[ResolvedThreshold], due: &Due, fired_through: Option<Instant>) -> Option<Instant> {
    pending_moments(thresholds, due, fired_through).next()
}

/// Thresholds before the due time, and the due time itself, if they are after the latest firing.
fn pending_moments(thresholds: &[ResolvedThreshold], due: &Due, fired_through: Option<Instant>) -> impl Iterator<Item = Instant> {
    let due_at = due.at;
    let leads = thresholds.iter().map(|threshold| threshold.at).filter(move |at| *at < due_at);
    leads.chain([due_at]).filter(move |at| fired_through.is_none_or(|fired| *at > fired))
}

/// The state after an event. It cannot fail: a stored event is a fact.
pub fn evolve(schedule: Schedule, event: ScheduleEvent) -> Schedule {
    match (schedule, event) {
        (_, ScheduleEvent::ScheduleCreated(created)) => begin(*created),
        (Schedule::Absent, _) => Schedule::Absent,
        (Schedule::Present(mut live), event) => {
            go_on(&mut live, event);
            Schedule::Present(live)
        }
    }
}

fn begin(created: ScheduleCreated) -> Schedule {
    Schedule::Present(Box::new(LiveSchedule {
        workspace_id: created.workspace_id,
        subject: created.subject,
        life: ScheduleLife::Waiting,
        title: created.title,
        due: created.due,
        due_revision: created.due_revision,
        thresholds: created.thresholds,
        fired_through: None,
        met_at: None,
    }))
}

fn go_on(live: &mut LiveSchedule, event: ScheduleEvent) {
    match event {
        ScheduleEvent::ScheduleCreated(_) => {}
        ScheduleEvent::ScheduleUpdated(updated) => {
            let ScheduleChanges { title, thresholds } = updated.changes;
            if let Some(title) = title {
                live.title = title.to;
            }
            if let Some(thresholds) = thresholds {
                live.thresholds = thresholds.to;
            }
        }
        ScheduleEvent::ScheduleRescheduled(moved) => open(live, moved.to, moved.due_revision, moved.thresholds),
        ScheduleEvent::ScheduleReopened(reopened) => {
            live.title = reopened.title;
            open(live, reopened.due, reopened.due_revision, reopened.thresholds);
        }
        ScheduleEvent::ScheduleDeleted(_) => live.life = ScheduleLife::Deleted,
        ScheduleEvent::DeadlineApproaching(fired) => live.fired_through = Some(fired.scheduled_for),
        ScheduleEvent::DeadlineOverdue(fired) => live.fired_through = Some(fired.due.at),
        ScheduleEvent::DeadlineMet(met) => {
            live.life = ScheduleLife::Met;
            live.met_at = Some(met.met_at);
        }
    }
}

fn open(live: &mut LiveSchedule, due: Due, due_revision: u32, thresholds: Vec<ResolvedThreshold>) {
    live.life = ScheduleLife::Waiting;
    live.met_at = None;
    live.due = due;
    live.due_revision = due_revision;
    live.thresholds = thresholds;
    live.fired_through = None;
}
