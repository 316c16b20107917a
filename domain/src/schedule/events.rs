//! The events of a schedule.

use crate::fields::Fields;
use crate::ids::{ProjectId, TaskId, WorkspaceId};
use crate::shapes::deadline_with_assignees;
use crate::values::{Assignees, Change, Due, Instant, ProjectKey, ResolvedThreshold, Threshold, Title};
use serde::{Deserialize, Serialize};

events! {
    /// One fact about a schedule.
    pub enum ScheduleEvent {
        ScheduleCreated(Box<ScheduleCreated>) = "schedule_created", sets Fields::All;
        ScheduleUpdated(Box<ScheduleUpdated>) = "schedule_updated", sets Fields::named(ScheduleChanges::default().by_name());
        ScheduleRescheduled(Box<ScheduleRescheduled>) = "schedule_rescheduled", sets Fields::one("due");
        ScheduleReopened(Box<ScheduleReopened>) = "schedule_reopened", sets Fields::All;
        ScheduleDeleted(ScheduleDeleted) = "schedule_deleted", sets Fields::All;
        DeadlineApproaching(Box<DeadlineApproaching>) = "deadline_approaching", was [deadline_with_assignees], sets Fields::Some(vec![]);
        DeadlineOverdue(Box<DeadlineOverdue>) = "deadline_overdue", was [deadline_with_assignees], sets Fields::Some(vec![]);
        DeadlineMet(Box<DeadlineMet>) = "deadline_met", was [deadline_with_assignees], sets Fields::one("state");
    }
}

/// What a schedule is about. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A milestone: neither a project nor a task.
    Milestone,
    /// A project.
    Project { project_id: ProjectId },
    /// A task, created by a user.
    Task { task_id: TaskId },
    /// A task whose due date it follows.
    TaskDueDate { task_id: TaskId },
}

/// The project and task of a schedule at the time of an event. A task may have moved since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
}

/// The context of a deadline at the time of its event, so that readers need no query. A field is absent if it does not
/// apply, and in an event that was recorded before the field existed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineContext {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_key: Option<ProjectKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// The number of the task in the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_number: Option<u32>,
    /// Who is assigned to the task.
    pub assignee_ids: Assignees,
}

/// The schedule was created, with due revision 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleCreated {
    pub workspace_id: WorkspaceId,
    pub subject: Subject,
    #[serde(flatten)]
    pub place: Place,
    pub title: Title,
    pub due: Due,
    pub due_revision: u32,
    /// Earliest first.
    pub thresholds: Vec<ResolvedThreshold>,
    /// Whether its project was archived at that time, so that it is silenced from the start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub project_at_rest: bool,
}

/// One or several fields changed. A field that is absent stayed as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleUpdated {
    pub changes: ScheduleChanges,
}

/// The fields that an update can change, each with its old and new value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScheduleChanges {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Change<Title>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Change<Vec<ResolvedThreshold>>>,
}

/// The due time moved. Firings of the previous revision that had not happened never will.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRescheduled {
    pub from: Due,
    pub to: Due,
    /// The new revision.
    pub due_revision: u32,
    /// The thresholds with their new times, earliest first.
    pub thresholds: Vec<ResolvedThreshold>,
}

/// A schedule that was met or deleted waits again, because the task it follows is open again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleReopened {
    pub title: Title,
    pub due: Due,
    /// The new revision.
    pub due_revision: u32,
    /// The thresholds with their new times, earliest first.
    pub thresholds: Vec<ResolvedThreshold>,
}

/// The schedule was deleted permanently, and never fires again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDeleted {
    pub title: Title,
}

/// A threshold before the due time was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadlineApproaching {
    #[serde(flatten)]
    pub about: DeadlineContext,
    pub title: Title,
    pub due: Due,
    pub due_revision: u32,
    pub threshold: Threshold,
    /// The time of the threshold.
    pub scheduled_for: Instant,
    /// Milliseconds from that time to the firing.
    pub late_by_ms: i64,
}

/// The due time passed before the schedule was met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadlineOverdue {
    #[serde(flatten)]
    pub about: DeadlineContext,
    pub title: Title,
    pub due: Due,
    pub due_revision: u32,
    /// Milliseconds from the due time to the firing.
    pub late_by_ms: i64,
}

/// The schedule was met, in time or late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadlineMet {
    #[serde(flatten)]
    pub about: DeadlineContext,
    pub title: Title,
    pub due: Due,
    pub due_revision: u32,
    pub met_at: Instant,
}

impl Subject {
    /// The task it is about, if it is about one.
    pub fn task_id(&self) -> Option<TaskId> {
        match self {
            Self::Milestone | Self::Project { .. } => None,
            Self::Task { task_id } | Self::TaskDueDate { task_id } => Some(*task_id),
        }
    }

    /// The project it is about, if it is about a project itself.
    pub fn project_id(&self) -> Option<ProjectId> {
        match self {
            Self::Project { project_id } => Some(*project_id),
            Self::Milestone | Self::Task { .. } | Self::TaskDueDate { .. } => None,
        }
    }

    /// Whether it follows a task's due date.
    pub fn follows_task(&self) -> bool {
        matches!(self, Self::TaskDueDate { .. })
    }
}

impl ScheduleEvent {
    /// The fields that changed, by the names callers use. A firing changes nothing that a caller sets.
    pub fn fields(&self) -> Fields {
        if let Self::ScheduleUpdated(updated) = self {
            return Fields::which(updated.changes.by_name());
        }
        Self::fields_of(self.name()).unwrap_or(Fields::All)
    }
}

impl ScheduleChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The names that callers use, and whether each changed.
    fn by_name(&self) -> [(&'static str, bool); 2] {
        let Self { title, thresholds } = self;
        [("title", title.is_some()), ("thresholds", thresholds.is_some())]
    }
}
