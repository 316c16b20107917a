//! A worker that has work and gets no further loses its lease, whatever it waits for.

use super::PROGRAM;
use application::caller::Role;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tests::app::Client;
use tests::database::TestDatabase;
use tests::kafka::TestTopics;
use tests::process::{Process, Run};
use tests::wait::{until, until_true};
use uuid::Uuid;

const NO_PROGRESS: &str = "no progress although there is work";

/// Whether a node has released a lease.
fn released(node: &Process, lease: &str) -> bool {
    node.log().lines().any(|line| line.contains(NO_PROGRESS) && line.contains(&format!("\"{lease}\"")))
}

/// Locks a table, so that whoever reads it waits, as long as what is given lives.
async fn locked(database: &TestDatabase, table: &str) -> PgConnection {
    let mut lock = PgConnection::connect(&database.url).await.expect("the database is there");
    lock.execute(format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE").as_str()).await.expect("a table can be locked");
    lock
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_whose_pass_hangs_loses_its_lease_and_fires_later() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let mut node = Process::start(PROGRAM, Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::nil(), Uuid::nil(), Role::Owner);
    let project = client.project().await;
    let task = client.task(&project, "A task").await;
    let held = "SELECT EXISTS (SELECT FROM milepost.leases WHERE name = 'scheduler' AND expires_at > clock_timestamp())";
    let is_held = || async { sqlx::query_scalar(held).fetch_one(&pool).await.ok().filter(|held: &bool| *held) };
    until("the node schedules", is_held).await;
    let mut lock = locked(&database, "milepost.schedules_v1").await;
    // The read model is not about this, so its position moves, and the scheduler looks at the rows.
    client.must("taskComment", "id", json!({ "id": task, "body": "Look." })).await;
    until_true("the lease is released", || released(&node, "scheduler")).await;
    assert!(client.metric("milepost_leases_released_total").await >= Some(1.0));
    lock.execute("ROLLBACK").await.expect("it ends");
    let due = json!({ "at": "2001-01-01T00:00:00Z" });
    client.must("scheduleCreate", "id", json!({ "title": "Late", "due": due })).await;
    let fired = "SELECT count(*) = 1 FROM milepost.events WHERE event_type = 'deadline_overdue'";
    until("it fires", || async { sqlx::query_scalar(fired).fetch_one(&pool).await.ok().filter(|fired: &bool| *fired) }).await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_cannot_prove_its_place_loses_its_lease_and_sends_later() {
    let (database, topics) = (TestDatabase::new().await, TestTopics::new());
    let pool = database.pool().await;
    let mut node = Process::start(PROGRAM, Run { topics: Some(&topics), ..Run::serve(&database.url) });
    let client = Client::new(&node.address().await, Uuid::nil(), Uuid::nil(), Role::Owner);
    client.project().await;
    let relayed = "SELECT position >= (SELECT max(position) FROM milepost.events) FROM milepost.checkpoints WHERE name = 'relay'";
    let has_relayed = || async { sqlx::query_scalar(relayed).fetch_optional(&pool).await.ok().flatten().filter(|relayed: &bool| *relayed) };
    until("the node relays", has_relayed).await;
    let mut lock = locked(&database, "milepost.checkpoints").await;
    // The patience with a relay is long: each step is waited for by itself.
    node.said("the relay to Kafka is stuck").await;
    until_true("the lease is released", || released(&node, "relay")).await;
    lock.execute("ROLLBACK").await.expect("it ends");
    client.project().await;
    until("the node relays again", has_relayed).await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_kafka_is_away_is_told_all_the_while_though_the_lease_is_left_to_others() {
    let (database, topics) = (TestDatabase::new().await, TestTopics::new());
    let pool = database.pool().await;
    let mut run = Run { topics: Some(&topics), ..Run::serve(&database.url) };
    run.environment.push(("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9".to_owned()));
    let mut node = Process::start(PROGRAM, run);
    let client = Client::new(&node.address().await, Uuid::nil(), Uuid::nil(), Role::Owner);
    let is_told = || async { client.get("/readyz").await.1.contains("relay_stuck").then_some(()) };
    until("it is told", is_told).await;
    // A notice that is gone comes back only after the relay holds the lease again and has tried in vain, which takes much longer
    // than the time between two looks: that it was gone cannot be missed.
    until("the lease is released", || async {
        assert!(is_told().await.is_some(), "it is not told any more: {}", node.log());
        released(&node, "relay").then_some(())
    })
    .await;
    let again = "SELECT EXISTS (SELECT FROM milepost.leases WHERE name = 'relay' AND epoch > 1 AND expires_at > clock_timestamp())";
    until("the lease is taken again", || async {
        assert!(is_told().await.is_some(), "it is not told any more: {}", node.log());
        sqlx::query_scalar(again).fetch_one(&pool).await.ok().filter(|again: &bool| *again)
    })
    .await;
    assert!(is_told().await.is_some(), "{}", node.log());
    // Another node holds the lease from now on, and this one has nothing to say of the relay.
    let take = "UPDATE milepost.leases SET holder = gen_random_uuid(), epoch = epoch + 1, expires_at = 'infinity' WHERE name = 'relay'";
    sqlx::query(take).execute(&pool).await.expect("a lease can be taken");
    until("it is not told any more", || async { is_told().await.is_none().then_some(()) }).await;
    node.kill().await;
}
