//! The binary as people and service managers start it: what it prints, how it ends, and what it leaves behind.

mod closed_pipe;
mod demo;
mod demo_refusals;
mod demo_restarts;
mod halted;
mod help;
mod history;
mod import;
mod import_again;
mod import_interrupted;
mod import_order;
mod import_rejects;
mod import_schema;
mod migrating;
mod read_models;
mod rights;
mod secrets;
mod serving;
mod settings;
mod stopping;
pub(crate) mod story;
mod tailing;
mod token;
mod topics;

use serde_json::Value;
use sqlx::PgPool;
use std::path::{Path, PathBuf};
use tests::process::{Output, Process, Run, run};
use uuid::Uuid;

/// The binary.
const MILEPOST: &str = env!("CARGO_BIN_EXE_milepost-under-test");
/// A key for tokens that is long enough.
const KEY: &str = "a key for the tokens of these tests, 48 bytes ..";

/// Exit status: the answer is no.
const NO: i32 = 1;
/// Exit status: wrong use, or wrong settings.
const WRONG_USE: i32 = 2;
/// Exit status: a server that is needed is not there.
const NOT_THERE: i32 = 3;

/// Runs the binary to its end in an environment, and sees that it did not fall over.
async fn milepost(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    ran(arguments, environment, None).await
}

/// The same with something on standard input.
async fn milepost_reads(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    ran(arguments, environment, Some(input)).await
}

async fn ran(arguments: &[&str], environment: &[(&str, &str)], input: Option<&str>) -> Output {
    let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let output = run(MILEPOST, Run { environment, ..Run::of(arguments) }, input).await;
    assert_calm(&output.stderr);
    output
}

/// Starts the binary in an environment.
fn started(arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Process::start(MILEPOST, Run { environment, ..Run::of(arguments) })
}

/// No complaint may look as if the program, and not whoever used it, had made a mistake.
fn assert_calm(stderr: &str) {
    for sign in ["panicked", "stack backtrace", "RUST_BACKTRACE", "unwrap()", "Os {", "Err(", "Some("] {
        assert!(!stderr.contains(sign), "{sign:?} in:\n{stderr}");
    }
}

/// Sees that a run was refused, and that it said each of some texts on standard error and nothing on standard output.
fn assert_refused(output: &Output, status: i32, texts: &[&str]) {
    assert_eq!((output.status, output.stdout.as_str()), (status, ""), "{}", output.stderr);
    for text in texts {
        assert!(output.stderr.contains(text), "{text:?} is not in:\n{}", output.stderr);
    }
}

/// Sees that a run succeeded, and gives what it printed.
fn done(output: Output) -> String {
    assert_eq!(output.status, 0, "{}\n{}", output.stdout, output.stderr);
    output.stdout
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
}

/// A folder that ends with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("milepost-cli-{}", Uuid::now_v7().simple()));
        std::fs::create_dir(&path).expect("the temporary folder can be written");
        Self(path)
    }

    /// The path of something in it.
    fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.at(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// Where the log ends.
async fn head(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM milepost.events").fetch_one(pool).await.expect("the log can be read")
}

/// One number from the database.
async fn number(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}
