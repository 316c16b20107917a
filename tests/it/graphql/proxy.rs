//! Stands between a node and its database: counts the statements of queries, and can go away.

use infrastructure::postgres::SERVICE_ROLE;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::database::TestDatabase;
use tests::servers;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a packet says that asks for encryption.
const SSL_REQUEST: u32 = 80_877_103;

/// What connections share.
struct Shared {
    server: SocketAddr,
    /// Whether the database is to be there.
    open: watch::Sender<bool>,
    /// Statements that were executed for queries.
    executed: AtomicUsize,
}

/// Passes on everything between a node and a database.
pub(super) struct Proxy {
    pub(super) url: String,
    shared: Arc<Shared>,
    _passing: JoinSet<()>,
}

impl Proxy {
    /// In front of a database.
    pub(super) async fn before(database: &TestDatabase) -> Self {
        let (_, place) = servers::postgres().split_once('@').expect("a URL with a user");
        let server = place.split('/').next().and_then(|place| place.parse().ok()).expect("an address and a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let url = servers::postgres().replace(place, &format!("127.0.0.1:{port}/{}", database.name));
        let shared = Arc::new(Shared { server, open: watch::Sender::new(true), executed: AtomicUsize::new(0) });
        let mut passing = JoinSet::new();
        passing.spawn(accept(listener, Arc::clone(&shared)));
        Self { url, shared, _passing: passing }
    }

    /// Ends all connections and takes no more, or takes them again.
    pub(super) fn set_open(&self, open: bool) {
        self.shared.open.send_replace(open);
    }

    /// How many statements were executed for queries so far.
    pub(super) fn executed(&self) -> usize {
        self.shared.executed.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if !*shared.open.borrow() {
            continue;
        }
        let server = TcpStream::connect(shared.server).await.expect("the server is there");
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("streams can be hurried");
        }
        let (shared, mut open) = (Arc::clone(&shared), shared.open.subscribe());
        connections.spawn(async move {
            let (from_client, mut to_client) = client.into_split();
            let (mut from_server, to_server) = server.into_split();
            tokio::select! {
                () = pass_asking(from_client, to_server, &shared) => {}
                _ = copy(&mut from_server, &mut to_client) => {}
                _ = open.wait_for(|open| !open) => {}
            }
        });
    }
}

/// Passes on what the node asks, message by message.
async fn pass_asking(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let (mut started, mut for_queries) = (false, false);
    loop {
        let mut message = vec![];
        if started {
            message.push(match from.read_u8().await {
                Ok(kind) => kind,
                Err(_) => return,
            });
        }
        let Ok(length) = from.read_u32().await else { return };
        message.extend(length.to_be_bytes());
        let begin = message.len();
        message.resize(begin + length as usize - 4, 0);
        if from.read_exact(&mut message[begin..]).await.is_err() {
            return;
        }
        match message[0] {
            _ if !started => {
                // A request for encryption comes before the start.
                started = message[begin..] != SSL_REQUEST.to_be_bytes();
            }
            b'Q' if String::from_utf8_lossy(&message[begin..]).contains(&format!("SET ROLE {SERVICE_ROLE}")) => {
                for_queries = true;
            }
            b'E' if for_queries => drop(shared.executed.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}
