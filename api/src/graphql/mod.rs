//! The GraphQL schema. Resolvers parse, call and map: no rule, no SQL.

// The macros want the types of the schema to be public; the modules around them are not.
#![allow(unreachable_pub)]

mod comparators;
mod connection;
mod context;
mod doubled;
mod error;
mod event;
mod execute;
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod inputs;
mod loaders;
mod meter;
mod mutations;
mod nulls;
mod order;
mod payload;
mod project;
mod scalars;
mod schedule;
mod services;
mod sizes;
mod status;
mod stored;
mod task;
pub(crate) mod testing;
mod variables;

pub use crate::limits::{
    ERRORS_MAX, FILTER_ITEMS_MAX, FILTER_PARTS_MAX, FRAGMENTS_INSIDE_MAX, INTROSPECTION_LISTS_MAX, Limits, NAME_BYTES_MAX, OPERATIONS_MAX,
    OUTCOME_BYTES_MAX, PAGE_ROWS_DEFAULT, PARSED_BYTES_MAX, PARSED_QUERY_BYTES_MAX, SMALL_ANSWER_BYTES, SMALL_ANSWER_VALUES,
    SORT_LEVELS_MAX, TOKEN_BYTES_MAX, TYPE_NAMES_MAX, WRITTEN_BYTES_MIN,
};
pub use error::CODES;
pub(crate) use error::{limit_exceeded, overloaded};
pub(crate) use execute::How;
pub use execute::{Executed, GraphQL, GraphQLRequest};
pub use services::{Asked, RelayWatch, Relayed, Services};

use async_graphql::{EmptySubscription, MergedObject, Schema, SchemaBuilder};
use event::EventQueries;
use mutations::Mutation;
use project::ProjectQueries;
use schedule::ScheduleQueries;
use status::StatusQueries;
use task::TaskQueries;

/// Queries.
#[derive(MergedObject, Default)]
pub struct Query(StatusQueries, ProjectQueries, TaskQueries, ScheduleQueries, EventQueries);

type Built = Schema<Query, Mutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation, EmptySubscription)
}

/// The schema in its own language, as it is committed in `schemas/graphql/schema.graphql`.
pub fn sdl() -> String {
    builder().finish().sdl()
}
