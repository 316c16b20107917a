//! Tasks in the schema.

mod payload;
mod queries;
mod types;

pub(crate) use queries::{TaskFilter, TaskQueries, TaskSort, list};
pub(crate) use types::{Comment, Due, Task, TaskConnection, TaskPriority, TaskStatus};
