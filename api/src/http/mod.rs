//! HTTP: GraphQL, GraphiQL, health and metrics.

pub mod auth;
mod connections;
#[doc(hidden)]
pub mod fuzzing;
mod graphiql;
mod graphql;
mod health;
mod held;
mod negotiate;
mod patient;
mod router;

pub use connections::{HEAD_BYTES_MAX, SPARE_CONNECTIONS, SPARE_HEADERS_TIMEOUT};
pub use health::Health;
pub use router::{Doors, serve};
