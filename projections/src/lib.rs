//! Read models that events keep up to date, and the queries that read them.
//!
//! Each folder answers one question: the row and the pure rule in `mod.rs`, its tables and columns, and its queries.
//!
//! The modules that they share: [`model`] defines a read model, [`columns`] how its rows are stored, [`querying`] the
//! parts of queries, [`running`] how events are applied to rows, [`versions`] how a version is built, replaced and
//! repaired. [`runner`] runs all of it for every read model.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod activity;
pub mod deadline_log;
pub mod project_overview;
pub mod schedules;
pub mod task_comments;
pub mod task_list;

pub mod columns;
#[doc(hidden)]
pub mod fuzzing;
pub mod model;
pub mod models;
pub mod querying;
pub mod registry;
pub mod runner;
pub mod running;
pub mod versions;

#[cfg(test)]
mod testing;

/// Connections to the database that read models are in.
pub type Pool = sqlx::PgPool;
