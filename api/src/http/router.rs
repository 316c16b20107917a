//! Which address leads where.

use super::auth::Tokens;
use super::graphiql;
use super::graphql::{GraphQLDoor, handle};
use super::health::{Health, livez, metrics, readyz};
use crate::graphql::{GraphQL, Services};
use axum::Router;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
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
pub async fn serve(listener: TcpListener, doors: Doors, mut stopping: watch::Receiver<bool>) {
    let until = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    // Answers are small and whole; waiting to fill a packet only makes them late.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    if let Err(error) = axum::serve(listener, router(doors)).with_graceful_shutdown(until).await {
        tracing::error!(%error, "HTTP ended");
    }
}

/// Every address of the service.
fn router(doors: Doors) -> Router {
    let door = Arc::new(GraphQLDoor { graphql: GraphQL::new(doors.services), tokens: doors.tokens });
    let graphql = Router::new().route("/graphql", any(handle)).with_state(door);
    let health =
        Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/metrics", get(metrics)).with_state(doors.health);
    Router::new().merge(graphql).merge(health).merge(graphiql::routes())
}
