//! Stands between a node and its PostgreSQL and can stop forwarding without closing anything, as a network does that lost its
//! state, or a host without power: neither side sees that the other is gone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards what a node and its database say to one another.
pub struct Proxy {
    /// Where the database is, for the node.
    pub url: String,
    shared: Arc<Shared>,
    _forwarding: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Connection>>,
    /// Nothing is forwarded, also of connections that come.
    halted: watch::Sender<bool>,
}

/// One connection that was forwarded.
struct Connection {
    /// What its client said first: its user, its database and its `application_name` are there.
    introduction: Arc<Mutex<Vec<u8>>>,
    frozen: watch::Sender<bool>,
}

impl Connection {
    fn said(&self, text: &str) -> bool {
        let introduction = self.introduction.lock().unwrap_or_else(PoisonError::into_inner);
        introduction.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// How much of what a client says first is looked at. The request for encryption and the introduction are shorter.
const INTRODUCTION_BYTES: usize = 2_048;

impl Proxy {
    /// In front of a database.
    pub async fn before(database_url: &str) -> Self {
        let (_, place) = database_url.split_once('@').expect("a URL with a user");
        let address = place.split('/').next().expect("an address");
        let server: SocketAddr = address.parse().expect("an address and a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let url = database_url.replace(address, &format!("127.0.0.1:{port}"));
        let shared = Arc::new(Shared::default());
        let mut forwarding = JoinSet::new();
        forwarding.spawn(accept(listener, server, Arc::clone(&shared)));
        Self { url, shared, _forwarding: forwarding }
    }

    /// Forwards nothing any more of the connections there are whose client said a text when it introduced itself, such as a
    /// part of its `application_name`. Gives how many these are. Connections that come later are forwarded.
    pub fn freeze(&self, of: &str) -> usize {
        let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let these: Vec<_> = connections.iter().filter(|connection| connection.said(of)).collect();
        for connection in &these {
            connection.frozen.send_replace(true);
        }
        these.len()
    }

    /// How many connections there ever were whose client said a text when it introduced itself, also if nothing was forwarded.
    pub fn count(&self, of: &str) -> usize {
        let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().filter(|connection| connection.said(of)).count()
    }

    /// Forwards nothing any more.
    pub fn halt(&self) {
        self.shared.halted.send_replace(true);
    }

    /// Forwards everything again, also what was kept back.
    pub fn go_on(&self) {
        self.shared.halted.send_replace(false);
        for connection in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            connection.frozen.send_replace(false);
        }
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(server).await else { continue };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("streams can be hurried");
        }
        let (introduction, frozen) = (Arc::<Mutex<Vec<u8>>>::default(), watch::Sender::new(false));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let gate = || Gate { frozen: frozen.subscribe(), halted: shared.halted.subscribe() };
        let (asking, answering) = (gate(), gate());
        let heard = Arc::clone(&introduction);
        shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Connection { introduction, frozen });
        connections.spawn(async move {
            let noted = |said: &[u8]| {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let room = INTRODUCTION_BYTES - heard.len();
                heard.extend(&said[..said.len().min(room)]);
            };
            // When one side closes the connection, so does the other, unless nothing is forwarded.
            tokio::select! {
                () = forward(from_client, to_server, asking, noted) => {}
                () = forward(from_server, to_client, answering, |_| {}) => {}
            }
        });
    }
}

/// Whether something may pass.
struct Gate {
    frozen: watch::Receiver<bool>,
    halted: watch::Receiver<bool>,
}

impl Gate {
    async fn pass(&mut self) {
        while *self.frozen.borrow_and_update() || *self.halted.borrow_and_update() {
            tokio::select! {
                changed = self.frozen.changed() => drop(changed),
                changed = self.halted.changed() => drop(changed),
            }
        }
    }
}

async fn forward(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mut gate: Gate, noted: impl Fn(&[u8])) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer).await.unwrap_or(0);
        noted(&buffer[..length]);
        gate.pass().await;
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
