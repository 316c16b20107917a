//! Topics as they are on the brokers, beside the topics of the catalogue.

use super::catalogue::Catalogue;
use super::client::client_config;
use crate::config::Kafka;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longest wait for the brokers.
pub const BROKERS_TIMEOUT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How the ids of librdkafka's own clusters begin.
const MOCK_CLUSTER: &str = "mockCluster";

/// A topic as the catalogue wants it or the brokers have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TopicState {
    pub partitions: i32,
    /// `delete` or `compact`.
    pub cleanup_policy: String,
    /// Not compared for a compacted topic.
    pub retention_ms: Option<i64>,
}

/// What is wrong with a topic.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Difference {
    Missing,
    /// Field, as the catalogue wants it, as it is.
    Drift {
        field: &'static str,
        wanted: String,
        found: String,
    },
}

/// The brokers could not be asked.
#[derive(Debug, Error)]
pub enum TopicsError {
    #[error("Kafka at {servers} does not answer: {reason}")]
    Unreachable { servers: String, reason: String },
    #[error(
        "Kafka at {servers} is the demo broker of `milepost dev`, which has the catalogue's topics from its start and does not let them be looked after; name a real Kafka in KAFKA_BOOTSTRAP_SERVERS"
    )]
    Demo { servers: String },
    #[error("topic {topic} could not be created: {reason}")]
    Create { topic: String, reason: String },
    #[error("topic {topic} could not be changed: {reason}")]
    Change { topic: String, reason: String },
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Looks after the topics of a catalogue.
pub struct Topics {
    admin: AdminClient<DefaultClientContext>,
    servers: String,
    wanted: BTreeMap<String, (TopicState, i32)>,
}

impl Topics {
    /// With a client of its own.
    pub fn new(kafka: &Kafka, catalogue: &Catalogue) -> Result<Self, TopicsError> {
        let config: ClientConfig = client_config(kafka);
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
        Ok(Self { admin: config.create()?, servers: kafka.bootstrap_servers.clone(), wanted })
    }

    /// The topics of the catalogue.
    pub fn wanted(&self) -> impl Iterator<Item = (&str, &TopicState)> {
        self.wanted.iter().map(|(name, (state, _))| (name.as_str(), state))
    }

    /// Those of them that the brokers have, as they are there.
    pub async fn found(&self) -> Result<BTreeMap<String, TopicState>, TopicsError> {
        let mut found = self.partitions()?;
        let names: Vec<&String> = found.keys().collect();
        let resources: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let options = AdminOptions::new().request_timeout(Some(BROKERS_TIMEOUT));
        self.check_not_demo()?;
        let configs = if resources.is_empty() { vec![] } else { self.admin.describe_configs(&resources, &options).await? };
        let configs: Vec<_> = names.into_iter().cloned().zip(configs).collect();
        for (name, config) in configs {
            let (Ok(config), Some(state)) = (config, found.get_mut(&name)) else { continue };
            let value = |key: &str| config.get(key).and_then(|entry| entry.value.clone());
            state.cleanup_policy = value("cleanup.policy").unwrap_or_default();
            if state.cleanup_policy != "compact" {
                state.retention_ms = value("retention.ms").and_then(|value| value.parse().ok());
            }
        }
        Ok(found)
    }

    /// The broker inside `milepost dev` takes such questions and never answers them.
    fn check_not_demo(&self) -> Result<(), TopicsError> {
        match self.admin.inner().fetch_cluster_id(BROKERS_TIMEOUT) {
            Some(id) if id.starts_with(MOCK_CLUSTER) => Err(TopicsError::Demo { servers: self.servers.clone() }),
            Some(_) | None => Ok(()),
        }
    }

    fn partitions(&self) -> Result<BTreeMap<String, TopicState>, TopicsError> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(None, BROKERS_TIMEOUT)
            .map_err(|error| TopicsError::Unreachable { servers: self.servers.clone(), reason: error.to_string() })?;
        let known = metadata.topics().iter().filter(|topic| topic.error().is_none() && self.wanted.contains_key(topic.name()));
        let state = |partitions| TopicState { partitions, cleanup_policy: String::new(), retention_ms: None };
        Ok(known.map(|topic| (topic.name().to_owned(), state(topic.partitions().len() as i32))).collect())
    }

    /// What differs, by topic.
    pub async fn differences(&self) -> Result<Vec<(String, Difference)>, TopicsError> {
        let found = self.found().await?;
        let mut differences = vec![];
        for (name, (wanted, _)) in &self.wanted {
            let Some(found) = found.get(name) else {
                differences.push((name.clone(), Difference::Missing));
                continue;
            };
            let mut drift = |field, wanted: String, found: String| {
                if wanted != found {
                    differences.push((name.clone(), Difference::Drift { field, wanted, found }));
                }
            };
            drift("partitions", wanted.partitions.to_string(), found.partitions.to_string());
            drift("cleanup.policy", wanted.cleanup_policy.clone(), found.cleanup_policy.clone());
            let retention = |state: &TopicState| state.retention_ms.map_or_else(String::new, |ms| ms.to_string());
            drift("retention.ms", retention(wanted), retention(found));
        }
        Ok(differences)
    }

    /// Creates the topics that are missing and gives their names. What is there is left as it is.
    pub async fn create_missing(&self) -> Result<Vec<String>, TopicsError> {
        let there = self.partitions()?;
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
        let options = AdminOptions::new().request_timeout(Some(BROKERS_TIMEOUT)).operation_timeout(Some(BROKERS_TIMEOUT));
        let mut created = vec![];
        for result in self.admin.create_topics(&new, &options).await? {
            match result {
                Ok(name) => created.push(name),
                // Another node was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(TopicsError::Create { topic, reason: code.to_string() }),
            }
        }
        Ok(created)
    }

    /// Sets what is otherwise than the catalogue says, and gives what was changed. The number of partitions is left
    /// alone: with another one the events of a key would go to another partition, and their order be lost.
    pub async fn mend(&self) -> Result<Vec<(String, Difference)>, TopicsError> {
        let mut mended = self.differences().await?;
        mended.retain(|(_, difference)| matches!(difference, Difference::Drift { field, .. } if *field != "partitions"));
        let mut names: Vec<&str> = mended.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        let options = AdminOptions::new().request_timeout(Some(BROKERS_TIMEOUT));
        for name in names {
            let fault = |reason: String| TopicsError::Change { topic: name.to_owned(), reason };
            let mut configs = self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options).await?;
            let config = configs.pop().ok_or_else(|| fault("brokers do not describe it".to_owned()))?;
            let config = config.map_err(|code| fault(code.to_string()))?;
            let values = self.values(name, &config);
            let change =
                values.iter().fold(AlterConfig::new(ResourceSpecifier::Topic(name)), |change, (key, value)| change.set(key, value));
            for result in self.admin.alter_configs(&[change], &options).await? {
                result.map_err(|(_, code)| fault(code.to_string()))?;
            }
        }
        self.seen(&mended).await?;
        Ok(mended)
    }

    /// Returns once brokers show that none of this differs any more: they hear of a change a moment after it is made.
    async fn seen(&self, mended: &[(String, Difference)]) -> Result<(), TopicsError> {
        let begun = Instant::now();
        while let Some((topic, _)) = self.differences().await?.iter().find(|difference| mended.contains(difference)) {
            if begun.elapsed() > BROKERS_TIMEOUT {
                return Err(TopicsError::Change { topic: topic.clone(), reason: "brokers took it and do not show it".to_owned() });
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
