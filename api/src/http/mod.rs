//! HTTP: GraphQL, GraphiQL, health and metrics.

pub mod auth;
mod connections;
#[doc(hidden)]
pub mod fuzzing;
mod graphiql;
mod graphql;
mod health;
mod negotiate;
mod reserved_answer;
mod router;
mod write_timeout;

pub use connections::{HEAD_BYTES_MAX, SPARE_CONNECTIONS, SPARE_HEADERS_TIMEOUT};
pub use health::Health;
pub use router::{Endpoints, serve};
