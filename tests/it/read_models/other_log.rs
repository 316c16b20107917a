//! Rows that were not made from the log that is there: they are named and built anew, and never told.

use super::{live, plant};
use application::caller::Role;
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use tests::app::{Client, How, TestApp};
use tests::builders;
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::{until, until_true};
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");

/// A node on a database, in a workspace, that does not wait long for read models.
async fn node(database: &Arc<TestDatabase>, workspace: Uuid) -> TestApp {
    let settings: tests::app::Change = Box::new(|settings| settings.limits.position_wait_ms = 200);
    TestApp::start_with(How {
        database: Some(Arc::clone(database)),
        workspace: Some(workspace),
        settings: Some(settings),
        ..How::default()
    })
    .await
}

async fn names(app: &TestApp, kind: &str) -> Vec<String> {
    let (_, body) = app.client.get("/readyz").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let all = body[kind].as_array().expect("a list");
    all.iter().map(|one| format!("{}: {}", one["name"].as_str().unwrap_or_default(), one["message"].as_str().unwrap_or_default())).collect()
}

/// What is planted makes the rows of the task list those of another log; they hold a task that no event tells of.
async fn is_built_anew(sql: &str) {
    let (database, workspace) = (Arc::new(TestDatabase::new().await), Uuid::now_v7());
    let pool: PgPool = database.pool().await;
    let before = node(&database, workspace).await;
    let project = before.client.project().await;
    let task = before.client.task(&project, "A task").await;
    before.settled().await;
    before.stop().await;
    plant(&pool, "UPDATE milepost.task_list_v1 SET title = 'Never so'").await;
    plant(&pool, sql).await;
    // Somebody reads the table, so it cannot be dropped at once.
    let mut reading = pool.begin().await.expect("a transaction");
    reading.execute("SELECT FROM milepost.task_list").await.expect("a superuser may");

    let app = node(&database, workspace).await;
    let query = "{ tasks { nodes { title } } }";
    assert_eq!(app.client.error(query, json!({})).await, "UNAVAILABLE");
    let notices = names(&app, "notices").await;
    assert!(notices.iter().any(|notice| notice.starts_with("read_model_of_other_log: ") && notice.contains("task_list")), "{notices:?}");
    let problems = names(&app, "problems").await;
    assert!(problems.iter().any(|problem| problem.starts_with("read_model_building: ") && problem.contains("task_list")), "{problems:?}");
    let known = app.client.data("{ serviceStatus { projections { name } } }", json!({})).await;
    assert!(known.to_string().contains("schedules") && !known.to_string().contains("task_list"), "how far it is is unknown: {known}");
    // What a command changed is not shown by such rows either.
    let change =
        "mutation($id: ID!) { taskUpdate(input: { id: $id, description: \"Changed\" }) { position task { title } userErrors { code } } }";
    let changed = app.client.ask(change, json!({ "id": task })).await;
    assert_eq!(changed["data"]["taskUpdate"], json!({ "position": "3", "task": null, "userErrors": [] }), "{changed}");
    assert_eq!(changed["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{changed}");
    // The others answer.
    assert_eq!(app.client.data("{ projects { totalCount } }", json!({})).await["projects"]["totalCount"], 1);
    reading.rollback().await.expect("it ends");
    let titles = until("it is built anew", || async {
        let answer = app.client.ask(query, json!({})).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert!(code.is_none_or(|code| code == "UNAVAILABLE"), "{answer}");
        code.is_none().then(|| answer["data"]["tasks"]["nodes"].clone())
    })
    .await;
    assert_eq!(titles, json!([{ "title": "A task" }]));
    assert_eq!(live(&pool, "task_list").await, (1, 3), "the one before is gone");
    until("nothing is left to tell", || async {
        (names(&app, "notices").await.is_empty() && names(&app, "problems").await.is_empty()).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_version_of_another_log_is_named_and_costs_no_lease() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let mut before = Process::start(PROGRAM, Run::serve(&database.url));
    let client = Client::new(&before.address().await, Uuid::nil(), Uuid::nil(), Role::Owner);
    client.project().await;
    until("it is written", || async { (live(&pool, "task_list").await.1 == 1).then_some(()) }).await;
    before.kill().await;
    plant(&pool, "UPDATE milepost.projections SET event_id = gen_random_uuid() WHERE name = 'task_list'").await;
    let mut reading = pool.begin().await.expect("a transaction");
    reading.execute("SELECT count(*) AS somebody_reads FROM milepost.task_list").await.expect("a superuser may");
    let mut node = Process::start(PROGRAM, Run::serve(&database.url));
    let waits = "a version that is not of this log waits to be dropped";
    let said = node.said(waits).await;
    assert!(said.contains("somebody_reads"), "{said}");
    // Pauses grow: by then they have lasted longer than a worker may be without a sign of progress.
    until_true("it was tried again and again", || node.log().matches(waits).count() >= 5).await;
    assert!(!node.log().contains("no progress although there is work"), "{}", node.log());
    reading.rollback().await.expect("it ends");
    until("it is built anew", || async { (live(&pool, "task_list").await == (1, 1)).then_some(()) }).await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_ahead_of_the_log_is_built_anew() {
    is_built_anew("UPDATE milepost.projections SET position = 5000000000000000000 WHERE name = 'task_list'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_at_a_position_where_the_log_has_another_event_is_built_anew() {
    is_built_anew("UPDATE milepost.projections SET event_id = gen_random_uuid() WHERE name = 'task_list'").await;
}

/// The node has the event in memory, and the log has another one in its place when the rows are to be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_the_log_does_not_hold_any_more_becomes_no_row() {
    let app = TestApp::start().await;
    let caller = app.client.caller;
    let project = builders::project(&app.core().application, caller).await;
    app.settled().await;
    let pool = app.database.pool().await;
    let mut held = pool.begin().await.expect("a transaction");
    held.execute("LOCK TABLE milepost.projections IN ACCESS EXCLUSIVE MODE").await.expect("a superuser may");
    builders::task(&app.core().application, caller, project, "Lost").await;
    until("a batch is to be written", || async {
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
                     AND application_name LIKE 'milepost projector%' AND query LIKE 'UPDATE milepost.projections SET position%')";
        sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.expect("activity can be read").then_some(())
    })
    .await;
    let replaced = "SET LOCAL session_replication_role = replica; \
                    UPDATE milepost.events SET event_id = gen_random_uuid(), payload = replace(payload::text, 'Lost', 'There')::json \
                    WHERE position = 2";
    held.execute(replaced).await.expect("a superuser may");
    held.commit().await.expect("the hold ends");
    until("the event that is there is taken in", || async {
        let answer = app.client.ask("{ tasks { nodes { title } } }", json!({})).await;
        (answer["data"]["tasks"]["nodes"] == json!([{ "title": "There" }])).then_some(())
    })
    .await;
    for projection in projections::runner::all() {
        let compared = projection.verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal, "{}: {compared:?}", projection.name());
    }
    app.stop().await;
}
