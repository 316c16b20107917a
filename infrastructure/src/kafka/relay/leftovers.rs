//! Events of a relay on topics where none was known to have sent any.

use super::error::RelayError;
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::client::BROKERS_TIMEOUT;
use crate::kafka::client::consumer_config;
use crate::kafka::reading::read_to_ends;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Deserialize;
use std::ops::ControlFlow;
use uuid::Uuid;

/// What tells an event from anything else that somebody may have put on a topic.
#[derive(Deserialize)]
struct Event {
    #[expect(dead_code, reason = "that it is there is what counts")]
    event_id: Uuid,
    #[expect(dead_code, reason = "that it is there is what counts")]
    position: String,
}

/// Where an event is on the topics of the catalogue, if one is: a relay was here, and its record is gone.
pub(super) async fn find(kafka: &Kafka, catalogue: &Catalogue) -> Result<Option<String>, RelayError> {
    let topics: Vec<String> = catalogue.topics.iter().map(|topic| catalogue.full_name(&topic.name)).collect();
    let client = kafka.clone();
    let found = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = consumer_config(&client).create()?;
        topics.iter().find_map(|topic| first_event(&consumer, topic).transpose()).transpose()
    });
    found.await.map_err(|_| RelayError::Slow)?
}

/// Where the first committed event of a topic is.
fn first_event(consumer: &BaseConsumer, topic: &str) -> Result<Option<String>, RelayError> {
    let metadata = consumer.fetch_metadata(Some(topic), BROKERS_TIMEOUT)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), BROKERS_TIMEOUT)?;
        if low < high {
            assignment.add_partition_offset(topic, partition.id(), Offset::Offset(low))?;
        }
    }
    let mut first = None;
    read_to_ends(consumer, &assignment, BROKERS_TIMEOUT, |message| {
        if serde_json::from_slice::<Event>(message.payload().unwrap_or_default()).is_err() {
            return ControlFlow::Continue(());
        }
        first = Some(format!("{topic}[{}]@{}", message.partition(), message.offset()));
        ControlFlow::Break(())
    })?;
    Ok(first)
}
