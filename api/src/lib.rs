//! The interfaces for people and programs: HTTP and GraphQL.

pub mod graphql;
pub mod http;
mod limits;
mod load;
