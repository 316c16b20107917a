//! What belongs to one workspace does not exist for another: no row, no count, no place in a list.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::{Client, TestApp};

/// Everything that can be asked about a project, a task, a schedule and what is nested in them.
const ABOUT: &str = "query($project: ID!, $task: ID!, $schedule: ID!, $key: String!, $taskKey: String!) {
  project(id: $project) { id }
  byKey: project(key: $key) { id }
  task(id: $task) { id }
  byTaskKey: task(key: $taskKey) { id }
  schedule(id: $schedule) { id }
  history(subjectId: $task) { nodes { id } }
  ofProject: history(subjectId: $project) { nodes { id } }
  ofSchedule: history(subjectId: $schedule) { nodes { id } }
}";

const LISTS: &str = "query($project: ID!, $task: ID!, $schedule: ID!) {
  projects(filter: { status: [ACTIVE, ARCHIVED, DELETED] }) { totalCount nodes { id } }
  tasks { totalCount nodes { id } }
  ofProject: tasks(filter: { projectId: { eq: $project } }) { totalCount nodes { id } }
  overdue: tasks(filter: { isOverdue: true }) { totalCount nodes { id } }
  schedules { totalCount nodes { id } }
  ofTask: schedules(filter: { taskId: { eq: $task } }) { totalCount nodes { id } }
  deadlines { totalCount nodes { id } }
  ofSchedule: deadlines(filter: { scheduleId: { eq: $schedule } }) { totalCount nodes { id } }
}";

/// A project, an overdue task with a comment, its schedule that has fired.
async fn filled(app: &TestApp, client: &Client, key: &str) -> Value {
    let made = client.must("projectCreate", "id", json!({ "key": key, "name": "A project" })).await;
    let project = &made["project"]["id"];
    let input = json!({ "projectId": project, "title": "Late", "due": { "at": "2031-03-01T12:30:00Z" } });
    let made = client.must("taskCreate", "id key", input).await;
    let task = &made["task"];
    client.must("taskComment", "id", json!({ "id": task["id"], "body": "Hello" })).await;
    super::history::quiet(app).await;
    let found =
        client.data("query($id: ID!) { task(id: $id) { schedule { id } comments { nodes { id } } } }", json!({ "id": task["id"] })).await;
    json!({
        "project": project, "key": key, "task": task["id"], "taskKey": task["key"],
        "schedule": found["task"]["schedule"]["id"], "comment": found["task"]["comments"]["nodes"][0]["id"],
    })
}

fn only(names: &[&str], of: &Value) -> Value {
    names.iter().map(|&name| (name.to_owned(), of[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_workspace_sees_nothing_of_this_one() {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let (here, elsewhere) = (app.client.clone(), app.client.elsewhere());
    // The same key in both, so that a lookup that forgets the workspace finds something.
    let (ours, theirs) = (filled(&app, &here, "SAME").await, filled(&app, &elsewhere, "SAME").await);
    app.clock.as_ref().expect("time is moved").pass(TimeDelta::hours(1));
    super::history::quiet(&app).await;
    for (client, own, foreign) in [(&here, &ours, &theirs), (&elsewhere, &theirs, &ours)] {
        let names = ["project", "task", "schedule", "key", "taskKey"];
        let about = client.data(ABOUT, only(&names, foreign)).await;
        for name in ["project", "task", "schedule"] {
            assert_eq!(about[name], json!(null), "{name}");
        }
        for name in ["history", "ofProject", "ofSchedule"] {
            assert_eq!(about[name]["nodes"], json!([]), "{name}");
        }
        assert_eq!((&about["byKey"]["id"], &about["byTaskKey"]["id"]), (&own["project"], &own["task"]));

        let lists = client.data(LISTS, only(&["project", "task", "schedule"], foreign)).await;
        for (name, id) in [("projects", "project"), ("tasks", "task"), ("overdue", "task"), ("schedules", "schedule")] {
            assert_eq!(lists[name], json!({ "totalCount": 1, "nodes": [{ "id": own[id] }] }), "{name}");
        }
        assert_eq!(lists["deadlines"]["totalCount"], json!(2), "the warning and the due moment");
        for name in ["ofProject", "ofTask", "ofSchedule"] {
            assert_eq!(lists[name], json!({ "totalCount": 0, "nodes": [] }), "{name}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_of_another_workspace_names_a_node_here() {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let (here, elsewhere) = (app.client.clone(), app.client.elsewhere());
    let ours = filled(&app, &here, "OURS").await;
    app.clock.as_ref().expect("time is moved").pass(TimeDelta::hours(1));
    super::history::quiet(&app).await;
    let more = here.data("{ deadlines { nodes { id } } events(first: 50) { nodes { id } } }", json!({})).await;
    let mut ids: Vec<Value> = ["project", "task", "schedule", "comment"].iter().map(|&name| ours[name].clone()).collect();
    for list in ["deadlines", "events"] {
        let nodes = more[list]["nodes"].as_array().expect("a list");
        assert!(nodes.len() > 1, "{list}");
        ids.extend(nodes.iter().map(|node| node["id"].clone()));
    }
    for id in ids {
        let node = "query($id: ID!) { node(id: $id) { id __typename } }";
        assert_eq!(here.data(node, json!({ "id": id })).await["node"]["id"], id);
        assert_eq!(elsewhere.data(node, json!({ "id": id })).await["node"], json!(null));
    }
    let nothing = elsewhere.data("{ events(first: 50) { nodes { id } pageInfo { hasNextPage } } }", json!({})).await;
    assert_eq!(nothing["events"], json!({ "nodes": [], "pageInfo": { "hasNextPage": false } }));
    // A cursor of here is a place in the list there, with nothing at it.
    let first = here.data("{ tasks(last: 1) { pageInfo { startCursor } } }", json!({})).await;
    let cursor = &first["tasks"]["pageInfo"]["startCursor"];
    let beyond =
        "query($c: String) { a: tasks(last: 5, before: $c) { totalCount nodes { id } } b: tasks(first: 5, after: $c) { nodes { id } } }";
    let found = elsewhere.data(beyond, json!({ "c": cursor })).await;
    assert_eq!(found, json!({ "a": { "totalCount": 0, "nodes": [] }, "b": { "nodes": [] } }));
    app.stop().await;
}
