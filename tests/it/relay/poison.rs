//! An event that Kafka will not take, or that this program cannot read: the relay stops before it, by name, and goes on
//! by itself once that is mended. Nothing is skipped, and nothing in front of it is held back.

use super::{DOES_NOT_GET_ON, Scene};
use application::caller::Role;
use application::commands::{Command, TaskCommentInput};
use infrastructure::kafka::client_config;
use infrastructure::kafka::topics::Topics;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;
use tests::app::Client;
use tests::builders::send;
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

/// Until the relay stands right before a position and says why on the node's page of health.
async fn stands_before(scene: &Scene, node: &mut Process, position: i64, words: &str) {
    node.said(&format!("event {position} {words}")).await;
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    until("the health tells why", || async {
        let health: Value = serde_json::from_str(&client.get("/readyz").await.1).ok()?;
        assert_eq!(health["ready"], json!(true), "{health}");
        health["notices"][0]["message"].as_str()?.contains(&format!("event {position} {words}")).then_some(())
    })
    .await;
    assert_eq!(scene.position().await, Some(position - 1), "everything before it is sent:\n{}", node.log());
    assert!(node.log().contains(DOES_NOT_GET_ON));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_too_large_for_its_topic_stops_the_relay_by_name_until_the_topic_takes_it() {
    let scene = Scene::new(2).await;
    let topics = Topics::new(&scene.topics.kafka, &scene.topics.catalogue).expect("a client can be made");
    topics.create_missing().await.expect("topics can be created");
    set_longest(&scene, 4_000).await;
    // Together too large as well, but not one by one.
    scene.write(150, &AtomicUsize::new(0)).await;
    let noise: String = (0..250).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let comment = TaskCommentInput { command_id: None, id: scene.tasks[0], body: noise };
    let poison = send(&scene.core.application, scene.caller, Command::TaskComment(comment)).await.expect("a comment is taken").position;
    scene.write(20, &AtomicUsize::new(0)).await;

    let mut node = scene.node("");
    stands_before(&scene, &mut node, poison, "is not taken by Kafka").await;
    assert!(node.log().contains("Message size too large"), "{}", node.log());
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
    let mut sql = scene.sql().await.acquire().await.expect("a connection").detach();
    // As if a later version of the program had written it.
    let set_version = async |version: &str, sql: &mut sqlx::PgConnection| {
        sqlx::query("SET session_replication_role = replica").execute(&mut *sql).await.expect("triggers can be switched off");
        let change = sqlx::query("UPDATE milepost.events SET event_version = $1 WHERE position = $2");
        assert_eq!(change.bind(version).bind(UNREADABLE).execute(sql).await.expect("the event is changed").rows_affected(), 1);
    };
    set_version("99", &mut sql).await;
    let mut node = scene.node("");
    stands_before(&scene, &mut node, UNREADABLE, "cannot be read").await;
    set_version("1", &mut sql).await;
    // A program that can read it goes on with it.
    node.kill().await;
    let node = scene.node("");
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}
