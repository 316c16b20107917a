//! Stands between a node and its database, and keeps an answer back.

use std::net::SocketAddr;
use std::sync::Arc;
use tests::servers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes everything on, except the answer to the first statement that appends a certain event, and all after it.
pub(super) struct Proxy {
    pub(super) url: String,
    kept_back: watch::Receiver<bool>,
    _passing: JoinSet<()>,
}

impl Proxy {
    /// In front of a database of the shared server.
    pub(super) async fn keeping_back(database: &str, event: &'static str) -> Self {
        let (_, place) = servers::postgres().split_once('@').expect("a URL with a user");
        let server: SocketAddr = place.split('/').next().and_then(|place| place.parse().ok()).expect("an address and a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let url = servers::postgres().replace(place, &format!("127.0.0.1:{port}/{database}"));
        let (keep_back, kept_back) = watch::channel(false);
        let keep_back = Arc::new(keep_back);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = TcpStream::connect(server).await.expect("the server is there").into_split();
                connections.spawn(pass_asking(from_client, to_server, event, Arc::clone(&keep_back)));
                connections.spawn(pass_answers(from_server, to_client, keep_back.subscribe()));
            }
        });
        Self { url, kept_back, _passing: passing }
    }

    /// Waits until an answer is kept back. The statement itself may still be under way.
    pub(super) async fn keeps_back(&mut self) {
        let kept = tokio::time::timeout(tests::wait::PATIENCE, self.kept_back.wait_for(|kept| *kept)).await;
        kept.expect("the event is appended").expect("the proxy runs");
    }
}

async fn pass_asking(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, event: &str, keep_back: Arc<watch::Sender<bool>>) {
    let mut buffer = vec![0; 1 << 16];
    let mut appends = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let holds = |text: &str| buffer[..length].windows(text.len()).any(|window| window == text.as_bytes());
        appends |= holds("milepost appender");
        // Before it is passed on, so that no answer slips through.
        if appends && holds(event) {
            keep_back.send_replace(true);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn pass_answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept_back: watch::Receiver<bool>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if *kept_back.borrow() {
            // The connection stays open, and nothing comes any more.
            return std::future::pending().await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
