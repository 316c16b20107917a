//! Reads the relay's record back. It stands on a compacted topic, written in the transaction of the events before it.

use super::error::RelayError;
use super::limits::BROKERS_TIMEOUT;
use super::record::Stored;
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::client::consumer_config;
use crate::kafka::reading::read_to_ends;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::ops::ControlFlow;

/// How many records from the end of its topic the relay's record is looked for, at first.
const LOOK_BACK: i64 = 100;

/// What the last committed transaction left. Blocks.
pub fn read_record(kafka: &Kafka, catalogue: &Catalogue) -> Result<Stored, RelayError> {
    let consumer: BaseConsumer = consumer_config(kafka).create()?;
    read_record_by(&consumer, &catalogue.relay_topic(), &kafka.transactional_id)
}

/// The same by a consumer that sees what was committed.
pub(super) fn read_record_by<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    transactional_id: &str,
) -> Result<Stored, RelayError> {
    let (low, high) = consumer.fetch_watermarks(topic, 0, BROKERS_TIMEOUT).map_err(|error| match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            RelayError::TopicMissing(topic.to_owned())
        }
        _ => RelayError::Kafka(error),
    })?;
    let mut look_back = LOOK_BACK;
    loop {
        let from = low.max(high - look_back);
        match last_record(consumer, topic, from, transactional_id)? {
            Some(stored) => return Ok(stored),
            None if from <= low => return Ok(Stored::Nothing),
            // Only aborted transactions so far back.
            None => look_back *= 10,
        }
    }
}

/// The last committed record of a key from an offset on, or `None` if there is none.
fn last_record<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, from: i64, key: &str) -> Result<Option<Stored>, RelayError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(from))?;
    let mut found = None;
    read_to_ends(consumer, &assignment, BROKERS_TIMEOUT, |message| {
        if message.key() == Some(key.as_bytes()) {
            found = Some(Stored::read(message.payload()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
