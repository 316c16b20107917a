//! Every mutation does what it says, shows it, and says where it is in the log.

use super::commands::{SampleCommand, sample};
use super::{has, served_mutations};
use application::command::Command;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tests::app::{Client, How, TestApp};
use tests::database::TestDatabase;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_served_mutations_are_the_commands() {
    let app = TestApp::start().await;
    let served: BTreeSet<String> = served_mutations(&app.client).await.into_iter().collect();
    let commands: BTreeSet<String> = Command::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(served, commands);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_shows_its_effect_and_its_place_in_the_log() {
    let app = TestApp::start().await;
    for name in served_mutations(&app.client).await {
        let command_id = Uuid::now_v7();
        let sample = sample(&app.client, &name).await.with_command_id(command_id);
        let before = app.head();
        let payload = carried_out(&app.client, &sample).await;
        let position: i64 = payload["position"].as_str().and_then(|text| text.parse().ok()).expect("a position is a decimal string");
        assert!(position > before, "{name}: at {position}, and the log was at {before} already");

        let query =
            "query($a: Position) { events(after: $a, first: 1) { nodes { position aggregateId aggregateVersion commandId actor } } }";
        let event = app.client.data(query, json!({ "a": (position - 1).to_string() })).await["events"]["nodes"][0].clone();
        let expected = json!({ "position": payload["position"], "aggregateId": payload[sample.entity()]["id"], "commandId": command_id,
            "aggregateVersion": sample.version, "actor": app.client.caller.actor.0 });
        assert_eq!(event, expected, "{name}: the event at its position");
        assert_eq!(read_back(&app.client, &sample, &payload).await, expected_later(&sample, &payload), "{name}: read at its position");
    }
    app.stop().await;
}

/// Sends a command that must succeed and checks its payload.
async fn carried_out(client: &Client, sample: &SampleCommand) -> Value {
    let payload = client.must(&sample.name, sample.fields(), sample.input.clone()).await;
    let entity = &payload[sample.entity()];
    assert!(has(entity, &sample.shows), "{}: shows {entity:#}, and not {:#}", sample.name, sample.shows);
    assert_eq!(payload["version"], json!(sample.version), "{}: {payload:#}", sample.name);
    assert_eq!(entity["version"], json!(sample.version), "{}: {payload:#}", sample.name);
    assert_eq!(payload["replayed"], json!(false), "{}: {payload:#}", sample.name);
    payload
}

/// The entity as a query answers it from the payload's position on.
async fn read_back(client: &Client, sample: &SampleCommand, payload: &Value) -> Value {
    let (entity, fields) = (sample.entity(), sample.fields());
    let query = format!("query($i: ID!, $p: Position) {{ r: {entity}(id: $i, minPosition: $p) {{ {fields} }} }}");
    client.data(&query, json!({ "i": payload[entity]["id"], "p": payload["position"] })).await["r"].clone()
}

/// A deleted task is gone; everything else is as its payload showed it.
fn expected_later(sample: &SampleCommand, payload: &Value) -> Value {
    if sample.name == "taskDelete" { Value::Null } else { payload[sample.entity()].clone() }
}

/// An app whose read models never see anything: somebody else holds their leases and does nothing.
async fn app_without_read_models() -> TestApp {
    let database = Arc::new(TestDatabase::new().await);
    let names: Vec<String> = projections::runner::all().iter().map(|one| one.lease()).collect();
    let hold = "INSERT INTO milepost.leases SELECT name, gen_random_uuid(), 1, 'infinity' FROM unnest($1::text[]) name";
    sqlx::query(hold).bind(names).execute(&database.pool().await).await.expect("leases can be taken");
    TestApp::start_with(How { database: Some(database), settings: impatient(), ..How::default() }).await
}

fn impatient() -> Option<tests::app::Change> {
    Some(Box::new(|settings| settings.limits.position_wait_ms = 100))
}

/// From here on the read models see nothing more.
async fn stop_read_models(app: &TestApp) {
    app.settled().await;
    let take =
        "UPDATE milepost.leases SET holder = gen_random_uuid(), epoch = epoch + 1, expires_at = 'infinity' WHERE name LIKE 'projection/%'";
    let taken = sqlx::query(take).execute(&app.database.pool().await).await.expect("leases can be taken");
    assert_eq!(taken.rows_affected(), projections::runner::all().len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_show_their_effect_where_read_models_have_seen_nothing() {
    let app = app_without_read_models().await;
    for name in served_mutations(&app.client).await {
        let sample = sample(&app.client, &name).await;
        carried_out(&app.client, &sample).await;
    }
    assert!(app.core().run_context.progress.all().iter().all(|(_, position)| *position == Some(0)), "the read models stood still");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_show_their_effect_where_read_models_have_stopped() {
    let app = TestApp::start_with(How { settings: impatient(), ..How::default() }).await;
    let mut commands = vec![];
    for name in served_mutations(&app.client).await {
        commands.push(sample(&app.client, &name).await.with_command_id(Uuid::now_v7()));
    }
    stop_read_models(&app).await;
    for sample in &commands {
        let payload = carried_out(&app.client, sample).await;
        // Also a retry, which stored nothing itself.
        let mut again = app.client.must(&sample.name, sample.fields(), sample.input.clone()).await;
        assert_eq!(again["replayed"].take(), json!(true), "{}", sample.name);
        let mut first = payload;
        first["replayed"].take();
        assert_eq!(again, first, "{}: the answer to a retry", sample.name);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_nested_in_a_payload_waits_for_its_read_model() {
    let app = TestApp::start().await;
    for round in 0..20 {
        let project = app.client.project().await;
        let fields = "title project { taskCounts { total todo overdue } } schedule { id } comments { totalCount }";
        let due = json!({ "at": "2000-01-01T00:00:00Z" });
        let made = app.client.must("taskCreate", fields, json!({ "projectId": project, "title": "Here", "due": due })).await;
        let counts = &made["task"]["project"]["taskCounts"];
        assert_eq!(counts, &json!({ "total": 1, "todo": 1, "overdue": 1 }), "round {round}");
        let said = app.client.task(&project, "Talk").await;
        let said = app.client.must("taskComment", "comments { nodes { body author } }", json!({ "id": said, "body": "Hear" })).await;
        let expected = json!([{ "body": "Hear", "author": app.client.caller.actor.0 }]);
        assert_eq!(said["task"]["comments"]["nodes"], expected, "round {round}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_stands_still_costs_only_what_is_nested() {
    let app = app_without_read_models().await;
    let project = app.client.project().await;
    let query = "mutation($p: ID!) { taskCreate(input: { projectId: $p, title: \"Here\" }) {
        task { project { id } } position version userErrors { code } } }";
    let answer = app.client.ask(query, json!({ "p": project })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "POSITION_NOT_REACHED", "{answer}");
    assert_eq!(answer["errors"][0]["path"], json!(["taskCreate", "task", "project"]), "{answer}");
    assert_eq!(answer["data"]["taskCreate"], json!({ "task": null, "position": "2", "version": 1, "userErrors": [] }), "{answer}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_of_one_request_are_carried_out_in_order() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "0").await;
    let fields: String = (1..=15)
        .map(|number| format!("m{number}: taskUpdate(input: {{ id: \"{task}\", title: \"{number}\" }}) {{ task {{ title }} version }} "))
        .collect();
    let answers = app.client.data(&format!("mutation {{ {fields} }}"), json!({})).await;
    for number in 1..=15 {
        let expected = json!({ "task": { "title": number.to_string() }, "version": number + 1 });
        assert_eq!(answers[format!("m{number}")], expected);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_is_found_under_other_names_and_in_fragments() {
    let app = TestApp::start().await;
    let query = "mutation($p: ID!) { made: taskCreate(input: { projectId: $p, title: \"Here\" }) {
            ...answer ... on TaskPayload { at: position } } }
        fragment answer on TaskPayload { it: task { ...named } } fragment named on Task { name: title }";
    let answer = app.client.data(query, json!({ "p": app.client.project().await })).await;
    assert_eq!(answer, json!({ "made": { "it": { "name": "Here" }, "at": "2" } }));
    app.stop().await;
}
