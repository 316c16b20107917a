//! Messages about schedules.

use crate::values::{ChangeV1, DueV1, Moment};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// A time before the due instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ThresholdV1 {
    pub amount: u32,
    /// `minutes`, `hours` or `days`.
    pub unit: Cow<'static, str>,
}

/// A time before the due instant, and the instant of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ThresholdAtV1 {
    pub amount: u32,
    /// `minutes`, `hours` or `days`.
    pub unit: Cow<'static, str>,
    pub at: Moment,
}

/// `schedule_created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ScheduleCreatedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub task_id: Option<Uuid>,
    /// Whether the schedule follows the due date of the task.
    pub follows_task: bool,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub thresholds: Vec<ThresholdAtV1>,
}

/// `schedule_updated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ScheduleUpdatedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub changes: ScheduleChangesV1,
}

/// The changed fields. A field that is absent did not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ScheduleChangesV1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<ChangeV1<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<ChangeV1<Vec<ThresholdAtV1>>>,
}

/// `schedule_rescheduled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ScheduleRescheduledV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub from: DueV1,
    pub to: DueV1,
    /// The new due revision; thresholds of the previous one no longer fire.
    pub due_revision: u32,
    pub thresholds: Vec<ThresholdAtV1>,
}

/// `schedule_reopened`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ScheduleReopenedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub thresholds: Vec<ThresholdAtV1>,
}

/// `schedule_deleted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ScheduleDeletedV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    pub title: String,
}

/// `deadline_approaching`: once for each schedule, due revision and threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct DeadlineApproachingV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    /// Key of the project, such as `PRJ`.
    pub project_key: Option<String>,
    pub task_id: Option<Uuid>,
    /// Key of the task, such as `PRJ-12`.
    pub task_key: Option<String>,
    /// Assignees of the task.
    pub assignee_ids: Vec<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub threshold: ThresholdV1,
    /// Instant of the threshold.
    pub scheduled_for: Moment,
    /// Delay in milliseconds between that instant and the event.
    pub late_by_ms: i64,
}

/// `deadline_overdue`: once for each schedule and due revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct DeadlineOverdueV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    /// Key of the project, such as `PRJ`.
    pub project_key: Option<String>,
    pub task_id: Option<Uuid>,
    /// Key of the task, such as `PRJ-12`.
    pub task_key: Option<String>,
    /// Assignees of the task.
    pub assignee_ids: Vec<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    /// Delay in milliseconds between the due instant and the event.
    pub late_by_ms: i64,
}

/// `deadline_met`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct DeadlineMetV1 {
    pub schedule_id: Uuid,
    pub project_id: Option<Uuid>,
    /// Key of the project, such as `PRJ`.
    pub project_key: Option<String>,
    pub task_id: Option<Uuid>,
    /// Key of the task, such as `PRJ-12`.
    pub task_key: Option<String>,
    /// Assignees of the task.
    pub assignee_ids: Vec<Uuid>,
    pub title: String,
    pub due: DueV1,
    pub due_revision: u32,
    pub met_at: Moment,
}

#[cfg(feature = "from-domain")]
pub(crate) use from_domain::{PUBLISHED, write};

#[cfg(feature = "from-domain")]
mod from_domain {
    use super::*;
    use crate::schemas::Published;
    use domain::event::Recorded;
    use domain::schedule::{
        DeadlineApproaching, DeadlineContext, DeadlineMet, DeadlineOverdue, Place, ScheduleChanges, ScheduleCreated, ScheduleEvent,
        ScheduleReopened, ScheduleRescheduled,
    };
    use domain::values::{ResolvedThreshold, Threshold};
    use serde::Serializer;

    /// The type of each event's message.
    pub(crate) const PUBLISHED: &[Published] = &[
        Published::by::<ScheduleCreatedV1>("schedule_created"),
        Published::by::<ScheduleUpdatedV1>("schedule_updated"),
        Published::by::<ScheduleRescheduledV1>("schedule_rescheduled"),
        Published::by::<ScheduleReopenedV1>("schedule_reopened"),
        Published::by::<ScheduleDeletedV1>("schedule_deleted"),
        Published::by::<DeadlineApproachingV1>("deadline_approaching"),
        Published::by::<DeadlineOverdueV1>("deadline_overdue"),
        Published::by::<DeadlineMetV1>("deadline_met"),
    ];

    /// Writes the message of an event.
    pub(crate) fn write<S: Serializer>(recorded: &Recorded, event: &ScheduleEvent, to: S) -> Result<S::Ok, S::Error> {
        let (schedule_id, project_id) = (recorded.aggregate_id, recorded.metadata.project_id.map(|id| id.0));
        match event {
            ScheduleEvent::ScheduleCreated(event) => created(schedule_id, event).serialize(to),
            ScheduleEvent::ScheduleUpdated(event) => {
                ScheduleUpdatedV1 { schedule_id, project_id, changes: changes(&event.changes) }.serialize(to)
            }
            ScheduleEvent::ScheduleRescheduled(event) => rescheduled(schedule_id, project_id, event).serialize(to),
            ScheduleEvent::ScheduleReopened(event) => reopened(schedule_id, project_id, event).serialize(to),
            ScheduleEvent::ScheduleDeleted(event) => {
                ScheduleDeletedV1 { schedule_id, project_id, title: event.title.to_string() }.serialize(to)
            }
            ScheduleEvent::DeadlineApproaching(event) => approaching(schedule_id, event).serialize(to),
            ScheduleEvent::DeadlineOverdue(event) => overdue(schedule_id, event).serialize(to),
            ScheduleEvent::DeadlineMet(event) => met(schedule_id, project_id, event).serialize(to),
        }
    }

