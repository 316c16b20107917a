//! What the partitions must be like before a relay sends: led, and without records that nobody closed.
//!
//! When a transaction ends, its coordinator writes a marker to each of its partitions. On Kafka 4.3 it leaves out a
//! partition that has no leader at that moment, and calls the transaction ended all the same. Records there stay behind
//! the end that read_committed shows, open, until the next transaction of the same producer ends: with that they are
//! committed, although they belonged to one that was aborted; and if that one is aborted, those of a committed one are lost
//! with it. Only partitions of one copy are ever without a leader while the cluster runs. So a relay that takes over waits
//! until every partition is led before it lets its predecessor's transaction be aborted, does not send while records of an
//! aborted one are open, and looks whether consumers can see, now or with the next transaction, what was sent since the
//! last time that everything was seen to be visible.

use super::RelayError;
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::probe::{AskError, Cluster, Probe};
use crate::kafka::reading::read_to_ends;
use crate::kafka::watch::wanted;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longest wait for the answer of one leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for markers that are on their way, and for those of somebody else's transaction.
const MARKERS_TIMEOUT: Duration = Duration::from_secs(5);
/// The same while a relay sends, which waits meanwhile.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(1);
/// Sooner brokers do not miss one that is silent (`broker.session.timeout.ms`, 9 s unless set).
const LEADER_MISSED_AFTER: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How far behind its end a partition is searched for the last record that is visible.
const LOOK_BACK: i64 = 1_000;

/// Why the relay does not send as long as the partitions are like this.
#[derive(Debug, Error)]
pub enum PartitionsError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the topic {0} does not exist; run `milepost topics apply`")]
    TopicMissing(String),
    #[error(
        "the topic {topic} has {partitions} partitions and the catalogue says {wanted}, so there is no place for the events of some keys: \
         set the catalogue's number to {partitions}, or run `milepost topics apply --reorder-keys`"
    )]
    TooFew { topic: String, partitions: i32, wanted: i32 },
    #[error(
        "partition {partition} of the topic {topic} has no leader that answers ({reason}): start the broker that holds it; until then \
         nothing is sent, since ending the transaction before would leave records there unfinished"
    )]
    NoLeader { topic: String, partition: i32, reason: String },
    #[error(
        "partition {partition} of the topic {topic} holds records of an aborted transaction (positions {first} to {last}) that its brokers left open \
         from offset {offset} on; the next transaction would publish them a second time, so nothing is sent until they are aborted: {}",
        abort(servers, topic, *partition, *offset)
    )]
    Orphaned { servers: String, topic: String, partition: i32, offset: i64, first: i64, last: i64 },
    #[error(
        "partition {partition} of the topic {topic} holds open records from offset {offset} on, some of a committed transaction (from position \
         {first} on) and some of an aborted one, so nothing is sent: abort them together ({}), then send the committed ones again with \
         `milepost relay resume --from {}`, which repeats what other partitions hold since",
        abort(servers, topic, *partition, *offset),
        first - 1
    )]
    Mixed { servers: String, topic: String, partition: i32, offset: i64, first: i64 },
    #[error(
        "the relay's record on {topic} says position {position}, and consumers see events up to {visible}: the record of their transaction \
         was left open, and sending on from the older one would double events, so nothing is sent: run `milepost relay {way_out}`"
    )]
    RecordOpen { topic: String, position: i64, visible: i64, way_out: String },
    #[error(
        "consumers do not see {count} events of committed transactions, the first at position {first} on partition {partition} of the topic {topic}: \
         its brokers have lost them, so nothing is sent until an admin says where to continue: `milepost relay resume --from {}` sends everything \
         from there again, `milepost relay resume --from {position}` leaves them out for good",
        first - 1
    )]
    Lost { topic: String, partition: i32, first: i64, count: usize, position: i64 },
}

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

/// What a partition begins with, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begins {
    /// No record was ever removed from it.
    whole: bool,
    /// The lowest position that was seen on it.
    lowest: Option<i64>,
}

/// Positions of committed transactions that no consumer sees, nor will see with the next transaction.
pub(super) struct Unseen {
    /// The first position that was looked for.
    from: i64,
    unseen: Vec<bool>,
    begins: HashMap<(String, i32), Begins>,
}

impl Unseen {
    pub(super) fn positions(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.unseen.iter().enumerate().filter(|(_, unseen)| **unseen).map(|(index, _)| self.from + index as i64)
    }

    /// Whether a position is one of them although nothing can have removed its record, which belongs on this partition:
    /// brokers remove the oldest first, so one before it is there as long as it is.
    pub(super) fn is_lost(&self, position: i64, topic: &str, partition: i32) -> bool {
        let unseen = usize::try_from(position - self.from).ok().and_then(|index| self.unseen.get(index));
        unseen.is_some_and(|unseen| *unseen)
            && self
                .begins
                .get(&(topic.to_owned(), partition))
                .is_some_and(|begins| begins.whole || begins.lowest.is_some_and(|lowest| lowest < position))
    }

