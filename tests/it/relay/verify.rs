//! What is wrong on the topics is found, named, and told by the exit status.

mod retention;

use super::{Scene, all_events, assert_exactly_once, each_event};
use application::ports::EventLog;
use domain::event::{AggregateType, Recorded};
use domain::ids::WorkspaceId;
use infrastructure::kafka::relay::LogSide;
use infrastructure::kafka::topics::Topics;
use infrastructure::kafka::{RelayRecord, client_config};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tests::kafka::{Record, TestTopics};
use tests::wait::PATIENCE;
use uuid::Uuid;

/// Somebody who writes to the topics and is not the relay.
pub(super) struct Forger {
    producer: BaseProducer,
}

impl Forger {
    pub(super) async fn new(scene: &Scene) -> Self {
        let topics = Topics::new(&scene.topics.kafka, &scene.topics.catalogue).expect("a client can be made");
        topics.create_missing().await.expect("topics can be created");
        let mut config = client_config(&scene.topics.kafka);
        Self { producer: config.set("partitioner", "murmur2_random").create().expect("a producer can be made") }
    }

    pub(super) fn put(&self, topic: &str, key: &str, value: &str) {
        self.producer.send(BaseRecord::to(topic).key(key).payload(value)).expect("a record is taken");
        self.producer.flush(PATIENCE).expect("Kafka takes records");
    }

    /// On a partition that is not by its key.
    fn put_on(&self, topic: &str, partition: i32, key: &str, value: &str) {
        self.producer.send(BaseRecord::to(topic).partition(partition).key(key).payload(value)).expect("a record is taken");
        self.producer.flush(PATIENCE).expect("Kafka takes records");
    }

    /// As the relay would have said it, at the partition of its key.
    fn event(&self, scene: &Scene, recorded: &Recorded) {
        let envelope = messages::envelope(recorded);
        let topic = scene.topics.catalogue.topic_of(&envelope.event_type).expect("every event has a topic");
        let value = serde_json::to_string(&envelope).expect("an envelope is JSON");
        self.put(&scene.topics.catalogue.full_name(&topic.name), &recorded.aggregate_id.to_string(), &value);
    }

    /// Makes everybody believe that the relay is there.
    pub(super) async fn position(&self, scene: &Scene, position: i64) {
        let log = LogSide::read(&scene.core.database.worker, position).await.expect("the log can be read");
        let record = RelayRecord::chosen(log.id, position, log.event_id);
        let value = serde_json::to_string(&record).expect("a record is JSON");
        self.put(&scene.topics.catalogue.relay_topic(), &scene.topics.kafka.transactional_id, &value);
    }
}

/// What the program says: its exit status, the number of faults, and those that it shows.
struct Verdict {
    status: i32,
    total: u64,
    expired: i64,
    unchecked: i64,
    faults: Vec<Value>,
    text: String,
}

async fn verify(scene: &Scene) -> Verdict {
    let found = scene.milepost(&["verify", "kafka", "--wait", "0s", "--json"]).await;
    let report: Value = serde_json::from_str(&found.stdout).unwrap_or_else(|_| panic!("no report: {}{}", found.stdout, found.stderr));
    let human = scene.milepost(&["verify", "kafka", "--wait", "0s"]).await;
    assert_eq!(human.status, found.status, "for people and for programs");
    let text = format!("{}{}", human.stdout, human.stderr);
    let faults = report["faults"].as_array().expect("faults").clone();
    let number = |name: &str| report[name].as_i64().expect("a number");
    let (total, expired, unchecked) = (report["faults_total"].as_u64().expect("a number"), number("expired"), number("unchecked"));
    Verdict { status: found.status, total, expired, unchecked, faults, text }
}

async fn events(scene: &Scene) -> Vec<Arc<Recorded>> {
    let facts = scene.core.log.after(0, 1_000).await.expect("the log can be read");
    facts.iter().map(|fact| Arc::clone(fact.recorded.as_ref().expect("events can be read"))).collect()
}

