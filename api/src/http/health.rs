//! Whether the service lives, whether it is ready, and its figures.

use application::notices::Notice;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

/// What health is read from.
pub trait Health: Send + Sync {
    /// Why the service is not ready; empty if it is.
    fn problems(&self) -> BoxFuture<'_, Vec<Notice>>;

    /// What an admin should know though the service is ready, such as Kafka being down.
    fn notices(&self) -> BoxFuture<'_, Vec<Notice>>;

    /// The figures in the format of Prometheus.
    fn metrics(&self) -> String;
}

/// The process runs and answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// The service can do its work. Otherwise it says what is wrong.
pub(super) async fn readyz(State(health): State<Arc<dyn Health>>) -> Response {
    let (problems, notices) = futures::future::join(health.problems(), health.notices()).await;
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": problems.is_empty(), "problems": shown(&problems), "notices": shown(&notices) }))).into_response()
}

fn shown(notices: &[Notice]) -> Vec<Value> {
    notices.iter().map(|notice| json!({ "name": notice.name.word(), "message": notice.message })).collect()
}

/// The figures.
pub(super) async fn metrics(State(health): State<Arc<dyn Health>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics()).into_response()
}
