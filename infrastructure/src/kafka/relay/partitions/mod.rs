//! What the partitions must be like before a relay sends: led, and without records that nobody closed.
//!
//! When a transaction ends, its coordinator writes a marker to each of its partitions. On Kafka 4.3 it leaves out a
//! partition that has no leader at that moment, and calls the transaction ended all the same. Records there stay behind
//! the end that read_committed shows, open, until the next transaction of the same producer ends: with that they are
//! committed, although they belonged to one that was aborted; and if that one is aborted, those of a committed one are lost
//! with it. Only partitions of one copy are ever without a leader while the cluster runs. So a relay that takes over waits
//! until every partition is led before it lets its predecessor's transaction be aborted, does not send while records of an
//! aborted one are open, and looks whether consumers can see, now or with the next transaction, what was sent since the
//! last time that everything was seen to be visible, and whether they see more than its record says.

mod error;
mod read;
mod seen;
mod unseen;

pub(super) use self::error::PartitionsError;
pub(super) use seen::highest_of_log;
pub use seen::last_of_log_seen;
pub(super) use unseen::Unseen;

use super::error::RelayError;
use super::position::read_record_by;
use super::record::Stored;
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::client::is_demo;
use crate::kafka::probe::{AskError, Cluster, Probe};
use crate::kafka::watch::wanted;
use rdkafka::consumer::Consumer;
use read::{Part, each_record, positions};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Longest wait for the answer of one leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for markers that are on their way, and for those of somebody else's transaction.
const MARKERS_TIMEOUT: Duration = Duration::from_secs(5);
/// The same while a relay sends, which waits meanwhile.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(1);
/// Sooner brokers do not miss one that is silent (`broker.session.timeout.ms`, 9 s unless set).
const LEADER_MISSED_AFTER: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The partitions that a relay writes to.
pub(super) struct Partitions {
    committed: Probe,
    all: Probe,
    servers: String,
    /// Topics and their number of partitions in the catalogue, the relay's topic last.
    wanted: Vec<(String, i32)>,
}

/// A partition whose read_committed end is below its end.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    topic: String,
    partition: i32,
    /// The first offset that is not visible.
    offset: i64,
    end: i64,
    /// The positions of the relay's records from there on.
    positions: Vec<i64>,
}

impl Partitions {
    /// Those of a catalogue. Calls block.
    pub(super) fn of(kafka: &Kafka, catalogue: &Catalogue) -> Result<Self, RelayError> {
        let probe = |level| Probe::with_isolation(kafka, level).map_err(PartitionsError::from);
        let (committed, all) = (probe("read_committed")?, probe("read_uncommitted")?);
        Ok(Self { committed, all, servers: kafka.bootstrap_servers.clone(), wanted: wanted(catalogue) })
    }

    /// Fails unless every partition is there and its leader answers. To be called before `init_transactions`, which ends
    /// what the relay before has left open.
    pub(super) fn led(&self) -> Result<(), RelayError> {
        let cluster = self.committed.cluster(self.wanted.iter().map(|(topic, _)| topic.as_str())).map_err(PartitionsError::from)?;
        fit(&cluster, &self.wanted)?;
        for (topic, partition) in self.each() {
            let no_leader = |reason| PartitionsError::NoLeader { topic: topic.to_owned(), partition, reason };
            match self.committed.ends(topic, partition, LEADER_TIMEOUT) {
                Ok(_) => {}
                Err(AskError::Unreachable { reason, .. }) => return Err(no_leader(reason).into()),
                Err(error) => return Err(PartitionsError::from(error).into()),
            }
        }
        Ok(())
    }

    /// The same after a commit, where it took so long that a leader may have been missed meanwhile: the commit may have
    /// left records open there. The next transaction would show them, or, if it were aborted, take them along. Without
    /// one there is nothing that a relay that takes over could abort. It is a help and no proof, since markers are written
    /// after a commit is answered: what it misses is found by [`Self::unseen`].
    pub(super) fn led_after(&self, begun: Instant) -> Result<(), RelayError> {
        if begun.elapsed() < LEADER_MISSED_AFTER {
            return Ok(());
        }
        self.led()
    }

