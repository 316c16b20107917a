//! Questions about one thing: a project, a task, a schedule, any node, and the service itself.

use super::commands::key;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::app::{Client, How, TestApp};
use tests::kafka::TestTopics;
use tests::wait::until;
use uuid::Uuid;

/// A project, a task in it that fell due long ago, a comment, a schedule, a firing and an event: their ids by type.
async fn one_of_each(app: &TestApp) -> BTreeMap<&'static str, Value> {
    let client = &app.client;
    let project = json!(client.project().await);
    let due = json!({ "at": "2001-01-01T00:00:00Z" });
    let made = client.must("taskCreate", "id", json!({ "projectId": project, "title": "Late", "due": due })).await;
    let task = made["task"]["id"].clone();
    client.must("taskComment", "id", json!({ "id": task, "body": "Hear" })).await;
    let query = "query($t: ID!) { task(id: $t) { comments { nodes { id } } schedule { id firings { id } } }
        history(subjectId: $t, first: 1) { nodes { id } } }";
    let seen = until("the due date has fired", || async {
        let seen = client.data(query, json!({ "t": task })).await;
        let all = [&seen["task"]["schedule"]["firings"][0], &seen["task"]["comments"]["nodes"][0], &seen["history"]["nodes"][0]];
        all.iter().all(|one| one.is_object()).then_some(seen)
    })
    .await;
    app.settled().await;
    let schedule = &seen["task"]["schedule"];
    BTreeMap::from([
        ("Project", project),
        ("Task", task),
        ("Comment", seen["task"]["comments"]["nodes"][0]["id"].clone()),
        ("Schedule", schedule["id"].clone()),
        ("DeadlineFiring", schedule["firings"][0]["id"].clone()),
        ("Event", seen["history"]["nodes"][0]["id"].clone()),
    ])
}

