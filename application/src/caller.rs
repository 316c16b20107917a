//! The sender of a command, its entry point and its trace.

use chrono::{DateTime, Utc};
use domain::ids::{UserId, WorkspaceId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Somebody who was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    pub actor: UserId,
    /// Everything the caller asks for is asked of this workspace.
    pub workspace: WorkspaceId,
    pub role: Role,
}

/// The role of a user in a workspace. The order is by permissions, except that a service stands outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Works on projects.
    Member,
    /// Looks after the workspace.
    Admin,
    /// Answers for the workspace.
    Owner,
    /// A program that acts for the workspace.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner, Self::Service];

    /// The word used in tokens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let words = || Self::ALL.map(Self::word).join(", ");
        Self::ALL.into_iter().find(|role| role.word() == word).ok_or_else(|| format!("{word:?} is not one of {}", words()))
    }
}

/// The entry point of a command. Command ids of different entry points are independent, so that one cannot use up another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Client,
    Import,
    Inbound,
    Reaction,
    Scheduler,
}

impl Source {
    /// The number stored in `command_source`.
    pub fn number(self) -> i16 {
        match self {
            Self::Client => 1,
            Self::Import => 2,
            Self::Inbound => 3,
            Self::Reaction => 4,
            Self::Scheduler => 5,
        }
    }
}

/// The circumstances of a command.
#[derive(Debug, Clone)]
pub struct Circumstances {
    pub caller: Caller,
    pub source: Source,
    /// When it happened, for imported history. Otherwise now.
    pub at: Option<DateTime<Utc>>,
    /// Shared by all that belongs to one request or process.
    pub correlation_id: Uuid,
    /// The event that caused it, if an event did.
    pub causation_id: Option<Uuid>,
    /// The W3C trace context of the sender.
    pub traceparent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_from_its_word_and_from_nothing_else() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).expect("JSON"), role.word());
        }
        let error = "Owner".parse::<Role>().expect_err("words are lower case");
        assert!(Role::ALL.iter().all(|role| error.contains(role.word())), "{error}");
    }

    #[test]
    fn the_stored_numbers_of_the_doors_never_change() {
        let sources = [Source::Client, Source::Import, Source::Inbound, Source::Reaction, Source::Scheduler];
        assert_eq!(sources.map(Source::number), [1, 2, 3, 4, 5]);
    }
}
