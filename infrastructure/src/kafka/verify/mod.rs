//! Reads the topics back and proves against the log: every position once, in order for each key, and no stranger.

mod proof;
mod report;
mod retention;
mod skipped;
#[cfg(test)]
mod tests;

pub use proof::{NoProof, Proof, Strangers};
pub use report::{FAULTS_MAX, Fault, Report};

use super::catalogue::{Catalogue, Topic};
use super::client::BROKERS_TIMEOUT;
use super::client::consumer_config;
use super::partitioner::partition_of;
use super::reading::{ReadError, read_to_ends};
use crate::config::Kafka;
use domain::event::AggregateType;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use retention::{Cuts, Gone};
use serde::Deserialize;
use skipped::skipped;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;
use thiserror::Error;
use uuid::Uuid;

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

/// The parts of a record's value that are compared.
#[derive(Deserialize)]
struct Value {
    position: String,
    event_id: Uuid,
    event_type: String,
    aggregate_id: Uuid,
    aggregate_version: i64,
    workspace_id: Uuid,
}

/// What a record said, small: there is one of these for each event.
struct Seen {
    event_id: Uuid,
    /// One that we know.
    event_type: Option<&'static str>,
    workspace_id: Uuid,
    aggregate_id: Uuid,
    version: i64,
    place: Place,
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Index in the catalogue; the dead-letter topic comes after all others.
    topic: usize,
    partition: i32,
    offset: i64,
}

#[derive(Default)]
struct Reader {
    report: Report,
    topics: Vec<String>,
    seen: HashMap<i64, Seen>,
    /// Records that share a position with one that was seen, and are of another event.
    others: Vec<(i64, Uuid, Place)>,
    /// Dead letters by position.
    letters: HashMap<i64, (Uuid, Place)>,
    /// By topic, partition and key: the last version. There is an order only within a partition, and a catalogue may
    /// part the events of one aggregate among topics.
    versions: HashMap<(usize, i32, Uuid), i64>,
    /// By topic and key: the partition that it was first seen on.
    partitions: HashMap<(usize, Uuid), i32>,
    /// By topic, in the catalogue's order.
    cuts: Vec<Cuts>,
}

/// The type of event of this name.
fn known_type(name: &str) -> Option<&'static str> {
    AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().find(|known| *known == name)
}

/// How long records of a topic are kept, unless for ever.
fn kept_for(topic: &Topic) -> Option<Duration> {
    u64::try_from(topic.retention_ms).ok().map(Duration::from_millis)
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
        let position = match topic < catalogue.topics.len() {
            true => reader.read(place, key, payload, catalogue),
            false => reader.read_letter(place, payload),
        };
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

impl Reader {
    fn words_for(&self, place: Place) -> String {
        format!("{}[{}]@{}", self.topics[place.topic], place.partition, place.offset)
    }

    /// Takes a record in and gives its position.
    fn read(&mut self, place: Place, key: &[u8], payload: &[u8], catalogue: &Catalogue) -> Option<i64> {
        self.report.records += 1;
        let words = self.words_for(place);
        let stranger = |reason: String| Fault::Stranger { place: words.clone(), reason };
        let value: Value = match serde_json::from_slice(payload) {
            Ok(value) => value,
            Err(error) => {
                self.report.fault(stranger(format!("the value is no event of ours: {error}")));
                return None;
            }
        };
        let Ok(position) = value.position.parse::<i64>() else {
            self.report.fault(stranger(format!("the position {:?} is no number", value.position)));
            return None;
        };
        let (version, aggregate_id) = (value.aggregate_version, value.aggregate_id);
        let key = String::from_utf8_lossy(key).into_owned();
        if key != aggregate_id.to_string() {
            self.report.fault(stranger(format!("the key {key:?} is not the aggregate {aggregate_id}")));
        }
        let belongs = catalogue.topic_of(&value.event_type).map(|topic| catalogue.full_name(&topic.name));
        if belongs.as_ref() != Some(&self.topics[place.topic]) {
            self.report.fault(stranger(format!("{} does not belong on this topic", value.event_type)));
        }
        if let Some(seen) = self.seen.get(&position) {
            if seen.event_id != value.event_id {
                self.others.push((position, value.event_id, place));
            }
            self.report.fault(Fault::Twice { position, place: words });
            return Some(position);
        }
        if let Some(fault) = self.disorder(place, words, key, aggregate_id, version) {
            self.report.fault(fault);
        }
        let (event_id, event_type, workspace_id) = (value.event_id, known_type(&value.event_type), value.workspace_id);
        self.seen.insert(position, Seen { event_id, event_type, workspace_id, aggregate_id, version, place });
        Some(position)
    }

    /// What is wrong with the place of a record among those of its key.
    fn disorder(&mut self, place: Place, words: String, key: String, aggregate_id: Uuid, version: i64) -> Option<Fault> {
        match self.versions.insert((place.topic, place.partition, aggregate_id), version) {
            Some(after) if version <= after => Some(Fault::OutOfOrder { place: words, key, version, after }),
            Some(_) => None,
            None => {
                let other = *self.partitions.entry((place.topic, aggregate_id)).or_insert(place.partition);
                (other != place.partition).then_some(Fault::Split { place: words, key, other })
            }
        }
    }
}

/// The next events to be compared.
async fn next(pool: &PgPool, after: i64, until: i64) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::query(EVENTS).bind(after).bind(until).bind(CHUNK).fetch_all(pool).await
}

