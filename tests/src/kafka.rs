//! Topics for one test on the shared Kafka, and what is on them.

use crate::servers;
use crate::wait::PATIENCE;
use infrastructure::config::{Configuration, Kafka};
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::{client_config, consumer_config};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Names of its own on a Kafka.
#[derive(Clone)]
pub struct TestTopics {
    pub kafka: Kafka,
    pub catalogue: Catalogue,
    /// The catalogue as text, for the binary.
    pub toml: String,
}

/// A record as a consumer sees it.
#[derive(Debug, Clone)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub headers: BTreeMap<String, String>,
    /// When it was sent, in milliseconds since 1970.
    pub timestamp_ms: i64,
    pub value: Value,
}

impl TestTopics {
    /// On the shared Kafka. Nothing is created yet.
    pub fn new() -> Self {
        Self::on(servers::kafka())
    }

    /// On a Kafka of the test's own.
    pub fn on(bootstrap_servers: &str) -> Self {
        let name = format!("t{}.", &Uuid::new_v4().simple().to_string()[..12]);
        let mut catalogue = Catalogue::read("").expect("the built-in catalogue reads");
        catalogue.prefix = name.clone();
        let toml = infrastructure::kafka::catalogue::DEFAULT.replace("prefix = \"\"", &format!("prefix = \"{name}\""));
        let mut kafka = Configuration::defaults().kafka;
        kafka.bootstrap_servers = bootstrap_servers.to_owned();
        kafka.transactional_id = format!("{name}relay");
        kafka.group_id = format!("{name}group");
        Self { kafka, catalogue, toml }
    }

    /// The same with so many copies of each partition.
    #[must_use]
    pub fn with_copies(mut self, copies: i32) -> Self {
        self.catalogue.topics.iter_mut().for_each(|topic| topic.replication = copies);
        self.catalogue.relay.replication = copies;
        let toml = self.toml.replace("partitions = 3", &format!("partitions = 3\nreplication = {copies}"));
        self.toml = toml.replace("[relay]", &format!("[relay]\nreplication = {copies}"));
        self
    }

    /// The leader of each partition of a topic, if it has one.
    pub fn leaders(&self, topic: &str) -> BTreeMap<i32, Option<i32>> {
        let consumer: BaseConsumer = client_config(&self.kafka).create().expect("a client can be made");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("Kafka answers");
        let partitions = metadata.topics()[0].partitions().iter();
        partitions.map(|found| (found.id(), Some(found.leader()).filter(|leader| *leader > 0))).collect()
    }

    /// Every committed record on the event topics, each partition in order.
    pub async fn records(&self) -> Vec<Record> {
        let names: Vec<String> = self.catalogue.topics.iter().map(|topic| self.catalogue.full_name(&topic.name)).collect();
        let kafka = self.kafka.clone();
        let read = tokio::task::spawn_blocking(move || names.iter().flat_map(|name| read_topic(&kafka, name)).collect());
        read.await.expect("reading does not panic")
    }

    /// The positions of the committed records, in order of position, with doubles.
    pub async fn positions(&self) -> Vec<i64> {
        let mut positions: Vec<i64> = self.records().await.iter().map(Record::position).collect();
        positions.sort_unstable();
        positions
    }
}

impl Default for TestTopics {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    /// The position of the event.
    pub fn position(&self) -> i64 {
        self.value["position"].as_str().and_then(|position| position.parse().ok()).expect("a record has a position")
    }
}

/// The committed records of a topic; none if there is no such topic.
pub fn read_topic(kafka: &Kafka, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = consumer_config(kafka).create().expect("a consumer can be made");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(15)).expect("Kafka answers");
    let partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&assignment).expect("partitions can be assigned");
    let (mut open, mut records) = (partitions.len(), vec![]);
    while open > 0 {
        match consumer.poll(Duration::from_secs(30)).expect("Kafka goes on talking") {
            Ok(message) => records.push(Record {
                topic: topic.to_owned(),
                partition: message.partition(),
                offset: message.offset(),
                key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                headers: message
                    .headers()
                    .map(|headers| {
                        headers
                            .iter()
                            .map(|h| (h.key.to_owned(), String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned()))
                            .collect()
                    })
                    .unwrap_or_default(),
                timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
                value: serde_json::from_slice(message.payload().unwrap_or_default()).expect("a value is JSON"),
            }),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("Kafka: {error}"),
        }
    }
    records
}
