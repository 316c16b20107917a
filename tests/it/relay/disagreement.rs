//! The relay's record on Kafka and the log do not agree: the relay refuses, says why, and an admin says where it continues.

mod ways_out;

use super::verify::Forger;
use super::{GOES_ON, Scene, client};
use infrastructure::kafka::client_config;
use infrastructure::kafka::relay::{Setting, topic_setting};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;
use tests::app::Client;
use tests::database::TestDatabase;
use tests::process::{Output, Process};
use tests::wait::until;

const REFUSES: &str = "the relay to Kafka refuses to send";

fn text(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

/// Whether a node has nothing to say of itself.
async fn has_no_notices(client: &Client) -> bool {
    let health: Value = serde_json::from_str(&client.get("/readyz").await.1).expect("health is JSON");
    health["notices"] == json!([])
}

impl Scene {
    /// Everything is sent by a node that is gone then.
    async fn sent(&self) {
        let node = self.node("");
        self.relayed().await;
        // What it confirmed is in the database too.
        let (sql, head) = (self.sql().await, self.head());
        until("the position is confirmed", || async { (confirmed(&sql).await == Some(head)).then_some(()) }).await;
        node.kill().await;
        self.end_leases().await;
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        client_config(&self.topics.kafka).create().expect("a client can be made")
    }

    /// Deletes the relay's topic, and returns once it is gone.
    async fn delete_relay_topic(&self) {
        let topic = self.topics.catalogue.relay_topic();
        for result in self.admin().delete_topics(&[&topic], &AdminOptions::new()).await.expect("Kafka answers") {
            result.expect("the topic is deleted");
        }
        until("the topic is gone", || async { self.position().await.is_none().then_some(()) }).await;
    }

    async fn set_cleanup_policy(&self, policy: &str) {
        let topic = self.topics.catalogue.relay_topic();
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("cleanup.policy", policy);
        for result in self.admin().alter_configs(&[change], &AdminOptions::new()).await.expect("Kafka answers") {
            result.expect("the topic is changed");
        }
        until("brokers show it", || async {
            (topic_setting(&self.topics.kafka, &topic, "cleanup.policy").await.ok()? == Setting::Is(policy.to_owned())).then_some(())
        })
        .await;
    }

    /// Removes every record of the relay's topic, which must not be compacted for that.
    async fn empty_relay_topic(&self) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.topics.catalogue.relay_topic(), 0, Offset::End).expect("an offset");
        let removed = self.admin().delete_records(&offsets, &AdminOptions::new()).await.expect("brokers remove records");
        removed.elements().iter().for_each(|partition| partition.error().expect("records are removed"));
    }
}

async fn confirmed(sql: &sqlx::PgPool) -> Option<i64> {
    let position = sqlx::query_scalar("SELECT position FROM milepost.checkpoints WHERE name = 'relay'").fetch_optional(sql).await;
    position.expect("checkpoints can be read")
}

/// A node refuses, says so everywhere by this reason, sends nothing, and does everything else.
async fn assert_refuses(scene: &Scene, database: &TestDatabase, node: &mut Process, reason: &str, words: &str) -> Client {
    let before = scene.topics.positions().await;
    let line = node.said(REFUSES).await;
    assert!(line.contains(words), "{words}: {line}");
    let client = client(node).await;
    let notice = client.notice("relay_refuses").await;
    assert!(notice.contains(words), "{notice}");
    until("the metric tells the reason and no lag", || async {
        let refused = client.metric(&format!("milepost_relay_refused{{reason=\"{reason}\"}}")).await;
        let lag = client.metric("milepost_relay_lag_events").await;
        (refused == Some(1.0) && lag.is_some_and(f64::is_nan)).then_some(())
    })
    .await;
    let status =
        client.data("{ serviceStatus { relay { position lagEvents refusal } } }", json!({})).await["serviceStatus"]["relay"].clone();
    assert_eq!((&status["position"], &status["lagEvents"]), (&Value::Null, &Value::Null), "{status}");
    assert!(status["refusal"].as_str().is_some_and(|refusal| refusal.contains(words)), "{status}");
    let status = scene.milepost_on(database, &["relay", "status"]).await;
    assert!(status.status == 1 && status.stderr.contains(words), "{}", text(&status));
    let status = scene.milepost_on(database, &["relay", "status", "--json"]).await;
    let json: Value = serde_json::from_str(&status.stdout).expect("the status is JSON");
    assert_eq!((&json["refusal"]["reason"], &json["continuesAfter"]), (&json!(reason), &Value::Null), "{json}");
    // Nothing else is held up.
    client.project().await;
    assert_eq!(scene.topics.positions().await, before, "nothing is sent");
    client
}

