//! Events on their way to Kafka, written out as records.

use super::RelayError;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::contract::Envelope;
use crate::kafka::partitioner::partition_of;
use domain::event::{Fact, Recorded};
use rdkafka::message::{Header, OwnedHeaders};
use std::sync::Arc;

/// Events that are ready to be sent together.
pub(super) struct Batch {
    pub(super) facts: Vec<Arc<Fact>>,
    pub(super) records: Vec<EventRecord>,
    /// The position after them.
    pub(super) last: i64,
}

/// The record of an event.
pub(super) struct EventRecord {
    pub(super) position: i64,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) headers: OwnedHeaders,
}

impl Batch {
    /// Facts written out as records, up to the first that this program cannot read; nothing if there are none.
    pub(super) fn of(mut facts: Vec<Arc<Fact>>, catalogue: &Catalogue) -> Result<Option<Self>, RelayError> {
        facts.truncate(readable(&facts)?);
        let Some(last) = facts.last().map(|fact| fact.position) else { return Ok(None) };
        let recorded = facts.iter().filter_map(|fact| fact.recorded.as_deref().ok());
        let records = recorded.map(|recorded| EventRecord::of(recorded, catalogue)).collect::<Result<_, _>>()?;
        Ok(Some(Self { facts, records, last }))
    }
}

impl EventRecord {
    fn of(recorded: &Recorded, catalogue: &Catalogue) -> Result<Self, RelayError> {
        let topic = catalogue.topic_of(recorded.event.name());
        let topic = topic.ok_or_else(|| RelayError::NoTopic(recorded.event.name().to_owned()))?;
        let envelope = Envelope::of(recorded);
        let value = serde_json::to_vec(&envelope);
        let value = value.map_err(|error| RelayError::Unreadable { position: recorded.position, reason: error.to_string() })?;
        let names = envelope.headers();
        let headers = names
            .iter()
            .fold(OwnedHeaders::new_with_capacity(names.len()), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let key = recorded.aggregate_id.to_string();
        Ok(Self {
            position: recorded.position,
            topic: catalogue.full_name(&topic.name),
            partition: partition_of(key.as_bytes(), topic.partitions),
            key,
            value,
            headers,
        })
    }
}

/// How many facts come before the first that this program cannot read; an error if there are none.
fn readable(facts: &[Arc<Fact>]) -> Result<usize, RelayError> {
    let unreadable = facts.iter().enumerate().find_map(|(index, fact)| Some((index, fact.position, fact.recorded.as_ref().err()?)));
    match unreadable {
        Some((0, position, error)) => Err(RelayError::Unreadable { position, reason: error.to_string() }),
        Some((index, ..)) => Ok(index),
        None => Ok(facts.len()),
    }
}
