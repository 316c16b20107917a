//! The doors that people and programs come through: HTTP and GraphQL.

pub mod graphql;
pub mod http;
mod load;
