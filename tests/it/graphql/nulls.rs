//! Where a field fails, null stands there, or in the nearest place above that may be null.

use serde_json::{Value, json};
use tests::app::TestApp;
use uuid::Uuid;

/// The data of an answer, and the paths of its errors in alphabetical order.
fn parts(answer: &Value) -> (Value, Vec<String>) {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let mut paths: Vec<String> = errors.iter().map(|error| error["path"].to_string()).collect();
    paths.sort();
    (answer["data"].clone(), paths)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_may_be_null_takes_nothing_along() {
    let app = TestApp::start().await;
    let viewer = json!({ "role": "owner" });
    for (query, data, paths) in [
        ("{ task(id: \"no\") { id } }", json!({ "task": null }), vec!["[\"task\"]"]),
        ("{ a: task(id: \"no\") { id } viewer { role } }", json!({ "a": null, "viewer": viewer }), vec!["[\"a\"]"]),
        ("{ a: task(id: \"no\") { id } b: project { id } }", json!({ "a": null, "b": null }), vec!["[\"a\"]", "[\"b\"]"]),
        (
            "{ ...f viewer { role } } fragment f on Query { ... on Query { x: node(id: \"no\") { id } } }",
            json!({ "x": null, "viewer": viewer }),
            vec!["[\"x\"]"],
        ),
    ] {
        assert_eq!(parts(&app.client.ask(query, json!({})).await), (data, paths.into_iter().map(str::to_owned).collect()), "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_may_not_be_null_takes_along_what_holds_it() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let task = app.client.task(&project, "Here").await;
    app.settled().await;
    let variables = json!({ "p": project, "t": task });
    for (query, data, path) in [
        // All the way up.
        ("{ viewer { role } tasks(first: 1, last: 1) { totalCount } }", json!(null), "[\"tasks\"]"),
        (
            "{ projects { nodes { key tasks(after: \"x\", first: 1) { totalCount } } } }",
            json!(null),
            "[\"projects\",\"nodes\",0,\"tasks\"]",
        ),
        // Up to something that may be null.
        (
            "query($p: ID!) { viewer { role } it: project(id: $p) { name tasks(after: \"x\") { totalCount } } }",
            json!({ "viewer": { "role": "owner" }, "it": null }),
            "[\"it\",\"tasks\"]",
        ),
        (
            "query($t: ID!) { n: node(id: $t) { id ... on Task { title ...c } } viewer { role } }
                fragment c on Task { comments(after: \"x\") { totalCount } }",
            json!({ "n": null, "viewer": { "role": "owner" } }),
            "[\"n\",\"comments\"]",
        ),
        (
            "query($t: ID!) { task(id: $t) { project { key tasks(after: \"x\") { totalCount } } } }",
            json!({ "task": null }),
            "[\"task\",\"project\",\"tasks\"]",
        ),
    ] {
        let mut given = variables.clone();
        let used = |name: &str| query.contains(&format!("${name}:"));
        given.as_object_mut().expect("an object").retain(|name, _| used(name));
        assert_eq!(parts(&app.client.ask(query, given).await), (data, vec![path.to_owned()]), "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_that_fails_leaves_the_others_their_answers_and_undoes_nothing() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "Before").await;
    let query = "mutation($t: ID!, $n: ID!) { a: taskUpdate(input: { id: $t, title: \"After\" }) { version }
        b: taskDelete(input: { id: $n }) { version } c: taskComplete(input: { id: $t }) { version } }";
    let answer = app.client.ask(query, json!({ "t": task, "n": Uuid::now_v7() })).await;
    let data = json!({ "a": { "version": 2 }, "b": null, "c": { "version": 3 } });
    assert_eq!(parts(&answer), (data, vec!["[\"b\"]".to_owned()]), "{answer}");
    app.settled().await;
    let seen = app.client.data("query($t: ID!) { task(id: $t) { title status } }", json!({ "t": task })).await;
    assert_eq!(seen["task"], json!({ "title": "After", "status": "DONE" }));
    app.stop().await;
}
