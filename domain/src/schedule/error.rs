//! The rules of a schedule, as the refusals they give.

use crate::rule::{ID_TAKEN, NOT_FOUND, Rule};
use crate::values::Instant;
use thiserror::Error;

/// Why a rule refuses a command on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    #[error("schedule not found")]
    NotFound,
    #[error("project not found")]
    ProjectNotFound,
    #[error("task not found")]
    TaskNotFound,
    #[error("this id is already in use; omit it or choose a new UUID")]
    IdTaken,
    #[error("the project is archived; unarchive it first")]
    ProjectArchived,
    #[error("the project is deleted")]
    ProjectDeleted,
    #[error("the task is deleted")]
    TaskDeleted,
    #[error("the task belongs to another project; omit the project")]
    OtherProject,
    #[error("the schedule is deleted")]
    ScheduleDeleted,
    #[error("the schedule is met; create a new one for a new deadline")]
    ScheduleMet,
    #[error("the schedule follows its task's due date; change the task instead")]
    FollowsTask,
    #[error("the task that the schedule follows is closed")]
    TaskClosed,
    #[error("nothing fires before {0}")]
    NotYetDue(Instant),
}

impl Rule for ScheduleError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::ProjectNotFound | Self::TaskNotFound => NOT_FOUND,
            Self::IdTaken => ID_TAKEN,
            Self::ProjectArchived => "PROJECT_ARCHIVED",
            Self::ProjectDeleted => "PROJECT_DELETED",
            Self::TaskDeleted => "TASK_DELETED",
            Self::OtherProject => "INVALID_VALUE",
            Self::ScheduleDeleted => "SCHEDULE_DELETED",
            Self::ScheduleMet => "SCHEDULE_MET",
            Self::FollowsTask => "FOLLOWS_TASK",
            Self::TaskClosed => "TASK_CLOSED",
            Self::NotYetDue(_) => "NOT_YET_DUE",
        }
    }

    fn path(&self) -> Option<&'static str> {
        match self {
            Self::NotFound | Self::IdTaken | Self::ScheduleDeleted | Self::ScheduleMet | Self::FollowsTask => Some("id"),
            Self::ProjectNotFound | Self::ProjectArchived | Self::ProjectDeleted | Self::OtherProject => Some("projectId"),
            Self::TaskNotFound | Self::TaskDeleted => Some("taskId"),
            Self::TaskClosed | Self::NotYetDue(_) => None,
        }
    }
}
