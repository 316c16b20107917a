//! Connections: how many there are, how long a client may take to say what it wants and to take the answer, and how they end.

use super::patient::Patient;
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

/// Connections beyond the limit: enough for whoever looks whether the node lives. The latest ones are served.
pub const SPARE_CONNECTIONS: usize = 64;
/// Longest time for the head of a request there.
pub const SPARE_HEADERS_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest head of a request.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;

/// Where requests lead.
#[derive(Clone)]
pub(super) struct Routes {
    pub(super) all: Router,
    /// Where there are more connections than allowed: health, and how to come back.
    pub(super) crowded: Router,
}

/// Serves until told to stop; requests that are being served then are finished.
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
                    connections.spawn(serve_one(stream, routes.all.clone(), Manners::of(&limits), stopping.clone()));
                } else {
                    if spare.len() == SPARE_CONNECTIONS && let Some(oldest) = spare.pop_front() {
                        oldest.abort();
                    }
                    spare.push_back(connections.spawn(serve_one(stream, routes.crowded.clone(), Manners::spare(&limits), stopping.clone())));
                }
            }
            Some(_) = connections.join_next() => {}
            () = told(&mut stop) => break,
        }
        metrics::gauge!("milepost_api_connections").set(connections.len() as f64);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns when it is time to stop.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// How a client is dealt with.
struct Manners {
    headers_timeout: Duration,
    write_timeout: Duration,
    /// Whether further requests may come.
    keep_alive: bool,
}

impl Manners {
    fn of(limits: &Limits) -> Self {
        Self { headers_timeout: limits.headers_timeout, write_timeout: limits.write_timeout, keep_alive: true }
    }

    /// Beyond the limit of connections.
    fn spare(limits: &Limits) -> Self {
        Self { headers_timeout: limits.headers_timeout.min(SPARE_HEADERS_TIMEOUT), keep_alive: false, ..Self::of(limits) }
    }
}

async fn serve_one(stream: TcpStream, router: Router, manners: Manners, mut stopping: watch::Receiver<bool>) {
    // Answers are whole; waiting to fill a packet only makes them late.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, manners.write_timeout, WRITTEN_BYTES_MIN);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(manners.headers_timeout)
        .keep_alive(manners.keep_alive)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Clients come and go as they like.
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection was closed early");
    }
}
