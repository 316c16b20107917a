//! Reads the relay's records back from a partition.

use super::error::PartitionsError;
use crate::kafka::probe::{AskError, Probe};
use crate::kafka::reading::read_to_ends;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::time::Duration;
use uuid::Uuid;

/// A part of a partition: these offsets.
pub(super) struct Part<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offsets: Range<i64>,
}

/// What a record of an event says, or the relay's own of the last event of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub position: i64,
    pub event_id: Option<Uuid>,
}

/// The same as it is written.
#[derive(Deserialize)]
struct Value {
    position: String,
    event_id: Option<Uuid>,
}

impl Read {
    fn of(payload: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(payload).ok()?;
        Some(Self { position: value.position.parse().ok()?, event_id: value.event_id })
    }
}

/// Gives each record of a part of a partition, as far as a client sees it, to somebody who may break off: what it says, or
/// nothing if it is not the relay's. Brokers may be silent for so long.
pub(super) fn each_record(
    probe: &Probe,
    part: Part<'_>,
    silence: Duration,
    mut take: impl FnMut(Option<Read>) -> ControlFlow<()>,
) -> Result<(), PartitionsError> {
    let Part { topic, offsets: Range { end, .. }, .. } = part;
    let read = read_to_ends(&probe.consumer, &assigned(std::slice::from_ref(&part))?, silence, |record| {
        if record.offset() < end { take(Read::of(record.payload().unwrap_or_default())) } else { ControlFlow::Break(()) }
    });
    Ok(read.map_err(|error| unread(topic, &error))?)
}

/// The last record of the relay in each of these parts of partitions of one topic, as far as a client sees them, by partition.
pub(super) fn last_records(probe: &Probe, parts: &[Part<'_>], silence: Duration) -> Result<HashMap<i32, Read>, PartitionsError> {
    let Some(topic) = parts.first().map(|part| part.topic) else { return Ok(HashMap::new()) };
    let mut found = HashMap::new();
    let read = read_to_ends(&probe.consumer, &assigned(parts)?, silence, |record| {
        found.extend(Read::of(record.payload().unwrap_or_default()).map(|read| (record.partition(), read)));
        ControlFlow::Continue(())
    });
    read.map_err(|error| unread(topic, &error))?;
    Ok(found)
}

fn assigned(parts: &[Part<'_>]) -> Result<TopicPartitionList, PartitionsError> {
    let mut assignment = TopicPartitionList::new();
    for Part { topic, partition, offsets } in parts {
        let added = assignment.add_partition_offset(topic, *partition, Offset::Offset(offsets.start));
        added.map_err(|error| unread(topic, &error))?;
    }
    Ok(assignment)
}

fn unread(topic: &str, error: &dyn std::fmt::Display) -> AskError {
    AskError::Topic { topic: topic.to_owned(), reason: error.to_string() }
}

/// All positions in a part of a partition.
pub(super) fn positions(probe: &Probe, part: Part<'_>, silence: Duration) -> Result<Vec<i64>, PartitionsError> {
    let mut found = vec![];
    each_record(probe, part, silence, |record| {
        found.extend(record.map(|record| record.position));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
