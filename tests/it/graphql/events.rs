//! The log as GraphQL shows it: all events of a workspace, and the history of one thing.

use super::commands::key;
use serde_json::{Value, json};
use tests::app::{Client, TestApp};
use uuid::Uuid;

/// What of events is compared here.
const FIELDS: &str =
    "nodes { position type aggregateType aggregateId aggregateVersion actor } pageInfo { hasNextPage hasPreviousPage endCursor }";

/// Five events of one person and two of another, in this order, on a project and two tasks.
async fn story(app: &TestApp) -> (Client, [String; 3]) {
    let other = app.client.with_role(app.client.caller.role);
    let project = app.client.must("projectCreate", "id", json!({ "key": key(), "name": "A story" })).await["project"]["id"].clone();
    let project = project.as_str().expect("an id").to_owned();
    let first = app.client.task(&project, "First").await;
    let second = other.task(&project, "Second").await;
    app.client.must("taskUpdate", "id", json!({ "id": first, "title": "Again", "tags": ["a"] })).await;
    other.must("taskAssign", "id", json!({ "id": first, "userId": other.caller.actor.0 })).await;
    app.client.must("taskComplete", "id", json!({ "id": first })).await;
    app.client.must("taskDelete", "id", json!({ "id": second })).await;
    app.settled().await;
    (other, [project, first, second])
}

