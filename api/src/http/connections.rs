//! Connections: their number, the timeouts for sending a request and receiving the answer, and shutdown.

use super::write_timeout::WriteTimeout;
use crate::graphql::{Limits, WRITTEN_BYTES_MIN};
use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Connections beyond the limit, for health checks. The latest ones are served.
pub const SPARE_CONNECTIONS: usize = 64;
/// Longest time for the head of a request there.
pub const SPARE_HEADERS_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest head of a request.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;

/// Where requests lead.
#[derive(Clone)]
pub(super) struct Routes {
    pub(super) all: Router,
    /// The routes for connections beyond the limit: health, and an error that asks to retry.
    pub(super) crowded: Router,
}

/// Serves until stopped; running requests are finished.
///
/// `axum::serve` has no time limit for a request's head, so a client that never ends one would keep its connection.
pub(super) async fn serve(mut listener: TcpListener, routes: Routes, limits: Limits, stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut spare: VecDeque<AbortHandle> = VecDeque::new();
    let mut stop = stopping.clone();
    loop {
        tokio::select! {
            (stream, _) = Listener::accept(&mut listener) => {
                while connections.try_join_next().is_some() {}
                spare.retain(|connection| !connection.is_finished());
                if connections.len() - spare.len() < limits.connections {
                    connections.spawn(serve_one(stream, routes.all.clone(), ConnectionOptions::of(&limits), stopping.clone()));
                } else {
                    if spare.len() == SPARE_CONNECTIONS && let Some(oldest) = spare.pop_front() {
                        oldest.abort();
                    }
                    spare.push_back(connections.spawn(serve_one(stream, routes.crowded.clone(), ConnectionOptions::spare(&limits), stopping.clone())));
                }
            }
            Some(_) = connections.join_next() => {}
            () = stop_requested(&mut stop) => break,
        }
        metrics::gauge!("milepost_api_connections").set(connections.len() as f64);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns when it is time to stop.
async fn stop_requested(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The options of a connection.
struct ConnectionOptions {
    headers_timeout: Duration,
    write_timeout: Duration,
    /// Whether the connection accepts further requests.
    keep_alive: bool,
}

impl ConnectionOptions {
    fn of(limits: &Limits) -> Self {
        Self { headers_timeout: limits.headers_timeout, write_timeout: limits.write_timeout, keep_alive: true }
    }

    /// Beyond the limit of connections.
    fn spare(limits: &Limits) -> Self {
        Self { headers_timeout: limits.headers_timeout.min(SPARE_HEADERS_TIMEOUT), keep_alive: false, ..Self::of(limits) }
    }
}

async fn serve_one(stream: TcpStream, router: Router, options: ConnectionOptions, mut stopping: watch::Receiver<bool>) {
    // Answers are whole; waiting to fill a packet only makes them late.
    let _ = stream.set_nodelay(true);
    let stream = WriteTimeout::new(stream, options.write_timeout, WRITTEN_BYTES_MIN);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.headers_timeout)
        .keep_alive(options.keep_alive)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop_requested(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Clients come and go as they like.
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection was closed early");
    }
}
