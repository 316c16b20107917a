//! An event is shown in one shape, wherever it is read.

use super::{MILEPOST, Scene};
use crate::command_line::story::{every_command, file_of};
use application::caller::Role;
use chrono::{TimeDelta, Utc};
use domain::event::AggregateType;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tests::app::Client;
use tests::process::{Run, run};
use tests::wait::until;
use uuid::Uuid;

/// The data of each event by its id, with its type.
type Shown = BTreeMap<String, (String, Value)>;

/// Sends commands of every kind, and what makes a deadline approach, pass, and be opened again.
async fn play(scene: &Scene, client: &Client) {
    let workspace = client.caller.workspace.0.to_string();
    let mut import = Run::of(&["import", "-", "--workspace", &workspace, "--rejects", "/dev/stderr"]);
    import.environment = scene.environment();
    let imported = run(MILEPOST, import, Some(&file_of(&every_command()))).await;
    assert_eq!(imported.status, 0, "{}{}", imported.stdout, imported.stderr);

    let tomorrow = (Utc::now() + TimeDelta::days(1)).to_rfc3339();
    let milestone = json!({ "title": "Soon", "due": { "at": tomorrow }, "thresholds": [{ "amount": 2, "unit": "DAYS" }] });
    client.must("scheduleCreate", "id", milestone).await;
    let project = client.project().await;
    let due = json!({ "at": "2024-01-01T00:00:00Z" });
    let task = json!({ "projectId": project, "title": "Late", "due": due, "assigneeIds": [client.caller.actor.0] });
    let task = client.must("taskCreate", "id", task).await["task"]["id"].clone();
    follower_is(client, &task, "OVERDUE").await;
    client.must("taskComplete", "id", json!({ "id": task })).await;
    follower_is(client, &task, "MET").await;
    client.must("taskReopen", "id", json!({ "id": task })).await;
    follower_is(client, &task, "OVERDUE").await;
}

/// Returns once the schedule that follows a task is in this state.
async fn follower_is(client: &Client, task: &Value, state: &str) {
    let query = "query($t: ID!) { task(id: $t) { schedule { state } } }";
    let reached = || async { (client.data(query, json!({ "t": task })).await["task"]["schedule"]["state"] == state).then_some(()) };
    until("the schedule follows its task", reached).await;
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

async fn by_graphql(client: &Client) -> Shown {
    let query = "query($a: Position) { events(after: $a, first: 50) { nodes { id type data } pageInfo { hasNextPage endCursor } } }";
    let (mut shown, mut after) = (Shown::new(), Value::Null);
    loop {
        let page = client.data(query, json!({ "a": after })).await["events"].clone();
        let nodes = page["nodes"].as_array().expect("a list").iter();
        shown.extend(nodes.map(|event| (text(&event["id"]), (text(&event["type"]), event["data"].clone()))));
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return shown;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn by_the_command_line(scene: &Scene, client: &Client) -> Shown {
    let workspace = client.caller.workspace.0.to_string();
    let printed = scene.milepost(&["events", "tail", "--json", "--after", "0", "--workspace", &workspace]).await;
    assert_eq!(printed.status, 0, "{}", printed.stderr);
    let events = printed.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.map(|event| (text(&event["event_id"]), (text(&event["event_type"]), event["data"].clone()))).collect()
}

async fn by_kafka(scene: &Scene, client: &Client) -> Shown {
    let records = scene.topics.records().await.into_iter().map(|record| record.value);
    let ours = records.filter(|event| event["workspace_id"] == json!(client.caller.workspace.0));
    ours.map(|event| (text(&event["event_id"]), (text(&event["event_type"]), event["data"].clone()))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_has_the_same_data_in_graphql_on_the_command_line_and_on_kafka() {
    let scene = Scene::new(0).await;
    let mut node = scene.node("");
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    play(&scene, &client).await;
    let all: BTreeSet<&str> = AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().collect();
    let every_type = || async {
        let shown = by_graphql(&client).await;
        let types: BTreeSet<&str> = shown.values().map(|(event_type, _)| event_type.as_str()).collect();
        (types == all).then_some(shown)
    };
    let shown = until("events of every type are in the log", every_type).await;
    let told = |name: &str, field: &str| -> BTreeSet<String> {
        let events = shown.values().filter(|(event_type, _)| event_type == name);
        events.map(|(_, data)| data[field].to_string()).collect()
    };
    for name in ["deadline_overdue", "deadline_met"] {
        // Without a query more it is known whom to remind, and of what.
        assert!(told(name, "assignee_ids").contains(&json!([client.caller.actor.0]).to_string()), "{shown:#?}");
        assert!(told(name, "task_key").iter().any(|key| key.ends_with("-1\"")), "{shown:#?}");
        assert!(told(name, "project_key").iter().any(|key| key.starts_with("\"T")), "{shown:#?}");
    }
    // What comes later is compared with nothing.
    let those_shown = |mut others: Shown| {
        others.retain(|id, _| shown.contains_key(id));
        (others.len() == shown.len()).then_some(others)
    };
    assert_eq!(those_shown(by_the_command_line(&scene, &client).await).as_ref(), Some(&shown));
    let published = until("they are on Kafka", || async { those_shown(by_kafka(&scene, &client).await) }).await;
    assert_eq!(published, shown);
    node.kill().await;
}
