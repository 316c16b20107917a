//! The PostgreSQL and the Kafka that all tests share. `scripts/test-servers` starts them once and stops them when nobody
//! has used them for a while.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |target| workspace().join(target))
}

/// A URL of the shared PostgreSQL, for its maintenance database.
pub fn postgres() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| start("postgres"))
}

/// The bootstrap servers of the shared Kafka.
pub fn kafka() -> &'static str {
    static SERVERS: OnceLock<String> = OnceLock::new();
    SERVERS.get_or_init(|| start("kafka"))
}

fn start(server: &str) -> String {
    in_use();
    let script = workspace().join("scripts/test-servers");
    let output = Command::new(&script).args(["start", server]).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{} could not be run: {error}", script.display()));
    assert!(output.status.success(), "{} start {server} failed; it says why above", script.display());
    String::from_utf8(output.stdout).expect("the script prints text").trim().to_owned()
}

/// Says that the servers are in use for as long as this process lives.
fn in_use() {
    static IN_USE: OnceLock<File> = OnceLock::new();
    IN_USE.get_or_init(|| {
        let folder = target().join("test-servers");
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let file = OpenOptions::new().create(true).append(true).open(folder.join("in-use")).expect("the target folder can be written");
        file.lock_shared().expect("files can be locked");
        file
    });
}