async fn node(client: &Client, id: &Value) -> Value {
    let query = "query($i: ID!) { node(id: $i) { __typename id ... on Project { name } ... on Task { title } ... on Comment { body }
        ... on Schedule { state } ... on DeadlineFiring { kind schedule { id task { title } } } ... on Event { type } } }";
    client.data(query, json!({ "i": id })).await["node"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_whatever_has_the_id() {
    let app = TestApp::start().await;
    let ids = one_of_each(&app).await;
    let schema = app.client.data("{ __type(name: \"Node\") { possibleTypes { name } } }", json!({})).await;
    let possible = schema["__type"]["possibleTypes"].as_array().expect("types").clone();
    assert_eq!(possible.len(), ids.len(), "every kind of node is tried: {possible:?}");
    for (kind, more) in [
        ("Project", json!({ "name": "A project" })),
        ("Task", json!({ "title": "Late" })),
        ("Comment", json!({ "body": "Hear" })),
        ("Schedule", json!({ "state": "OVERDUE" })),
        ("DeadlineFiring", json!({ "kind": "OVERDUE", "schedule": { "id": ids["Schedule"], "task": { "title": "Late" } } })),
        ("Event", json!({ "type": "task_created" })),
    ] {
        let mut expected = more;
        expected["__typename"] = json!(kind);
        expected["id"] = ids[kind].clone();
        assert_eq!(node(&app.client, &ids[kind]).await, expected);
        let shouted = json!(ids[kind].as_str().expect("an id").to_uppercase());
        assert_eq!(node(&app.client, &shouted).await, expected, "an id in capitals is the same id");
    }
    assert_eq!(node(&app.client, &json!(Uuid::now_v7())).await, json!(null));
    assert_eq!(app.client.error("{ node(id: \"TASK-1\") { id } }", json!({})).await, "BAD_USER_INPUT");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_no_node_unless_it_still_answers() {
    let app = TestApp::start().await;
    let ids = one_of_each(&app).await;
    app.client.must("taskDelete", "id", json!({ "id": ids["Task"] })).await;
    app.settled().await;
    assert_eq!(node(&app.client, &ids["Task"]).await, json!(null));
    let done = app.client.must("projectDelete", "id", json!({ "id": ids["Project"] })).await;
    app.settled().await;
    assert_eq!(node(&app.client, &ids["Project"]).await["__typename"], "Project");
    let query = "query($p: ID!, $m: Position) { project(id: $p, minPosition: $m) { status } projects { totalCount }
        all: projects(filter: { status: [DELETED] }) { totalCount } }";
    let seen = app.client.data(query, json!({ "p": ids["Project"], "m": done["position"] })).await;
    assert_eq!(seen, json!({ "project": { "status": "DELETED" }, "projects": { "totalCount": 0 }, "all": { "totalCount": 1 } }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_is_found_by_id_or_by_key() {
    let app = TestApp::start().await;
    let key = key();
    let made = app.client.must("projectCreate", "id", json!({ "key": key, "name": "Found" })).await;
    let id = &made["project"]["id"];
    app.settled().await;
    let query = "query($i: ID!, $k: String!) { a: project(id: $i) { id key } b: project(key: $k) { id key } }";
    let expected = json!({ "id": id, "key": key });
    assert_eq!(app.client.data(query, json!({ "i": id, "k": key })).await, json!({ "a": expected, "b": expected }));
    let nothing = app.client.data(query, json!({ "i": Uuid::now_v7(), "k": "NOSUCHKEY" })).await;
    assert_eq!(nothing, json!({ "a": null, "b": null }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_found_by_id_and_by_every_key_it_has_or_had() {
    let app = TestApp::start().await;
    let (here, there) = (app.client.project().await, app.client.project().await);
    let made = app.client.must("taskCreate", "id key", json!({ "projectId": here, "title": "Wanderer" })).await;
    let mut keys = vec![made["task"]["key"].clone()];
    let id = &made["task"]["id"];
    for to in [&there, &here, &there] {
        let moved = app.client.must("taskMove", "key", json!({ "id": id, "projectId": to })).await;
        keys.push(moved["task"]["key"].clone());
    }
    app.settled().await;
    let query = "query($i: ID, $k: String) { task(id: $i, key: $k) { id key title project { id } } }";
    let expected = json!({ "task": { "id": id, "key": keys[3], "title": "Wanderer", "project": { "id": there } } });
    for key in &keys {
        assert_eq!(app.client.data(query, json!({ "k": key })).await, expected, "{key}");
    }
    assert_eq!(app.client.data(query, json!({ "i": id })).await, expected);
    let distinct: std::collections::BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    assert_eq!(distinct.len(), 4, "no key is given twice: {keys:?}");
    for unknown in ["NOSUCH-1", "NOSUCH", "-1", "", "T-99999999999999999999", "T-0", "a-1", "\u{0}"] {
        assert_eq!(app.client.data(query, json!({ "k": unknown })).await, json!({ "task": null }), "{unknown:?}");
    }
    app.client.must("taskDelete", "id", json!({ "id": id })).await;
    app.settled().await;
    for key in &keys {
        assert_eq!(app.client.data(query, json!({ "k": key })).await, json!({ "task": null }), "{key}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_way_to_name_a_thing_is_given() {
    let app = TestApp::start().await;
    let id = Uuid::now_v7();
    for field in ["project", "task"] {
        for arguments in ["(minPosition: 0)".to_owned(), format!("(id: \"{id}\", key: \"K\")"), "(id: null, key: null)".to_owned()] {
            let refused = app.client.ask(&format!("{{ {field}{arguments} {{ id }} }}"), json!({})).await;
            let error = &refused["errors"][0];
            assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "path": ["id"] }), "{field}{arguments}: {refused}");
            assert_eq!(error["message"], "give exactly one of id and key");
            assert_eq!(error["path"], json!([field]));
        }
        assert_eq!(app.client.data(&format!("{{ {field}(id: null, key: \"K\") {{ id }} }}"), json!({})).await, json!({ field: null }));
        assert_eq!(app.client.error(&format!("{{ {field}(id: \"K\") {{ id }} }}"), json!({})).await, "BAD_USER_INPUT");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_answers_also_when_deleted() {
    let app = TestApp::start().await;
    let due = json!({ "date": "2031-06-15", "timeZone": "Asia/Kathmandu" });
    let made = app.client.must("scheduleCreate", "id", json!({ "title": "Milestone", "due": due })).await;
    let id = &made["schedule"]["id"];
    app.client.must("scheduleDelete", "id", json!({ "id": id })).await;
    app.settled().await;
    let query = "query($i: ID!) { schedule(id: $i) { title state project { id } task { id } due { at date timeZone } nextFireAt } }";
    let expected = json!({ "title": "Milestone", "state": "DELETED", "project": null, "task": null, "nextFireAt": null,
        "due": { "at": "2031-06-15T18:15:00.000Z", "date": "2031-06-15", "timeZone": "Asia/Kathmandu" } });
    assert_eq!(app.client.data(query, json!({ "i": id })).await["schedule"], expected);
    assert_eq!(app.client.data(query, json!({ "i": Uuid::now_v7() })).await["schedule"], json!(null));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_says_how_it_is_doing() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    app.client.task(&project, "Here").await;
    app.settled().await;
    let query = "{ serviceStatus { position projections { name version position lagEvents } relay { mode position lagEvents } } }";
    let seen = app.client.data(query, json!({})).await["serviceStatus"].clone();
    let names: Vec<&str> = projections::runner::all().iter().map(|projection| projection.name()).collect();
    let mut found: Vec<Value> = seen["projections"].as_array().expect("a list").clone();
    found.sort_by_key(|one| names.iter().position(|name| one["name"] == *name));
    let expected: Vec<Value> = names.iter().map(|name| json!({ "name": name, "version": 1, "position": "2", "lagEvents": 0 })).collect();
    assert_eq!(found, expected);
    assert_eq!(seen["relay"], json!({ "mode": "off", "position": null, "lagEvents": null }));
    assert_eq!(seen["position"], "2");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_says_how_far_kafka_is() {
    let app = TestApp::start_with(How { topics: Some(TestTopics::new()), ..How::default() }).await;
    app.client.project().await;
    let relay = until("the event is on Kafka", || async {
        let seen = app.client.data("{ serviceStatus { relay { mode position lagEvents } } }", json!({})).await;
        let relay = seen["serviceStatus"]["relay"].clone();
        (relay["position"] == "1").then_some(relay)
    })
    .await;
    assert_eq!(relay, json!({ "mode": "exactly_once", "position": "1", "lagEvents": 0 }));
    app.stop().await;
}
