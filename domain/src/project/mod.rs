//! A project: the container of tasks and schedules, and its collaborators.
//!
//! Life: `Absent` -> active <-> archived -> deleted. An archived project refuses everything but unarchiving and
//! deletion; a deleted one remains, so that its key is never reused. There is always an owner.

mod commands;
mod decide;
mod error;
mod events;
mod state;
#[cfg(test)]
mod tests;

pub use commands::*;
pub use decide::{COLLABORATORS_MAX, decide};
pub use error::ProjectError;
pub use events::*;
pub use state::{Home, LiveProject, Phase, Project, evolve};

use crate::issued::Issued;

aggregate!(Project: "project", Issued<ProjectCommand>, ProjectEvent, ProjectError);
