//! A client that only asks, and says why it got no answer.
//!
//! Of a wrong password librdkafka answers "broker transport failure" once its time is over; the cause it tells only to
//! whoever listens to its errors meanwhile. This client listens.

use super::client::BROKERS_TIMEOUT;
use super::client::consumer_config;
use crate::config::Kafka;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// First wait for metadata; each further one is twice as long. Between them errors are listened to.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Why brokers did not tell what they were asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    #[error("Kafka at {servers} does not answer: {reason}; start the brokers, or correct KAFKA_BOOTSTRAP_SERVERS")]
    Unreachable { servers: String, reason: String },
    #[error(
        "Kafka at {servers} rejects the login of the user {user:?}: {reason}; check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and \
            KAFKA_SASL_MECHANISM"
    )]
    Login { servers: String, user: String, reason: String },
    #[error(
        "no TLS connection to Kafka at {servers}: {reason}; check KAFKA_SECURITY_PROTOCOL, KAFKA_SSL_CA_LOCATION, KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
    )]
    Tls { servers: String, reason: String },
    #[error("Kafka's client cannot be created with these settings: {0}")]
    Settings(String),
    #[error("{user} is not allowed to {right} of the topic {topic}: let an admin of Kafka grant it")]
    NotAllowed { user: String, right: &'static str, topic: String },
    #[error("Kafka returned no description of the topic {topic}: {reason}")]
    Topic { topic: String, reason: String },
}

/// What a broker said of a connection that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    Login(String),
    Tls(String),
    Other(String),
}

/// The last cause that was heard of.
#[derive(Default)]
pub(super) struct Heard {
    cause: Mutex<Option<Cause>>,
}

impl Heard {
    fn cause(&self) -> Option<Cause> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Heard {
    fn error(&self, error: KafkaError, reason: &str) {
        let reason = essence(reason);
        let cause = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => Cause::Login(reason),
            Some(RDKafkaErrorCode::SSL) => Cause::Tls(reason),
            // Only a summary of what was said before.
            Some(RDKafkaErrorCode::AllBrokersDown) => return,
            _ => Cause::Other(reason),
        };
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
    }
}

impl ConsumerContext for Heard {}

/// A reason without the name of the connection before it and the time behind it, which are others each time.
fn essence(reason: &str) -> String {
    let reason = reason.split_once("://").map_or(reason, |(_, reason)| reason);
    let reason = reason.split_once(": ").map_or(reason, |(_, reason)| reason);
    reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason).to_owned()
}

/// A topic as brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOnBrokers {
    /// By partition, from 0: the broker that leads it, if one does.
    pub leaders: Vec<Option<i32>>,
    /// Copies of the partition that has the fewest.
    pub copies: usize,
}

impl TopicOnBrokers {
    /// How many partitions it has.
    pub fn partitions(&self) -> i32 {
        self.leaders.len() as i32
    }
}

/// Topics, and how many brokers there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub brokers: usize,
    /// Those that exist, by name.
    pub topics: BTreeMap<String, TopicOnBrokers>,
}

/// The client. Its calls block.
pub struct Probe {
    pub(super) consumer: BaseConsumer<Heard>,
    servers: String,
    user: String,
    patience: Duration,
}

impl Probe {
    /// A client that sees what was committed.
    pub fn new(kafka: &Kafka) -> Result<Self, AskError> {
        Self::with_isolation(kafka, "read_committed")
    }

    /// A client of another isolation level.
    pub(super) fn with_isolation(kafka: &Kafka, level: &str) -> Result<Self, AskError> {
        let consumer = consumer_config(kafka).set("isolation.level", level).create_with_context(Heard::default());
        let consumer = consumer.map_err(|error: KafkaError| AskError::Settings(error.to_string()))?;
        let user = if kafka.security_protocol.starts_with("SASL") { kafka.sasl_username.clone() } else { String::new() };
        Ok(Self { consumer, servers: kafka.bootstrap_servers.clone(), user, patience: BROKERS_TIMEOUT })
    }

