//! A broker of a test's own, to be stopped, killed and frozen.

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
    /// Starts it with nothing on it. One test at a time uses a name.
    pub fn start(name: &'static str) -> Self {
        let folder = target().join("kafka");
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let lock = OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.test"))).expect("a file can be made");
        lock.lock().expect("files can be locked");
        script(&["stop", "--name", name, "--wipe"]);
        Self { name, bootstrap_servers: script(&["start", "--name", name]), _lock: lock }
    }

    /// The same broker again, at its port, with its data.
    pub fn start_again(&self) {
        assert_eq!(script(&["start", "--name", self.name]), self.bootstrap_servers);
    }

    /// Ends it in order; its data stay.
    pub fn stop(&self) {
        script(&["stop", "--name", self.name]);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid().expect("the broker runs"), signal).expect("it can be signalled");
    }

    /// Ends it without a word.
    pub async fn kill(&self) {
        self.signal(Signal::SIGKILL);
        until_true("the broker is gone", || self.pid().is_none()).await;
    }

    fn pid(&self) -> Option<Pid> {
        let status: Value = serde_json::from_str(&script(&["status", "--name", self.name, "--json"])).expect("the script prints JSON");
        Some(Pid::from_raw(i32::try_from(status["nodes"][0]["pid"].as_i64()?).expect("a pid")))
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
