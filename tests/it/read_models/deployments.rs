//! Programs with other rules come and go: read models are built behind the ones before, and nobody finds an empty page.

use super::runner::closed_gate;
use super::{content, live, plant, projection};
use nix::sys::signal::Signal;
use projections::registry::{VersionState, versions};
use serde_json::json;
use sqlx::{Connection, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tests::app::{Client, How, TestApp};
use tests::database::TestDatabase;
use tests::process::{Output, Process, Run, run};
use tests::wait::{until, until_true};

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");

pub(super) async fn projections(database: &TestDatabase, arguments: &[&str]) -> Output {
    run(PROGRAM, command(database, arguments), None).await
}

pub(super) fn command(database: &TestDatabase, arguments: &[&str]) -> Run<'static> {
    let mut how = Run::of(&[&["projections"], arguments].concat());
    how.environment.push(("DATABASE_URL", database.url.clone()));
    how
}

/// Lets changes of versions wait until the gate opens.
pub(super) fn wait_at_gate(which: &str) -> String {
    format!(
        "CREATE FUNCTION milepost.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
         CREATE TRIGGER gate BEFORE UPDATE ON milepost.projections FOR EACH ROW WHEN ({which})
           EXECUTE FUNCTION milepost.wait_at_gate()"
    )
}

/// The task list as a program with other rules would have left it.
async fn made_by_other_rules(pool: &PgPool, rules: i32) {
    plant(pool, &format!("UPDATE milepost.projections SET shape = 'other', rules = {rules} WHERE name = 'task_list'")).await;
    plant(pool, "UPDATE milepost.task_list_v1 SET title = 'By other rules'").await;
}

/// A stopped service with one task.
async fn one_task() -> (Arc<TestDatabase>, Client) {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    app.client.task(&project, "By these rules").await;
    app.settled().await;
    let (database, client) = (Arc::clone(&app.database), app.client.clone());
    app.stop().await;
    (database, client)
}

async fn again(database: &Arc<TestDatabase>, before: &Client) -> TestApp {
    let workspace = Some(before.caller.workspace.0);
    TestApp::start_with(How { database: Some(Arc::clone(database)), workspace, ..How::default() }).await
}

