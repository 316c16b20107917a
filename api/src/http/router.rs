//! Which address leads where.

use super::auth::Tokens;
use super::connections::{self, Routes};
use super::graphiql;
use super::graphql::{GraphQLEndpoint, handle, refuse_overloaded};
use super::health::{Health, livez, metrics, readyz};
use crate::graphql::{GraphQL, Services};
use crate::load::Overload;
use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The dependencies of the HTTP endpoints.
pub struct Endpoints {
    pub services: Arc<Services>,
    pub tokens: Arc<Tokens>,
    pub health: Arc<dyn Health>,
}

/// Serves until stopped; running requests are finished.
pub async fn serve(listener: TcpListener, endpoints: Endpoints, stopping: watch::Receiver<bool>) {
    let limits = endpoints.services.limits;
    let routes = Routes { all: router(&endpoints), crowded: crowded(&endpoints, limits.connections) };
    connections::serve(listener, routes, limits, stopping).await;
}

/// Every address of the service.
fn router(endpoints: &Endpoints) -> Router {
    let endpoint =
        Arc::new(GraphQLEndpoint { graphql: GraphQL::new(Arc::clone(&endpoints.services)), tokens: Arc::clone(&endpoints.tokens) });
    let graphql = Router::new().route("/graphql", any(handle)).with_state(endpoint);
    Router::new().merge(graphql).merge(health(endpoints)).merge(graphiql::routes())
}

/// The answer to connections beyond the limit.
fn crowded(endpoints: &Endpoints, connections: usize) -> Router {
    let overload = Overload { limit: "connections", allowed: connections, of_node: true };
    health(endpoints).fallback(move |body: Body| refuse_overloaded(body, overload))
}

fn health(endpoints: &Endpoints) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(&endpoints.health))
}
