//! Brokers of a test's own, to be stopped, killed and frozen.

use crate::servers::{target, workspace};
use crate::wait::until_true;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

/// It ends, with its data, when it is dropped.
pub struct OwnKafka {
    name: &'static str,
    /// Where it answers.
    pub bootstrap_servers: String,
    /// Held while the name is used; what a dead test left under it is removed by the next.
    _lock: File,
}

impl OwnKafka {
    /// Starts one broker with nothing on it. One test at a time uses a name.
    pub fn start(name: &'static str) -> Self {
        Self::with(name, &[])
    }

    /// Three brokers, by default with three copies of each partition.
    pub fn start_three(name: &'static str) -> Self {
        Self::with(name, &["--nodes", "3"])
    }

    /// One broker that also lets users log in; see `scripts/kafka help`.
    pub fn start_with_users(name: &'static str) -> Self {
        Self::with(name, &["--users"])
    }

    fn with(name: &'static str, arguments: &[&str]) -> Self {
        let folder = target().join("kafka");
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let lock = OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.test"))).expect("a file can be made");
        lock.lock().expect("files can be locked");
        script(&["stop", "--name", name, "--wipe"]);
        let bootstrap_servers = script(&[&["start", "--name", name], arguments].concat());
        Self { name, bootstrap_servers, _lock: lock }
    }

    /// The same broker again, at its port, with its data.
    pub fn start_again(&self) {
        assert_eq!(script(&["start", "--name", self.name]), self.bootstrap_servers);
    }

    /// Ends it in order; its data stay.
    pub fn stop(&self) {
        script(&["stop", "--name", self.name]);
    }

    /// Sends the only broker a signal.
    pub fn signal(&self, signal: Signal) {
        self.signal_node(1, signal);
    }

    /// Sends one of the brokers a signal.
    pub fn signal_node(&self, id: i32, signal: Signal) {
        kill(self.pid(id).expect("the broker runs"), signal).expect("it can be signalled");
    }

    /// Ends the only broker without a word.
    pub async fn kill(&self) {
        self.kill_node(1).await;
    }

    /// Ends one of the brokers without a word.
    pub async fn kill_node(&self, id: i32) {
        self.signal_node(id, Signal::SIGKILL);
        until_true("the broker is gone", || self.pid(id).is_none()).await;
    }

    /// Where users log in.
    pub fn users_servers(&self) -> String {
        format!("127.0.0.1:{}", self.status()["nodes"][0]["users_port"])
    }

    /// Runs one of Kafka's own commands, by its name in `scripts/kafka`, and returns what it prints.
    pub fn command(&self, command: &str, arguments: &[&str]) -> String {
        script(&[&[command, "--name", self.name], arguments].concat())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&script(&["status", "--name", self.name, "--json"])).expect("the script prints JSON")
    }

    fn pid(&self, id: i32) -> Option<Pid> {
        let node = usize::try_from(id - 1).expect("nodes are counted from 1");
        Some(Pid::from_raw(i32::try_from(self.status()["nodes"][node]["pid"].as_i64()?).expect("a pid")))
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        script(&["stop", "--name", self.name, "--wipe"]);
    }
}

fn script(arguments: &[&str]) -> String {
    let output = Command::new(workspace().join("scripts/kafka")).args(arguments).stderr(Stdio::inherit()).output();
    String::from_utf8(output.expect("scripts/kafka can be run").stdout).expect("it prints text").trim().to_owned()
}