    /// Fails if a partition holds records of an aborted transaction that are open. To be called after
    /// `init_transactions`, with the position that the relay goes on from. Gives the positions of committed events that
    /// are open: the next transaction shows them.
    pub(super) fn closed(&self, position: i64) -> Result<HashSet<i64>, RelayError> {
        let begun = Instant::now();
        let open = loop {
            let open = self.open(LEADER_TIMEOUT)?;
            if open.is_empty() {
                return Ok(HashSet::new());
            }
            if begun.elapsed() > MARKERS_TIMEOUT {
                break open;
            }
            std::thread::park_timeout(LOOK_EVERY);
        };
        let open = open.into_iter().map(|open| self.with_positions(open)).collect::<Result<Vec<_>, _>>()?;
        let relay_topic = self.relay_topic();
        judge_events(open.iter().filter(|open| open.topic != relay_topic), position, &self.servers)?;
        for Open { topic, partition, offset, positions, .. } in &open {
            let events = positions.len();
            tracing::warn!(
                topic,
                partition,
                offset,
                events,
                "records behind this offset are hidden from consumers that read committed records: the marker of their transaction is missing; \
                 they are shown with the next event on this partition, or when the transaction of another program ends"
            );
        }
        Ok(open.iter().filter(|open| open.topic != *relay_topic).flat_map(|open| open.positions.iter().copied()).collect())
    }

    /// Fails if the record of a transaction that was committed is open on the relay's topic, where the record that is read says
    /// `position` and everything up to `sent` is known to be sent. Looks only where so many records are open. Says whether some
    /// were, and are no more.
    pub(super) fn record_is_shown(&self, position: i64, sent: i64, records: usize) -> Result<bool, RelayError> {
        let (begun, mut first) = (Instant::now(), None);
        let open = loop {
            let open = self.open_on(self.relay_topic(), 0, LEADER_TIMEOUT)?.map(|open| self.with_positions(open)).transpose()?;
            let Some(open) = open.filter(|open| open.positions.len() >= records) else { return Ok(first.is_some()) };
            if *first.get_or_insert(open.offset) != open.offset {
                return Ok(true);
            }
            if begun.elapsed() > MARKERS_TIMEOUT {
                break open;
            }
            std::thread::park_timeout(LOOK_EVERY);
        };
        judge_record(&open, position, sent)?;
        Ok(false)
    }

    /// Up to where everything is visible to consumers, as far as that can be told at a glance: `before` if it cannot. To be
    /// called between transactions of the caller's own, which has committed everything up to a position.
    pub(super) fn visible_up_to(&self, position: i64, before: i64) -> i64 {
        let first = self.first_hidden(Instant::now() + GLANCE_TIMEOUT);
        first.map_or(before, |first| first.map_or(position, |first| first - 1)).clamp(before, position.max(before))
    }

