//! Reads the topics back and proves against the log: every position once, in order for each key, and no stranger.

mod proof;
mod reader;
mod report;
mod retention;
mod skipped;
#[cfg(test)]
mod tests;

pub use proof::{NoProof, Proof, Strangers};
pub use report::{FAULTS_MAX, Fault, Report};

use super::catalogue::Catalogue;
use super::client::BROKERS_TIMEOUT;
use super::client::consumer_config;
use super::reading::{ReadError, read_to_ends};
use crate::config::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use reader::{Place, Reader};
use retention::Cuts;
use skipped::skipped;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::ops::ControlFlow;
use thiserror::Error;

/// How many events are compared at once.
const CHUNK: i64 = 10_000;
/// What is compared of an event.
const EVENTS: &str = "SELECT position, event_id, event_type, aggregate_id, sequence, workspace_id, \
                        (extract(epoch FROM now() - recorded_at) * 1000)::bigint FROM milepost.events \
                      WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3";

/// The comparison could not be made.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error("Kafka does not answer: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the topic {0} does not exist; run `milepost topics apply`")]
    NoTopic(String),
    #[error("the topics could not be read to their end within {} s of silence", BROKERS_TIMEOUT.as_secs())]
    Silent,
    #[error("the log could not be read: {0}")]
    Log(#[from] sqlx::Error),
}

/// Reads every topic to its end. Blocks: run it on a thread for that.
pub fn read_topics(kafka: &Kafka, catalogue: &Catalogue, tell: &dyn Fn(u64)) -> Result<TopicsRead, VerifyError> {
    let consumer: BaseConsumer = consumer_config(kafka).create()?;
    let metadata = consumer.fetch_metadata(None, BROKERS_TIMEOUT)?;
    let mut topics: Vec<String> = catalogue.topics.iter().map(|topic| catalogue.full_name(&topic.name)).collect();
    topics.push(catalogue.dead_letter_topic());
    let mut reader = Reader { topics, ..Reader::default() };
    // One after the other: the end of a partition is told without the name of its topic.
    for topic in 0..reader.topics.len() {
        let name = reader.topics[topic].clone();
        let known = metadata.topics().iter().find(|known| known.name() == name && known.error().is_none());
        let known = known.ok_or_else(|| VerifyError::NoTopic(name.clone()))?;
        let partitions: Vec<i32> = known.partitions().iter().map(|partition| partition.id()).collect();
        read_topic(&consumer, &mut reader, catalogue, topic, &partitions, tell)?;
    }
    Ok(TopicsRead { reader })
}

fn read_topic(
    consumer: &BaseConsumer,
    reader: &mut Reader,
    catalogue: &Catalogue,
    topic: usize,
    partitions: &[i32],
    tell: &dyn Fn(u64),
) -> Result<(), VerifyError> {
    let name = reader.topics[topic].clone();
    let mut assignment = TopicPartitionList::new();
    let mut cuts = Cuts::default();
    for partition in partitions {
        let (low, _) = consumer.fetch_watermarks(&name, *partition, BROKERS_TIMEOUT)?;
        assignment.add_partition_offset(&name, *partition, Offset::Offset(low))?;
        if low > 0 {
            cuts.cut(*partition);
        }
    }
    let read = read_to_ends(consumer, &assignment, BROKERS_TIMEOUT, |message| {
        let place = Place { topic, partition: message.partition(), offset: message.offset() };
        let (key, payload) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        let position =
            if topic < catalogue.topics.len() { reader.read(place, key, payload, catalogue) } else { reader.read_letter(place, payload) };
        if let Some(position) = position {
            cuts.saw(place.partition, position);
        }
        tell(reader.report.records);
        ControlFlow::Continue(())
    });
    read.map_err(|error| match error {
        ReadError::Kafka(error) => VerifyError::Kafka(error),
        ReadError::Silent(_) => VerifyError::Silent,
    })?;
    reader.cuts.push(cuts);
    Ok(())
}

/// The next events to be compared.
async fn next(pool: &PgPool, after: i64, until: i64) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::query(EVENTS).bind(after).bind(until).bind(CHUNK).fetch_all(pool).await
}

/// What is wrong with a record by itself, on a topic with an index in the catalogue.
pub(crate) fn faults_of(topic: usize, key: &[u8], payload: &[u8], catalogue: &Catalogue) -> Vec<Fault> {
    let topics = catalogue.topics.iter().map(|topic| catalogue.full_name(&topic.name)).collect();
    let mut reader = Reader { topics, ..Reader::default() };
    reader.read(Place { topic, partition: 0, offset: 0 }, key, payload, catalogue);
    reader.report.faults
}

/// What was read from the topics, to be compared with the log.
pub struct TopicsRead {
    reader: Reader,
}

impl TopicsRead {
    /// Compares with the log, up to and with a position.
    pub async fn compare(self, pool: &PgPool, catalogue: &Catalogue, until: i64) -> Result<Report, VerifyError> {
        let mut reader = self.reader;
        reader.report.until = until;
        // What the relay sent since its position was read is in the log too, or it is a stranger.
        let end = reader.seen.keys().copied().max().unwrap_or(0).max(until);
        let skipped = skipped(pool).await?;
        let mut after = 0;
        while after < end {
            let rows = next(pool, after, end).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get(0)?;
            for row in &rows {
                match skipped.get(&row.try_get(0)?) {
                    Some(event_id) => reader.compare_skipped(row.try_get(0)?, *event_id, row.try_get(2)?),
                    None => reader.compare_one(row, catalogue)?,
                }
            }
        }
        reader.stray_letters();
        let mut strangers: Vec<(i64, Place)> = reader.seen.iter().map(|(position, seen)| (*position, seen.place)).collect();
        strangers.sort_unstable_by_key(|(position, _)| *position);
        for (position, place) in strangers {
            let place = reader.words_for(place);
            reader.report.fault(Fault::Stranger { place, reason: format!("position {position} is not in the log") });
        }
        Ok(reader.report)
    }
}
