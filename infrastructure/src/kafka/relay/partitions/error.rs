//! Why a relay does not send as long as the partitions are like this.

use crate::kafka::probe::AskError;
use thiserror::Error;

/// Why the relay does not send as long as the partitions are like this.
#[derive(Debug, Error)]
pub enum PartitionsError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the topic {0} does not exist; run `milepost topics apply`")]
    TopicMissing(String),
    #[error(
        "the topic {topic} has {partitions} partitions and the catalogue says {wanted}, so the events of some keys have no partition: \
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
        "the relay's record on {topic} says position {position}, and everything up to position {sent} was sent: the record of that transaction \
         was left open, and sending on from the older one would double events, so nothing is sent: run `milepost relay {way_out}`"
    )]
    RecordOpen { topic: String, position: i64, sent: i64, way_out: String },
    #[error(
        "consumers do not see {count} events of committed transactions, the first at position {first} on partition {partition} of the topic {topic}: \
         its brokers have lost them, so nothing is sent until an admin says where to continue: `milepost relay resume --from {}` sends everything \
         from there again, `milepost relay resume --from {position}` skips them permanently",
        first - 1
    )]
    Lost { topic: String, partition: i32, first: i64, count: usize, position: i64 },
}

/// The command that aborts the open transaction of a partition.
pub(super) fn abort(servers: &str, topic: &str, partition: i32, offset: i64) -> String {
    format!("kafka-transactions.sh --bootstrap-server {servers} abort --topic {topic} --partition {partition} --start-offset {offset}")
}
