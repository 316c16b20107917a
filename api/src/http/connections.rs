//! Connections: how they are accepted, how long a client may take to say what it wants, and how they end.

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves until told to stop; requests that are being served then are finished.
///
/// `axum::serve` has no time limit for a request's head, so a client that never ends one would keep its connection.
pub(super) async fn serve(mut listener: TcpListener, router: Router, headers_timeout: Duration, stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stop = stopping.clone();
    loop {
        tokio::select! {
            (stream, _) = Listener::accept(&mut listener) => {
                connections.spawn(serve_one(stream, router.clone(), headers_timeout, stopping.clone()));
            }
            Some(_) = connections.join_next() => {}
            () = told(&mut stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns when it is time to stop.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn serve_one(stream: TcpStream, router: Router, headers_timeout: Duration, mut stopping: watch::Receiver<bool>) {
    // Answers are small and whole; waiting to fill a packet only makes them late.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(headers_timeout)
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
        tracing::debug!(%error, "a connection ended early");
    }
}
