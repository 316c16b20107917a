//! A schedule: one deadline with its warnings, of a project, of a task, or standing alone as a milestone.
//!
//! Life: `Absent` -> waiting -> met or deleted. While it waits, passing time makes it approach its deadline and then
//! exceed it; each moment of a due revision fires at most once, whoever ticks, because firing is a decision on the
//! schedule's own stream. Rescheduling opens a new revision and voids what had not fired.
//!
//! The schedule that follows a task's due date is kept in step by a reaction and by nobody else; it alone can be reopened.

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
