//! A PostgreSQL server of a test's own, to be killed and frozen.

use crate::wait::until_true;
use infrastructure::local_postgres::LocalPostgres;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};

/// It ends, with its data, when it is dropped.
pub struct OwnPostgres {
    folder: PathBuf,
    server: Option<LocalPostgres>,
    /// Where it answers, as a superuser.
    pub url: String,
}

impl OwnPostgres {
    /// Starts it with an empty database.
    pub async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("milepost-test-postgres-{}", uuid::Uuid::now_v7()));
        let server = LocalPostgres::start(&folder).await.expect("a PostgreSQL of its own starts");
        let url = server.url().to_owned();
        Self { folder, server: Some(server), url }
    }

    /// Ends it as a crash would: nothing in memory is written any more.
    pub async fn crash(&mut self) {
        let pid = self.pid();
        kill(pid, Signal::SIGQUIT).expect("it can be signalled");
        // Reaped by whoever holds the child.
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        until_true("PostgreSQL is gone", || kill(pid, None).is_err()).await;
    }

    /// The same server again, at its port, with its data.
    pub async fn start_again(&mut self) {
        let server = LocalPostgres::start(&self.folder).await.expect("PostgreSQL starts again");
        assert_eq!(server.url(), self.url, "it is somewhere else now");
        self.server = Some(server);
    }

    /// The folder that its data is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Halts all its processes.
    pub fn freeze(&self) {
        self.signal_all(Signal::SIGSTOP);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    fn signal_all(&self, signal: Signal) {
        let pid = self.pid();
        // The first one first, so that it starts no others meanwhile.
        kill(pid, signal).expect("it can be signalled");
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            let _ = kill(Pid::from_raw(child), signal);
        }
    }

    fn pid(&self) -> Pid {
        let file = fs::read_to_string(self.folder.join("postgres/postmaster.pid")).expect("the server runs");
        Pid::from_raw(file.lines().next().and_then(|line| line.trim().parse().ok()).expect("the file begins with a pid"))
    }

    /// Ends it in order, and removes its data.
    pub async fn end(mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
