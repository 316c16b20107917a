//! Whoever keeps a read model up to date may die or lose its lease at any moment: nothing is lost, nothing is doubled.

use super::{content, core, live, plant, projection};
use nix::sys::signal::Signal;
use serde_json::json;
use server::wire::Core;
use sqlx::{Connection, PgConnection, PgPool};
use std::sync::Arc;
use tests::app::{Client, How, TestApp};
use tests::builders::{self, somebody};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::{until, until_true};
use tokio::sync::watch;
use uuid::Uuid;

/// Makes every write of rows of a table wait for a lock. It comes after the checkpoint has moved, in the same transaction.
fn gate(table: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION milepost.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
         CREATE TRIGGER gate AFTER INSERT OR UPDATE ON milepost.{table} FOR EACH STATEMENT EXECUTE FUNCTION milepost.wait_at_gate()"
    )
}

/// Holds that lock until it is dropped.
pub(super) async fn closed_gate(database: &TestDatabase) -> PgConnection {
    let mut connection = PgConnection::connect(&database.url).await.expect("the database can be reached");
    sqlx::query("SELECT pg_advisory_lock(4711)").execute(&mut connection).await.expect("the lock is free");
    connection
}

/// The backend that waits at the gate.
async fn waiting(pool: &PgPool) -> i32 {
    until("somebody waits between rows and commit", || async {
        sqlx::query_scalar(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .fetch_optional(pool)
        .await
        .expect("locks can be read")
    })
    .await
}

/// Total of the counts of all projects.
async fn tasks_counted(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT coalesce(sum(todo), 0) FROM milepost.project_overview").fetch_one(pool).await.expect("it can be read")
}

pub(super) async fn reached(pool: &PgPool, name: &str, position: i64) {
    until("the read model keeps up", || async { (live(pool, name).await.1 >= position).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_between_rows_and_commit_leaves_neither_and_its_successor_doubles_nothing() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let program = env!("CARGO_BIN_EXE_milepost-under-test");
    let mut node = Process::start(program, Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), application::caller::Role::Owner);
    let project = client.project().await;
    client.task(&project, "Before").await;
    reached(&pool, "project_overview", 2).await;

    let gate_keeper = closed_gate(&database).await;
    plant(&pool, &gate("project_overview_v1")).await;
    for title in ["One", "Two", "Three"] {
        client.task(&project, title).await;
    }
    waiting(&pool).await;
    assert_lag_shows(&client).await;
    node.signal(Signal::SIGKILL);
    node.ended().await;
    gate_keeper.close().await.expect("the gate opens");
    until("the dead node's transaction is gone", || async {
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost %'",
        )
        .fetch_one(&pool)
        .await
        .expect("activity can be read");
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(live(&pool, "project_overview").await, (1, 2), "the checkpoint moved without its rows");
    assert_eq!(tasks_counted(&pool).await, 1, "rows were written without their checkpoint");

    let mut node = Process::start(program, Run::serve(&database.url));
    node.address().await;
    reached(&pool, "project_overview", 5).await;
    assert_eq!(tasks_counted(&pool).await, 4);
    node.kill().await;
}

/// While a read model stands still, everybody can see it.
async fn assert_lag_shows(client: &Client) {
    let metric = until("the lag is among the figures", || async {
        let lag = client.metric("milepost_projection_lag_events{projection=\"project_overview\"}").await;
        lag.filter(|lag| *lag >= 1.0)
    })
    .await;
    assert!(metric <= 3.0, "the lag is {metric}");
    let status = client.data("{ serviceStatus { position projections { name position lagEvents } } }", json!({})).await;
    let all = status["serviceStatus"]["projections"].as_array().expect("a list");
    let stands = all.iter().find(|one| one["name"] == "project_overview").expect("it is listed");
    assert_eq!((&stands["position"], &stands["lagEvents"]), (&json!("2"), &json!(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_between_rows_and_commit_changes_nothing_twice() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    app.settled().await;
    let gate_keeper = closed_gate(&app.database).await;
    plant(&pool, &gate("project_overview_v1")).await;
    app.client.task(&project, "One").await;
    let before = content(&pool, "project_overview_v1").await;
    for _ in 0..3 {
        let backend = waiting(&pool).await;
        sqlx::query("SELECT pg_terminate_backend($1)").bind(backend).execute(&pool).await.expect("a superuser may");
        until("it is gone", || async { (waiting(&pool).await != backend).then_some(()) }).await;
        assert_eq!(content(&pool, "project_overview_v1").await, before);
        assert_eq!(live(&pool, "project_overview").await.1, 1);
    }
    gate_keeper.close().await.expect("the gate opens");
    app.settled().await;
    assert_eq!(tasks_counted(&pool).await, 1);
    app.stop().await;
}

/// Says who holds the lease of a read model, and since which epoch.
pub(super) async fn grant(pool: &PgPool, name: &str, epoch: i64) {
    sqlx::query(
        "INSERT INTO milepost.leases VALUES ($1, gen_random_uuid(), $2, 'infinity') ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch",
    )
    .bind(projection(name).lease())
    .bind(epoch)
    .execute(pool)
    .await
    .expect("leases can be written");
}

pub(super) async fn a_project(core: &Core) {
    builders::project(&core.application, somebody()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_cannot_write_any_more() {
    let database = TestDatabase::new().await;
    let (pool, core) = (database.pool().await, core(&database).await);
    let name = "project_overview";
    projection(name).prepare(&core.run_context).await.expect("it can be prepared");
    grant(&pool, name, 1).await;
    // It is never told that it lost its lease.
    let (_believes, lease) = watch::channel(Some(1));
    let run_context = core.run_context.clone();
    let zombie = tokio::spawn(async move { projection(name).run(&run_context, lease).await });
    a_project(&core).await;
    reached(&pool, name, 1).await;

    // Counts attempts to move the checkpoint, also those that move nothing or are undone.
    plant(
        &pool,
        "CREATE SEQUENCE milepost.attempts; GRANT ALL ON SEQUENCE milepost.attempts TO milepost_worker;
         CREATE FUNCTION milepost.count_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN PERFORM nextval('milepost.attempts'); RETURN NULL; END $$;
         CREATE TRIGGER attempts BEFORE UPDATE ON milepost.projections FOR EACH STATEMENT EXECUTE FUNCTION milepost.count_attempt()",
    )
    .await;
    grant(&pool, name, 2).await;
    a_project(&core).await;
    until("the old holder tried in vain", || async {
        let tried: i64 = sqlx::query_scalar("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM milepost.attempts")
            .fetch_one(&pool)
            .await
            .expect("a sequence can be read");
        (tried >= 3 || live(&pool, name).await.1 > 1).then_some(())
    })
    .await;
    assert_eq!(live(&pool, name).await.1, 1, "the old holder moved the checkpoint");
    assert_eq!(content(&pool, "project_overview_v1").await.0, 1, "the old holder wrote rows");

    let (_holds, lease) = watch::channel(Some(2));
    let run_context = core.run_context.clone();
    let holder = tokio::spawn(async move { projection(name).run(&run_context, lease).await });
    reached(&pool, name, 2).await;
    assert_eq!(content(&pool, "project_overview_v1").await.0, 2);
    for task in [zombie, holder] {
        task.abort();
        let _ = task.await;
    }
    core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_keeps_a_read_model_and_the_other_takes_over() {
    let first = TestApp::start().await;
    let workspace = Some(first.client.caller.workspace.0);
    let second = TestApp::start_with(How { database: Some(Arc::clone(&first.database)), workspace, ..How::default() }).await;
    let pool = first.database.pool().await;
    let project = first.client.project().await;
    for (client, title) in [(&first.client, "One"), (&second.client, "Two"), (&first.client, "Three")] {
        client.task(&project, title).await;
    }
    until_true("both nodes know", || first.head() == 4 && second.head() == 4).await;
    first.settled().await;
    second.settled().await;
    assert_eq!(tasks_counted(&pool).await, 3);
    let epoch = "SELECT epoch FROM milepost.leases WHERE name LIKE 'projection/project_overview/%'";
    let before: i64 = sqlx::query_scalar(epoch).fetch_one(&pool).await.expect("there is a lease");
    assert_eq!(before, 1, "the lease changed hands without need");
    first.stop().await;
    second.client.task(&project, "Four").await;
    second.settled().await;
    assert_eq!(tasks_counted(&pool).await, 4);
    let after: i64 = sqlx::query_scalar(epoch).fetch_one(&pool).await.expect("there is a lease");
    assert_eq!(after, 2);
    second.stop().await;
}

/// The rate of events is averaged over time: however long nothing was applied, small it was, or far the clock was set back, the next
/// event is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_was_idle_for_days_applies_the_next_event() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let client = &app.client;
    let project = client.project().await;
    for (number, change) in
        ["updated_at = now() - interval '400 days'", "rate = 1e-310", "rate = 1e300, updated_at = now() + interval '400 days'"]
            .iter()
            .enumerate()
    {
        reached(&pool, "task_list", i64::try_from(number).expect("a few") + 1).await;
        plant(&pool, &format!("UPDATE milepost.projections SET {change}")).await;
        client.task(&project, "The next").await;
    }
    reached(&pool, "task_list", 4).await;
    let rates: Vec<f64> =
        sqlx::query_scalar("SELECT rate FROM milepost.projections WHERE state = 'live'").fetch_all(&pool).await.expect("rates");
    assert!(rates.iter().all(|rate| *rate == 0.0 || *rate >= 1e-6), "{rates:?}");
}
