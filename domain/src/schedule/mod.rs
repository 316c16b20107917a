//! A schedule: one deadline with its warnings, of a project, of a task, or of neither (a milestone).
//!
//! Life: `Absent` -> waiting -> met or deleted. While it waits, passing time makes it approach its deadline and then
//! exceed it; each time of a due revision fires at most once, on whichever node, because firing is a decision on the
//! schedule's own stream. Rescheduling starts a new revision and cancels firings that had not happened.
//!
//! The schedule that follows a task's due date is kept in step only by a reaction; only such a schedule can be
//! reopened.

mod commands;
mod decide;
mod error;
mod events;
mod state;
#[cfg(test)]
mod tests;

pub use commands::*;
pub use decide::decide;
pub use error::ScheduleError;
pub use events::*;
pub use state::{LiveSchedule, Schedule, ScheduleLife, evolve, next_moment};

use crate::issued::Issued;

aggregate!(Schedule: "schedule", Issued<ScheduleCommand, ScheduleContext>, ScheduleEvent, ScheduleError);
