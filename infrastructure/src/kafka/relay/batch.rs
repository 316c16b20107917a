//! Events on their way to Kafka, written out as records.

use super::dead_letters::DeadLetter;
use super::error::{EventFault, RelayError};
use super::refusal::Sent;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::partitioner::partition_of;
use domain::event::{Fact, Recorded};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// Events that are ready to be sent together.
pub(super) struct Batch {
    pub(super) facts: Vec<Arc<Fact>>,
    pub(super) records: Vec<EventRecord>,
    /// The last of them.
    pub(super) last: Sent,
}

/// The record of an event.
pub(super) struct EventRecord {
    pub(super) position: i64,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) headers: OwnedHeaders,
    /// Of key, value and headers.
    pub(super) bytes: usize,
}

impl Batch {
    /// Facts written out as records, up to the first that cannot be; nothing if there are none. Those that an admin has
    /// left out become dead letters.
    pub(super) fn of(
        mut facts: Vec<Arc<Fact>>,
        catalogue: &Catalogue,
        skipped: &HashMap<i64, DeadLetter>,
    ) -> Result<Option<Self>, RelayError> {
        let (mut records, mut last) = (Vec::with_capacity(facts.len()), Sent::NOTHING);
        for fact in &facts {
            let (record, event_id) = match (skipped.get(&fact.position), &fact.recorded) {
                (Some(letter), _) => (Ok(EventRecord::of_skipped(letter, catalogue)), letter.event_id),
                (None, Ok(recorded)) => (EventRecord::of(recorded, catalogue), recorded.event_id),
                (None, Err(error)) => (Err(unreadable(fact.position, error)), uuid::Uuid::nil()),
            };
            match record {
                Ok(record) => records.push(record),
                Err(error) if records.is_empty() => return Err(error),
                Err(_) => break,
            }
            last = Sent { position: fact.position, event_id: Some(event_id) };
        }
        facts.truncate(records.len());
        Ok((!facts.is_empty()).then_some(Self { facts, records, last }))
    }
}

/// The topic and the partition that the record of a fact belongs on; nothing where this program cannot tell.
pub(super) fn place_of(fact: &Fact, catalogue: &Catalogue, skipped: &HashMap<i64, DeadLetter>) -> Option<(String, i32)> {
    if skipped.contains_key(&fact.position) {
        return Some((catalogue.dead_letter_topic(), 0));
    }
    let recorded = fact.recorded.as_ref().ok()?;
    let topic = catalogue.topic_of(recorded.event.name())?;
    Some((catalogue.full_name(&topic.name), partition_of(recorded.aggregate_id.to_string().as_bytes(), topic.partitions)))
}

fn unreadable(position: i64, error: &dyn std::error::Error) -> RelayError {
    RelayError::Event { position, cause: EventFault::Unreadable(error.to_string()) }
}

impl EventRecord {
    pub(super) fn of(recorded: &Recorded, catalogue: &Catalogue) -> Result<Self, RelayError> {
        let topic = catalogue.topic_of(recorded.event.name());
        let topic = topic.ok_or_else(|| RelayError::NoTopic(recorded.event.name().to_owned()))?;
        let envelope = messages::envelope(recorded);
        let value = serde_json::to_vec(&envelope).map_err(|error| unreadable(recorded.position, &error))?;
        let key = recorded.aggregate_id.to_string();
        let place = (catalogue.full_name(&topic.name), partition_of(key.as_bytes(), topic.partitions));
        Ok(Self::made(recorded.position, place, key, value, &envelope.headers()))
    }

    /// What stands for an event that an admin has left out: which one and why, and nothing of what it says.
    fn of_skipped(letter: &DeadLetter, catalogue: &Catalogue) -> Self {
        let value = json!({
            "position": letter.position.to_string(), "event_id": letter.event_id, "event_type": letter.event_type,
            "aggregate_type": letter.aggregate_type, "aggregate_id": letter.aggregate_id, "workspace_id": letter.workspace_id,
            "topic": letter.topic, "error": letter.error, "reason": letter.reason, "skipped_at": letter.skipped_at,
        });
        let value = value.to_string().into_bytes();
        // As Spring and Kafka Connect name what they could not deal with.
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("kafka_dlt-original-topic", letter.topic.clone()),
            ("kafka_dlt-exception-message", letter.error.clone()),
            ("__connect.errors.topic", letter.topic.clone()),
            ("__connect.errors.exception.message", letter.error.clone()),
        ];
        Self::made(letter.position, (catalogue.dead_letter_topic(), 0), letter.aggregate_id.clone(), value, &headers)
    }

    fn made(position: i64, (topic, partition): (String, i32), key: String, value: Vec<u8>, names: &[(&str, String)]) -> Self {
        let bytes = key.len() + value.len() + names.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let headers = names
            .iter()
            .fold(OwnedHeaders::new_with_capacity(names.len()), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        Self { position, topic, partition, key, value, headers, bytes }
    }
}
