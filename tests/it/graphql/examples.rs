//! The examples that GraphiQL opens with work as they stand.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tests::app::{Client, TestApp};

fn folder() -> PathBuf {
    tests::servers::workspace().join("api/graphiql/examples")
}

/// The text of an example and the names of its operations.
fn example(name: &str) -> (String, Vec<String>) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.graphql"))).expect("the example is there");
    let named = |line: &str| {
        let rest = line.strip_prefix("query ").or_else(|| line.strip_prefix("mutation "))?;
        rest.split(|next: char| !next.is_alphanumeric()).next().map(str::to_owned)
    };
    let operations = text.lines().filter_map(named).collect();
    (text, operations)
}

/// The variables of an example, with what a person fills in and what the page fills in.
fn variables(name: &str, id: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.variables.json"))).unwrap_or_else(|_| "{}".to_owned());
    let filled =
        [("{{in a week}}", "2031-03-10"), ("{{in two minutes}}", "2031-03-10T12:00:00.000Z"), ("{{now}}", "2001-01-01T00:00:00.000Z")]
            .into_iter()
            .fold(text, |text, (place, value)| text.replace(place, value));
    let filled = filled.replace("paste the id of a project here", id).replace("paste the id of a task here", id);
    assert!(!filled.contains("{{") && !filled.contains("paste"), "{name}: something is not filled in: {filled}");
    serde_json::from_str(&filled).expect("the variables are JSON")
}

async fn run(client: &Client, name: &str, operation: &str, variables: &Value) -> Map<String, Value> {
    let (text, _) = example(name);
    let body = json!({ "query": text, "operationName": operation, "variables": variables }).to_string();
    let (status, answer) = client.raw(body, &[]).await;
    assert!(status == 200 && answer.get("errors").is_none(), "{name}, {operation}: {answer:#}");
    answer["data"].as_object().expect("data").clone()
}

#[test]
fn these_are_all_examples() {
    let files = std::fs::read_dir(folder()).expect("the folder is there").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: BTreeSet<String> = files.filter_map(|name| name.strip_suffix(".graphql").map(str::to_owned)).collect();
    assert_eq!(names, BTreeSet::from(["create-task", "look-around", "set-due-date"].map(str::to_owned)), "add a test for the new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_around_works_in_an_empty_workspace_and_in_a_full_one() {
    let app = TestApp::start().await;
    assert_eq!(example("look-around").1, ["LookAround"]);
    let empty = run(&app.client, "look-around", "LookAround", &json!({})).await;
    assert_eq!(empty["tasks"], json!({ "totalCount": 0, "nodes": [] }));
    app.client.task(&app.client.project().await, "Here").await;
    app.settled().await;
    let full = run(&app.client, "look-around", "LookAround", &json!({})).await;
    assert_eq!(full["tasks"]["nodes"][0]["title"], "Here");
    assert_eq!(full["projects"]["nodes"][0]["taskCounts"]["todo"], 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_created_as_the_example_says() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    app.settled().await;
    assert_eq!(example("create-task").1, ["CreateTask", "FindProject"]);
    let found = run(&app.client, "create-task", "FindProject", &json!({})).await;
    assert_eq!(found["projects"]["nodes"][0]["id"], json!(project));
    let made = run(&app.client, "create-task", "CreateTask", &variables("create-task", &project)).await;
    let payload = &made["taskCreate"];
    assert_eq!((&payload["userErrors"], &payload["task"]["due"]["date"]), (&json!([]), &json!("2031-03-10")), "{payload:#}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_date_is_set_and_watched_as_the_example_says() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "Here").await;
    app.settled().await;
    assert_eq!(example("set-due-date").1, ["SetDueDate", "FindTasks", "WatchDeadlines"]);
    let found = run(&app.client, "set-due-date", "FindTasks", &json!({})).await;
    assert_eq!(found["tasks"]["nodes"][0]["id"], json!(task));
    let variables = variables("set-due-date", &task);
    let set = run(&app.client, "set-due-date", "SetDueDate", &variables).await;
    assert_eq!(set["taskSetDue"]["task"]["due"]["at"], "2031-03-10T12:00:00.000Z", "{set:?}");
    let watched = run(&app.client, "set-due-date", "WatchDeadlines", &variables).await;
    assert_eq!(watched["deadlines"], json!({ "nodes": [] }));
    app.stop().await;
}
