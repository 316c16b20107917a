//! The fields of an answer stand in the order of the query, however long each of them takes.

use super::{body, post};
use serde_json::{Value, json};
use tests::app::TestApp;

/// The names of all fields of an answer, in the order of its text.
fn names(text: &str) -> Vec<String> {
    let ended: Vec<&str> = text.split("\":").collect();
    ended[..ended.len() - 1].iter().map(|before| before.rsplit('"').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_its_fields_in_the_order_of_the_query() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let task = app.client.task(&project, "Here").await;
    app.settled().await;
    for (query, expected) in [
        // What is read from the database comes before what is known already.
        (
            "query($t: ID!) { tasks { totalCount } viewer { role } task(id: $t) { title } __typename }",
            "tasks totalCount viewer role task title __typename",
        ),
        (
            "query($t: ID!) { task(id: $t) { comments { totalCount } key schedule { id } id } v: viewer { role actorId } }",
            "task comments totalCount key schedule id v role actorId",
        ),
        (
            "query($t: ID!) { ...a viewer { role } ...b } fragment a on Query { z: task(id: $t) { title } } fragment b on Query { __typename z: task(id: $t) { id } }",
            "z title id viewer role __typename",
        ),
        (
            "query($t: ID!) { tasks { nodes { project { tasks { totalCount } name } number } totalCount } n: node(id: $t) { ... on Task { project { key } title } } }",
            "tasks nodes project tasks totalCount name number totalCount n project key title",
        ),
        // A field that failed stands in its place, and not at the end.
        ("query($t: ID!) { no: task(id: \"no\") { id } viewer { role } task(id: $t) { id } }", "no viewer role task id"),
    ] {
        let answer = post(&app.client, body(query, &json!({ "t": task }))).await;
        let text = answer.text.split(",\"errors\":").next().expect("a text");
        let expected: Vec<&str> = std::iter::once("data").chain(expected.split(' ')).collect();
        assert_eq!(names(text), expected, "{query}\n{}", answer.text);
    }
    let made = json!({ "query": "mutation($p: ID!) { a: taskCreate(input: { projectId: $p, title: \"A\" }) { version task { title } userErrors { code } position } \
                       b: taskCreate(input: { projectId: $p, title: \"B\" }) { userErrors { code } replayed } }", "variables": { "p": project } });
    let answer = post(&app.client, made.to_string()).await;
    assert_eq!(names(&answer.text), ["data", "a", "version", "task", "title", "userErrors", "position", "b", "userErrors", "replayed"]);
    assert_ne!(answer.json()["data"], Value::Null);
    app.stop().await;
}
