//! A build by the command line works under a lease: it ends with a clear error when it has lost it.

use super::deployments::command;
use super::live;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::sync::Arc;
use tests::app::TestApp;
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::proxy::Proxy;
use tests::wait::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");
const LOST: &str = "stopped, since its lease was lost";
/// The status of a command for which a server is not there.
const NOT_THERE: i32 = 3;

/// A stopped service with one project.
async fn one_project() -> (Arc<TestDatabase>, PgPool) {
    let app = TestApp::start().await;
    app.client.project().await;
    app.settled().await;
    let (database, pool) = (Arc::clone(&app.database), app.database.pool().await);
    app.stop().await;
    (database, pool)
}

/// Keeps indexes from being made, as long as what is given lives.
async fn gate(database: &TestDatabase) -> PgConnection {
    let mut gate = PgConnection::connect(&database.url).await.expect("the database is there");
    gate.execute("SELECT pg_advisory_lock(hashtext('milepost indexes'), hashtext('task_list'))").await.expect("a lock");
    gate
}

async fn waits_at_gate(pool: &PgPool) {
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost projector %' \
                 AND wait_event = 'advisory')";
    until("a build waits at the gate", || async { sqlx::query_scalar(waits).fetch_one(pool).await.ok().filter(|waits: &bool| *waits) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_whose_lease_somebody_else_has_taken_ends_and_says_so() {
    let (database, pool) = one_project().await;
    let mut gate = gate(&database).await;
    let mut rebuild = Process::start(PROGRAM, command(&database, &["rebuild", "task_list"]));
    waits_at_gate(&pool).await;
    let take = "UPDATE milepost.leases SET holder = gen_random_uuid(), epoch = epoch + 1, expires_at = 'infinity' WHERE name = 'projection/task_list/build'";
    let taken = pool.execute(take).await.expect("a lease can be taken");
    assert_eq!(taken.rows_affected(), 1);
    rebuild.said(LOST).await;
    assert_eq!(rebuild.ended().await, NOT_THERE, "{}", rebuild.log());
    gate.execute("SELECT pg_advisory_unlock_all()").await.expect("the gate opens");
    assert_eq!(live(&pool, "task_list").await.0, 1, "it has switched without its lease");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_waits_is_at_work_and_one_whose_connection_is_quiet_is_not() {
    let (database, pool) = one_project().await;
    let proxy = Proxy::before(&database.url).await;
    let mut gate = gate(&database).await;
    let mut run = Run::of(&["projections", "rebuild", "task_list"]);
    run.environment.push(("DATABASE_URL", proxy.url.clone()));
    let mut rebuild = Process::start(PROGRAM, run);
    waits_at_gate(&pool).await;
    let older = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory' \
                 AND xact_start < clock_timestamp() - interval '8 s')";
    until("it has waited for longer than there is patience without a sign", || async {
        sqlx::query_scalar(older).fetch_one(&pool).await.ok().filter(|older: &bool| *older)
    })
    .await;
    assert!(rebuild.runs(), "{}", rebuild.log());
    assert!(proxy.freeze("milepost projector") >= 1);
    gate.execute("SELECT pg_advisory_unlock_all()").await.expect("the gate opens");
    rebuild.said(LOST).await;
    assert_eq!(rebuild.ended().await, NOT_THERE, "{}", rebuild.log());
    assert_eq!(live(&pool, "task_list").await.0, 1);
}