/// Returns once a node that refused sends, without having been started anew.
async fn assert_goes_on(node: &mut Process, client: &Client) {
    node.said(GOES_ON).await;
    until("there is nothing to say of the relay", || async { has_no_notices(client).await.then_some(()) }).await;
    let status = client.data("{ serviceStatus { relay { refusal } } }", json!({})).await;
    assert_eq!(status["serviceStatus"]["relay"]["refusal"], Value::Null);
}

/// Every event is on Kafka, as the program sees it.
async fn assert_all_sent(scene: &Scene, database: &TestDatabase) {
    until("the relay has nothing left to send", || async {
        let status = scene.milepost_on(database, &["relay", "status", "--json"]).await;
        let status: Value = serde_json::from_str(&status.stdout).ok()?;
        (status["lagEvents"] == json!(0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_restored_to_before_what_was_sent_is_refused_until_the_topics_are_adopted() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    let (older, kept) = (TestDatabase::copy_of(&scene.database).await, scene.head());
    scene.write(20, &AtomicUsize::new(0)).await;
    scene.sent().await;

    let mut node = scene.node_with(scene.environment_on(&older), "");
    let words = format!("is at position {}, and the log ends at {kept}", scene.head());
    let client = assert_refuses(&scene, &older, &mut node, "beyond_head", &words).await;
    let adopted = scene.milepost_on(&older, &["relay", "adopt"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    assert!(adopted.stdout.contains(&format!("up to position {kept}")), "{}", adopted.stdout);
    assert!(adopted.stdout.contains("20 records are of events that this log does not have any more"), "{}", adopted.stdout);
    assert_goes_on(&mut node, &client).await;
    assert_all_sent(&scene, &older).await;
    // One event since the restore: the project of the client.
    let positions = scene.topics.positions().await;
    assert_eq!(positions.iter().filter(|&&position| position == kept + 1).count(), 2, "{positions:?}");
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_that_has_grown_past_the_record_is_refused_all_the_same() {
    let scene = Scene::new(3).await;
    let older = TestDatabase::copy_of(&scene.database).await;
    scene.write(2, &AtomicUsize::new(0)).await;
    scene.sent().await;
    let other = scene.restored(older).await;
    other.write(30, &AtomicUsize::new(0)).await;

    let mut node = other.node("");
    let words = format!("the event at position {} of the log is", scene.head());
    let client = assert_refuses(&other, &other.database, &mut node, "other_event", &words).await;
    // The topics prove what both logs have in common.
    let adopted = other.milepost(&["relay", "adopt", "--json"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    let adopted: Value = serde_json::from_str(&adopted.stdout).expect("JSON");
    assert_eq!((&adopted["position"], &adopted["strangers"]), (&json!("4"), &json!(2)), "{adopted}");
    assert_goes_on(&mut node, &client).await;
    assert_all_sent(&other, &other.database).await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_log_is_refused_on_the_topics_of_one_and_does_not_disturb_its_relay() {
    let scene = Scene::new(3).await;
    let mut rightful = scene.node("");
    rightful.said(GOES_ON).await;
    scene.relayed().await;
    // Empty, as a database that was made by mistake.
    let empty = TestDatabase::new().await;
    let mut node = scene.node_with(scene.environment_on(&empty), "");
    assert_refuses(&scene, &empty, &mut node, "other_log", "was written for the log").await;
    let adopted = scene.milepost_on(&empty, &["relay", "adopt"]).await;
    assert_eq!(adopted.status, 1, "{}", text(&adopted));
    assert!(adopted.stderr.contains("4 records on the topics is of an event of this log"), "{}", text(&adopted));
    node.kill().await;
    scene.write(20, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    assert!(!rightful.log().contains(REFUSES), "{}", rightful.log());
    rightful.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_relay_topic_is_not_a_start() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    scene.delete_relay_topic().await;
    let mut node = scene.node("");
    let words = format!("everything up to position {} was sent", scene.head());
    let client = assert_refuses(&scene, &scene.database, &mut node, "record_lost", &words).await;
    let adopted = scene.milepost(&["relay", "adopt"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    assert_goes_on(&mut node, &client).await;
    scene.head_of_all(5).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_relay_are_not_taken_for_a_start_by_a_log_that_knows_of_none() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    scene.delete_relay_topic().await;
    let empty = TestDatabase::new().await;
    let mut node = scene.node_with(scene.environment_on(&empty), "");
    assert_refuses(&scene, &empty, &mut node, "topics_not_empty", "holds events of a relay").await;
    let verdict = scene.milepost_on(&empty, &["verify", "kafka", "--wait", "0s"]).await;
    assert!(verdict.status == 1 && verdict.stderr.contains("holds events of a relay"), "{}", text(&verdict));
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_does_not_keep_the_record_is_refused_before_and_after_it_is_emptied() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    let head = scene.head();
    scene.set_cleanup_policy("delete").await;
    let mut node = scene.node("");
    let client = assert_refuses(&scene, &scene.database, &mut node, "cleanup_policy", "under which brokers remove").await;
    let verdict = scene.milepost(&["verify", "kafka", "--wait", "0s"]).await;
    assert!(verdict.status == 1 && verdict.stderr.contains("under which brokers remove"), "{}", text(&verdict));
    let refused = scene.milepost(&["relay", "resume", "--from-start"]).await;
    assert!(refused.status == 1 && refused.stderr.contains("run `milepost topics apply`"), "{}", text(&refused));
    scene.empty_relay_topic().await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    node.said("holds no record of the transactional id").await;
    let resumed = scene.milepost(&["relay", "resume", "--from", &head.to_string()]).await;
    assert_eq!(resumed.status, 0, "{}", text(&resumed));
    assert_goes_on(&mut node, &client).await;
    scene.head_of_all(head + 1).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_topic_that_lost_its_newest_records_is_refused() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    let (forger, head) = (Forger::new(&scene).await, scene.head());
    forger.position(&scene, head - 2).await;
    let mut node = scene.node("");
    let words = format!("is at position {}, and the database knows that everything up to position {head} was sent", head - 2);
    assert_refuses(&scene, &scene.database, &mut node, "record_behind", &words).await;
    node.kill().await;
    // The other way round nothing is wrong: a relay died between its commit and its note.
    forger.position(&scene, head).await;
    let note = sqlx::query("UPDATE milepost.checkpoints SET position = 1, refusal = NULL WHERE name = 'relay'");
    note.execute(&scene.sql().await).await.expect("the note is changed");
    scene.end_leases().await;
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    scene.head_of_all(head + 1).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

/// Brokers lose the relay's record, and the database does not know of it either: only the events tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_less_than_consumers_see_is_refused_until_the_topics_are_adopted() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    let (forger, head) = (Forger::new(&scene).await, scene.head());
    forger.position(&scene, head - 2).await;
    let note = sqlx::query("UPDATE milepost.checkpoints SET position = $1 WHERE name = 'relay'").bind(head - 2);
    note.execute(&scene.sql().await).await.expect("the note is changed");
    let mut node = scene.node("");
    let words = format!("is at position {}, and consumers see the event at position {head} on ", head - 2);
    let client = assert_refuses(&scene, &scene.database, &mut node, "record_overtaken", &words).await;
    let adopted = scene.milepost(&["relay", "adopt"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    assert!(adopted.stdout.contains(&format!("up to position {head}")), "{}", adopted.stdout);
    assert_goes_on(&mut node, &client).await;
    scene.head_of_all(head + 1).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_is_refused() {
    let scene = Scene::new(2).await;
    scene.sent().await;
    let forger = Forger::new(&scene).await;
    forger.put(&scene.topics.catalogue.relay_topic(), &scene.topics.kafka.transactional_id, r#"{"position":"3"}"#);
    let mut node = scene.node("");
    assert_refuses(&scene, &scene.database, &mut node, "record_unreadable", "missing field `log_id`").await;
    node.kill().await;
}

/// As after a failover to a copy that lacked the newest events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_goes_back_under_an_idle_relay_stops_it() {
    let scene = Scene::new(3).await;
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    scene.relayed().await;
    let mut sql = scene.sql().await.acquire().await.expect("a connection").detach();
    sqlx::query("SET session_replication_role = replica").execute(&mut sql).await.expect("triggers can be switched off");
    sqlx::query("DELETE FROM milepost.events WHERE position > 2").execute(&mut sql).await.expect("events are lost");
    let line = node.said(REFUSES).await;
    assert!(line.contains("is at position 4, and the log ends at 2"), "{line}");
    node.kill().await;
}
