//! Tasks in the schema.

mod inputs;
mod mutations;
mod queries;
mod types;

pub(crate) use inputs::DueInput;
pub(crate) use mutations::TaskMutations;
pub(crate) use queries::{TaskFilter, TaskQueries, TaskSort, list};
pub(crate) use types::{Comment, Due, Task, TaskConnection};