    fn saw(&mut self, position: i64) {
        let index = usize::try_from(position - self.from).ok();
        if let Some(unseen) = index.and_then(|index| self.unseen.get_mut(index)) {
            *unseen = false;
        }
    }
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
        let visible = if open.iter().any(|open| open.topic == *relay_topic) { self.highest_visible()? } else { 0 };
        judge(&open, relay_topic, position, visible, &self.servers)?;
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

    /// Fails if the record of a transaction that was committed is open on the relay's topic, as far as what consumers see and
    /// what the database knows to be sent tell. Looks only where so many records are open. Says whether some were, and are no more.
    pub(super) fn record_is_shown(&self, position: i64, confirmed: i64, records: usize) -> Result<bool, RelayError> {
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
        let visible = self.highest_visible()?.max(confirmed);
        judge(&[open], self.relay_topic(), position, visible, &self.servers)?;
        Ok(false)
    }

    /// Which events after a position and up to another consumers neither see nor will see with the next transaction, where
    /// `open` are those that they will.
    pub(super) fn unseen(&self, after: i64, until: i64, open: &HashSet<i64>) -> Result<Unseen, RelayError> {
        let count = usize::try_from(until - after).unwrap_or(0);
        let mut unseen = Unseen { from: after + 1, unseen: vec![true; count], begins: HashMap::new() };
        open.iter().for_each(|position| unseen.saw(*position));
        let mut look_back = LOOK_BACK.max(until - after);
        let mut partitions: Vec<(&str, i32)> = self.events().collect();
        while unseen.positions().next().is_some() && !partitions.is_empty() {
            let mut left = vec![];
            for (topic, partition) in partitions {
                let (low, end) = self.committed.ends(topic, partition, LEADER_TIMEOUT).map_err(PartitionsError::from)?;
                let from = low.max(end - look_back);
                let seen = positions(&self.committed, topic, partition, from, end)?;
                seen.iter().for_each(|position| unseen.saw(*position));
                let lowest = seen.into_iter().min();
                unseen.begins.insert((topic.to_owned(), partition), Begins { whole: low == 0, lowest });
                if from > low && lowest.is_none_or(|lowest| lowest > after) {
                    left.push((topic, partition));
                }
            }
            // Mostly aborted records so far back.
            (partitions, look_back) = (left, look_back * 10);
        }
        Ok(unseen)
    }

    /// Up to where everything is visible to consumers, as far as that can be told at a glance: `before` if it cannot. To be
    /// called between transactions of the caller's own, which has committed everything up to a position.
    pub(super) fn visible_up_to(&self, position: i64, before: i64) -> i64 {
        let open = self.open(GLANCE_TIMEOUT).and_then(|open| {
            let of_events = open.into_iter().filter(|open| open.topic != self.relay_topic());
            of_events.map(|open| self.with_positions(open)).collect::<Result<Vec<_>, _>>()
        });
        let first = open.map(|open| open.iter().flat_map(|open| &open.positions).min().map_or(position, |first| first - 1));
        first.unwrap_or(before).clamp(before, position.max(before))
    }

    fn relay_topic(&self) -> &str {
        &self.wanted[self.wanted.len() - 1].0
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
        let positions = positions(&self.all, &open.topic, open.partition, open.offset, open.end)?;
        Ok(Open { positions, ..open })
    }

    /// The highest position of an event that consumers see.
    fn highest_visible(&self) -> Result<i64, PartitionsError> {
        let mut highest = 0;
        for (topic, partition) in self.events() {
            let (low, end) = self.committed.ends(topic, partition, LEADER_TIMEOUT)?;
            let seen = positions(&self.committed, topic, partition, low.max(end - LOOK_BACK), end)?;
            highest = highest.max(seen.into_iter().max().unwrap_or(0));
        }
        Ok(highest)
    }
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
            abort: abort(&partitions.servers, &open.topic, open.partition, open.offset),
            topic: open.topic,
            partition: open.partition,
            positions: open.positions,
        });
        Ok(records.collect())
    });
    read.await.map_err(|_| RelayError::Slow)?
}

