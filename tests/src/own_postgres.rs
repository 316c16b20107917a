//! A PostgreSQL server of a test's own, to be killed and frozen.

use crate::wait::until_true;
use infrastructure::local_postgres::LocalPostgres;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        // The first one is halted, so that it starts no others meanwhile, and is asked for them while it is there: once it is
        // dead they are nobody's children, and those that are halted would stay for ever.
        kill(pid, Signal::SIGSTOP).expect("it can be signalled");
        let children = self.children();
        kill(pid, signal).expect("it can be signalled");
        for child in children {
            let _ = kill(child, signal);
        }
    }

    /// Its processes but the first.
    fn children(&self) -> Vec<Pid> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).map(Pid::from_raw).collect()
    }

    /// Kills the processes that serve and write, as a bug in one of them would end them all. The first one starts them anew.
    pub fn kill_children(&self) {
        for child in self.children() {
            let _ = kill(child, Signal::SIGKILL);
        }
    }

    /// Kills the first process, and what it leaves behind.
    pub async fn kill(&mut self) {
        let (pid, children) = (self.pid(), self.children());
        self.signal_all(Signal::SIGKILL);
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        until_true("PostgreSQL is gone", || has_ended(pid) && children.iter().all(|child| has_ended(*child))).await;
    }

    /// Keeps its data aside as they are on its disk at this moment.
    pub fn copy(&self) {
        self.freeze();
        self.copy_data();
        self.thaw();
    }

    fn copy_data(&self) {
        let copied = Command::new("cp").arg("-a").arg(self.folder.join("postgres")).arg(self.folder.join("copy")).status();
        assert!(copied.is_ok_and(|status| status.success()), "its data can be copied");
    }

    /// Halts all its processes, and goes on with the data as they are on its disk then: what a machine that loses its power, or
    /// one that another takes over from, leaves behind.
    pub async fn move_to_another_machine(&mut self) {
        self.freeze();
        self.copy_data();
        self.kill().await;
        self.start_on_the_copy().await;
    }

    /// The same as a standby, which nobody has promoted yet.
    pub async fn start_on_the_copy_as_a_standby(&mut self) {
        let copy = self.folder.join("copy");
        // Any file of that name, with the owner of the others.
        let signalled = Command::new("cp").arg("-a").arg(copy.join("PG_VERSION")).arg(copy.join("standby.signal")).status();
        assert!(signalled.is_ok_and(|status| status.success()), "a file can be made");
        self.start_on_the_copy().await;
    }

    /// Starts it on the data that were kept aside, at its port. It must have ended.
    pub async fn start_on_the_copy(&mut self) {
        let data = self.folder.join("postgres");
        fs::remove_dir_all(&data).expect("its data can be removed");
        fs::rename(self.folder.join("copy"), &data).expect("the copy can be moved");
        let _ = fs::remove_file(data.join("postmaster.pid"));
        self.start_again().await;
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

/// Whether a process has ended, also where nobody has asked yet what became of it.
fn has_ended(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_none_or(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with(['Z', 'X']))
}
