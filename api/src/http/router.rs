//! Which address leads where.

use super::auth::Tokens;
use super::connections;
use super::graphiql;
use super::graphql::{GraphQLDoor, handle};
use super::health::{Health, livez, metrics, readyz};
use crate::graphql::{GraphQL, Services};
use axum::Router;
use axum::routing::{any, get};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the doors lead to.
pub struct Doors {
    pub services: Arc<Services>,
    pub tokens: Arc<Tokens>,
    pub health: Arc<dyn Health>,
}

/// Serves until told to stop; requests that are being served then are finished.
pub async fn serve(listener: TcpListener, doors: Doors, stopping: watch::Receiver<bool>) {
    let headers_timeout = doors.services.limits.headers_timeout;
    connections::serve(listener, router(doors), headers_timeout, stopping).await;
}

/// Every address of the service.
fn router(doors: Doors) -> Router {
    let door = Arc::new(GraphQLDoor { graphql: GraphQL::new(doors.services), tokens: doors.tokens });
    let graphql = Router::new().route("/graphql", any(handle)).with_state(door);
    let health =
        Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/metrics", get(metrics)).with_state(doors.health);
    Router::new().merge(graphql).merge(health).merge(graphiql::routes())
}
