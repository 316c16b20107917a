//! Readers that go away, and disks that are full.

use super::story::{WORKSPACE, file_of, project_with_tasks};
use super::{Folder, KEY, MILEPOST, WRONG_USE, assert_calm, done, milepost};
use std::fs::OpenOptions;
use std::process::{Command, Stdio};
use tests::database::TestDatabase;

const COMMANDS: [&[&str]; 9] = [
    &["--help"],
    &["config", "show"],
    &["config", "show", "--json"],
    &["config", "check"],
    &["token", "--actor", WORKSPACE, "--workspace", WORKSPACE, "--role", "viewer"],
    &["migrate"],
    &["projections", "list"],
    &["projections", "dead-letters", "list"],
    &["events", "tail", "--after", "0", "--json"],
];

async fn database_with_events() -> TestDatabase {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("story.ndjson", file_of(&project_with_tasks("PIPE", 400)));
    done(milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await);
    database
}

/// Runs the binary with something as its standard output; gives its status and what it complained of.
async fn printing_to(arguments: &[&str], database: &TestDatabase, stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(MILEPOST);
    command.args(arguments).env("DATABASE_URL", &database.url).env("MILEPOST_AUTH_HS256_SECRET", KEY);
    let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_calm(&stderr);
    (output.status.code(), stderr)
}

#[tokio::test]
async fn a_reader_that_has_gone_is_not_an_error() {
    let database = database_with_events().await;
    for arguments in COMMANDS {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(printing_to(arguments, &database, writer).await, (Some(0), String::new()), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_first_lines_of_the_log_can_be_taken() {
    let database = database_with_events().await;
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-c", &format!("set -o pipefail; {MILEPOST} events tail --after 0 --json | head -n 1")]);
    let output = shell.env("DATABASE_URL", &database.url).output().await.expect("the shell runs");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((output.status.code(), lines.lines().count(), output.stderr.as_slice()), (Some(0), 1, &[][..]));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_on_the_disk_is_no_success() {
    let database = database_with_events().await;
    for arguments in &COMMANDS[1..] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has a device that is full");
        let (status, complaint) = printing_to(arguments, &database, full).await;
        assert_eq!(status, Some(WRONG_USE), "{arguments:?}");
        assert!(complaint.contains("the output could not be written: No space left on device"), "{arguments:?}: {complaint}");
    }
}