    /// The lowest position that is hidden from consumers. Positions rise along a partition, so the first record of each tells.
    fn first_hidden(&self, until: Instant) -> Result<Option<i64>, PartitionsError> {
        let over = || Instant::now() >= until;
        let mut first: Option<i64> = None;
        for (topic, partition) in self.events() {
            let Some(open) = self.open_on(topic, partition, left(until))? else { continue };
            let mut here = None;
            each_record(&self.all, Part { topic, partition, offsets: open.offset..open.end }, left(until), |record| {
                here = record.map(|record| record.position);
                if here.is_some() || over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if here.is_none() && over() {
                let reason = "what other programs have left open there could not be read in time".to_owned();
                return Err(AskError::Topic { topic: topic.to_owned(), reason }.into());
            }
            first = first.into_iter().chain(here).min();
        }
        Ok(first)
    }

    /// What the last committed transaction left on the relay's topic.
    pub(super) fn record(&self, transactional_id: &str) -> Result<Stored, RelayError> {
        read_record_by(&self.committed.consumer, self.relay_topic(), transactional_id)
    }

    /// Whether the brokers are the one inside `milepost dev`, which shows records that were never committed.
    pub(super) fn is_demo(&self) -> bool {
        is_demo(self.committed.consumer.client(), LEADER_TIMEOUT)
    }

    fn relay_topic(&self) -> &str {
        &self.wanted[self.wanted.len() - 1].0
    }

    /// The topics that events go to, with their number of partitions.
    fn topics_of_events(&self) -> &[(String, i32)] {
        &self.wanted[..self.wanted.len() - 1]
    }

    fn each(&self) -> impl Iterator<Item = (&str, i32)> {
        self.wanted.iter().flat_map(|(topic, partitions)| (0..*partitions).map(|partition| (topic.as_str(), partition)))
    }

    /// The partitions that events go to.
    fn events(&self) -> impl Iterator<Item = (&str, i32)> {
        self.each().filter(|(topic, _)| *topic != self.relay_topic())
    }

    fn open(&self, within: Duration) -> Result<Vec<Open>, PartitionsError> {
        let mut found = vec![];
        for (topic, partition) in self.each() {
            found.extend(self.open_on(topic, partition, within)?);
        }
        Ok(found)
    }

    fn open_on(&self, topic: &str, partition: i32, within: Duration) -> Result<Option<Open>, PartitionsError> {
        let (_, offset) = self.committed.ends(topic, partition, within)?;
        let (_, end) = self.all.ends(topic, partition, within)?;
        Ok((offset < end).then(|| Open { topic: topic.to_owned(), partition, offset, end, positions: vec![] }))
    }

    fn with_positions(&self, open: Open) -> Result<Open, PartitionsError> {
        let part = Part { topic: &open.topic, partition: open.partition, offsets: open.offset..open.end };
        let positions = positions(&self.all, part, LEADER_TIMEOUT)?;
        Ok(Open { positions, ..open })
    }
}

/// What is left of a time limit, and never nothing: librdkafka takes milliseconds.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// Records of events that brokers left open, for an admin who asks what the topics prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRecords {
    pub topic: String,
    pub partition: i32,
    pub positions: Vec<i64>,
    /// The command that aborts them.
    pub abort: String,
}

/// The partitions of events on which records of a relay are open, and stay so. To be called by whoever has the transactional id.
pub async fn open_records(kafka: &Kafka, catalogue: &Catalogue) -> Result<Vec<OpenRecords>, RelayError> {
    let partitions = Partitions::of(kafka, catalogue)?;
    let read = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        let open = loop {
            let open = partitions.open(LEADER_TIMEOUT)?;
            if open.is_empty() || begun.elapsed() > MARKERS_TIMEOUT {
                break open;
            }
            std::thread::park_timeout(LOOK_EVERY);
        };
        let of_events = open.into_iter().filter(|open| open.topic != partitions.relay_topic());
        let open = of_events.map(|open| partitions.with_positions(open)).collect::<Result<Vec<_>, _>>()?;
        let records = open.into_iter().filter(|open| !open.positions.is_empty()).map(|open| OpenRecords {
            abort: error::abort(&partitions.servers, &open.topic, open.partition, open.offset),
            topic: open.topic,
            partition: open.partition,
            positions: open.positions,
        });
        Ok(records.collect())
    });
    read.await.map_err(|_| RelayError::Slow)?
}

/// Whether the topics can take what the catalogue sends to them.
fn fit(cluster: &Cluster, wanted: &[(String, i32)]) -> Result<(), PartitionsError> {
    for (topic, wanted) in wanted {
        let found = cluster.topics.get(topic).ok_or_else(|| PartitionsError::TopicMissing(topic.clone()))?;
        if found.partitions() < *wanted {
            return Err(PartitionsError::TooFew { topic: topic.clone(), partitions: found.partitions(), wanted: *wanted });
        }
        let unled = found.leaders.iter().take(usize::try_from(*wanted).unwrap_or(0)).position(Option::is_none);
        if let Some(partition) = unled {
            let reason = "no broker with a copy of it is up".to_owned();
            return Err(PartitionsError::NoLeader { topic: topic.clone(), partition: partition as i32, reason });
        }
    }
    Ok(())
}

