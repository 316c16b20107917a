//! A connection to PostgreSQL that dies without a word while the relay waits for its answer.

use super::{GOES_ON, Scene};
use std::sync::atomic::AtomicUsize;
use tests::proxy::Proxy;
use tests::wait::until;

/// What the connections by which the relay works say of themselves.
const OF_WORKERS: &str = "milepost worker";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_statement_is_never_answered_goes_on_with_another_connection() {
    let scene = Scene::new(2).await;
    let proxy = Proxy::before(&scene.database.url).await;
    let mut environment = scene.environment();
    environment.retain(|(name, _)| *name != "DATABASE_URL");
    environment.push(("DATABASE_URL", proxy.url.clone()));
    let mut node = scene.node_with(environment, "");
    node.said(GOES_ON).await;
    scene.relayed().await;

    // The relay's note of its position waits in the server, and its connection dies meanwhile.
    let sql = scene.sql().await;
    let mut holding = sql.begin().await.expect("a transaction");
    let hold = sqlx::query("SELECT FROM milepost.checkpoints WHERE name = 'relay' FOR UPDATE");
    hold.execute(&mut *holding).await.expect("the row is there");
    scene.write(5, &AtomicUsize::new(0)).await;
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO milepost.checkpoints%')";
    until("the relay waits", || async { sqlx::query_scalar(waits).fetch_one(&sql).await.ok().filter(|waits| *waits) }).await;
    assert!(proxy.freeze(OF_WORKERS) >= 1);
    holding.rollback().await.expect("the row is free");

    scene.write(5, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}
