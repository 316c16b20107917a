//! The rules of a task, as the refusals they give.

use super::Status;
use crate::rule::{ID_TAKEN, NOT_FOUND, Rule};
use thiserror::Error;

/// Why a rule refuses a command on a task.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TaskError {
    #[error("task not found")]
    NotFound,
    #[error("project not found")]
    ProjectNotFound,
    #[error("this id is already in use; omit it or choose a new UUID")]
    IdTaken,
    #[error("the project is archived; unarchive it first")]
    ProjectArchived,
    #[error("the project is deleted")]
    ProjectDeleted,
    #[error("the task is deleted")]
    TaskDeleted,
    #[error("the task is done; reopen it first")]
    TaskDone,
    #[error("a task with status {} cannot change to {}; {}", from.word(), to.word(), allowed(*from))]
    TransitionNotAllowed { from: Status, to: Status },
    #[error("a blocked task needs a reason of 1 to 1000 characters")]
    ReasonMissing,
    #[error("a reason for being blocked is allowed only with the status BLOCKED")]
    ReasonWithoutBlock,
    #[error("a task can have at most {0} assignees")]
    TooManyAssignees(usize),
}

fn allowed(from: Status) -> String {
    let words: Vec<_> = from.may_become().into_iter().map(Status::word).collect();
    if words.is_empty() { "it can only be reopened".to_owned() } else { format!("allowed are {}", words.join(", ")) }
}

impl Rule for TaskError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::ProjectNotFound => NOT_FOUND,
            Self::IdTaken => ID_TAKEN,
            Self::ProjectArchived => "PROJECT_ARCHIVED",
            Self::ProjectDeleted => "PROJECT_DELETED",
            Self::TaskDeleted => "TASK_DELETED",
            Self::TaskDone => "TASK_DONE",
            Self::TransitionNotAllowed { .. } => "TRANSITION_NOT_ALLOWED",
            Self::ReasonMissing | Self::ReasonWithoutBlock => "INVALID_VALUE",
            Self::TooManyAssignees(_) => "TOO_MANY_ASSIGNEES",
        }
    }

    fn path(&self) -> Option<&'static str> {
        match self {
            Self::NotFound | Self::IdTaken | Self::TaskDeleted | Self::TaskDone => Some("id"),
            Self::ProjectNotFound | Self::ProjectArchived | Self::ProjectDeleted => Some("projectId"),
            Self::TransitionNotAllowed { .. } => Some("status"),
            Self::ReasonMissing | Self::ReasonWithoutBlock => Some("blockedReason"),
            Self::TooManyAssignees(_) => Some("userId"),
        }
    }
}
