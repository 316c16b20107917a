//! Reading one's own writes: `minPosition` by argument and by header.

use super::{Answer, body, send};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::app::{Client, How, TestApp};
use uuid::Uuid;

const HEADER: &str = "x-milepost-min-position";
/// Beyond what a double can hold exactly.
const FAR: &str = "9007199254740993";

/// Asks with the header.
async fn ask(client: &Client, position: &[u8], query: &str, variables: &Value) -> Answer {
    let bearer = format!("Bearer {}", client.token);
    let headers: [(&str, &[u8]); 3] = [("authorization", bearer.as_bytes()), ("content-type", b"application/json"), (HEADER, position)];
    send(&client.base, Method::POST, "/graphql", &headers, body(query, variables)).await
}

async fn hasty() -> TestApp {
    TestApp::start_with(How { settings: Some(Box::new(|settings| settings.limits.position_wait_ms = 100)), ..How::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_read_by_every_query() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let by_argument = "query($p: ID!, $t: ID!, $m: Position) {
        project(id: $p, minPosition: $m) { taskCounts { total overdue } }
        projects(filter: { key: { startsWith: \"T\" } }, minPosition: $m) { nodes { taskCounts { total overdue } } }
        task(id: $t, minPosition: $m) { title project { taskCounts { total overdue } } }
        tasks(filter: { projectId: { eq: $p } }, minPosition: $m) { totalCount }
        node(id: $t, minPosition: $m) { id }
        events(filter: { aggregateId: $t }, minPosition: $m) { nodes { type } }
        history(subjectId: $t, minPosition: $m) { nodes { type } } }";
    let by_header = by_argument.replace(", minPosition: $m", "").replace(", $m: Position", "");
    for round in 1..=15 {
        let input = json!({ "projectId": project, "title": "Just now", "due": { "at": "2001-01-01T00:00:00Z" } });
        let made = app.client.must("taskCreate", "id", input).await;
        let (task, position) = (&made["task"]["id"], &made["position"]);
        let seen = match round % 2 {
            0 => app.client.data(by_argument, json!({ "p": project, "t": task, "m": position })).await,
            _ => {
                let position = position.as_str().expect("a string").as_bytes();
                ask(&app.client, position, &by_header, &json!({ "p": project, "t": task })).await.json()["data"].clone()
            }
        };
        let counts = json!({ "taskCounts": { "total": round, "overdue": round } });
        let expected = json!({ "project": counts, "projects": { "nodes": [counts] }, "task": { "title": "Just now", "project": counts },
            "tasks": { "totalCount": round }, "node": { "id": task }, "events": { "nodes": [{ "type": "task_created" }] },
            "history": { "nodes": [{ "type": "task_created" }] } });
        assert_eq!(seen, expected, "round {round}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_read_at_its_position() {
    let app = TestApp::start().await;
    for round in 1..=10 {
        let due = json!({ "at": "2031-01-01T00:00:00Z" });
        let made = app.client.must("scheduleCreate", "id", json!({ "title": "Soon", "due": due })).await;
        let query = "query($s: ID!, $m: Position) { schedule(id: $s, minPosition: $m) { firings { id } }
            schedules(minPosition: $m) { totalCount } deadlines(minPosition: $m) { totalCount } }";
        let seen = app.client.data(query, json!({ "s": made["schedule"]["id"], "m": made["position"] })).await;
        let expected = json!({ "schedule": { "firings": [] }, "schedules": { "totalCount": round }, "deadlines": { "totalCount": 0 } });
        assert_eq!(seen, expected, "round {round}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_reached_is_an_error_after_a_bounded_wait() {
    let app = hasty().await;
    let id = Uuid::now_v7();
    app.client.project().await;
    app.settled().await;
    for query in [
        "project(id: $i, minPosition: $m) { id }",
        "projects(minPosition: $m) { totalCount }",
        "task(id: $i, minPosition: $m) { id }",
        "tasks(minPosition: $m) { totalCount }",
        "schedule(id: $i, minPosition: $m) { id }",
        "schedules(minPosition: $m) { totalCount }",
        "deadlines(minPosition: $m) { totalCount }",
        "events(minPosition: $m) { nodes { id } }",
        "history(subjectId: $i, minPosition: $m) { nodes { id } }",
        "node(id: $i, minPosition: $m) { id }",
    ] {
        let begun = Instant::now();
        let used = if query.contains("$i") { "($i: ID!, $m: Position)" } else { "($m: Position)" };
        let text = format!("query{used} {{ r: {query} }}");
        let mut variables = json!({ "m": FAR, "i": id });
        let late = app.client.ask(&text, variables.clone()).await;
        assert_eq!(
            late["errors"][0]["extensions"],
            json!({ "code": "POSITION_NOT_REACHED", "reached": "1", "wanted": FAR }),
            "{query}: {late}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{query}: waited {:?}", begun.elapsed());
        variables["m"] = Value::Null;
        let at_once = app.client.ask(&text, variables.clone()).await;
        assert_eq!(at_once.get("errors"), None, "{query}: {at_once}");
        // The header is waited for as well, whichever is further.
        variables["m"] = json!("1");
        let late = ask(&app.client, FAR.as_bytes(), &text, &variables).await.json();
        assert_eq!(late["errors"][0]["extensions"]["wanted"], json!(FAR), "{query}: {late}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reads_no_events_does_not_wait() {
    let app = hasty().await;
    let seen = ask(&app.client, FAR.as_bytes(), "{ viewer { role } serviceStatus { position } }", &json!({})).await.json();
    assert_eq!(seen, json!({ "data": { "viewer": { "role": "owner" }, "serviceStatus": { "position": "0" } } }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_is_no_position_is_refused() {
    let app = hasty().await;
    for wrong in ["", " ", "-1", "+1", "1.5", "0x10", "1e3", "latest", "9223372036854775808", "1,2", "١"] {
        let refused = ask(&app.client, wrong.as_bytes(), "{ viewer { role } }", &json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "BAD_USER_INPUT"), "{wrong:?}: {}", refused.text);
        assert!(refused.text.contains(HEADER), "{wrong:?}: {}", refused.text);
    }
    assert_eq!(ask(&app.client, b"\xff", "{ viewer { role } }", &json!({})).await.status, 400);
    for right in ["0", "00", "9223372036854775807"] {
        assert_eq!(ask(&app.client, right.as_bytes(), "{ viewer { role } }", &json!({})).await.status, 200, "{right}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_is_a_decimal_string_however_great() {
    let app = hasty().await;
    let query = "query($m: Position) { events(minPosition: $m) { nodes { id } } }";
    for (given, wanted) in [
        (json!(FAR), FAR),
        (json!("9223372036854775807"), "9223372036854775807"),
        (json!(9_007_199_254_740_993_u64), FAR),
        (json!("0042"), "42"),
    ] {
        let late = app.client.ask(query, json!({ "m": given })).await;
        assert_eq!(late["errors"][0]["extensions"]["wanted"], json!(wanted), "{given}: {late}");
    }
    for wrong in
        [json!("-1"), json!(-1), json!(1.5), json!("1.5"), json!(""), json!("9223372036854775808"), json!(true), json!([]), json!({})]
    {
        assert_eq!(app.client.error(query, json!({ "m": wrong })).await, "BAD_USER_INPUT", "{wrong}");
    }
    for (literal, code) in
        [("7", "POSITION_NOT_REACHED"), ("\"7\"", "POSITION_NOT_REACHED"), ("-7", "BAD_USER_INPUT"), ("seven", "BAD_USER_INPUT")]
    {
        let query = format!("{{ events(minPosition: {literal}) {{ nodes {{ id }} }} }}");
        assert_eq!(app.client.error(&query, json!({})).await, code, "{literal}");
    }
    app.stop().await;
}
