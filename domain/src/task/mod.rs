//! A task: one piece of work in a project.
//!
//! Life: `Absent` -> todo, in progress, in review, blocked (in any order) -> done or cancelled -> reopened, or deleted
//! permanently. It can move between projects and then gets a new number there; the old key still resolves to it. Every
//! task command relies on its project being active, so the append is guarded by the project's version.

mod commands;
mod decide;
mod error;
mod events;
mod state;
#[cfg(test)]
mod tests;

pub use commands::*;
pub use decide::decide;
pub use error::TaskError;
pub use events::*;
pub use state::{LiveTask, Task, evolve};

use crate::issued::Issued;

aggregate!(Task: "task", Issued<TaskCommand, TaskContext>, TaskEvent, TaskError);
