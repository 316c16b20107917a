//! Commands on projects: their inputs, and what they depend on.

mod handling;
pub(crate) mod inputs;

pub use handling::PROJECT_KEY_CLAIM;