/// Everything of the log on Kafka, and no relay any more.
async fn published(tasks: usize) -> (Scene, Forger, Vec<Record>) {
    let scene = Scene::new(tasks).await;
    let forger = Forger::new(&scene).await;
    events(&scene).await.iter().for_each(|event| forger.event(&scene, event));
    forger.position(&scene, scene.head()).await;
    let records = scene.topics.records().await;
    assert_exactly_once(&records, scene.head());
    (scene, forger, records)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_hold_every_event_once_are_clean() {
    let (scene, ..) = published(3).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (0, 0), "{}", verdict.text);
    assert!(verdict.text.contains("4 positions: each is on Kafka once"), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_records_are_found_and_the_first_ten_told() {
    let (scene, forger, _) = published(2).await;
    scene.write(12, &AtomicUsize::new(0)).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 0), "behind is not lost: {}", verdict.text);
    assert!(verdict.text.contains("12 events behind"), "{}", verdict.text);
    forger.position(&scene, scene.head()).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total, verdict.faults.len()), (1, 12, 10), "{}", verdict.text);
    assert_eq!(verdict.faults[0], json!({ "Missing": { "position": 4, "event_type": "task_commented" } }));
    assert!(verdict.text.contains("- position 4 (task_commented) is on no topic"), "{}", verdict.text);
    assert!(verdict.text.contains("12 faults up to position 15"), "{}", verdict.text);
    assert_eq!(verdict.text.lines().filter(|line| line.starts_with("- ")).count(), 10, "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_there_twice_is_found() {
    let (scene, forger, records) = published(2).await;
    let record = &records[1];
    forger.put(&record.topic, &record.key, &record.value.to_string());
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 1), "{}", verdict.text);
    assert_eq!(verdict.faults[0]["Twice"]["position"], json!(record.position()));
    assert!(verdict.text.contains(&format!("position {} is there again at {}[", record.position(), record.topic)), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_no_event_are_found() {
    let (scene, forger, records) = published(2).await;
    let topic = &records[1].topic;
    forger.put(topic, "somebody", "no JSON at all");
    // Behind the position of the relay: nobody can say that it is merely on its way.
    let mut beyond = records[1].value.clone();
    (beyond["position"], beyond["aggregate_version"]) = (json!("1000"), json!(7));
    forger.put(topic, &records[1].key, &beyond.to_string());
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 2), "{}", verdict.text);
    assert!(verdict.text.contains("the value is not an event of Milepost"), "{}", verdict.text);
    assert!(verdict.text.contains("position 1000 is not in the log"), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_under_another_key_or_on_another_topic_is_found() {
    let scene = Scene::new(1).await;
    let forger = Forger::new(&scene).await;
    let events = events(&scene).await;
    let topics: Vec<String> = scene.topics.catalogue.topics.iter().map(|topic| scene.topics.catalogue.full_name(&topic.name)).collect();
    let value = |index: usize| serde_json::to_string(&messages::envelope(&events[index])).expect("an envelope is JSON");
    forger.put(&topics[0], "another key", &value(0));
    forger.put(&topics[0], &events[1].aggregate_id.to_string(), &value(1));
    forger.position(&scene, 2).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 2), "{}", verdict.text);
    assert!(verdict.text.contains(&format!("the key \"another key\" is not the aggregate {}", events[0].aggregate_id)), "{}", verdict.text);
    assert!(verdict.text.contains("task_created does not belong on this topic"), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_order_under_one_key_is_found() {
    let scene = Scene::new(1).await;
    scene.write(2, &AtomicUsize::new(0)).await;
    let forger = Forger::new(&scene).await;
    let events = events(&scene).await;
    // The versions of the task come as 1, 3, 2.
    [0, 1, 3, 2].into_iter().for_each(|index: usize| forger.event(&scene, &events[index]));
    forger.position(&scene, 4).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 1), "{}", verdict.text);
    assert_eq!(verdict.faults[0]["OutOfOrder"]["version"], json!(2));
    assert!(verdict.text.contains(&format!("version 2 of {} comes after version 3", events[1].aggregate_id)), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_may_part_the_events_of_an_aggregate_among_topics() {
    let mut topics = TestTopics::new();
    let (projects, tasks) = (all_events(AggregateType::Project), all_events(AggregateType::Task));
    let others = each_event(AggregateType::Task).replace("\"task_commented\", ", "");
    assert!([&projects, &tasks].iter().all(|line| topics.toml.contains(*line)));
    topics.toml = topics.toml.replace(&tasks, &others).replace(&projects, &format!("{projects}\nevents = [\"task_commented\"]"));
    topics.catalogue.topics[1].events.retain(|event| event != "task_commented");
    topics.catalogue.topics[0].events.push("task_commented".to_owned());
    let scene = Scene::on(topics, 1).await;
    scene.write(2, &AtomicUsize::new(0)).await;
    let forger = Forger::new(&scene).await;
    let events = events(&scene).await;
    events.iter().for_each(|event| forger.event(&scene, event));
    forger.position(&scene, scene.head()).await;
    let places: BTreeSet<String> =
        scene.topics.records().await.into_iter().filter(|r| r.key != events[0].aggregate_id.to_string()).map(|r| r.topic).collect();
    assert_eq!(places.len(), 2, "the task is on two topics: {places:?}");
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (0, 0), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_on_two_partitions_is_found() {
    let scene = Scene::new(1).await;
    scene.write(2, &AtomicUsize::new(0)).await;
    let forger = Forger::new(&scene).await;
    let events = events(&scene).await;
    events[..2].iter().for_each(|event| forger.event(&scene, event));
    let (task, key) = (scene.topics.records().await.into_iter().find(|r| r.position() == 2), events[1].aggregate_id.to_string());
    let task = task.expect("the task is there");
    let elsewhere = (task.partition + 1) % 3;
    for event in &events[2..] {
        let value = serde_json::to_string(&messages::envelope(event)).expect("an envelope is JSON");
        forger.put_on(&task.topic, elsewhere, &key, &value);
    }
    forger.position(&scene, scene.head()).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 1), "{}", verdict.text);
    // Which of the two is read first is not said.
    let split = |here: i32, other: i32| {
        verdict.text.contains(&format!("{}[{here}]@", task.topic))
            && verdict.text.contains(&format!("{key} is on partition {other} of this topic as well"))
    };
    assert!(split(elsewhere, task.partition) || split(task.partition, elsewhere), "{}", verdict.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_says_something_else_than_the_log_is_found() {
    let scene = Scene::new(3).await;
    let forger = Forger::new(&scene).await;
    let events = events(&scene).await;
    forger.event(&scene, &events[0]);
    forger.event(&scene, &Recorded { event_id: Uuid::now_v7(), ..Recorded::clone(&events[1]) });
    forger.event(&scene, &Recorded { workspace_id: WorkspaceId(Uuid::now_v7()), ..Recorded::clone(&events[2]) });
    let mut value = serde_json::to_value(messages::envelope(&events[3])).expect("an envelope is JSON");
    value["event_type"] = json!("task_commented");
    forger.put(&scene.topics.catalogue.full_name("task-events"), &events[3].aggregate_id.to_string(), &value.to_string());
    forger.position(&scene, 4).await;
    let verdict = verify(&scene).await;
    assert_eq!((verdict.status, verdict.total), (1, 3), "{}", verdict.text);
    for (position, field) in [(2, "event_id"), (3, "workspace_id"), (4, "event_type")] {
        assert!(verdict.text.contains(&format!("position {position} has another {field} than the log")), "{}", verdict.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_topics_there_is_no_verdict() {
    let scene = Scene::new(1).await;
    let found = scene.milepost(&["verify", "kafka", "--wait", "0s"]).await;
    assert_eq!(found.status, 3, "{}{}", found.stdout, found.stderr);
    assert!(found.stderr.contains("milepost topics apply"), "{}", found.stderr);
}
