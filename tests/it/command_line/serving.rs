//! `milepost serve`: what it needs before it starts.

use super::{Folder, KEY, MILEPOST, WRONG_USE, assert_calm, assert_refused, json, milepost, started};
use application::caller::Role;
use nix::sys::signal::Signal;
use serde_json::json;
use tests::app::{Client, SECRET};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::until;
use tokio::net::TcpListener;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_runs_by_its_file_alone() {
    let (database, folder) = (TestDatabase::empty().await, Folder::new());
    let (key, url) = (folder.file("key", format!("{SECRET}\n")), folder.file("url", &database.url));
    let file = folder.file("milepost.toml", "listen = \"127.0.0.1:0\"\n[limits]\npage_rows = 7\n");
    let environment = [
        ("MILEPOST_CONFIG", file.as_str()),
        ("MILEPOST_AUTH_HS256_SECRET", ""),
        ("MILEPOST_AUTH_HS256_SECRET_FILE", &key),
        ("DATABASE_URL_FILE", &url),
    ];
    let mut node = started(&["serve"], &environment);
    let base = node.address().await;
    node.said("the database schema was updated").await;
    let client = Client::new(&base, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    assert_eq!(client.get("/livez").await.0, 200);
    until("it is ready", || async { (client.get("/readyz").await.0 == 200).then_some(()) }).await;
    client.project().await;
    assert_eq!(client.error("{ projects(first: 8) { totalCount } }", json!({})).await, "LIMIT_EXCEEDED", "the file's limit holds");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended().await, 0, "{}", node.log());
    // What it said last may be read a moment after it has ended.
    node.said("stopped").await;
    assert_calm(&node.log());
    let log = node.log();
    assert!(log.contains("stopping: finishing requests"), "{log}");
    assert!(!log.contains(SECRET) && !log.contains(&database.url), "a secret is in:\n{log}");
    assert_eq!(node.output(), "", "standard output is for answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_for_programs_is_json_line_by_line() {
    let database = TestDatabase::new().await;
    let mut run = Run::serve(&database.url);
    run.environment.push(("MILEPOST_LOG_FORMAT", "json".to_owned()));
    let mut node = Process::start(MILEPOST, run);
    node.said("milepost serves").await;
    node.signal(Signal::SIGINT);
    assert_eq!(node.ended().await, 0, "{}", node.log());
    for line in node.log().lines() {
        let line = json(line);
        assert!(line["level"].is_string() && line["message"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_node_does_not_start_without_a_key() {
    let database = TestDatabase::new().await;
    let environment = [("DATABASE_URL", database.url.as_str()), ("MILEPOST_AUTH_HS256_SECRET", "")];
    let output = milepost(&["serve", "--listen", "127.0.0.1:0"], &environment).await;
    assert_refused(&output, WRONG_USE, &["MILEPOST_AUTH_HS256_SECRET is not set", "openssl rand", "MILEPOST_AUTH_HS256_SECRET_FILE"]);
    let output = milepost(&["serve", "--listen", "127.0.0.1:0"], &[environment[0], ("MILEPOST_AUTH_HS256_SECRET", "short")]).await;
    assert_refused(&output, WRONG_USE, &["MILEPOST_AUTH_HS256_SECRET", "at least 32 bytes"]);
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_named() {
    let database = TestDatabase::empty().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let taken = (taken.local_addr().expect("an address").to_string(), taken);
    let environment = [("DATABASE_URL", database.url.as_str()), ("MILEPOST_AUTH_HS256_SECRET", KEY)];
    for (address, texts) in [(taken.0.as_str(), ["cannot listen on", "in use"]), ("192.0.2.1:0", ["cannot listen on", "assign"])] {
        let output = milepost(&["serve", "--listen", address], &environment).await;
        assert_refused(&output, WRONG_USE, &[&["MILEPOST_LISTEN", address], &texts[..]].concat());
    }
    let untouched = "SELECT count(*) FROM pg_namespace WHERE nspname = 'milepost'";
    assert_eq!(super::number(&database.pool().await, untouched).await, 0, "it must not migrate before it has its port");
}
