//! Which address leads where.

use super::auth::Tokens;
use super::connections::{self, Routes};
use super::graphiql;
use super::graphql::{GraphQLDoor, handle, turn_away};
use super::health::{Health, livez, metrics, readyz};
use crate::graphql::{GraphQL, Services};
use crate::load::Overload;
use axum::Router;
use axum::body::Body;
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
    let limits = doors.services.limits;
    let routes = Routes { all: router(&doors), crowded: crowded(&doors, limits.connections) };
    connections::serve(listener, routes, limits, stopping).await;
}

/// Every address of the service.
fn router(doors: &Doors) -> Router {
    let door = Arc::new(GraphQLDoor { graphql: GraphQL::new(Arc::clone(&doors.services)), tokens: Arc::clone(&doors.tokens) });
    let graphql = Router::new().route("/graphql", any(handle)).with_state(door);
    Router::new().merge(graphql).merge(health(doors)).merge(graphiql::routes())
}

/// What is answered where there are more connections than allowed.
fn crowded(doors: &Doors, connections: usize) -> Router {
    let overload = Overload { limit: "connections", allowed: connections, of_node: true };
    health(doors).fallback(move |body: Body| turn_away(body, overload))
}

fn health(doors: &Doors) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(&doors.health))
}