fn abort(servers: &str, topic: &str, partition: i32, offset: i64) -> String {
    format!("kafka-transactions.sh --bootstrap-server {servers} abort --topic {topic} --partition {partition} --start-offset {offset}")
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

/// Whether a relay at a position may send while these are open; `visible` is the highest position that consumers see.
///
/// Open records up to the position belong to transactions that were committed: the next one shows them, as it should.
/// Those beyond it were aborted. Open records on the relay's own topic do no harm, as the next one there replaces them,
/// unless the position that was read is older than what is visible.
fn judge(open: &[Open], relay_topic: &str, position: i64, visible: i64, servers: &str) -> Result<(), PartitionsError> {
    if let Some(record) = open.iter().find(|open| open.topic == relay_topic && visible > position) {
        let hidden = record.positions.iter().filter(|hidden| **hidden >= visible).min();
        let way_out = hidden.map_or_else(|| "adopt".to_owned(), |hidden| format!("resume --from {hidden}"));
        return Err(PartitionsError::RecordOpen { topic: record.topic.clone(), position, visible, way_out });
    }
    for Open { topic, partition, offset, positions, .. } in open.iter().filter(|open| open.topic != relay_topic) {
        let (topic, partition, offset, servers) = (topic.clone(), *partition, *offset, servers.to_owned());
        let (first, last) = (positions.iter().min().copied().unwrap_or(0), positions.iter().max().copied().unwrap_or(0));
        if last > position {
            return Err(match first > position {
                true => PartitionsError::Orphaned { servers, topic, partition, offset, first, last },
                false => PartitionsError::Mixed { servers, topic, partition, offset, first },
            });
        }
    }
    Ok(())
}

/// The position in a record of the relay.
#[derive(Deserialize)]
struct Positioned {
    position: String,
}

/// The positions of the relay's records on a part of a partition, as far as a client sees them.
fn positions(probe: &Probe, topic: &str, partition: i32, from: i64, end: i64) -> Result<Vec<i64>, PartitionsError> {
    let unread = |error: &dyn std::fmt::Display| AskError::Topic { topic: topic.to_owned(), reason: error.to_string() };
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(|error| unread(&error))?;
    let mut found = vec![];
    let read = read_to_ends(&probe.consumer, &assignment, LEADER_TIMEOUT, |record| {
        if record.offset() >= end {
            return ControlFlow::Break(());
        }
        let positioned = serde_json::from_slice::<Positioned>(record.payload().unwrap_or_default());
        found.extend(positioned.ok().and_then(|positioned| positioned.position.parse::<i64>().ok()));
        ControlFlow::Continue(())
    });
    read.map_err(|error| unread(&error))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::probe::TopicOnBrokers;

    const RELAY: &str = "milepost.relay";

    fn open(topic: &str, positions: &[i64]) -> Open {
        Open { topic: topic.to_owned(), partition: 1, offset: 40, end: 50, positions: positions.to_vec() }
    }

    /// What a relay at position 20 is told, or nothing if it may send.
    fn told(open: &[Open], visible: i64) -> String {
        judge(open, RELAY, 20, visible, "host:9092").err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_is_open_up_to_the_position_was_committed_and_what_is_beyond_was_aborted() {
        assert_eq!(told(&[open("task-events", &[18, 20])], 0), "");
        assert_eq!(told(&[open("task-events", &[])], 0), "", "a transaction of another program");
        let aborted = told(&[open("task-events", &[21, 25])], 0);
        let command = "kafka-transactions.sh --bootstrap-server host:9092 abort --topic task-events --partition 1 --start-offset 40";
        assert!(aborted.contains("(positions 21 to 25)") && aborted.ends_with(command), "{aborted}");
        let both = told(&[open("project-events", &[3]), open("task-events", &[19, 21])], 0);
        assert!(both.contains(command) && both.contains("`milepost relay resume --from 18`"), "{both}");
    }

    #[test]
    fn an_open_record_of_the_relay_does_harm_only_if_consumers_see_more_than_the_one_before_it() {
        assert_eq!(told(&[open(RELAY, &[25])], 20), "");
        // Before anything else is judged: by the older position committed events would look aborted.
        let hidden = told(&[open("task-events", &[23]), open(RELAY, &[25, 30])], 24);
        assert!(hidden.ends_with("run `milepost relay resume --from 25`"), "{hidden}");
        assert!(told(&[open(RELAY, &[22])], 24).ends_with("run `milepost relay adopt`"));
    }

    #[test]
    fn an_event_that_nobody_sees_is_lost_unless_it_may_have_been_removed_with_older_ones() {
        let begins = |whole, lowest| Begins { whole, lowest };
        let partitions = [begins(true, None), begins(false, None), begins(false, Some(30)), begins(false, Some(12))];
        let begins = (0..).zip(partitions).map(|(partition, begins)| (("task-events".to_owned(), partition), begins)).collect();
        let mut unseen = Unseen { from: 11, unseen: vec![true; 10], begins };
        [3, 11, 20, 25].into_iter().for_each(|seen| unseen.saw(seen));
        assert_eq!(unseen.positions().collect::<Vec<_>>(), (12..20).collect::<Vec<_>>());
        let lost = |position| (0..5).filter(|partition| unseen.is_lost(position, "task-events", *partition)).collect::<Vec<_>>();
        assert_eq!(lost(15), [0, 3], "nothing was removed from the first, and an older one is on the last");
        assert_eq!(lost(12), [0]);
        for seen_or_not_looked_for in [5, 11, 20, 21] {
            assert!(lost(seen_or_not_looked_for).is_empty(), "{seen_or_not_looked_for}");
        }
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
