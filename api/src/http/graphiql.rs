//! GraphiQL, bundled: it loads nothing from other servers.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use tower_http::compression::CompressionLayer;

const PAGE: &str = include_str!("../../graphiql/dist/index.html");
const SCRIPT: &str = include_str!("../../graphiql/dist/graphiql.js");
const STYLE: &str = include_str!("../../graphiql/dist/graphiql.css");
const LICENSES: &str = include_str!("../../graphiql/dist/LICENSES.txt");

/// No foreign sources, nothing inline but styles, no frames.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                      base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'none'";

/// The page and its assets.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |text: &'static str, kind: &'static str| {
        let tag = etag(text);
        get(move |headers: HeaderMap| async move { serve(text, kind, &tag, &headers) })
    };
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/graphiql") }))
        .route("/graphiql", file(PAGE, "text/html; charset=utf-8"))
        // The addresses in the page are relative, so it has one path.
        .route("/graphiql/", get(|| async { Redirect::permanent("/graphiql") }))
        .route("/graphiql/graphiql.js", file(SCRIPT, "text/javascript; charset=utf-8"))
        .route("/graphiql/graphiql.css", file(STYLE, "text/css; charset=utf-8"))
        .route("/graphiql/LICENSES.txt", file(LICENSES, "text/plain; charset=utf-8"))
        .layer(CompressionLayer::new())
}

fn etag(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    let start: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{start}\"")
}

fn serve(text: &'static str, kind: &'static str, tag: &str, headers: &HeaderMap) -> Response {
    let common: [(HeaderName, String); 4] = [
        (header::ETAG, tag.to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known: &HeaderValue| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, kind)], text).into_response()
}
