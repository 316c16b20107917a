//! Liveness, readiness, and metrics.

use application::notices::Notice;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

/// The source of health and metrics.
pub trait Health: Send + Sync {
    /// Why the service is not ready; empty if it is.
    fn problems(&self) -> BoxFuture<'_, Vec<Notice>>;

    /// Notices for admins that do not affect readiness, such as Kafka being down.
    fn notices(&self) -> BoxFuture<'_, Vec<Notice>>;

    /// The metrics in the Prometheus format.
    fn metrics(&self) -> String;
}

/// The process runs and answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the service is ready; otherwise the reasons.
pub(super) async fn readyz(State(health): State<Arc<dyn Health>>) -> Response {
    let (problems, notices) = futures::future::join(health.problems(), health.notices()).await;
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": problems.is_empty(), "problems": shown(&problems), "notices": shown(&notices) }))).into_response()
}

fn shown(notices: &[Notice]) -> Vec<Value> {
    notices.iter().map(|notice| json!({ "name": notice.name.word(), "message": notice.message })).collect()
}

/// The metrics.
pub(super) async fn metrics(State(health): State<Arc<dyn Health>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics()).into_response()
}