/// How long ago the log took an event.
fn age_of(row: &PgRow) -> Result<Duration, sqlx::Error> {
    Ok(Duration::from_millis(u64::try_from(row.try_get::<i64, _>(6)?).unwrap_or(0)))
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

impl Reader {
    /// Compares one event of the log with the record that should be of it.
    fn compare_one(&mut self, row: &PgRow, catalogue: &Catalogue) -> Result<(), sqlx::Error> {
        let (position, event_type, aggregate_id): (i64, &str, &str) = (row.try_get(0)?, row.try_get(2)?, row.try_get(3)?);
        let Some(found) = self.seen.remove(&position) else {
            if position > self.report.until {
                return Ok(());
            }
            match self.gone(position, event_type, aggregate_id, age_of(row)?, catalogue) {
                Gone::Expired => self.report.expired += 1,
                Gone::Unknown => self.report.unchecked += 1,
                Gone::Lost => self.report.fault(Fault::Missing { position, event_type: event_type.to_owned() }),
            }
            return Ok(());
        };
        let (event_id, version, workspace_id): (Uuid, i64, Uuid) = (row.try_get(1)?, row.try_get(4)?, row.try_get(5)?);
        let fields = [
            ("event_id", found.event_id == event_id),
            ("event_type", found.event_type == Some(event_type)),
            ("workspace_id", found.workspace_id == workspace_id),
            ("aggregate_id", found.aggregate_id.to_string() == aggregate_id),
            ("aggregate_version", found.version == version),
        ];
        for (field, _) in fields.into_iter().filter(|(_, same)| !same) {
            let place = self.words_for(found.place);
            self.report.fault(Fault::Different { position, place, field });
        }
        Ok(())
    }

    /// What became of the record of an event that is not there.
    fn gone(&self, position: i64, event_type: &str, aggregate_id: &str, age: Duration, catalogue: &Catalogue) -> Gone {
        let topic = catalogue.topics.iter().enumerate().find(|(_, topic)| topic.events.iter().any(|event| event == event_type));
        let (Some((index, topic)), Ok(key)) = (topic, Uuid::parse_str(aggregate_id)) else { return Gone::Lost };
        let Some(cuts) = self.cuts.get(index) else { return Gone::Lost };
        // Where other records of the key are: `topics apply --reorder-keys` may have moved it since.
        let by_key = || partition_of(key.to_string().as_bytes(), topic.partitions);
        let partition = self.partitions.get(&(index, key)).copied().unwrap_or_else(by_key);
        cuts.gone(partition, position, age, kept_for(topic))
    }
}
