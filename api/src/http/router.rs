//! Which address leads where.

use super::auth::Tokens;
use super::graphiql;
use super::graphql::{GraphQLDoor, handle};
use super::health::{Health, livez, metrics, readyz};
use crate::graphql::{GraphQL, Services};
use axum::Router;
use axum::routing::{any, get};
use std::sync::Arc;

/// What the doors lead to.
pub struct Doors {
    pub services: Arc<Services>,
    pub tokens: Arc<Tokens>,
    pub health: Arc<dyn Health>,
}

/// Every address of the service.
pub fn router(doors: Doors) -> Router {
    let door = Arc::new(GraphQLDoor { graphql: GraphQL::new(doors.services), tokens: doors.tokens });
    let graphql = Router::new().route("/graphql", any(handle)).with_state(door);
    let health =
        Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/metrics", get(metrics)).with_state(doors.health);
    Router::new().merge(graphql).merge(health).merge(graphiql::routes())
}
