//! An event that Kafka will not take, or that this program cannot read: the relay stops before it, by name, and goes on
//! by itself once that is mended. Nothing is skipped but by an admin, and nothing in front of it is held back.

use super::{Scene, client};
use application::command::Command;
use application::inputs::TaskCommentInput;
use infrastructure::kafka::client_config;
use infrastructure::kafka::topics::Topics;
use nix::sys::signal::Signal;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;
use tests::builders::send;
use tests::kafka::read_topic;
use tests::process::Process;
use tests::wait::until;
use uuid::Uuid;

/// Sets the longest record that the topic of tasks takes.
async fn set_longest(scene: &Scene, bytes: u32) {
    let admin: AdminClient<DefaultClientContext> = client_config(&scene.topics.kafka).create().expect("a client can be made");
    let (topic, bytes) = (scene.topics.catalogue.full_name("task-events"), bytes.to_string());
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", &bytes);
    for result in admin.alter_configs(&[change], &AdminOptions::new()).await.expect("Kafka answers") {
        result.expect("the topic is changed");
    }
}

/// Until the relay stands right before a position and says why on the node's page of health, in these words.
async fn stands_before(scene: &Scene, node: &mut Process, position: i64, words: &[&str]) {
    node.said(&format!("the relay to Kafka is stopped before event {position}")).await;
    let client = client(node).await;
    let notice = client.notice("relay_stopped").await;
    assert_eq!(client.get("/readyz").await.0, 200, "it is ready all the same");
    let skip = format!("`milepost dead-letters skip --source relay {position} --reason TEXT`");
    for words in [&[&*format!("event {position} ("), &*skip], words].concat() {
        assert!(notice.contains(words), "{words}: {notice}");
    }
    assert_eq!(scene.position().await, Some(position - 1), "everything before it is sent:\n{}", node.log());
    let status = scene.milepost(&["relay", "status", "--json"]).await;
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(status["stoppedBefore"]["position"], json!(position), "{status}");
}

/// A comment that is longer than the topic takes, its position, and what it says.
async fn poison(scene: &Scene) -> (i64, String) {
    let noise: String = (0..250).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let comment = TaskCommentInput { command_id: None, id: scene.tasks[0], body: noise.clone() };
    let sent = send(&scene.core.application, scene.caller, Command::TaskComment(comment)).await.expect("a comment is taken");
    (sent.position, noise)
}