/// Whether a relay whose record says a position may send, where a newer record is open and everything up to `sent` is known to
/// be sent. Open records on the relay's own topic do no harm otherwise: the next one there replaces them.
fn judge_record(open: &Open, position: i64, sent: i64) -> Result<(), PartitionsError> {
    if sent <= position {
        return Ok(());
    }
    let hidden = open.positions.iter().filter(|hidden| **hidden >= sent).min();
    let way_out = hidden.map_or_else(|| "adopt".to_owned(), |hidden| format!("resume --from {hidden}"));
    Err(PartitionsError::RecordOpen { topic: open.topic.clone(), position, sent, way_out })
}

/// Whether a relay at a position may send while these records of events are open.
///
/// Those up to the position belong to transactions that were committed: the next one shows them, as it should. Those beyond
/// it were aborted.
fn judge_events<'a>(open: impl Iterator<Item = &'a Open>, position: i64, servers: &str) -> Result<(), PartitionsError> {
    for Open { topic, partition, offset, positions, .. } in open {
        let (topic, partition, offset, servers) = (topic.clone(), *partition, *offset, servers.to_owned());
        let (first, last) = (positions.iter().min().copied().unwrap_or(0), positions.iter().max().copied().unwrap_or(0));
        if last > position {
            return Err(if first > position {
                PartitionsError::Orphaned { servers, topic, partition, offset, first, last }
            } else {
                PartitionsError::Mixed { servers, topic, partition, offset, first }
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::probe::TopicOnBrokers;

    fn open(topic: &str, positions: &[i64]) -> Open {
        Open { topic: topic.to_owned(), partition: 1, offset: 40, end: 50, positions: positions.to_vec() }
    }

    fn sentence(verdict: Result<(), PartitionsError>) -> String {
        verdict.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_is_open_up_to_the_position_was_committed_and_what_is_beyond_was_aborted() {
        let told = |open: &[Open]| sentence(judge_events(open.iter(), 20, "host:9092"));
        assert_eq!(told(&[open("task-events", &[18, 20])]), "");
        assert_eq!(told(&[open("task-events", &[])]), "", "a transaction of another program");
        let aborted = told(&[open("task-events", &[21, 25])]);
        let command = "kafka-transactions.sh --bootstrap-server host:9092 abort --topic task-events --partition 1 --start-offset 40";
        assert!(aborted.contains("(positions 21 to 25)") && aborted.ends_with(command), "{aborted}");
        let both = told(&[open("project-events", &[3]), open("task-events", &[19, 21])]);
        assert!(both.contains(command) && both.contains("`milepost relay resume --from 18`"), "{both}");
    }

    #[test]
    fn an_open_record_of_the_relay_does_harm_only_if_more_was_sent_than_the_one_before_it_says() {
        let told = |positions: &[i64], sent| sentence(judge_record(&open("milepost.relay", positions), 20, sent));
        assert_eq!(told(&[25], 20), "");
        assert!(told(&[25, 30], 24).ends_with("run `milepost relay resume --from 25`"), "{}", told(&[25, 30], 24));
        assert!(told(&[22], 24).ends_with("run `milepost relay adopt`"));
    }

    #[test]
    fn topics_fit_if_each_partition_of_the_catalogue_has_a_leader() {
        let cluster = |leaders: &[Option<i32>]| {
            let topic = TopicOnBrokers { leaders: leaders.to_vec(), copies: 1 };
            Cluster { brokers: 1, topics: [("task-events".to_owned(), topic)].into() }
        };
        let told = |leaders: &[Option<i32>], topic: &str| {
            fit(&cluster(leaders), &[(topic.to_owned(), 2)]).err().map_or_else(String::new, |error| error.to_string())
        };
        assert_eq!(told(&[Some(1), Some(2)], "task-events"), "");
        assert_eq!(told(&[Some(1), Some(2), None], "task-events"), "", "nothing goes to the third");
        assert!(told(&[Some(1), None], "task-events").starts_with("partition 1 of the topic task-events has no leader"));
        assert!(told(&[Some(1)], "task-events").starts_with("the topic task-events has 1 partitions and the catalogue says 2"));
        assert!(told(&[], "other").starts_with("the topic other does not exist; run `milepost topics apply`"));
    }
}
