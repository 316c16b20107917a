//! HTTP: GraphQL, GraphiQL, health and metrics.

pub mod auth;
pub(crate) mod connections;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod graphiql;
mod graphql;
mod health;
mod held;
mod negotiate;
mod patient;
mod router;

pub use health::Health;
pub use router::{Doors, serve};