    fn created(schedule_id: Uuid, event: &ScheduleCreated) -> ScheduleCreatedV1 {
        let (project_id, task_id) = ids(&event.place);
        ScheduleCreatedV1 {
            schedule_id,
            project_id,
            task_id,
            follows_task: event.subject.follows_task(),
            title: event.title.to_string(),
            due: event.due.into(),
            due_revision: event.due_revision,
            thresholds: moments(&event.thresholds),
        }
    }

    fn changes(changes: &ScheduleChanges) -> ScheduleChangesV1 {
        let ScheduleChanges { title, thresholds } = changes;
        ScheduleChangesV1 {
            title: ChangeV1::of(title, |title| title.to_string()),
            thresholds: ChangeV1::of(thresholds, |thresholds| moments(&thresholds)),
        }
    }

    fn rescheduled(schedule_id: Uuid, project_id: Option<Uuid>, event: &ScheduleRescheduled) -> ScheduleRescheduledV1 {
        ScheduleRescheduledV1 {
            schedule_id,
            project_id,
            from: event.from.into(),
            to: event.to.into(),
            due_revision: event.due_revision,
            thresholds: moments(&event.thresholds),
        }
    }

    fn reopened(schedule_id: Uuid, project_id: Option<Uuid>, event: &ScheduleReopened) -> ScheduleReopenedV1 {
        ScheduleReopenedV1 {
            schedule_id,
            project_id,
            title: event.title.to_string(),
            due: event.due.into(),
            due_revision: event.due_revision,
            thresholds: moments(&event.thresholds),
        }
    }

    fn approaching(schedule_id: Uuid, event: &DeadlineApproaching) -> DeadlineApproachingV1 {
        let about = &event.about;
        DeadlineApproachingV1 {
            schedule_id,
            project_id: about.project_id.map(|id| id.0),
            project_key: about.project_key.as_ref().map(ToString::to_string),
            task_id: about.task_id.map(|id| id.0),
            task_key: task_key(about),
            assignee_ids: people(about),
            title: event.title.to_string(),
            due: event.due.into(),
            due_revision: event.due_revision,
            threshold: lead(event.threshold),
            scheduled_for: event.scheduled_for.into(),
            late_by_ms: event.late_by_ms,
        }
    }

    fn overdue(schedule_id: Uuid, event: &DeadlineOverdue) -> DeadlineOverdueV1 {
        let about = &event.about;
        DeadlineOverdueV1 {
            schedule_id,
            project_id: about.project_id.map(|id| id.0),
            project_key: about.project_key.as_ref().map(ToString::to_string),
            task_id: about.task_id.map(|id| id.0),
            task_key: task_key(about),
            assignee_ids: people(about),
            title: event.title.to_string(),
            due: event.due.into(),
            due_revision: event.due_revision,
            late_by_ms: event.late_by_ms,
        }
    }

    /// Version 1 did not say the project; the circumstances of the event did.
    fn met(schedule_id: Uuid, project_id: Option<Uuid>, event: &DeadlineMet) -> DeadlineMetV1 {
        let about = &event.about;
        DeadlineMetV1 {
            schedule_id,
            project_id: about.project_id.map(|id| id.0).or(project_id),
            project_key: about.project_key.as_ref().map(ToString::to_string),
            task_id: about.task_id.map(|id| id.0),
            task_key: task_key(about),
            assignee_ids: people(about),
            title: event.title.to_string(),
            due: event.due.into(),
            due_revision: event.due_revision,
            met_at: event.met_at.into(),
        }
    }

    fn task_key(about: &DeadlineContext) -> Option<String> {
        Some(format!("{}-{}", about.project_key.as_ref()?, about.task_number?))
    }

    fn people(about: &DeadlineContext) -> Vec<Uuid> {
        about.assignee_ids.iter().map(|person| person.0).collect()
    }

    fn ids(place: &Place) -> (Option<Uuid>, Option<Uuid>) {
        (place.project_id.map(|id| id.0), place.task_id.map(|id| id.0))
    }

    fn moments(thresholds: &[ResolvedThreshold]) -> Vec<ThresholdAtV1> {
        thresholds.iter().map(|t| ThresholdAtV1 { amount: t.amount, unit: t.unit.word().into(), at: t.at.into() }).collect()
    }

    fn lead(threshold: Threshold) -> ThresholdV1 {
        ThresholdV1 { amount: threshold.amount, unit: threshold.unit.word().into() }
    }
}
