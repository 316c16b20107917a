//! What the topics prove of a log: up to which of its events everything was sent.
//!
//! A relay sends in the order of positions, and a transaction is seen whole or not at all. So where an event of the log is on
//! a topic, everything before it was sent too, unless something is known to be missing: then topics were deleted or emptied,
//! and nothing is proved.

use super::reader::{Place, Reader, age_of};
use super::retention::Gone;
use super::skipped::skipped;
use super::{Catalogue, TopicsRead, VerifyError, next};
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use thiserror::Error;
use uuid::Uuid;

/// What the topics prove of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// All records on the topics.
    pub records: u64,
    /// The last event of the log that is there.
    pub last: Option<(i64, Uuid)>,
    /// Events before it whose records are gone in time, and those whose records are gone before their time.
    pub expired: u64,
    pub unchecked: u64,
    /// Events before it that are known never to have been there, by position.
    pub missing: Vec<i64>,
    /// Records of events that the log does not have, at positions up to the last and behind it.
    pub before: Strangers,
    pub behind: Strangers,
}

/// Records of events that the log does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strangers {
    pub count: u64,
    /// Position and place of the one with the lowest position.
    pub first: Option<(i64, String)>,
}

/// Why the topics prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoProof {
    #[error("the topics are empty, so they prove nothing")]
    Empty,
    #[error("none of the {records} records on the topics is of an event of this log, so they prove nothing of it")]
    OfThisLog { records: u64 },
    #[error(
        "{} events are on no topic, the first at position {first}, though position {last} is there: topics were deleted or emptied, or brokers have \
         lost records; `milepost relay resume --from {}` sends everything from there again, `milepost relay resume --from {last}` skips those permanently",
        missing.len(), first - 1
    )]
    Missing { missing: Vec<i64>, first: i64, last: i64 },
    #[error(
        "{count} records are of events that this log does not have, the first at {place} with position {position}, although this log is on the topics up to position {last}: \
         another log was sent to these topics too; `milepost relay resume --from {last}` continues this log nevertheless"
    )]
    OtherLog { count: u64, position: i64, place: String, last: i64 },
}

impl Proof {
    /// The last event up to which everything was sent.
    pub fn verdict(&self) -> Result<(i64, Uuid), NoProof> {
        let (last, event_id) = match (self.last, self.records) {
            (Some(last), _) => last,
            (None, 0) => return Err(NoProof::Empty),
            (None, records) => return Err(NoProof::OfThisLog { records }),
        };
        if let Some(first) = self.missing.first().copied() {
            return Err(NoProof::Missing { missing: self.missing.clone(), first, last });
        }
        match &self.before {
            Strangers { count, first: Some((position, place)) } => {
                Err(NoProof::OtherLog { count: *count, position: *position, place: place.clone(), last })
            }
            Strangers { first: None, .. } => Ok((last, event_id)),
        }
    }
}

/// Events that are not on the topics, since the last that is.
#[derive(Default)]
struct Absent {
    expired: u64,
    unchecked: u64,
    missing: Vec<i64>,
}

impl Absent {
    fn take(&mut self, position: i64, gone: Gone) {
        match gone {
            Gone::Expired => self.expired += 1,
            Gone::Unknown => self.unchecked += 1,
            Gone::Lost => self.missing.push(position),
        }
    }
}

impl TopicsRead {
    /// Compares with the log, as far as the topics go.
    pub async fn prove(self, pool: &PgPool, catalogue: &Catalogue) -> Result<Proof, VerifyError> {
        let mut reader = self.reader;
        let skipped = skipped(pool).await?;
        let mut proof = Proof { records: reader.report.records, ..Proof::default() };
        let mut found = reader.take_found();
        let (end, mut after, mut absent) = (found.keys().copied().max().unwrap_or(0), 0, Absent::default());
        while after < end {
            let rows = next(pool, after, end).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get(0)?;
            for row in &rows {
                let (position, event_id): (i64, Uuid) = (row.try_get(0)?, row.try_get(1)?);
                let there = found.get_mut(&position).is_some_and(|records| {
                    let before = records.len();
                    records.retain(|(found, _)| *found != event_id);
                    records.len() < before
                });
                if there {
                    let Absent { expired, unchecked, missing } = std::mem::take(&mut absent);
                    (proof.expired, proof.unchecked) = (proof.expired + expired, proof.unchecked + unchecked);
                    proof.missing.extend(missing);
                    proof.last = Some((position, event_id));
                } else {
                    let gone = if skipped.contains_key(&position) {
                        Gone::Lost
                    } else {
                        reader.gone(position, row.try_get(2)?, row.try_get(3)?, age_of(row)?, catalogue)
                    };
                    absent.take(position, gone);
                }
            }
        }
        let mut strangers: Vec<(i64, Place)> =
            found.into_iter().flat_map(|(position, records)| records.into_iter().map(move |(_, place)| (position, place))).collect();
        strangers.sort_unstable_by_key(|(position, _)| *position);
        for (position, place) in strangers {
            let is_before = proof.last.is_some_and(|(last, _)| position <= last);
            let strangers = if is_before { &mut proof.before } else { &mut proof.behind };
            strangers.count += 1;
            strangers.first.get_or_insert_with(|| (position, reader.words_for(place)));
        }
        Ok(proof)
    }
}

impl Reader {
    /// What is on the topics, by position.
    fn take_found(&mut self) -> HashMap<i64, Vec<(Uuid, Place)>> {
        let seen = self.seen.drain().map(|(position, seen)| (position, seen.event_id, seen.place));
        let mut found: HashMap<i64, Vec<(Uuid, Place)>> = HashMap::with_capacity(seen.len());
        let letters = self.letters.drain().map(|(position, (event_id, place))| (position, event_id, place));
        for (position, event_id, place) in seen.chain(self.others.drain(..)).chain(letters) {
            found.entry(position).or_default().push((event_id, place));
        }
        found
    }
}
