//! What was read from the topics so far, and its comparison with the log.

use super::report::{Fault, Report};
use super::retention::{Cuts, Gone};
use crate::kafka::catalogue::{Catalogue, Topic};
use crate::kafka::partitioner::partition_of;
use domain::event::AggregateType;
use serde::Deserialize;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

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
pub(super) struct Seen {
    pub(super) event_id: Uuid,
    /// One that we know.
    pub(super) event_type: Option<&'static str>,
    pub(super) workspace_id: Uuid,
    pub(super) aggregate_id: Uuid,
    pub(super) version: i64,
    pub(super) place: Place,
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Index in the catalogue; the dead-letter topic comes after all others.
    pub(super) topic: usize,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

#[derive(Default)]
pub(super) struct Reader {
    pub(super) report: Report,
    pub(super) topics: Vec<String>,
    pub(super) seen: HashMap<i64, Seen>,
    /// Records that share a position with one that was seen, and are of another event.
    pub(super) others: Vec<(i64, Uuid, Place)>,
    /// Dead letters by position.
    pub(super) letters: HashMap<i64, (Uuid, Place)>,
    /// By topic, partition and key: the last version. There is an order only within a partition, and a catalogue may
    /// part the events of one aggregate among topics.
    pub(super) versions: HashMap<(usize, i32, Uuid), i64>,
    /// By topic and key: the partition that it was first seen on.
    pub(super) partitions: HashMap<(usize, Uuid), i32>,
    /// By topic, in the catalogue's order.
    pub(super) cuts: Vec<Cuts>,
}

/// The type of event of this name.
fn known_type(name: &str) -> Option<&'static str> {
    AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().find(|known| *known == name)
}

/// How long records of a topic are kept, unless for ever.
fn kept_for(topic: &Topic) -> Option<Duration> {
    u64::try_from(topic.retention_ms).ok().map(Duration::from_millis)
}

/// How long ago the log took an event.
pub(super) fn age_of(row: &PgRow) -> Result<Duration, sqlx::Error> {
    Ok(Duration::from_millis(u64::try_from(row.try_get::<i64, _>(6)?).unwrap_or(0)))
}

impl Reader {
    pub(super) fn words_for(&self, place: Place) -> String {
        format!("{}[{}]@{}", self.topics[place.topic], place.partition, place.offset)
    }

    /// Reads a record, and returns its position.
    pub(super) fn read(&mut self, place: Place, key: &[u8], payload: &[u8], catalogue: &Catalogue) -> Option<i64> {
        self.report.records += 1;
        let words = self.words_for(place);
        let stranger = |reason: String| Fault::Stranger { place: words.clone(), reason };
        let value: Value = match serde_json::from_slice(payload) {
            Ok(value) => value,
            Err(error) => {
                self.report.fault(stranger(format!("the value is not an event of Milepost: {error}")));
                return None;
            }
        };
        let Ok(position) = value.position.parse::<i64>() else {
            self.report.fault(stranger(format!("the position {:?} is not a number", value.position)));
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

    /// Compares one event of the log with the record that should be of it.
    pub(super) fn compare_one(&mut self, row: &PgRow, catalogue: &Catalogue) -> Result<(), sqlx::Error> {
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

    /// Why the record of an event is missing.
    pub(super) fn gone(&self, position: i64, event_type: &str, aggregate_id: &str, age: Duration, catalogue: &Catalogue) -> Gone {
        let topic = catalogue.topics.iter().enumerate().find(|(_, topic)| topic.events.iter().any(|event| event == event_type));
        let (Some((index, topic)), Ok(key)) = (topic, Uuid::parse_str(aggregate_id)) else { return Gone::Lost };
        let Some(cuts) = self.cuts.get(index) else { return Gone::Lost };
        // Where other records of the key are: `topics apply --reorder-keys` may have moved it since.
        let by_key = || partition_of(key.to_string().as_bytes(), topic.partitions);
        let partition = self.partitions.get(&(index, key)).copied().unwrap_or_else(by_key);
        cuts.gone(partition, position, age, kept_for(topic))
    }
}
