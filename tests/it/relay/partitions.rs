//! The number of partitions: the catalogue's decides where a key goes, whatever the brokers have.

use super::{GOES_ON, Scene, client};
use infrastructure::kafka::client_config;
use infrastructure::kafka::partitioner::partition_of;
use infrastructure::kafka::topics::Topics;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use tests::kafka::read_topic;
use tests::wait::PATIENCE;
use uuid::Uuid;

const TASKS: usize = 30;

/// Gives a topic more partitions, as an admin of Kafka may.
async fn raise(scene: &Scene, topic: &str, partitions: usize) {
    let admin: AdminClient<DefaultClientContext> = client_config(&scene.topics.kafka).create().expect("a client can be made");
    for result in admin.create_partitions(&[NewPartitions::new(topic, partitions)], &AdminOptions::new()).await.expect("Kafka answers") {
        result.expect("the topic gets more partitions");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_stay_on_their_partitions_when_a_topic_is_given_more() {
    let scene = Scene::new(TASKS).await;
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    scene.relayed().await;
    let tasks = scene.topics.catalogue.full_name("task-events");
    raise(&scene, &tasks, 7).await;
    let message = client(&mut node).await.notice("topic_partitions_differ").await;
    assert!(message.contains(&format!("the topic {tasks} has 7 partitions and the catalogue says 3")), "{message}");
    scene.write(2 * TASKS, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    node.kill().await;
    // The next relay has seen nothing but seven partitions.
    let node = scene.node("");
    scene.write(2 * TASKS, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    let diff = scene.milepost(&["topics", "diff"]).await;
    assert_eq!(diff.status, 1, "{}", diff.stdout);
    assert!(diff.stdout.contains("partitions is 7, the catalogue says 3: events still go to the first 3"), "{}", diff.stdout);
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_partitions_than_in_the_catalogue_stop_the_relay_until_they_are_raised_by_name() {
    let scene = Scene::new(TASKS).await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    scene.write_catalogue(&scene.topics.toml.replace("partitions = 3", "partitions = 5"));
    let tasks = scene.topics.catalogue.full_name("task-events");
    let mut node = scene.node("");
    node.said("has 3 partitions and the catalogue says 5").await;
    assert!(client(&mut node).await.notice("relay_stuck").await.contains("milepost topics apply --reorder-keys"));
    assert_eq!(scene.position().await, Some(0), "nothing is sent");

    let refused = scene.milepost(&["topics", "apply"]).await;
    assert_eq!(refused.status, 1, "{}", refused.stdout);
    assert!(refused.stdout.contains(&format!("{tasks}: partitions is 3, the catalogue says 5")), "{}", refused.stdout);
    assert!(refused.stdout.contains("--reorder-keys"), "{}", refused.stdout);
    let raised = scene.milepost(&["topics", "apply", "--reorder-keys"]).await;
    assert_eq!(raised.status, 0, "{}{}", raised.stdout, raised.stderr);
    assert!(raised.stdout.contains(&format!("changed {tasks}: partitions from 3 to 5")), "{}", raised.stdout);
    scene.relayed().await;
    scene.assert_exactly_once().await;
    let used: std::collections::BTreeSet<i32> =
        scene.topics.records().await.iter().filter(|record| record.topic == tasks).map(|record| record.partition).collect();
    assert!(used.len() > 3, "the new partitions are used: {used:?}");
    node.kill().await;
}

/// librdkafka's own partitioner, with the setting that makes it choose as Java's client does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_of_somebody_else_puts_a_key_on_the_same_partition() {
    let scene = Scene::new(1).await;
    Topics::new(&scene.topics.kafka, &scene.topics.catalogue).expect("a client").create_missing().await.expect("topics can be created");
    let topic = scene.topics.catalogue.full_name("task-events");
    let mut config = client_config(&scene.topics.kafka);
    let producer: BaseProducer = config.set("partitioner", "murmur2_random").create().expect("a producer can be made");
    let keys: Vec<String> = (0..200).map(|_| Uuid::new_v4().to_string()).collect();
    for key in &keys {
        producer.send(BaseRecord::to(&topic).key(key).payload("null")).expect("a record is taken");
    }
    producer.flush(PATIENCE).expect("Kafka takes records");
    let records = read_topic(&scene.topics.kafka, &topic);
    let found: BTreeMap<&str, i32> = records.iter().map(|record| (record.key.as_str(), record.partition)).collect();
    let expected: BTreeMap<&str, i32> = keys.iter().map(|key| (key.as_str(), partition_of(key.as_bytes(), 3))).collect();
    assert_eq!(found, expected);
}