/// Makes an event unreadable, or readable again.
async fn set_version(scene: &Scene, position: i64, version: &str) {
    let mut sql = scene.sql().await.acquire().await.expect("a connection").detach();
    sqlx::query("SET session_replication_role = replica").execute(&mut sql).await.expect("triggers can be switched off");
    let change = sqlx::query("UPDATE milepost.events SET event_version = $1 WHERE position = $2").bind(version).bind(position);
    assert_eq!(change.execute(&mut sql).await.expect("the event is changed").rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_too_large_for_its_topic_stops_the_relay_by_name_until_the_topic_takes_it() {
    let scene = Scene::new(2).await;
    let topics = Topics::new(&scene.topics.kafka, &scene.topics.catalogue).expect("a client can be made");
    topics.create_missing().await.expect("topics can be created");
    set_longest(&scene, 4_000).await;
    // Together too large as well, but not one by one.
    scene.write(150, &AtomicUsize::new(0)).await;
    let (poison, _) = poison(&scene).await;
    scene.write(20, &AtomicUsize::new(0)).await;

    let mut node = scene.node("");
    let topic = scene.topics.catalogue.full_name("task-events");
    let limit = format!("is not taken by the topic {topic}, whose max.message.bytes is 4000");
    stands_before(&scene, &mut node, poison, &["(task_commented)", "its record of 9", " bytes ", &limit]).await;
    set_longest(&scene, 1_000_000).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_read_stops_the_relay_by_name_and_what_is_before_it_is_sent() {
    const UNREADABLE: i64 = 17;
    let scene = Scene::new(2).await;
    scene.write(30, &AtomicUsize::new(0)).await;
    // As if a later version of the program had written it.
    set_version(&scene, UNREADABLE, "99").await;
    let mut node = scene.node("");
    stands_before(&scene, &mut node, UNREADABLE, &["this program cannot read it", "run a version of Milepost that can"]).await;
    set_version(&scene, UNREADABLE, "1").await;
    // A program that can read it goes on with it.
    node.kill().await;
    let node = scene.node("");
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

/// Leaves an event out, and sees that the relay goes on, that a dead letter stands for it, and that all of this is accounted for.
async fn assert_left_out(scene: &Scene, position: i64, payload: &str) {
    let skip = async |position: i64, reason: &str| {
        let position = position.to_string();
        scene.milepost(&["dead-letters", "skip", "--source", "relay", &position, "--reason", reason, "--by", "ada"]).await
    };
    for (position, reason, status, words) in [
        (position + 1, "it is too large", 1, format!("event {} is not parked in relay", position + 1)),
        (position, " ", 2, "this one is blank".to_owned()),
        (position, &*"x".repeat(501), 2, "1 to 500 characters".to_owned()),
    ] {
        let refused = skip(position, reason).await;
        assert!(refused.status == status && refused.stderr.contains(&words), "{words}: {}{}", refused.stdout, refused.stderr);
    }
    let listed = scene.milepost(&["dead-letters", "list", "--source", "relay", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!((&listed[0]["source"], &listed[0]["position"]), (&json!("relay"), &json!(position.to_string())), "{listed}");
    assert_eq!(scene.position().await, Some(position - 1), "a refused skip skips nothing");
    let skipped = skip(position, "agreed with the owner of billing").await;
    assert_eq!(skipped.status, 0, "{}{}", skipped.stdout, skipped.stderr);
    scene.relayed().await;
    let again = skip(position, "agreed with the owner of billing").await;
    assert!(again.status == 1 && again.stderr.contains("is not parked in relay"), "{}{}", again.stdout, again.stderr);

    let letters = read_topic(&scene.topics.kafka, &scene.topics.catalogue.dead_letter_topic());
    let [letter] = &letters[..] else { panic!("one dead letter: {letters:?}") };
    let (event_id, event_type, aggregate_id): (Uuid, String, String) =
        sqlx::query_as("SELECT event_id, event_type, aggregate_id FROM milepost.events WHERE position = $1")
            .bind(position)
            .fetch_one(&scene.sql().await)
            .await
            .expect("the event is in the log");
    let expected = json!([position.to_string(), event_id, event_type, aggregate_id, "agreed with the owner of billing"]);
    let value = &letter.value;
    assert_eq!(json!([value["position"], value["event_id"], value["event_type"], value["aggregate_id"], value["reason"]]), expected);
    assert_eq!(value["topic"], json!(letter.headers["kafka_dlt-original-topic"]));
    assert_eq!((&letter.key, value.get("data")), (&aggregate_id, None));
    assert!(!value.to_string().contains(payload), "the payload is not sent: {value}");

    let mut positions = scene.topics.positions().await;
    let sent: Vec<i64> = (1..=scene.head()).filter(|&sent| sent != position).collect();
    positions.dedup();
    assert_eq!(positions, sent, "everything else is there once");
    let record: (String, String) =
        sqlx::query_as("SELECT skipped_by, reason FROM milepost.relay_dead_letters WHERE position = $1 AND skipped_at IS NOT NULL")
            .bind(position)
            .fetch_one(&scene.sql().await)
            .await
            .expect("who did it is kept");
    assert_eq!(record, ("ada".to_owned(), "agreed with the owner of billing".to_owned()));
    let verdict = scene.milepost(&["verify", "kafka"]).await;
    assert_eq!(verdict.status, 0, "{}{}", verdict.stdout, verdict.stderr);
    assert!(verdict.stdout.contains(", 1 of them skipped by an admin"), "{}", verdict.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_too_large_for_its_topic_is_left_out_by_an_admin_and_by_nobody_else() {
    let scene = Scene::new(2).await;
    let topics = Topics::new(&scene.topics.kafka, &scene.topics.catalogue).expect("a client can be made");
    topics.create_missing().await.expect("topics can be created");
    set_longest(&scene, 4_000).await;
    scene.write(10, &AtomicUsize::new(0)).await;
    let (position, noise) = poison(&scene).await;
    scene.write(10, &AtomicUsize::new(0)).await;
    let mut node = scene.node("");
    stands_before(&scene, &mut node, position, &[]).await;
    assert_left_out(&scene, position, &noise).await;
    node.kill().await;
    // Whoever takes over goes on behind it.
    scene.end_leases().await;
    let node = scene.node("");
    scene.write(5, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    assert_eq!(scene.milepost(&["verify", "kafka"]).await.status, 0);
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_read_may_be_left_out_too_also_as_the_last() {
    let scene = Scene::new(2).await;
    scene.write(5, &AtomicUsize::new(0)).await;
    let (position, noise) = poison(&scene).await;
    set_version(&scene, position, "99").await;
    let mut node = scene.node("");
    stands_before(&scene, &mut node, position, &[]).await;
    assert_left_out(&scene, position, &noise).await;
    scene.write(5, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    node.kill().await;
}

/// What stood in the way is gone, and the event is in a transaction, when the admin asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_being_sent_when_an_admin_leaves_it_out_is_sent_and_not_left_out() {
    let scene = Scene::new(2).await;
    scene.write(5, &AtomicUsize::new(0)).await;
    let mut node = scene.node("");
    scene.relayed().await;
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended().await, 0, "{}", node.log());
    let (position, _) = poison(&scene).await;
    set_version(&scene, position, "99").await;
    let mut node = scene.node("relay_before_commit=1*sleep(3000)->off");
    stands_before(&scene, &mut node, position, &[]).await;
    set_version(&scene, position, "1").await;
    scene.in_transaction().await;
    let skip = scene.milepost(&["dead-letters", "skip", "--source", "relay", &position.to_string(), "--reason", "a test"]).await;
    assert!(skip.status == 1 && skip.stderr.contains("no longer stopped at event"), "{}{}", skip.stdout, skip.stderr);
    scene.relayed().await;
    scene.assert_exactly_once().await;
    let verdict = scene.milepost(&["verify", "kafka"]).await;
    assert_eq!(verdict.status, 0, "{}{}", verdict.stdout, verdict.stderr);
    node.kill().await;
}

/// As if the row had outlived a connection that was lost when it was to be deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_sent_cannot_be_left_out() {
    let scene = Scene::new(2).await;
    let (mut node, sql) = (scene.node(""), scene.sql().await);
    scene.relayed().await;
    let confirmed = "SELECT EXISTS (SELECT FROM milepost.checkpoints WHERE name = 'relay' AND position >= 2)";
    until("it is confirmed", || async { sqlx::query_scalar(confirmed).fetch_one(&sql).await.ok().filter(|confirmed| *confirmed) }).await;
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended().await, 0, "{}", node.log());
    let stale = "INSERT INTO milepost.relay_dead_letters (position, event_id, event_type, aggregate_type, aggregate_id, workspace_id, topic, error) \
                 SELECT position, event_id, event_type, aggregate_type, aggregate_id, workspace_id, 'none', 'none' FROM milepost.events WHERE position = 2";
    sqlx::query(stale).execute(&sql).await.expect("the row is written");
    let skip = scene.milepost(&["dead-letters", "skip", "--source", "relay", "2", "--reason", "a test"]).await;
    assert!(skip.status == 1 && skip.stderr.contains("no longer stopped at event 2"), "{}{}", skip.stdout, skip.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_is_lost_or_of_nobody_is_found() {
    let scene = Scene::new(2).await;
    scene.write(5, &AtomicUsize::new(0)).await;
    let (position, _) = poison(&scene).await;
    set_version(&scene, position, "99").await;
    let mut node = scene.node("");
    stands_before(&scene, &mut node, position, &[]).await;
    let skip = ["dead-letters", "skip", "--source", "relay", &position.to_string(), "--reason", "a test"];
    assert_eq!(scene.milepost(&skip).await.status, 0);
    scene.relayed().await;
    node.kill().await;
    let (sql, dlt) = (scene.sql().await, scene.topics.catalogue.dead_letter_topic());
    let skipped = |skipped: &'static str| {
        let set = format!("UPDATE milepost.relay_dead_letters SET position = position {skipped}, event_id = gen_random_uuid()");
        let sql = sql.clone();
        async move { sqlx::query(&set).execute(&sql).await.map(|_| ()).expect("the row is changed") }
    };
    skipped("- 1").await;
    let verdict = scene.milepost(&["verify", "kafka"]).await;
    for words in [
        format!("position {} (task_commented) is on no topic", position - 1),
        format!("position {} was skipped by an admin, but is here", position - 1),
        format!("{dlt}[0]@0: position {position} was not skipped by an admin"),
        format!("position {position} (task_commented) is on no topic"),
    ] {
        assert!(verdict.status == 1 && verdict.stdout.contains(&words), "{words}: {}{}", verdict.stdout, verdict.stderr);
    }
}
