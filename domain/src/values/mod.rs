//! Values that are valid once they exist. Each documents its limits at its constructor.
//!
//! Texts from storage have a separate constructor, which refuses nothing. Other values use the same constructor as
//! input, so a check there may only be loosened: a tighter one would make stored facts unreadable and belongs in
//! `decide`.

mod due;
mod instant;
mod lists;
#[cfg(test)]
mod tests;
mod text;
mod threshold;
mod zone;

pub use due::{DateSpan, Due, DueRequest, valid_date, valid_instant};
pub use instant::Instant;
pub use lists::{Assignees, Tags};
pub use text::{BlockedReason, Category, CommentBody, Description, ProjectKey, ProjectName, Tag, Title, line, normalized};
pub use threshold::{ResolvedThreshold, Threshold, ThresholdUnit, Thresholds};
pub use zone::{earliest_instant, local_time, parse_zone};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Every limit of a value, by name.
pub mod limits {
    pub use super::due::{YEAR_MAX, YEAR_MIN};
    pub use super::lists::{ASSIGNEES_MAX, TAGS_MAX};
    pub use super::text::{
        BLOCKED_REASON_CHARS_MAX, CATEGORY_CHARS_MAX, LONG_TEXT_BYTES_MAX, PROJECT_KEY_CHARS_MAX, PROJECT_NAME_CHARS_MAX, TAG_CHARS_MAX,
        TITLE_CHARS_MAX,
    };
    pub use super::threshold::{THRESHOLD_DAYS_MAX, THRESHOLDS_MAX};
}

/// A value outside its limits. The message names the limit, and the given value if that helps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct InvalidValue {
    /// `INVALID_VALUE`, or `TOO_MANY_…` for a list that is too long.
    pub code: &'static str,
    /// One sentence for the person who sent it.
    pub message: String,
}

impl InvalidValue {
    /// A value outside its limits.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: "INVALID_VALUE", message: message.into() }
    }

    /// A list with more entries than are allowed.
    pub fn too_many(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The priority of a task. The order is by urgency: the most urgent comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Drop everything else.
    Critical,
    /// Before the ordinary.
    High,
    /// The ordinary.
    #[default]
    Medium,
    /// When there is time.
    Low,
}

/// The role of a collaborator in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollaboratorRole {
    /// Reads.
    Viewer,
    /// Changes tasks.
    Editor,
    /// Changes the project and its people.
    Manager,
    /// Answers for the project. A project always has one.
    Owner,
}

impl CollaboratorRole {
    /// Every role, the lowest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Manager, Self::Owner];

    /// The word used in events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Manager => "manager",
            Self::Owner => "owner",
        }
    }
}

/// The old and the new value of a field. Readers need not replay to know the difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Before the event.
    pub from: T,
    /// After the event.
    pub to: T,
}

impl<T: PartialEq + Clone> Change<T> {
    /// The change from `old` to what is requested, if anything is and it differs.
    pub fn requested(old: &T, new: Option<&T>) -> Option<Self> {
        let new = new.filter(|new| *new != old)?;
        Some(Self { from: old.clone(), to: new.clone() })
    }
}
