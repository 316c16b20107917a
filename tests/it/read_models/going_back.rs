//! What was switched can be switched back, what is being built can be given up, and neither loses what is kept.

use super::deployments::{command, projections, title, wait_at_gate};
use super::runner::closed_gate;
use super::{live, plant};
use nix::sys::signal::Signal;
use projections::registry::{VersionState, versions};
use projections::runner::all;
use serde_json::json;
use sqlx::Connection;
use std::sync::Arc;
use tests::app::TestApp;
use tests::process::Process;
use tests::wait::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_goes_back_to_the_version_before_and_drops_what_is_kept() {
    let app = TestApp::start().await;
    let (pool, database) = (app.database.pool().await, Arc::clone(&app.database));
    let project = app.client.project().await;
    app.client.task(&project, "The first").await;
    app.settled().await;
    for nothing in [["rollback", "task_list"], ["drop-old", "task_list"], ["cancel", "task_list"]] {
        assert_eq!(projections(&database, &nothing).await.status, 1, "{nothing:?}");
    }
    assert_eq!(projections(&database, &["rebuild", "task_list", "no_such"]).await.status, 2);
    assert_eq!(live(&pool, "task_list").await.0, 1, "nothing is built where one name is wrong");
    let out = projections(&database, &["rebuild", "--all"]).await;
    assert_eq!(out.status, 0, "{}", out.stderr);
    assert_eq!(out.stdout.matches("equal to the previous version").count(), all().len(), "{}", out.stdout);
    plant(&pool, "UPDATE milepost.task_list_v2 SET title = 'Wrong'").await;
    app.client.task(&project, "The second").await;
    app.settled().await;
    assert_eq!(title(&app.client).await, "Wrong");
    let out = projections(&database, &["rollback", "task_list"]).await;
    assert_eq!(out.status, 0, "{}", out.stderr);
    assert!(out.stdout.contains("version 1 is live again, at position 3"), "{}", out.stdout);
    assert_eq!(title(&app.client).await, "The first");
    assert_eq!(app.client.data("{ tasks { totalCount } }", json!({})).await["tasks"]["totalCount"], json!(2));
    // The node keeps the older version from here on.
    app.client.task(&project, "The third").await;
    app.settled().await;
    assert_eq!(projections(&database, &["drop-old", "task_list"]).await.status, 0);
    let left: Vec<_> = versions(&pool).await.expect("versions").into_iter().filter(|one| one.name == "task_list").collect();
    assert!(left.len() == 1 && left[0].version == 1 && left[0].position == 4, "{left:?}");
    // One that differs from what it replaces says so.
    plant(&pool, "DELETE FROM milepost.task_list_v1 WHERE title = 'The third'").await;
    let out = projections(&database, &["rebuild", "task_list"]).await;
    assert!(out.status == 0 && out.stdout.contains("DIFFERENT from the previous version: 3 rows here, 2 there"), "{}", out.stdout);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_can_be_interrupted_and_what_is_kept_is_not_lost() {
    let app = TestApp::start().await;
    let (pool, database) = (app.database.pool().await, Arc::clone(&app.database));
    let project = app.client.project().await;
    app.settled().await;
    assert_eq!(projections(&database, &["rebuild", "task_list"]).await.status, 0);
    app.client.task(&project, "Written meanwhile").await;
    app.settled().await;
    let gate = closed_gate(&database).await;
    plant(&pool, &wait_at_gate("NEW.state = 'returning' AND NEW.position = OLD.position + 1")).await;
    let state = |number: i32| {
        let pool = pool.clone();
        async move {
            let all = versions(&pool).await.expect("versions can be listed");
            all.into_iter().find(|one| one.name == "task_list" && one.version == number).map(|one| one.state)
        }
    };
    let mut killed = Process::start(PROGRAM, command(&database, &["rollback", "task_list"]));
    until("it has begun", || async { (state(1).await == Some(VersionState::Returning)).then_some(()) }).await;
    killed.signal(Signal::SIGKILL);
    killed.ended().await;
    gate.close().await.expect("the gate opens");
    // Neither of these takes it for something of theirs.
    until("the lease of the dead one has run out", || async {
        let out = projections(&database, &["verify", "task_list"]).await;
        assert!(out.status == 0 || out.stderr.contains("another process is building"), "{}", out.stderr);
        (out.status == 0).then_some(())
    })
    .await;
    assert_eq!(state(1).await, Some(VersionState::Returning));
    assert_eq!(projections(&database, &["cancel", "task_list"]).await.status, 0);
    assert_eq!((state(1).await, state(2).await), (Some(VersionState::Old), Some(VersionState::Live)));
    let out = projections(&database, &["rollback", "task_list"]).await;
    assert!(out.status == 0 && out.stdout.contains("version 1 is live again, at position 2"), "{}{}", out.stdout, out.stderr);
    assert_eq!(title(&app.client).await, "Written meanwhile");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_cancelled_says_so_and_changes_nothing() {
    let app = TestApp::start().await;
    let (pool, database) = (app.database.pool().await, Arc::clone(&app.database));
    let project = app.client.project().await;
    app.client.task(&project, "Here").await;
    app.settled().await;
    let gate = closed_gate(&database).await;
    plant(&pool, &wait_at_gate("NEW.state = 'building' AND NEW.position > 1")).await;
    let building = tokio::spawn({
        let database = Arc::clone(&database);
        async move { projections(&database, &["rebuild", "task_list"]).await }
    });
    until("it waits at the gate", || async {
        let waits: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted")
            .fetch_one(&pool)
            .await
            .expect("locks can be read");
        (waits > 0).then_some(())
    })
    .await;
    let cancelling = tokio::spawn({
        let database = Arc::clone(&database);
        async move { projections(&database, &["cancel", "task_list"]).await }
    });
    gate.close().await.expect("the gate opens");
    let (built, cancelled) = (building.await.expect("it ends"), cancelling.await.expect("it ends"));
    // Whoever was first has won, and the other says so.
    match cancelled.status {
        0 => assert!(built.status == 1 && built.stderr.contains("was dropped"), "{}{}", built.stdout, built.stderr),
        _ => assert!(built.status == 0 && cancelled.stderr.contains("no version is being built"), "{}{}", built.stderr, cancelled.stderr),
    }
    assert_eq!(title(&app.client).await, "Here");
    app.stop().await;
}
