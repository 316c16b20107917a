//! Where the relay is: a record on a compacted topic, written in the transaction of the events before it.

use super::catalogue::Catalogue;
use super::client::consumer_config;
use super::relay::{BROKERS_TIMEOUT, RelayError};
use crate::config::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How many records from the end of its topic the position is looked for, at first.
const LOOK_BACK: i64 = 100;

/// The value of a record on the relay's topic.
#[derive(Debug, Serialize, Deserialize)]
struct PositionRecord {
    position: String,
}

/// A position as it is written.
pub(super) fn written(position: i64) -> String {
    serde_json::to_string(&PositionRecord { position: position.to_string() }).unwrap_or_default()
}

/// The position after the last committed transaction, 0 if there was none. Blocks.
pub fn read_position(kafka: &Kafka, catalogue: &Catalogue) -> Result<i64, RelayError> {
    let topic = catalogue.relay_topic();
    let consumer: BaseConsumer = consumer_config(kafka).create()?;
    let (low, high) = consumer.fetch_watermarks(&topic, 0, BROKERS_TIMEOUT).map_err(|error| match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            RelayError::TopicMissing(topic.clone())
        }
        _ => RelayError::Kafka(error),
    })?;
    let mut look_back = LOOK_BACK;
    loop {
        let from = low.max(high - look_back);
        match last_position(&consumer, &topic, from, &kafka.transactional_id)? {
            Some(position) => return Ok(position),
            None if from <= low => return Ok(0),
            // Only aborted transactions so far back.
            None => look_back *= 10,
        }
    }
}

/// The last committed position from an offset on, or `None` if there is none.
fn last_position(consumer: &BaseConsumer, topic: &str, from: i64, key: &str) -> Result<Option<i64>, RelayError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(from))?;
    consumer.assign(&assignment)?;
    let begun = Instant::now();
    let mut found = None;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.key() == Some(key.as_bytes()) => {
                let unreadable = |reason: String| RelayError::Position { topic: topic.to_owned(), reason };
                let record: PositionRecord =
                    serde_json::from_slice(message.payload().unwrap_or_default()).map_err(|error| unreadable(error.to_string()))?;
                found = Some(record.position.parse().map_err(|_| unreadable(record.position))?);
            }
            Some(Ok(_)) => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            Some(Err(error)) => return Err(error.into()),
            None if begun.elapsed() > BROKERS_TIMEOUT => return Err(RelayError::Slow),
            None => {}
        }
    }
}
