//! What consumers see last: a relay whose record says less has lost its newest one.

use super::read::{Part, Read, each_record};
use super::{LEADER_TIMEOUT, Partitions, PartitionsError};
use crate::kafka::probe::Probe;
use crate::postgres::within;
use sqlx::PgPool;
use std::ops::ControlFlow;
use uuid::Uuid;

/// How far behind its end a partition is searched at first for the last record of an event.
const LOOK_BACK: i64 = 100;

/// The last record of an event on a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka::relay) struct Seen {
    pub position: i64,
    pub event_id: Uuid,
    pub topic: String,
    pub partition: i32,
}

impl Partitions {
    /// The last event on each partition that consumers see.
    pub(in crate::kafka::relay) fn last_seen(&self) -> Result<Vec<Seen>, PartitionsError> {
        self.last_of(&self.committed)
    }

    /// The last event on each partition, whether consumers see it or not.
    pub(in crate::kafka::relay) fn last_there(&self) -> Result<Vec<Seen>, PartitionsError> {
        self.last_of(&self.all)
    }

    fn last_of(&self, probe: &Probe) -> Result<Vec<Seen>, PartitionsError> {
        let each = self.events().map(|(topic, partition)| last_on(probe, topic, partition));
        each.filter_map(Result::transpose).collect()
    }
}

fn last_on(probe: &Probe, topic: &str, partition: i32) -> Result<Option<Seen>, PartitionsError> {
    let (low, end) = probe.ends(topic, partition, LEADER_TIMEOUT)?;
    let mut look_back = LOOK_BACK;
    loop {
        let (from, mut last) = (low.max(end - look_back), None);
        if from >= end {
            return Ok(None);
        }
        each_record(probe, Part { topic, partition, offsets: from..end }, LEADER_TIMEOUT, |record| {
            if let Some(Read { position, event_id: Some(event_id) }) = record {
                last = Some(Seen { position, event_id, topic: topic.to_owned(), partition });
            }
            ControlFlow::Continue(())
        })?;
        // Only aborted records and those of other programs so far back.
        if last.is_some() || from <= low {
            return Ok(last);
        }
        look_back *= 10;
    }
}

/// Those with the highest position that are events of this log.
pub(in crate::kafka::relay) async fn highest_of_log(seen: Vec<Seen>, pool: &PgPool) -> Result<Option<Seen>, sqlx::Error> {
    let (positions, ids): (Vec<i64>, Vec<Uuid>) = seen.iter().map(|seen| (seen.position, seen.event_id)).unzip();
    let highest = sqlx::query_scalar(
        "SELECT max(e.position) FROM unnest($1::bigint[], $2::uuid[]) seen (position, event_id) \
           JOIN milepost.events e ON e.position = seen.position AND e.event_id = seen.event_id",
    );
    let highest: Option<i64> = within(highest.bind(positions).bind(ids).fetch_one(pool)).await?;
    Ok(seen.into_iter().find(|seen| Some(seen.position) == highest))
}
