//! Typed ids: UUIDs that cannot be confused with one another.
//!
//! The domain never generates a random id; ids arrive in commands. Derived ids (version 5) are allowed, since the same
//! input always gives the same id.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The namespace of every id that Milepost derives from other ids.
pub const DERIVED: Uuid = Uuid::from_u128(0x6d69_6c65_706f_5374_8000_6465_7269_7665);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }
    };
}

id! {
    /// A workspace: all data of one organisation. No reference crosses its boundary.
    WorkspaceId
}
id! {
    /// A person or a system that acts. It need not belong to a registered user, now or later.
    UserId
}
id! {
    /// A project.
    ProjectId
}
id! {
    /// A task. It stays the same when the task moves to another project.
    TaskId
}
id! {
    /// A schedule: one deadline with its warnings.
    ScheduleId
}
id! {
    /// A comment on a task.
    CommentId
}

/// Actors that are not people. Their ids are fixed, so that a log shows the actor without a registry.
pub mod system {
    use super::UserId;
    use uuid::Uuid;

    /// Sends the ticks that turn passing time into deadline events.
    pub const SCHEDULER: UserId = UserId(Uuid::from_u128(0x6d69_6c65_706f_5374_8000_0000_0000_0001));
    /// Answers events with commands, such as keeping a task's schedule in step.
    pub const REACTIONS: UserId = UserId(Uuid::from_u128(0x6d69_6c65_706f_5374_8000_0000_0000_0002));
    /// Imports history whose lines name no actor.
    pub const IMPORT: UserId = UserId(Uuid::from_u128(0x6d69_6c65_706f_5374_8000_0000_0000_0003));
}

/// An id that is derived from words: the same words always give the same id.
pub fn derived(words: &[&str]) -> Uuid {
    Uuid::new_v5(&DERIVED, words.join("/").as_bytes())
}
