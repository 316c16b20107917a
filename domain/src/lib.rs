//! The rules of projects, tasks and schedules.
//!
//! Pure: no clock, no random ids, no input or output; what a rule needs is in its command. Each aggregate has a state,
//! events that `evolve` folds into it, and commands that `decide` turns into events or refuses.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod ids;
pub mod values;

pub mod fields;
pub mod issued;
pub mod rule;
pub mod shapes;

#[macro_use]
mod event_table;

pub mod project;
pub mod task;
// Behind `task`, since a schedule may follow one.
pub mod schedule;

pub mod event;

/// The states of all aggregates and their commands, for what other crates say of all of them.
pub mod aggregates {
    pub use crate::project::{Project, ProjectCommand};
    pub use crate::schedule::{Schedule, ScheduleCommand};
    pub use crate::task::{Task, TaskCommand};
}

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
