//! Commands on projects: their inputs, and what they depend on.

mod handling;
mod inputs;

pub use handling::PROJECT_KEY_CLAIM;
pub use inputs::{ProjectCollaboratorInput, ProjectCollaboratorRemoveInput, ProjectCreateInput, ProjectInput, ProjectUpdateInput};
