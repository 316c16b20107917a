//! Reads the relay's records back from a partition.

use super::PartitionsError;
use crate::kafka::probe::{AskError, Probe};
use crate::kafka::reading::read_to_ends;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Deserialize;
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
    let Part { topic, partition, offsets } = part;
    let unread = |error: &dyn std::fmt::Display| AskError::Topic { topic: topic.to_owned(), reason: error.to_string() };
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(offsets.start)).map_err(|error| unread(&error))?;
    let read = read_to_ends(&probe.consumer, &assignment, silence, |record| match record.offset() < offsets.end {
        true => take(Read::of(record.payload().unwrap_or_default())),
        false => ControlFlow::Break(()),
    });
    Ok(read.map_err(|error| unread(&error))?)
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
