//! The use cases: carry out commands, answer events with commands, and fire deadlines as time passes.
//!
//! The single entry point is [`Application::execute`]; GraphQL, the import and every later interface use it, so they have the same
//! access rules and the same idempotency. The infrastructure that is needed stands in [`ports`].

pub mod access;
#[doc(hidden)]
pub mod bench;
pub mod caller;
pub mod command;
pub mod deadline_scheduler;
pub mod error;
pub mod executor;
#[doc(hidden)]
pub mod fuzzing;
pub mod import;
mod input;
pub mod json;
pub mod nearest;
pub mod notices;
pub mod ports;
pub mod reactions;

mod application;
mod failure;
mod lease;
mod project;
mod schedule;
mod state_cache;
mod task;
#[cfg(test)]
mod testing;

/// The inputs of all commands.
pub mod inputs {
    pub use crate::input::{Moment, Patch, REFUSALS_MAX, Refusal, Wire, Word};
    pub use crate::project::inputs::*;
    pub use crate::schedule::inputs::*;
    pub use crate::task::inputs::*;
}

/// Gives the tables of inputs of all aggregates to the macro `$define`.
#[macro_export]
macro_rules! all_inputs {
    ($define:ident) => {
        $crate::project_inputs!($define);
        $crate::task_inputs!($define);
        $crate::schedule_inputs!($define);
    };
}

pub use application::Application;
pub use failure::with_causes;
pub use project::PROJECT_KEY_CLAIM;
pub use schedule::FOLLOWER_CLAIM;
pub use state_cache::STATES_BYTES_MAX;
