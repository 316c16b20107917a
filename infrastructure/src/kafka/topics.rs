//! Topics as they are on the brokers, beside the topics of the catalogue.

mod difference;

pub use difference::{Difference, TopicFound, TopicState, Warning, warning};

use super::catalogue::Catalogue;
use super::client::{BROKERS_TIMEOUT, client_config, is_demo};
use super::probe::{AskError, Probe};
use crate::config::Kafka;
use difference::differences;
use messages::RECORD_BYTES_MAX;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use thiserror::Error;

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How soon after its creation every broker knows a topic.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);

/// The brokers could not be asked, or refused.
#[derive(Debug, Error)]
pub enum TopicsError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(
        "Kafka at {servers} is the demo broker of `milepost dev`: it has the catalogue's topics from its start, and its topics cannot be changed or compared; name a real Kafka in KAFKA_BOOTSTRAP_SERVERS"
    )]
    Demo { servers: String },
    #[error("the topic {topic} cannot be created: {reason}")]
    Create { topic: String, reason: String },
    #[error("the topic {topic} cannot be changed: {reason}")]
    Change { topic: String, reason: String },
    #[error("Kafka at {servers} did not answer: {error}")]
    Kafka { servers: String, error: KafkaError },
}

/// Looks after the topics of a catalogue.
pub struct Topics {
    admin: AdminClient<DefaultClientContext>,
    probe: Probe,
    servers: String,
    wanted: BTreeMap<String, (TopicState, i32)>,
}

impl Topics {
    /// With a client of its own.
    pub fn new(kafka: &Kafka, catalogue: &Catalogue) -> Result<Self, TopicsError> {
        let mut wanted: BTreeMap<_, _> = catalogue
            .topics
            .iter()
            .map(|topic| {
                let state = TopicState {
                    partitions: topic.partitions,
                    cleanup_policy: "delete".to_owned(),
                    retention_ms: Some(topic.retention_ms),
                };
                (catalogue.full_name(&topic.name), (state, topic.replication))
            })
            .collect();
        let relay = TopicState { partitions: 1, cleanup_policy: "compact".to_owned(), retention_ms: None };
        wanted.insert(catalogue.relay_topic(), (relay, catalogue.relay.replication));
        let dead_letters = TopicState { partitions: 1, cleanup_policy: "delete".to_owned(), retention_ms: Some(-1) };
        wanted.insert(catalogue.dead_letter_topic(), (dead_letters, catalogue.relay.replication));
        let servers = kafka.bootstrap_servers.clone();
        let admin = client_config(kafka).create().map_err(|error: KafkaError| AskError::Settings(error.to_string()))?;
        Ok(Self { admin, probe: Probe::new(kafka)?, servers, wanted })
    }

    /// The brokers that are asked, as the settings name them.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// The topics of the catalogue.
    pub fn wanted(&self) -> impl Iterator<Item = (&str, &TopicState)> {
        self.wanted.iter().map(|(name, (state, _))| (name.as_str(), state))
    }

    /// Those of them that the brokers have, as they are there.
    pub async fn found(&self) -> Result<BTreeMap<String, TopicFound>, TopicsError> {
        Ok(self.cluster().await?.1)
    }

    /// How many brokers there are, and the topics that they have.
    async fn cluster(&self) -> Result<(usize, BTreeMap<String, TopicFound>), TopicsError> {
        let cluster = self.probe.cluster(self.wanted.keys().map(String::as_str))?;
        self.check_not_demo()?;
        let mut found = BTreeMap::new();
        for (name, topic) in cluster.topics {
            let config = self.config(&name).await?;
            let value = |key: &str| config.get(key).and_then(|entry| entry.value.as_deref());
            let number = |key: &str| value(key).and_then(|value| value.parse().ok());
            let cleanup_policy = value("cleanup.policy").unwrap_or_default().to_owned();
            let retention_ms = value("retention.ms").filter(|_| cleanup_policy != "compact").and_then(|value| value.parse().ok());
            let state = TopicState { partitions: topic.partitions(), cleanup_policy, retention_ms };
            let (min_insync_replicas, max_message_bytes) = (number("min.insync.replicas"), number("max.message.bytes"));
            found.insert(name, TopicFound { state, copies: topic.copies, min_insync_replicas, max_message_bytes });
        }
        Ok((cluster.brokers, found))
    }

