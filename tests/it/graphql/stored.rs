//! A command that is stored is answered as stored, also where what it changed cannot be read.

use super::commands::{SampleCommand, sample};
use super::served_mutations;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tests::app::{Client, How, TestApp, input_type};
use uuid::Uuid;

/// The views that payloads read from, under a name by which nobody asks, and back.
const HIDE: &str = "ALTER VIEW milepost.project_overview RENAME TO hidden_projects; ALTER VIEW milepost.task_list RENAME TO hidden_tasks; \
                    ALTER VIEW milepost.schedules RENAME TO hidden_schedules";
const SHOW: &str = "ALTER VIEW milepost.hidden_projects RENAME TO project_overview; ALTER VIEW milepost.hidden_tasks RENAME TO task_list; \
                    ALTER VIEW milepost.hidden_schedules RENAME TO schedules";
/// Lets every read of them wait.
const HOLD: &str = "BEGIN; LOCK TABLE milepost.project_overview, milepost.task_list, milepost.schedules IN ACCESS EXCLUSIVE MODE";

/// The whole answer, with the entity under a name of the client's.
async fn answer(client: &Client, sample: &SampleCommand) -> Value {
    let query = format!(
        "mutation($i: {}!) {{ r: {}(input: $i) {{ it: {} {{ id }} userErrors {{ code }} position version replayed }} }}",
        input_type(&sample.name),
        sample.name,
        sample.entity()
    );
    client.ask(&query, json!({ "i": sample.input })).await
}

/// The command is stored, and the answer says so; where the entity is not shown, it says that this is all that is missing.
fn assert_stored(answer: &Value, sample: &SampleCommand, position: i64, replayed: bool) {
    let (payload, name) = (&answer["data"]["r"], &sample.name);
    let expected = (json!(position.to_string()), json!(sample.version), json!(replayed), json!([]));
    let said = (payload["position"].clone(), payload["version"].clone(), payload["replayed"].clone(), payload["userErrors"].clone());
    assert_eq!(said, expected, "{name}: {answer}");
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    if payload["it"].is_null() {
        assert_eq!(errors.len(), 1, "{name}: {answer}");
        assert_eq!(
            (&errors[0]["path"], &errors[0]["extensions"]["code"]),
            (&json!(["r", "it"]), &json!("UNAVAILABLE")),
            "{name}: {answer}"
        );
        let message = errors[0]["message"].as_str().unwrap_or_default();
        let said = format!("the command is stored at position {position} with version {}", sample.version);
        assert!(message.starts_with(&said) && message.contains("do not send it again"), "{name}: {message}");
    } else {
        assert_eq!(errors.len(), 0, "{name}: {answer}");
    }
}

/// Where the events of a command end: reactions may have added their own.
async fn end_of(app: &TestApp, command: Uuid) -> i64 {
    let sql = "SELECT position + unit_size - 1 FROM milepost.events WHERE command_id = $1";
    sqlx::query_scalar(sql).bind(command).fetch_one(&app.database.pool().await).await.expect("the command is stored")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_that_is_stored_is_answered_also_where_its_entity_cannot_be_read() {
    let app = TestApp::start().await;
    let sql = app.database.pool().await;
    let mut shown = vec![];
    for name in served_mutations(&app.client).await {
        let id = Uuid::now_v7();
        let sample = sample(&app.client, &name).await.with_command_id(id);
        sql.execute(sqlx::raw_sql(HIDE)).await.expect("views can be renamed");
        let first = answer(&app.client, &sample).await;
        let again = answer(&app.client, &sample).await;
        sql.execute(sqlx::raw_sql(SHOW)).await.expect("views can be renamed");
        let position = end_of(&app, id).await;
        assert_stored(&first, &sample, position, false);
        assert_stored(&again, &sample, position, true);
        assert!(again["data"]["r"]["it"].is_null(), "{name}: the test shows nothing");
        if !first["data"]["r"]["it"].is_null() {
            shown.push(name);
        }
    }
    // What a creation made is known from its events alone.
    shown.sort();
    assert_eq!(shown, ["projectCreate", "scheduleCreate", "taskCreate"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_answered_in_time_also_where_reading_its_entity_takes_for_ever() {
    let settings = |settings: &mut infrastructure::config::Settings| settings.limits.timeout_ms = 4_000;
    let app = TestApp::start_with(How { settings: Some(Box::new(settings)), ..How::default() }).await;
    let mut holder = PgConnection::connect(&app.database.url).await.expect("the database is there");
    for name in ["projectUpdate", "taskUpdate", "scheduleUpdate"] {
        let id = Uuid::now_v7();
        let sample = sample(&app.client, name).await.with_command_id(id);
        holder.execute(HOLD).await.expect("the tables can be held");
        let held = answer(&app.client, &sample).await;
        holder.execute("ROLLBACK").await.expect("the tables can be let go");
        assert!(held["data"]["r"]["it"].is_null(), "{name}: the test shows nothing");
        assert_stored(&held, &sample, end_of(&app, id).await, false);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_time_runs_out_the_error_names_the_commands_that_are_stored() {
    let settings = |settings: &mut infrastructure::config::Settings| settings.limits.timeout_ms = 4_000;
    let app = TestApp::start_with(How { settings: Some(Box::new(settings)), ..How::default() }).await;
    let (project, stored) = (app.client.project().await, app.head());
    let mut holder = PgConnection::connect(&app.database.url).await.expect("the database is there");
    holder.execute(HOLD).await.expect("the tables can be held");
    // What a creation made is known, but its project is read, and waits for ever; so the third is never begun.
    let query = "mutation($p: ID!) { a: taskCreate(input: { projectId: $p, title: \"One\" }) { position } \
        b: taskCreate(input: { projectId: $p, title: \"Two\" }) { task { id project { key } } position } \
        c: taskCreate(input: { projectId: $p, title: \"Three\" }) { position } }";
    let answer = app.client.ask(query, json!({ "p": project })).await;
    holder.execute("ROLLBACK").await.expect("the tables can be let go");
    let events = super::command_ids::own_events(&app, stored).await;
    assert_eq!(events, json!([{ "type": "task_created" }, { "type": "task_created" }]));
    let named = |path: &str, position: i64| json!({ "path": [path], "position": position.to_string(), "version": 1, "replayed": false });
    let expected = json!({ "code": "UNAVAILABLE", "stored": [named("a", stored + 1), named("b", stored + 2)] });
    assert_eq!(answer["errors"][0]["extensions"], expected, "{answer}");
    app.stop().await;
}
