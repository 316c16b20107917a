//! Small queries that stand for huge ones: refused at once, without being expanded.

use super::{body, post};
use application::caller::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::app::{Client, TestApp};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use uuid::Uuid;

/// How often every fragment is multiplied: two to this power is more than any machine could hold.
const LEVELS: usize = 20;
/// Longest answer. Looking at such a query takes about a millisecond; expanding it, minutes.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Most memory that a hundred such queries may cost a node, in KiB. One that is expanded costs gigabytes.
const MEMORY_KIB_MAX: u64 = 32 * 1024;

/// Fragments of a type, each spreading the next one twice in some way, the last one holding a field.
fn multiplying(on: &str, twice: impl Fn(usize) -> String, field: &str) -> String {
    let fragments: String = (0..LEVELS).map(|level| format!("fragment f{level} on {on}{{{}}}", twice(level + 1))).collect();
    format!("{fragments} fragment f{LEVELS} on {on}{{{field}}}")
}

fn spread_twice(next: usize) -> String {
    format!("...f{next} ...f{next}")
}

/// Queries that stand for more than a million fields each.
fn expanding() -> Vec<(&'static str, String)> {
    let inline = |next: usize| format!("...on Viewer{{...f{next}}} ... @include(if:true){{...f{next}}}");
    let renamed = |next: usize| format!("a{next}:project{{...f{next}}} b{next}:project{{...f{next}}}");
    let types = |next: usize| format!("a{next}:ofType{{...f{next}}} b{next}:ofType{{...f{next}}}");
    let skipped = |next: usize| format!("...f{next} @skip(if:true) ...f{next} @skip(if:true)");
    // Below other things, so that fewer fit in the depth that is allowed.
    let task = "{tasks(first:1){nodes{...f0}}}";
    vec![
        ("spreads", format!("{{viewer{{...f0}}}} {}", multiplying("Viewer", spread_twice, "actorId"))),
        ("inline fragments", format!("{{viewer{{...f0}}}} {}", multiplying("Viewer", inline, "actorId"))),
        ("the root", format!("{{...f0}} {}", multiplying("Query", spread_twice, "viewer{actorId}"))),
        ("mutations", format!("mutation{{...f0}} {}", multiplying("Mutation", spread_twice, "__typename"))),
        ("nobody spreads them", format!("{{viewer{{actorId}}}} {}", multiplying("Viewer", spread_twice, "actorId"))),
        (
            "another operation",
            format!("query A{{viewer{{actorId}}}} query B{{viewer{{...f0}}}} {}", multiplying("Viewer", spread_twice, "actorId")),
        ),
        ("introspection", format!("{{__schema{{types{{...f0}}}}}} {}", multiplying("__Type", spread_twice, "name"))),
        ("introspection, renamed", format!("{{__schema{{types{{...f0}}}}}} {}", multiplying("__Type", types, "name"))),
        ("skipped", format!("{{viewer{{...f0}}}} {}", multiplying("Viewer", skipped, "actorId"))),
        ("nested and renamed", format!("{task} {}", multiplying("Task", renamed, "id"))),
        ("without a field", format!("{{viewer{{...f0}}}} {}", multiplying("Viewer", spread_twice, "...on Viewer{__typename}"))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expanding_queries_are_refused_at_once() {
    let app = TestApp::start().await;
    for (what, query) in expanding() {
        let begun = Instant::now();
        let refused = post(&app.client, body(&query, &json!({}))).await.json();
        assert!(begun.elapsed() < AT_ONCE, "{what}: took {:?}", begun.elapsed());
        let extensions = &refused["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{what}: {refused}");
        let limit = extensions["limit"].as_str().unwrap_or_default();
        assert!(["selections", "rootFields", "depth", "introspectionDepth"].contains(&limit), "{what}: {refused}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_stands_for_more_than_can_be_counted_is_refused() {
    let app = TestApp::start().await;
    // Ten spreads in each of twenty fragments: the count goes beyond any number and stays at the top.
    let often = |next: usize| format!("...f{next} ").repeat(10);
    let query = format!("{{viewer{{...f0}}}} {}", multiplying("Viewer", often, "actorId"));
    let refused = app.client.ask(&query, json!({})).await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(extensions["limit"], "selections", "{refused}");
    assert_eq!(extensions["value"].as_u64(), Some(u64::MAX), "{refused}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragment_that_comes_back_to_itself_is_refused() {
    let app = TestApp::start().await;
    for query in [
        "{viewer{...a}} fragment a on Viewer{...a}",
        "{viewer{...a}} fragment a on Viewer{...b} fragment b on Viewer{...c} fragment c on Viewer{actorId ...a}",
        "{viewer{actorId}} fragment a on Task{project{tasks{nodes{...a}}}}",
        "{viewer{...a}} fragment a on Viewer{...on Viewer{...a}}",
    ] {
        let refused = app.client.ask(query, json!({})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query}: {refused}");
        let message = refused["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("spreads itself"), "{query}: {message}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expanding_queries_cost_no_memory() {
    let database = TestDatabase::new().await;
    // In a process of its own: other tests use memory too.
    let mut node = Process::start(env!("CARGO_BIN_EXE_milepost-under-test"), Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let queries: Vec<String> = expanding().into_iter().map(|(_, query)| query).collect();
    // What is there once anything was asked.
    client.data("{ tasks { nodes { title } } }", json!({})).await;
    let before = memory_kib(node.pid());
    for round in 0..10 {
        // Each is another text, so none is known from before.
        let bodies = queries.iter().map(|query| body(&format!("{query} # {round}"), &json!({})));
        let all = futures::future::join_all(bodies.map(|body| post(&client, body))).await;
        assert!(all.iter().all(|answer| answer.code() == "LIMIT_EXCEEDED"));
    }
    let grown = memory_kib(node.pid()) - before;
    assert!(grown < MEMORY_KIB_MAX, "the node grew by {grown} KiB");
    node.kill().await;
}

/// The most memory that a process ever had.
fn memory_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the kernel says how much memory a process has");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it names the peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_about_the_whole_request_point_to_no_line() {
    let app = TestApp::start().await;
    for query in ["{tasks(first:201){nodes{id}}}", "{viewer{...a}} fragment a on Viewer{...a}"] {
        let refused = app.client.ask(query, json!({})).await;
        assert_eq!(refused["errors"][0].get("locations"), None, "{query}: {refused}");
    }
    let refused = app.client.ask("{\n  nothing\n}", json!({})).await;
    assert_eq!(refused["errors"][0]["locations"], json!([{ "line": 2, "column": 3 }]), "{refused}");
    assert_eq!(refused.get("data"), None::<&Value>, "{refused}");
    app.stop().await;
}