    /// The configuration of a topic. What one may not read is an error: nothing can be compared with it.
    async fn config(&self, name: &str) -> Result<ConfigResource, TopicsError> {
        let begun = Instant::now();
        loop {
            match self.describe(name).await? {
                Some(config) => return Ok(config),
                None if begun.elapsed() > KNOWN_WITHIN => {
                    return Err(self.probe.not_allowed("read the configuration (DESCRIBE_CONFIGS)", name).into());
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// The configuration of a topic, or nothing where the right is missing, or the broker has not heard of the topic yet:
    /// the client answers both with a configuration without entries.
    async fn describe(&self, name: &str) -> Result<Option<ConfigResource>, TopicsError> {
        let described = self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options()).await;
        let refused = |reason: String| AskError::Topic { topic: name.to_owned(), reason }.into();
        match described.map_err(|error| self.kafka(error))?.pop() {
            Some(Ok(config)) => Ok(Some(config).filter(|config| !config.entries.is_empty())),
            Some(Err(code)) => Err(refused(code.to_string())),
            None => Err(refused("the brokers left it out of their answer".to_owned())),
        }
    }

    fn kafka(&self, error: KafkaError) -> TopicsError {
        TopicsError::Kafka { servers: self.servers.clone(), error }
    }

    /// The broker inside `milepost dev` takes such questions and never answers them.
    fn check_not_demo(&self) -> Result<(), TopicsError> {
        if self.is_demo() { Err(TopicsError::Demo { servers: self.servers.clone() }) } else { Ok(()) }
    }

    /// Whether the broker is the one inside `milepost dev`.
    pub fn is_demo(&self) -> bool {
        is_demo(self.admin.inner(), BROKERS_TIMEOUT)
    }

    /// Fails with the cause if the brokers do not answer this client.
    pub fn check_reachable(&self) -> Result<(), TopicsError> {
        self.probe.cluster([])?;
        Ok(())
    }

    /// What differs, by topic, and what else Milepost needs.
    pub async fn differences(&self) -> Result<Vec<(String, Difference)>, TopicsError> {
        let (brokers, found) = self.cluster().await?;
        let relay = |wanted: &TopicState| wanted.cleanup_policy == "compact";
        let differ = |(name, (wanted, _)): (&String, &(TopicState, i32))| {
            let differences = match found.get(name) {
                None => vec![Difference::Missing],
                Some(found) => differences(wanted, found, brokers, if relay(wanted) { 0 } else { RECORD_BYTES_MAX }),
            };
            differences.into_iter().map(|difference| (name.clone(), difference)).collect::<Vec<_>>()
        };
        Ok(self.wanted.iter().flat_map(differ).collect())
    }

    /// Creates the topics that are missing and gives their names. What is there is left as it is.
    pub async fn create_missing(&self) -> Result<Vec<String>, TopicsError> {
        let there = self.probe.cluster(self.wanted.keys().map(String::as_str))?.topics;
        let missing: Vec<_> = self.wanted.iter().filter(|(name, _)| !there.contains_key(*name)).collect();
        let retention: Vec<String> = missing.iter().map(|(_, (state, _))| state.retention_ms.unwrap_or(-1).to_string()).collect();
        let new: Vec<NewTopic<'_>> = missing
            .iter()
            .zip(&retention)
            .map(|((name, (state, replication)), retention)| {
                NewTopic::new(name, state.partitions, TopicReplication::Fixed(*replication))
                    .set("cleanup.policy", &state.cleanup_policy)
                    .set("retention.ms", retention)
            })
            .collect();
        if new.is_empty() {
            return Ok(vec![]);
        }
        self.check_not_demo()?;
        let mut created = vec![];
        for result in self.admin.create_topics(&new, &options()).await.map_err(|error| self.kafka(error))? {
            match result {
                Ok(name) => created.push(name),
                // Another node was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(TopicsError::Create { topic, reason: code.to_string() }),
            }
        }
        self.known(&created).await?;
        Ok(created)
    }

    /// Returns once the brokers show these topics with all their partitions: some hear of them a moment later.
    async fn known(&self, created: &[String]) -> Result<(), TopicsError> {
        let begun = Instant::now();
        loop {
            let found = self.probe.cluster(created.iter().map(String::as_str))?.topics;
            let whole = |name: &&String| found.get(*name).is_some_and(|topic| topic.partitions() >= self.wanted[*name].0.partitions);
            match created.iter().find(|name| !whole(name)) {
                None => return Ok(()),
                Some(topic) if begun.elapsed() > BROKERS_TIMEOUT => {
                    let reason = format!("the brokers accepted it and do not show it after {} s", BROKERS_TIMEOUT.as_secs());
                    return Err(TopicsError::Create { topic: topic.clone(), reason });
                }
                Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Sets what the catalogue says otherwise, and returns what was changed. The number of partitions and the size of
    /// records are left alone.
    pub async fn mend(&self) -> Result<Vec<(String, Difference)>, TopicsError> {
        let mut mended = self.differences().await?;
        mended.retain(|(_, difference)| matches!(difference, Difference::Drift { .. }));
        let mut names: Vec<&str> = mended.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        for name in names {
            let values = self.values(name, &self.config(name).await?);
            let change =
                values.iter().fold(AlterConfig::new(ResourceSpecifier::Topic(name)), |change, (key, value)| change.set(key, value));
            for result in self.admin.alter_configs(&[change], &options()).await.map_err(|error| self.kafka(error))? {
                result.map_err(|(_, code)| TopicsError::Change { topic: name.to_owned(), reason: code.to_string() })?;
            }
        }
        self.seen(&mended).await?;
        Ok(mended)
    }

    /// Gives topics as many partitions as the catalogue says, where they have fewer, and returns what was changed. Keys
    /// belong to other partitions from then on.
    pub async fn raise_partitions(&self) -> Result<Vec<(String, Difference)>, TopicsError> {
        let mut raised = self.differences().await?;
        raised.retain(|(_, difference)| matches!(difference, Difference::Partitions { wanted, found } if found < wanted));
        for (name, _) in &raised {
            let fault = |reason: String| TopicsError::Change { topic: name.clone(), reason };
            let wanted = usize::try_from(self.wanted[name].0.partitions).map_err(|error| fault(error.to_string()))?;
            let results = self.admin.create_partitions(&[NewPartitions::new(name, wanted)], &options()).await;
            for result in results.map_err(|error| self.kafka(error))? {
                result.map_err(|(_, code)| fault(code.to_string()))?;
            }
        }
        self.seen(&raised).await?;
        Ok(raised)
    }

    /// Returns once brokers show that none of this differs any more: they hear of a change a moment after it is made.
    async fn seen(&self, mended: &[(String, Difference)]) -> Result<(), TopicsError> {
        let begun = Instant::now();
        while let Some((topic, _)) = self.differences().await?.iter().find(|difference| mended.contains(difference)) {
            if begun.elapsed() > BROKERS_TIMEOUT {
                let reason = format!("the brokers accepted the change and do not show it after {} s", BROKERS_TIMEOUT.as_secs());
                return Err(TopicsError::Change { topic: topic.clone(), reason });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Everything that is set for this topic, as it is to be. A change replaces all of it.
    fn values(&self, name: &str, config: &ConfigResource) -> BTreeMap<String, String> {
        let set = config.entries.iter().filter(|entry| matches!(entry.source, ConfigSource::DynamicTopic));
        let mut values: BTreeMap<String, String> = set.filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?))).collect();
        if let Some((wanted, _)) = self.wanted.get(name) {
            values.insert("cleanup.policy".to_owned(), wanted.cleanup_policy.clone());
            if let Some(retention_ms) = wanted.retention_ms {
                values.insert("retention.ms".to_owned(), retention_ms.to_string());
            }
        }
        values
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(BROKERS_TIMEOUT)).operation_timeout(Some(BROKERS_TIMEOUT))
}
