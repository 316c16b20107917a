//! Why the relay does not send, in sentences that say what is so, what it concerns, and what to do.

use super::limits::BROKERS_TIMEOUT;
use super::partitions::PartitionsError;
use super::refusal::Refusal;
use crate::config::Kafka;
use crate::kafka::reading::ReadError;
use crate::kafka::topics::TopicsError;
use application::ports::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::error::Error;
use thiserror::Error;

/// What to do where brokers do not answer.
const START_BROKERS: &str = "start them, or correct KAFKA_BOOTSTRAP_SERVERS";

/// Why a session of the relay ended. Another one follows.
#[derive(Debug, Error)]
pub enum RelayError {
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    /// Brokers did not take records, for a reason that is not in the records.
    #[error("brokers rejected records for {topic}: {code}")]
    Delivery { topic: String, code: RDKafkaErrorCode },
    #[error("{0}")]
    Topics(#[from] TopicsError),
    #[error("{0}")]
    Partitions(#[from] PartitionsError),
    #[error("{0}")]
    Log(#[from] LogError),
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("brokers have not confirmed records within {} s", BROKERS_TIMEOUT.as_secs())]
    Slow,
    #[error("the topic {0} does not exist; run `milepost topics apply`")]
    TopicMissing(String),
    #[error("no topic of the catalogue contains {0:?}")]
    NoTopic(String),
    /// At least one of the records sent together cannot be taken.
    #[error("brokers rejected a record for {topic}: {code}")]
    SomeRecord { topic: String, code: RDKafkaErrorCode },
    /// The event at a position cannot be sent, whenever it is tried.
    #[error("the event at position {position} cannot be sent: {cause}")]
    Event { position: i64, cause: EventFault },
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Mostly an admin has said where to continue, and the next session does.
    #[error(
        "what this node reads of the log, or what the database knows of the relay, changes each time it is read; restart this node, and see that no other program writes to milepost.checkpoints"
    )]
    LookAgain,
}

/// What is wrong with one event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventFault {
    #[error("this program cannot read it: {0}")]
    Unreadable(String),
    #[error("brokers reject its record: {0}")]
    NotTaken(RDKafkaErrorCode),
}

/// Whether brokers turned a record away for what it is, so that they will do so again.
pub(super) fn is_of_the_record(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{InvalidRecord, MessageBatchTooLarge, MessageSizeTooLarge, PolicyViolation};
    matches!(code, MessageSizeTooLarge | MessageBatchTooLarge | InvalidRecord | PolicyViolation)
}

impl From<ReadError> for RelayError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Kafka(error) => Self::Kafka(error),
            ReadError::Silent(_) => Self::Slow,
        }
    }
}

impl RelayError {
    /// Whether another producer has the transactional id now.
    pub fn is_fenced(&self) -> bool {
        use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced, TransactionCoordinatorFenced};
        matches!(self.code(), Some(Fenced | ProducerFenced | InvalidProducerEpoch | TransactionCoordinatorFenced))
    }

    fn code(&self) -> Option<RDKafkaErrorCode> {
        match self {
            Self::Kafka(KafkaError::Transaction(error)) => Some(error.code()),
            Self::Kafka(error) => error.rdkafka_error_code(),
            Self::Delivery { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// One sentence for an admin: the cause, what it concerns, and the fix where there is one.
    pub fn sentence(&self, kafka: &Kafka) -> String {
        let servers = &kafka.bootstrap_servers;
        match self {
            Self::Slow => format!("brokers at {servers} do not answer: {self}; {START_BROKERS}"),
            Self::Log(error) => format!("the event log cannot be read: {}", chain(error)),
            Self::Database(error) => format!("the event log cannot be read: {error}"),
            Self::Kafka(_) | Self::Delivery { .. } => self.of_kafka(kafka),
            Self::Topics(_)
            | Self::Partitions(_)
            | Self::TopicMissing(_)
            | Self::NoTopic(_)
            | Self::SomeRecord { .. }
            | Self::Event { .. }
            | Self::Refused(_)
            | Self::LookAgain => self.to_string(),
        }
    }

    fn of_kafka(&self, kafka: &Kafka) -> String {
        use RDKafkaErrorCode as Code;
        let (servers, id) = (&kafka.bootstrap_servers, &kafka.transactional_id);
        let concerning = match self {
            Self::Delivery { topic, .. } => format!(" (topic {topic})"),
            _ => String::new(),
        };
        match self.code() {
            _ if self.is_fenced() => {
                format!("another producer uses the transactional id {id}; give each installation a KAFKA_TRANSACTIONAL_ID of its own")
            }
            Some(
                code @ (Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::MessageTimedOut
                | Code::RequestTimedOut
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::BrokerNotAvailable
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NetworkException),
            ) => format!("brokers at {servers} do not answer: {code}; {START_BROKERS}"),
            Some(code @ (Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend)) => {
                format!("brokers at {servers} have too few in-sync replicas{concerning}: {code}; start the brokers that are down")
            }
            Some(code @ (Code::TopicAuthorizationFailed | Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed)) => {
                format!(
                    "brokers at {servers} deny the relay access{concerning}: {code}; grant its login READ, WRITE and DESCRIBE on the \
                        topics of the catalogue and WRITE and DESCRIBE on the transactional id {id}"
                )
            }
            Some(code @ (Code::Authentication | Code::SaslAuthenticationFailed)) => {
                format!("brokers at {servers} reject the login: {code}; check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
            }
            _ => format!("Kafka at {servers}: {self}"),
        }
    }
}

/// An error and what is behind it.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    fn sentence(code: RDKafkaErrorCode) -> String {
        let mut kafka = Configuration::defaults().kafka;
        (kafka.bootstrap_servers, kafka.transactional_id) = ("broker:9092".to_owned(), "north".to_owned());
        RelayError::Delivery { topic: "task-events".to_owned(), code }.sentence(&kafka)
    }

    #[test]
    fn brokers_that_do_not_answer_are_named_and_no_event_is_blamed() {
        for code in [RDKafkaErrorCode::MessageTimedOut, RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::OperationTimedOut] {
            assert!(!is_of_the_record(code), "{code:?}");
            let sentence = sentence(code);
            assert!(sentence.starts_with("brokers at broker:9092 do not answer: ") && !sentence.contains("event"), "{sentence}");
            assert!(sentence.ends_with("; start them, or correct KAFKA_BOOTSTRAP_SERVERS"), "{sentence}");
        }
    }

    #[test]
    fn a_missing_right_and_another_producer_are_told_with_what_to_do() {
        let denied = sentence(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert!(denied.contains("(topic task-events)"), "{denied}");
        let denied = sentence(RDKafkaErrorCode::TransactionalIdAuthorizationFailed);
        assert!(denied.contains("transactional id north"), "{denied}");
        let fenced = sentence(RDKafkaErrorCode::ProducerFenced);
        assert!(fenced.contains("another producer uses the transactional id north"), "{fenced}");
    }

    #[test]
    fn a_record_is_blamed_only_for_what_it_is() {
        assert!(is_of_the_record(RDKafkaErrorCode::MessageSizeTooLarge));
        assert!(!is_of_the_record(RDKafkaErrorCode::TopicAuthorizationFailed));
    }
}
