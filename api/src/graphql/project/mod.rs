//! Projects in the schema.

mod payload;
mod queries;
mod types;

pub(crate) use queries::ProjectFilter;
pub(crate) use queries::{ProjectQueries, selection};
pub(crate) use types::{CollaboratorRole, Project};
