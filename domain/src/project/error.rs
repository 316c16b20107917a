//! The rules of a project, as the refusals they give.

use crate::ids::UserId;
use crate::rule::{ID_TAKEN, NOT_FOUND, Rule};
use crate::values::ProjectKey;
use chrono::NaiveDate;
use thiserror::Error;

/// Why a rule refuses a command on a project.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProjectError {
    #[error("project not found")]
    NotFound,
    #[error("this id is already in use; omit it or choose a new UUID")]
    IdTaken,
    #[error("the key {0} is or was used by another project; choose another one")]
    KeyTaken(ProjectKey),
    #[error("the project is archived; unarchive it first")]
    ProjectArchived,
    #[error("the project is deleted")]
    ProjectDeleted,
    #[error("a project must have an owner; make another user owner first")]
    LastOwner,
    #[error("{0} is not a collaborator of the project")]
    NotACollaborator(UserId),
    #[error("{0} is already a collaborator; change the role instead")]
    AlreadyACollaborator(UserId),
    #[error("a project can have at most {0} collaborators")]
    TooManyCollaborators(usize),
    #[error("the first day {start_on} is after the last day {due_on}")]
    DateRange { start_on: NaiveDate, due_on: NaiveDate },
}

impl Rule for ProjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => NOT_FOUND,
            Self::IdTaken => ID_TAKEN,
            Self::KeyTaken(_) => "KEY_TAKEN",
            Self::ProjectArchived => "PROJECT_ARCHIVED",
            Self::ProjectDeleted => "PROJECT_DELETED",
            Self::LastOwner => "LAST_OWNER",
            Self::NotACollaborator(_) => "NOT_A_COLLABORATOR",
            Self::AlreadyACollaborator(_) => "ALREADY_A_COLLABORATOR",
            Self::TooManyCollaborators(_) => "TOO_MANY_COLLABORATORS",
            Self::DateRange { .. } => "DATE_RANGE",
        }
    }

    fn path(&self) -> Option<&'static str> {
        match self {
            Self::NotFound | Self::IdTaken | Self::ProjectArchived | Self::ProjectDeleted => Some("id"),
            Self::KeyTaken(_) => Some("key"),
            Self::LastOwner | Self::NotACollaborator(_) | Self::AlreadyACollaborator(_) | Self::TooManyCollaborators(_) => Some("userId"),
            Self::DateRange { .. } => Some("dueOn"),
        }
    }
}
