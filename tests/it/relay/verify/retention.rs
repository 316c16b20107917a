//! What brokers removed is told from what was never there.

use super::*;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;

/// Enough for records on each of the partitions.
const TASKS: usize = 24;

/// A log of tasks with the partition of each task's record by its position, the topics still empty.
async fn planned() -> (Scene, Forger, HashMap<i64, i32>) {
    let (mut scene, _, records) = published(TASKS).await;
    let topic = scene.topics.catalogue.full_name("task-events");
    let partitions = records.iter().filter(|record| record.topic == topic).map(|record| (record.position(), record.partition)).collect();
    scene.topics = TestTopics::new();
    scene.write_catalogue(&scene.topics.toml);
    let forger = Forger::new(&scene).await;
    (scene, forger, partitions)
}

/// Removes the records of a partition of the tasks' topic before an offset, as retention would.
async fn remove(scene: &Scene, partition: i32, before: Offset) {
    let admin: AdminClient<DefaultClientContext> = client_config(&scene.topics.kafka).create().expect("a client can be made");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&scene.topics.catalogue.full_name("task-events"), partition, before).expect("an offset");
    let removed = admin.delete_records(&offsets, &AdminOptions::new()).await.expect("brokers remove records");
    removed.elements().iter().for_each(|partition| partition.error().expect("records are removed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_from_one_partition_does_not_excuse_another() {
    let (scene, forger, partitions) = planned().await;
    // The last record of all stays, so everything else is from before the first that is left on its partition.
    let cut = partitions[&scene.head()];
    let on_cut = partitions.values().filter(|&&partition| partition == cut).count() as i64;
    let lost = *partitions.keys().filter(|position| partitions[position] != cut).min().expect("tasks are on several partitions");
    events(&scene).await.iter().filter(|event| event.position != lost).for_each(|event| forger.event(&scene, event));
    forger.position(&scene, scene.head()).await;
    remove(&scene, cut, Offset::Offset(on_cut - 1)).await;

    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 1), "{}", verdict.text);
    assert_eq!(verdict.faults[0], json!({ "Missing": { "position": lost, "event_type": "task_created" } }));
    assert_eq!((verdict.expired, verdict.unchecked), (0, on_cut - 1), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_before_its_time_is_not_called_proved() {
    let (scene, forger, partitions) = planned().await;
    events(&scene).await.iter().for_each(|event| forger.event(&scene, event));
    forger.position(&scene, scene.head()).await;
    let emptied = partitions[&2];
    let gone = partitions.values().filter(|&&partition| partition == emptied).count() as i64;
    remove(&scene, emptied, Offset::End).await;

    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 0), "{}", verdict.text);
    assert_eq!((verdict.expired, verdict.unchecked), (0, gone), "{}", verdict.text);
    assert!(verdict.text.contains(&format!("{gone} of {} positions cannot be checked", scene.head())), "{}", verdict.text);

    // The same, where records are not to be kept for so long.
    scene.write_catalogue(&scene.topics.toml.replace("604800000", "1"));
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (0, 0), "{}", verdict.text);
    assert_eq!((verdict.expired, verdict.unchecked), (gone, 0), "{}", verdict.text);
    assert!(verdict.text.contains(&format!("{gone} of them expired")), "{}", verdict.text);
}
