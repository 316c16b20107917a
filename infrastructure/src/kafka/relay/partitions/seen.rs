//! What consumers see last: a relay whose record says less has lost its newest one.

use super::error::PartitionsError;
use super::read::{Part, Read, each_record, last_records};
use super::{LEADER_TIMEOUT, Partitions};
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::probe::Probe;
use crate::kafka::relay::error::RelayError;
use crate::kafka::relay::sides::Seen;
use crate::postgres::within;
use sqlx::PgPool;
use std::ops::ControlFlow;
use tokio::runtime::Handle;
use uuid::Uuid;

/// How far behind its end a partition is searched at first for the last record of an event.
const LOOK_BACK: i64 = 100;
/// How many offsets of a partition are compared with the log at once, at most.
const COMPARED_MAX: i64 = 100_000;

impl Partitions {
    /// The last event on each partition that consumers see.
    pub(in crate::kafka::relay) fn last_seen(&self) -> Result<Vec<Seen>, PartitionsError> {
        self.last_of(&self.committed)
    }

    /// The last event on each partition, whether consumers see it or not.
    pub(in crate::kafka::relay) fn last_there(&self) -> Result<Vec<Seen>, PartitionsError> {
        self.last_of(&self.all)
    }

    /// Of all partitions of a topic at once: a broker's answer takes its time, however little there is.
    fn last_of(&self, probe: &Probe) -> Result<Vec<Seen>, PartitionsError> {
        let mut seen = vec![];
        for (topic, partitions) in self.topics_of_events() {
            let mut ends = vec![];
            for partition in 0..*partitions {
                let (low, end) = probe.ends(topic, partition, LEADER_TIMEOUT)?;
                ends.push((partition, low, end));
            }
            let mut look_back = LOOK_BACK;
            ends.retain(|(_, low, end)| low < end);
            while !ends.is_empty() {
                let part = |(partition, low, end): &(i32, i64, i64)| Part {
                    topic,
                    partition: *partition,
                    offsets: *low.max(&(end - look_back))..*end,
                };
                let last = last_records(probe, &ends.iter().map(part).collect::<Vec<_>>(), LEADER_TIMEOUT)?;
                // Where there is none, there are only aborted records and those of other programs so far back.
                ends.retain(|(partition, low, end)| !last.contains_key(partition) && *low < end - look_back);
                seen.extend(last.into_iter().filter_map(|(partition, Read { position, event_id })| {
                    Some(Seen { position, event_id: event_id?, topic: topic.clone(), partition })
                }));
                look_back *= 10;
            }
        }
        Ok(seen)
    }
}

/// The last event of this log that consumers see, however many of another log, or of a later state of this one, come after it.
/// Reads a whole partition where none of its events is of this log: for an admin's command, not for a relay.
pub async fn last_of_log_seen(kafka: &Kafka, catalogue: &Catalogue, pool: &PgPool) -> Result<Option<i64>, RelayError> {
    let (partitions, pool, runtime) = (Partitions::of(kafka, catalogue)?, pool.clone(), Handle::current());
    let found = tokio::task::spawn_blocking(move || {
        let mut highest = None;
        if partitions.is_demo() {
            return Ok(highest);
        }
        for (topic, partition) in partitions.events() {
            let (low, mut end) = partitions.committed.ends(topic, partition, LEADER_TIMEOUT).map_err(PartitionsError::from)?;
            let mut look_back = LOOK_BACK;
            while low < end {
                let from = low.max(end - look_back);
                let mut seen = vec![];
                each_record(&partitions.committed, Part { topic, partition, offsets: from..end }, LEADER_TIMEOUT, |record| {
                    if let Some(Read { position, event_id: Some(event_id) }) = record {
                        seen.push((position, event_id));
                    }
                    ControlFlow::Continue(())
                })?;
                if let Some(found) = runtime.block_on(highest_known(seen, &pool))? {
                    highest = highest.max(Some(found));
                    break;
                }
                (end, look_back) = (from, COMPARED_MAX.min(look_back * 10));
            }
        }
        Ok(highest)
    });
    found.await.map_err(|_| RelayError::Slow)?
}

/// Those with the highest position that are events of this log.
pub(in crate::kafka::relay) async fn highest_of_log(seen: Vec<Seen>, pool: &PgPool) -> Result<Option<Seen>, sqlx::Error> {
    let highest = highest_known(seen.iter().map(|seen| (seen.position, seen.event_id)), pool).await?;
    Ok(seen.into_iter().find(|seen| Some(seen.position) == highest))
}

/// The highest position whose event this log has.
async fn highest_known(seen: impl IntoIterator<Item = (i64, Uuid)>, pool: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    let (positions, ids): (Vec<i64>, Vec<Uuid>) = seen.into_iter().unzip();
    let highest = sqlx::query_scalar(
        "SELECT max(e.position) FROM unnest($1::bigint[], $2::uuid[]) seen (position, event_id) \
           JOIN milepost.events e ON e.position = seen.position AND e.event_id = seen.event_id",
    );
    within(highest.bind(positions).bind(ids).fetch_one(pool)).await
}
