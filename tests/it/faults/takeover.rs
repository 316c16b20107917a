//! Of two nodes one dies, and the other takes up everything it did.

use super::PROGRAM;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tests::database::TestDatabase;
use tests::kafka::TestTopics;
use tests::process::{Process, Run};
use tests::wait::until;
use uuid::Uuid;

/// Longest time until every lease is in other hands.
const WITHIN: Duration = Duration::from_secs(10);

/// Who holds which lease by now.
async fn holders(pool: &sqlx::PgPool) -> Vec<(String, Uuid)> {
    sqlx::query_as("SELECT name, holder FROM milepost.leases WHERE expires_at > clock_timestamp() ORDER BY name")
        .fetch_all(pool)
        .await
        .expect("leases can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_is_left_takes_every_lease_in_ten_seconds() {
    let (database, topics) = (TestDatabase::new().await, TestTopics::new());
    let serve = || Process::start(PROGRAM, Run { topics: Some(&topics), ..Run::serve(&database.url) });
    let mut first = serve();
    first.address().await;
    let pool = database.pool().await;
    // Besides: the scheduler's and the relay's.
    let leases = projections::runner::all().len() + application::reactions::all().len() + 2;
    let held = until("the first node holds everything", || async { Some(holders(&pool).await).filter(|held| held.len() == leases) }).await;
    let dead: BTreeSet<Uuid> = held.iter().map(|(_, holder)| *holder).collect();
    assert_eq!(dead.len(), 1);
    let mut second = serve();
    second.address().await;
    let died = Instant::now();
    first.kill().await;
    until("the second node holds everything", || async {
        let now = holders(&pool).await;
        (now.len() == leases && now.iter().all(|(_, holder)| !dead.contains(holder))).then_some(())
    })
    .await;
    assert!(died.elapsed() < WITHIN, "it took {:?}", died.elapsed());
    second.kill().await;
}
