//! What belongs to another workspace is answered like what is not there.

use super::commands::sample;
use super::served_mutations;
use serde_json::{Value, json};
use tests::app::{Client, TestApp, input_type};
use tests::wait::until;
use uuid::Uuid;

/// One of everything, with its ids, in the workspace of a client.
struct Things {
    project: Value,
    key: Value,
    task: Value,
    task_key: Value,
    schedule: Value,
    comment: Value,
    firing: Value,
    event: Value,
}

async fn things(app: &TestApp) -> Things {
    let client = &app.client;
    let project = client.must("projectCreate", "id key", json!({ "key": super::commands::key(), "name": "Ours" })).await["project"].clone();
    let due = json!({ "at": "2001-01-01T00:00:00Z" });
    let task =
        client.must("taskCreate", "id key", json!({ "projectId": project["id"], "title": "Ours", "due": due })).await["task"].clone();
    client.must("taskComment", "id", json!({ "id": task["id"], "body": "Ours" })).await;
    let query = "query($t: ID!) { task(id: $t) { comments { nodes { id } } schedule { id firings { id } } }
        history(subjectId: $t, first: 1) { nodes { id } } }";
    let seen = until("the due date has fired", || async {
        let seen = client.data(query, json!({ "t": task["id"] })).await;
        let all = [&seen["task"]["schedule"]["firings"][0], &seen["task"]["comments"]["nodes"][0], &seen["history"]["nodes"][0]];
        all.iter().all(|one| one.is_object()).then_some(seen)
    })
    .await;
    app.settled().await;
    Things {
        key: project["key"].clone(),
        project: project["id"].clone(),
        task_key: task["key"].clone(),
        task: task["id"].clone(),
        schedule: seen["task"]["schedule"]["id"].clone(),
        comment: seen["task"]["comments"]["nodes"][0]["id"].clone(),
        firing: seen["task"]["schedule"]["firings"][0]["id"].clone(),
        event: seen["history"]["nodes"][0]["id"].clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_answer_null_or_nothing_to_strangers() {
    let app = TestApp::start().await;
    let ours = things(&app).await;
    let stranger = app.client.elsewhere();
    for id in [&ours.project, &ours.task, &ours.schedule, &ours.comment, &ours.firing, &ours.event] {
        let query = "query($i: ID!) { node(id: $i) { id } }";
        assert_eq!(app.client.data(query, json!({ "i": id })).await["node"]["id"], *id);
        assert_eq!(stranger.data(query, json!({ "i": id })).await, json!({ "node": null }));
    }
    let query = "query($p: ID!, $pk: String!, $t: ID!, $tk: String!, $s: ID!, $d: IDComparator) {
        a: project(id: $p) { id } b: project(key: $pk) { id } c: task(id: $t) { id } d: task(key: $tk) { id } e: schedule(id: $s) { id }
        f: projects(filter: { status: [ACTIVE, ARCHIVED, DELETED] }) { totalCount nodes { id } }
        g: tasks(filter: { projectId: { eq: $p } }) { totalCount nodes { id } } h: schedules { totalCount nodes { id } }
        i: deadlines(filter: { scheduleId: $d }) { totalCount nodes { id } } j: events { nodes { id } }
        k: events(filter: { aggregateId: $t }) { nodes { id } } l: history(subjectId: $t) { nodes { id } } }";
    let variables = json!({ "p": ours.project, "pk": ours.key, "t": ours.task, "tk": ours.task_key, "s": ours.schedule,
        "d": { "eq": ours.schedule } });
    let seen = app.client.data(query, variables.clone()).await;
    let something = |found: &Value| found["id"].is_string() || found["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty());
    assert!(seen.as_object().expect("an object").values().all(something), "we see all of it: {seen:#}");
    let (none, empty, counted) = (json!(null), json!({ "nodes": [] }), json!({ "totalCount": 0, "nodes": [] }));
    let expected = json!({ "a": none, "b": none, "c": none, "d": none, "e": none, "f": counted, "g": counted, "h": counted, "i": counted,
        "j": empty, "k": empty, "l": empty });
    assert_eq!(stranger.data(query, variables).await, expected);
    app.stop().await;
}

/// An answer without what was made up for this request.
async fn answer(client: &Client, name: &str, input: &Value) -> Value {
    let query = format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code message }} }} }}", input_type(name));
    client.ask(&query, json!({ "i": input })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_answer_strangers_as_if_nothing_were_there() {
    let app = TestApp::start().await;
    let stranger = app.client.elsewhere();
    for name in served_mutations(&app.client).await {
        if name == "projectCreate" {
            continue;
        }
        let ours = sample(&app.client, &name).await;
        let mut nowhere = ours.input.clone();
        let field = if name.ends_with("Create") { "projectId" } else { "id" };
        nowhere[field] = json!(Uuid::now_v7());
        let expected = answer(&stranger, &name, &nowhere).await;
        assert_eq!(expected["errors"][0]["extensions"]["code"], "NOT_FOUND", "{name}: {expected}");
        assert_eq!(answer(&stranger, &name, &ours.input).await, expected, "{name}: a stranger can tell that it is there");
        // Also where it has been changed, is stale, or rests.
        let mut stale = ours.input.clone();
        if !["taskCreate", "scheduleCreate", "taskComment"].contains(&name.as_str()) {
            stale["expectedVersion"] = json!(99);
            assert_eq!(answer(&stranger, &name, &stale).await, expected, "{name}: stale");
        }
        app.client.must("projectArchive", "id", json!({ "id": ours.project })).await;
        assert_eq!(answer(&stranger, &name, &ours.input).await, expected, "{name}: archived");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn things_of_one_workspace_cannot_refer_to_another() {
    let app = TestApp::start().await;
    let ours = things(&app).await;
    let stranger = app.client.elsewhere();
    let project = stranger.project().await;
    let task = stranger.task(&project, "Theirs").await;
    let due = json!({ "at": "2031-01-01T00:00:00Z" });
    for (name, input, path) in [
        ("taskMove", json!({ "id": task, "projectId": ours.project }), "projectId"),
        ("taskCreate", json!({ "projectId": ours.project, "title": "Theirs" }), "projectId"),
        ("scheduleCreate", json!({ "projectId": ours.project, "title": "Theirs", "due": due }), "projectId"),
        ("scheduleCreate", json!({ "taskId": ours.task, "title": "Theirs", "due": due }), "taskId"),
    ] {
        let refused = answer(&stranger, name, &input).await;
        assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "NOT_FOUND", "path": [path] }), "{name}: {refused}");
    }
    // The same key may be used in both.
    let made = stranger.must("projectCreate", "key", json!({ "key": ours.key, "name": "Theirs" })).await;
    assert_eq!(made["project"]["key"], ours.key);
    app.stop().await;
}