async fn positions(client: &Client, variables: Value) -> Vec<i64> {
    let query = format!("query($a: Position, $n: Int, $f: EventFilter) {{ events(after: $a, first: $n, filter: $f) {{ {FIELDS} }} }}");
    let seen = client.data(&query, variables).await;
    let nodes = seen["events"]["nodes"].as_array().expect("a list").clone();
    nodes.iter().map(|node| node["position"].as_str().and_then(|text| text.parse().ok()).expect("a decimal string")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_given_in_order_and_by_pages() {
    let app = TestApp::start().await;
    story(&app).await;
    assert_eq!(positions(&app.client, json!({})).await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(positions(&app.client, json!({ "a": "4" })).await, [5, 6, 7]);
    assert_eq!(positions(&app.client, json!({ "a": "2", "n": 3 })).await, [3, 4, 5]);
    assert_eq!(positions(&app.client, json!({ "n": 0 })).await, [0_i64; 0]);
    assert_eq!(positions(&app.client, json!({ "a": "9007199254740993" })).await, [0_i64; 0]);
    // Page by page, the cursor being the position.
    let query = format!("query($a: Position) {{ events(after: $a, first: 3) {{ edges {{ cursor node {{ position }} }} {FIELDS} }} }}");
    let (mut after, mut pages) = (json!(null), vec![]);
    loop {
        let page = app.client.data(&query, json!({ "a": after })).await["events"].clone();
        for edge in page["edges"].as_array().expect("a list") {
            assert_eq!(edge["cursor"], edge["node"]["position"]);
        }
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
        after = page["pageInfo"]["endCursor"].clone();
        pages.push(page["nodes"].as_array().expect("a list").len());
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(pages, [3, 3, 1]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_filtered_by_everything_that_is_given() {
    let app = TestApp::start().await;
    let (other, [project, first, _]) = story(&app).await;
    let (far, long_ago) = ("2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z");
    for (filter, expected) in [
        (json!({}), vec![1, 2, 3, 4, 5, 6, 7]),
        (json!({ "type": ["task_created"] }), vec![2, 3]),
        (json!({ "type": ["task_created", "task_deleted", "never_heard_of"] }), vec![2, 3, 7]),
        (json!({ "type": [] }), vec![]),
        (json!({ "aggregateType": ["project"] }), vec![1]),
        (json!({ "aggregateType": ["project", "task"], "aggregateId": first }), vec![2, 4, 5, 6]),
        (json!({ "aggregateId": project }), vec![1]),
        (json!({ "aggregateId": Uuid::now_v7() }), vec![]),
        (json!({ "actor": other.caller.actor.0 }), vec![3, 5]),
        (json!({ "actor": other.caller.actor.0, "type": ["task_assigned"] }), vec![5]),
        (json!({ "recordedAt": { "lt": far, "gt": long_ago } }), vec![1, 2, 3, 4, 5, 6, 7]),
        (json!({ "recordedAt": { "gte": far } }), vec![]),
    ] {
        assert_eq!(positions(&app.client, json!({ "f": filter })).await, expected, "{filter}");
    }
    let wrong = json!({ "f": { "aggregateId": "not a UUID" } });
    let refused = app.client.ask("query($f: EventFilter) { events(filter: $f) { nodes { id } } }", wrong).await;
    assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "BAD_USER_INPUT", "path": ["filter", "aggregateId"] }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_says_who_did_what_when_and_why() {
    let app = TestApp::start().await;
    let (command_id, person) = (Uuid::now_v7(), app.client.caller.actor.0);
    let project = app.client.project().await;
    let input = json!({ "commandId": command_id, "projectId": project, "title": "Told" });
    let task = app.client.must("taskCreate", "id key createdAt", input).await["task"].clone();
    let query = "{ events(after: \"1\") { nodes { id position type aggregateType aggregateId aggregateVersion occurredAt recordedAt actor
        correlationId causationId commandId summary data } } }";
    let event = app.client.data(query, json!({})).await["events"]["nodes"][0].clone();
    let expected = json!({ "position": "2", "type": "task_created", "aggregateType": "task", "aggregateId": task["id"],
        "aggregateVersion": 1, "actor": person, "commandId": command_id, "causationId": null, "occurredAt": task["createdAt"] });
    assert!(super::has(&event, &expected), "{event:#}");
    assert_eq!((&event["data"]["title"], &event["data"]["project_id"]), (&json!("Told"), &json!(project)), "{event:#}");
    assert!(event["summary"].as_str().is_some_and(|summary| summary.contains("Told")), "{event:#}");
    for id in ["id", "correlationId"] {
        assert!(event[id].as_str().is_some_and(|id| Uuid::parse_str(id).is_ok()), "{id}: {event:#}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_a_thing_has_its_events_and_no_others() {
    let app = TestApp::start().await;
    let (_, [project, first, second]) = story(&app).await;
    let query = format!("query($s: ID!, $a: Position, $n: Int) {{ history(subjectId: $s, after: $a, first: $n) {{ {FIELDS} }} }}");
    for (subject, after, first_rows, expected) in [
        (&first, json!(null), json!(null), vec!["task_created", "task_updated", "task_assigned", "task_completed"]),
        (&first, json!("2"), json!(2), vec!["task_updated", "task_assigned"]),
        (&first, json!("6"), json!(null), vec![]),
        (&second, json!(null), json!(null), vec!["task_created", "task_deleted"]),
        (&project, json!(null), json!(null), vec!["project_created"]),
    ] {
        let seen = app.client.data(&query, json!({ "s": subject, "a": after, "n": first_rows })).await;
        let types: Vec<&str> =
            seen["history"]["nodes"].as_array().expect("a list").iter().filter_map(|node| node["type"].as_str()).collect();
        assert_eq!(types, expected);
    }
    let nothing = app.client.data(&query, json!({ "s": Uuid::now_v7() })).await;
    assert_eq!(nothing["history"]["nodes"], json!([]));
    assert_eq!(app.client.error(&query, json!({ "s": "PRJ-1" })).await, "BAD_USER_INPUT");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_correlation_id_stands_in_its_events() {
    let app = TestApp::start().await;
    let correlation_id = Uuid::new_v4().to_string();
    let query = "mutation { projectCreate(input: { key: \"CORR\", name: \"Correlated\" }) { position } }";
    let (status, answer) = app.client.raw(super::body(query, &json!({})), &[("x-correlation-id", &correlation_id)]).await;
    assert_eq!((status, &answer["data"]["projectCreate"]["position"]), (200, &json!("1")));
    let seen = app.client.data("{ events { nodes { correlationId } } }", json!({})).await;
    assert_eq!(seen["events"]["nodes"][0]["correlationId"], json!(correlation_id));
    let (status, refused) = app.client.raw(super::body("{ __typename }", &json!({})), &[("x-correlation-id", "mine")]).await;
    assert_eq!((status, &refused["errors"][0]["extensions"]["code"]), (400, &json!("BAD_USER_INPUT")));
    app.stop().await;
}
