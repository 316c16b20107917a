//! Messages about schedules.

use crate::{ChangeV1, DueV1, Moment, schema};
use domain::event::Recorded;
use domain::schedule::{DeadlineApproaching, DeadlineOverdue, Place, ScheduleChanges, ScheduleEvent};
use domain::values::{ResolvedThreshold, Threshold};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A message about a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ScheduleMessage {
    Created(ScheduleCreatedV1),
    Updated(ScheduleUpdatedV1),
    Rescheduled(ScheduleRescheduledV1),
    Reopened(ScheduleReopenedV1),
    Deleted(ScheduleDeletedV1),
    Approaching(DeadlineApproachingV1),
    Overdue(DeadlineOverdueV1),
    Met(DeadlineMetV1),
}

/// A lead before the due moment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdV1 {
    pub amount: u32,
    /// `minutes`, `hours` or `days`.
    pub unit: &'static str,
}

/// A lead before the due moment, and the moment of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdAtV1 {
    pub amount: u32,
    /// `minutes`, `hours` or `days`.
    pub unit: &'static str,
    pub at: Moment,
}

/// `schedule_created`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScheduleCreatedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub task_id: Option<Uuid>,
    /// Whether it is kept in step with the task's due date.
    pub follows_task: bool,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub thresholds: Vec<ThresholdAtV1>,
}

/// `schedule_updated`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScheduleUpdatedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub changes: ScheduleChangesV1,
}

/// What changed. A field that is absent stayed as it was.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScheduleChangesV1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<ChangeV1<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<ChangeV1<Vec<ThresholdAtV1>>>,
}

/// `schedule_rescheduled`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScheduleRescheduledV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub from: DueV1,
    pub to: DueV1,
    /// The new revision. What had not fired of the one before never will.
    pub due_revision: u32,
    pub thresholds: Vec<ThresholdAtV1>,
}

/// `schedule_reopened`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScheduleReopenedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub thresholds: Vec<ThresholdAtV1>,
}

/// `schedule_deleted`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScheduleDeletedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
}

/// `deadline_approaching`: once for each schedule, due revision and threshold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeadlineApproachingV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub task_id: Option<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub threshold: ThresholdV1,
    /// The moment of the threshold.
    pub scheduled_for: Moment,
    /// Milliseconds from that moment to the firing.
    pub late_by_ms: i64,
}

/// `deadline_overdue`: once for each schedule and due revision.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeadlineOverdueV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub task_id: Option<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    /// Milliseconds from the due moment to the firing.
    pub late_by_ms: i64,
}

/// `deadline_met`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeadlineMetV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub met_at: Moment,
}

fn ids(place: &Place) -> (Option<Uuid>, Option<Uuid>) {
    (place.project_id.map(|id| id.0), place.task_id.map(|id| id.0))
}

fn at(thresholds: &[ResolvedThreshold]) -> Vec<ThresholdAtV1> {
    thresholds.iter().map(|t| ThresholdAtV1 { amount: t.amount, unit: t.unit.word(), at: Moment(t.at) }).collect()
}

fn lead(threshold: Threshold) -> ThresholdV1 {
    ThresholdV1 { amount: threshold.amount, unit: threshold.unit.word() }
}

pub(crate) fn message(recorded: &Recorded, event: &ScheduleEvent) -> ScheduleMessage {
    let (schedule_id, project_id) = (recorded.aggregate_id, recorded.metadata.project_id.map(|id| id.0));
    match event {
        ScheduleEvent::ScheduleCreated(created) => {
            let (project_id, task_id) = ids(&created.place);
            ScheduleMessage::Created(ScheduleCreatedV1 {
                schedule_id,
                project_id,
                task_id,
                follows_task: created.subject.follows_task(),
                title: created.title.to_string(),
                due: created.due.into(),
                due_revision: created.due_revision,
                thresholds: at(&created.thresholds),
            })
        }
        ScheduleEvent::ScheduleUpdated(updated) => {
            let ScheduleChanges { title, thresholds } = &updated.changes;
            let changes = ScheduleChangesV1 {
                title: ChangeV1::of(title, |title| title.to_string()),
                thresholds: ChangeV1::of(thresholds, |thresholds| at(&thresholds)),
            };
            ScheduleMessage::Updated(ScheduleUpdatedV1 { schedule_id, project_id, changes })
        }
        ScheduleEvent::ScheduleRescheduled(moved) => ScheduleMessage::Rescheduled(ScheduleRescheduledV1 {
            schedule_id,
            project_id,
            from: moved.from.into(),
            to: moved.to.into(),
            due_revision: moved.due_revision,
            thresholds: at(&moved.thresholds),
        }),
        ScheduleEvent::ScheduleReopened(reopened) => ScheduleMessage::Reopened(ScheduleReopenedV1 {
            schedule_id,
            project_id,
            title: reopened.title.to_string(),
            due: reopened.due.into(),
            due_revision: reopened.due_revision,
            thresholds: at(&reopened.thresholds),
        }),
        ScheduleEvent::ScheduleDeleted(deleted) => {
            ScheduleMessage::Deleted(ScheduleDeletedV1 { schedule_id, project_id, title: deleted.title.to_string() })
        }
        ScheduleEvent::DeadlineApproaching(fired) => ScheduleMessage::Approaching(approaching(schedule_id, fired)),
        ScheduleEvent::DeadlineOverdue(fired) => ScheduleMessage::Overdue(overdue(schedule_id, fired)),
        ScheduleEvent::DeadlineMet(met) => ScheduleMessage::Met(DeadlineMetV1 {
            schedule_id,
            project_id,
            title: met.title.to_string(),
            due: met.due.into(),
            due_revision: met.due_revision,
            met_at: Moment(met.met_at),
        }),
    }
}

fn approaching(schedule_id: Uuid, fired: &DeadlineApproaching) -> DeadlineApproachingV1 {
    let (project_id, task_id) = ids(&fired.place);
    DeadlineApproachingV1 {
        schedule_id,
        project_id,
        task_id,
        title: fired.title.to_string(),
        due: fired.due.into(),
        due_revision: fired.due_revision,
        threshold: lead(fired.threshold),
        scheduled_for: Moment(fired.scheduled_for),
        late_by_ms: fired.late_by_ms,
    }
}

fn overdue(schedule_id: Uuid, fired: &DeadlineOverdue) -> DeadlineOverdueV1 {
    let (project_id, task_id) = ids(&fired.place);
    DeadlineOverdueV1 {
        schedule_id,
        project_id,
        task_id,
        title: fired.title.to_string(),
        due: fired.due.into(),
        due_revision: fired.due_revision,
        late_by_ms: fired.late_by_ms,
    }
}

pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("schedule_created", schema::<ScheduleCreatedV1>()),
        ("schedule_updated", schema::<ScheduleUpdatedV1>()),
        ("schedule_rescheduled", schema::<ScheduleRescheduledV1>()),
        ("schedule_reopened", schema::<ScheduleReopenedV1>()),
        ("schedule_deleted", schema::<ScheduleDeletedV1>()),
        ("deadline_approaching", schema::<DeadlineApproachingV1>()),
        ("deadline_overdue", schema::<DeadlineOverdueV1>()),
        ("deadline_met", schema::<DeadlineMetV1>()),
    ]
}
