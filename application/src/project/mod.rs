//! Commands on projects: their inputs, and what they rely on.

mod handling;
mod inputs;

pub use handling::PROJECT_KEY_CLAIM;
pub(crate) use handling::ProjectHandling;
pub(crate) use inputs::ProjectOrder;
pub use inputs::{ProjectCollaboratorInput, ProjectCollaboratorRemoveInput, ProjectCreateInput, ProjectInput, ProjectUpdateInput};