    /// The same with another longest wait for metadata.
    #[must_use]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// These topics, as far as they exist.
    pub fn cluster<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Cluster, AskError> {
        let metadata = self.metadata(None)?;
        let known: BTreeMap<&str, &MetadataTopic> = metadata.topics().iter().map(|topic| (topic.name(), topic)).collect();
        let mut topics = BTreeMap::new();
        for name in names {
            let found = match known.get(name).filter(|topic| topic.error().is_none()) {
                Some(topic) => Some(described(topic)),
                // A list of all topics leaves out those that one must not see.
                None => self.topic(name)?,
            };
            topics.extend(found.map(|found| (name.to_owned(), found)));
        }
        Ok(Cluster { brokers: metadata.brokers().len(), topics })
    }

    fn topic(&self, name: &str) -> Result<Option<TopicOnBrokers>, AskError> {
        let metadata = self.metadata(Some(name))?;
        let Some(topic) = metadata.topics().first() else { return Ok(None) };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(described(topic))),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(self.not_allowed("see the partitions (DESCRIBE)", name)),
            Some(code) => Err(AskError::Topic { topic: name.to_owned(), reason: code.to_string() }),
        }
    }

    /// The error of whoever asked for what it may not see.
    pub(super) fn not_allowed(&self, right: &'static str, topic: &str) -> AskError {
        let user = if self.user.is_empty() { "this client".to_owned() } else { format!("the user {:?}", self.user) };
        AskError::NotAllowed { user, right, topic: topic.to_owned() }
    }

    /// The first offset of a partition, and the one behind the last that this client sees, by its leader's word.
    pub(super) fn ends(&self, topic: &str, partition: i32, within: Duration) -> Result<(i64, i64), AskError> {
        self.forget();
        let ends = self.consumer.fetch_watermarks(topic, partition, within);
        ends.map_err(|error| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => self.not_allowed("read the offsets (READ, DESCRIBE)", topic),
            _ => self.explained(&error),
        })
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, AskError> {
        self.forget();
        let (begun, mut wait) = (Instant::now(), FIRST_WAIT);
        loop {
            match self.consumer.fetch_metadata(topic, wait) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => match self.explained(&error) {
                    AskError::Unreachable { .. } if begun.elapsed() < self.patience => {
                        wait = (wait * 2).min(self.patience.saturating_sub(begun.elapsed())).max(FIRST_WAIT);
                    }
                    explained => return Err(explained),
                },
            }
        }
    }

    /// Errors are told to whoever polls. Nothing is assigned, so there is nothing else to hear.
    fn listen(&self) {
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }

    /// What went wrong before is no cause of what comes.
    fn forget(&self) {
        self.listen();
        *self.consumer.context().cause.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// An error with the cause that was heard of meanwhile, if one was.
    fn explained(&self, error: &KafkaError) -> AskError {
        self.listen();
        let servers = self.servers.clone();
        match self.consumer.context().cause() {
            Some(Cause::Login(reason)) => AskError::Login { servers, user: self.user.clone(), reason },
            Some(Cause::Tls(reason)) => AskError::Tls { servers, reason },
            Some(Cause::Other(reason)) => AskError::Unreachable { servers, reason },
            None => AskError::Unreachable { servers, reason: error.to_string() },
        }
    }
}

fn described(topic: &MetadataTopic) -> TopicOnBrokers {
    let mut partitions: Vec<_> = topic.partitions().iter().collect();
    partitions.sort_unstable_by_key(|partition| partition.id());
    TopicOnBrokers {
        leaders: partitions.iter().map(|partition| Some(partition.leader()).filter(|leader| *leader >= 0)).collect(),
        copies: partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_without_what_is_another_each_time() {
        let said = "sasl_plaintext://127.0.0.1:9092/bootstrap: SASL authentication error: Authentication failed: Invalid username or password (after 6ms in state AUTH_REQ)";
        assert_eq!(essence(said), "SASL authentication error: Authentication failed: Invalid username or password");
        let refused = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(essence(refused), "Connect to ipv4#127.0.0.1:1 failed: Connection refused");
        assert_eq!(essence("Local: Timed out"), "Timed out");
    }
}
