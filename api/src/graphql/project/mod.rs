//! Projects in the schema.

mod mutations;
mod queries;
mod types;

pub(crate) use mutations::ProjectMutations;
pub(crate) use queries::ProjectFilter;
pub(crate) use queries::{ProjectQueries, selection};
pub(crate) use types::Project;
