//! Answers to questions: read models that events keep up to date, and the queries that read them.
//!
//! Each folder is one question: the row and the pure rule in `mod.rs`, its tables, how rows are stored, and what can be
//! asked. The runner keeps the live versions up to date and builds new ones beside them.

pub mod activity;
pub mod deadline_log;
pub mod project_overview;
pub mod schedules;
pub mod task_comments;
pub mod task_list;

pub mod error;
pub mod filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod node;
pub mod page;

mod apply;
pub mod builder;
pub mod dead_letters;
pub mod in_memory;
mod lifecycle;
mod locks;
pub mod log;
pub mod model;
pub mod models;
pub mod progress;
pub mod pulse;
pub mod reads;
pub mod registry;
pub mod runner;
mod sql;
#[cfg(test)]
mod testing;

pub use apply::Fence;

/// Connections to the database that read models are in.
pub type Pool = sqlx::PgPool;