pub(super) async fn title(client: &Client) -> String {
    let found = client.data("{ tasks { nodes { title } } }", json!({})).await;
    found["tasks"]["nodes"][0]["title"].as_str().expect("a page that is not empty").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_rules_are_built_behind_the_old_version_and_no_page_is_empty() {
    let (database, client) = one_task().await;
    let pool = database.pool().await;
    made_by_other_rules(&pool, 0).await;
    // The build waits at its first batch, as a long one would.
    let gate = closed_gate(&database).await;
    plant(&pool, &wait_at_gate("NEW.state = 'building'")).await;
    let app = again(&database, &client).await;
    let problem = until("it says that it builds", || async {
        let (status, body) = app.client.get("/readyz").await;
        (status == 503 && body.contains("being built")).then_some(body)
    })
    .await;
    assert!(problem.contains("the read model task_list is being built for this program: position 0 of 2"), "{problem}");
    assert_eq!(title(&app.client).await, "By other rules");
    gate.close().await.expect("the gate opens");
    until("the new version is live", || async { (live(&pool, "task_list").await.0 == 2).then_some(()) }).await;
    assert_eq!(title(&app.client).await, "By these rules");
    until("it is ready", || async { (app.client.get("/readyz").await.0 == 200).then_some(()) }).await;
    // From here on it is kept up to date.
    app.client.project().await;
    app.settled().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_is_new_to_a_full_log_is_built_before_it_answers() {
    let (database, client) = one_task().await;
    let pool = database.pool().await;
    plant(
        &pool,
        "DELETE FROM milepost.projections WHERE name = 'task_list'; DROP VIEW milepost.task_list; DROP TABLE milepost.task_list_v1",
    )
    .await;
    let app = again(&database, &client).await;
    let answer = until("it answers", || async {
        let answer = app.client.ask("{ tasks { nodes { title } } }", json!({})).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert!(code.is_none_or(|code| code == "UNAVAILABLE"), "{answer}");
        code.is_none().then_some(answer)
    })
    .await;
    assert_eq!(answer["data"]["tasks"]["nodes"], json!([{ "title": "By these rules" }]), "an empty page was shown");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_program_has_built_is_left_to_it() {
    let (database, client) = one_task().await;
    let pool = database.pool().await;
    made_by_other_rules(&pool, 99).await;
    let app = again(&database, &client).await;
    let notice = until("it says so", || async {
        let (_, body) = app.client.get("/readyz").await;
        body.contains("read_model_of_other_rules").then_some(body)
    })
    .await;
    assert!(notice.contains("version 1 of the read model task_list was built by other rules than this node's"), "{notice}");
    let project = app.client.project().await;
    until("others go on", || async { (live(&pool, "project_overview").await.1 == 3).then_some(()) }).await;
    app.client.task(&project, "For the newer program").await;
    until("others go on", || async { (live(&pool, "activity").await.1 == 4).then_some(()) }).await;
    assert_eq!((live(&pool, "task_list").await, title(&app.client).await), ((1, 2), "By other rules".to_owned()));
    let refused = projections(&database, &["verify", "task_list"]).await;
    assert_eq!((refused.status, refused.stderr.contains("other rules")), (1, true), "{}", refused.stderr);
    // What that program has parked is for it to try again.
    plant(
        &pool,
        "INSERT INTO milepost.projection_dead_letters (name, version, position, aggregate_id, event_type, error) \
         SELECT 'task_list', 1, position, aggregate_id, event_type, 'planted' FROM milepost.events WHERE position = 2",
    )
    .await;
    let task: String =
        sqlx::query_scalar("SELECT aggregate_id FROM milepost.events WHERE position = 2").fetch_one(&pool).await.expect("an event");
    let refused = projections(&database, &["dead-letters", "retry", "task_list", &task]).await;
    assert_eq!((refused.status, refused.stderr.contains("other rules")), (1, true), "{}", refused.stderr);
    app.stop().await;
}

/// Copies of the first task, as if they had been created.
pub(super) async fn copies(pool: &PgPool, copies: i64) {
    sqlx::query(
        "INSERT INTO milepost.events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, \
           payload, metadata, recorded_at) \
         SELECT (SELECT max(position) FROM milepost.events) + n, workspace_id, aggregate_type, gen_random_uuid()::text, 1, \
           gen_random_uuid(), event_type, event_version, jsonb_set(payload::jsonb, '{task_created,number}', to_jsonb(n + 1))::json, \
           metadata, recorded_at \
         FROM milepost.events, generate_series(1, $1::bigint) n WHERE event_type = 'task_created'",
    )
    .bind(copies)
    .execute(pool)
    .await
    .expect("events can be put there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_killed_goes_on_where_it_was_while_pages_stay_whole() {
    const COPIES: i64 = 15_000;
    let (database, client) = one_task().await;
    let pool = database.pool().await;
    copies(&pool, COPIES).await;
    let app = again(&database, &client).await;
    app.settled().await;
    let gate = closed_gate(&database).await;
    plant(&pool, &wait_at_gate("NEW.state = 'building' AND NEW.position > 12000")).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asker = tokio::spawn(keep_counting(app.client.clone(), Arc::clone(&stop), Arc::clone(&asked)));
    let mut killed = Process::start(PROGRAM, command(&database, &["rebuild", "task_list"]));
    let begun = until("a part is built", || async {
        let all = versions(&pool).await.expect("versions can be listed");
        all.into_iter().find(|one| one.state == VersionState::Building && one.position > 0)
    })
    .await;
    killed.signal(Signal::SIGKILL);
    killed.ended().await;
    let listed = projections(&database, &["list"]).await;
    assert!(listed.stdout.contains("building"), "{}", listed.stdout);
    gate.close().await.expect("the gate opens");
    // The lease of the dead one runs out by itself.
    let out = until("it can be started again", || async {
        let out = projections(&database, &["rebuild", "task_list"]).await;
        assert!(out.status == 0 || out.stderr.contains("another process is building"), "{}", out.stderr);
        (out.status == 0).then_some(out)
    })
    .await;
    assert!(out.stdout.contains(&format!("version {} is live", begun.version)), "{}", out.stdout);
    assert!(out.stdout.contains("from 15\u{2009}001 events; equal to the previous version in all 15\u{2009}001 rows"), "{}", out.stdout);
    let more = asked.load(Ordering::SeqCst) + 2;
    until_true("somebody asks", || asked.load(Ordering::SeqCst) >= more || asker.is_finished()).await;
    stop.store(true, Ordering::SeqCst);
    asker.await.expect("every page was whole");
    assert_eq!(content(&pool, "task_list").await.0, COPIES + 1);
    let compared = projection("task_list").verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
    assert!(compared.equal);
    app.stop().await;
}

async fn keep_counting(client: Client, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        let found = client.data("{ tasks(first: 1) { totalCount nodes { title } } }", json!({})).await;
        assert_eq!(found["tasks"]["totalCount"], json!(15_001));
        asked.fetch_add(1, Ordering::SeqCst);
    }
}
