//! Whether the relay's record and the log agree. Where they do not, the relay refuses to send: it would leave out events,
//! or send them again, by guessing.

use super::record::{RelayRecord, Stored};
use super::sides::{LogSide, Seen};
use thiserror::Error;
use uuid::Uuid;

/// The reasons of all refusals, as the label of the metric names them.
pub const REASONS: [&str; 9] = [
    "other_log",
    "beyond_head",
    "other_event",
    "record_lost",
    "record_behind",
    "record_overtaken",
    "record_unreadable",
    "cleanup_policy",
    "topics_not_empty",
];

/// The three ways out, as every refusal that needs one names them.
const WAYS_OUT: &str = "nothing is sent until an admin says where to continue: `milepost relay adopt` takes what the topics prove, \
                            `milepost relay resume --from POSITION` continues after a position, `milepost relay resume --from-start` sends everything again";

/// The last event that was sent: where a relay continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub position: i64,
    /// Null at position 0.
    pub event_id: Option<Uuid>,
}

impl Sent {
    /// Nothing was sent.
    pub const NOTHING: Self = Self { position: 0, event_id: None };
}

/// Why a relay does not send.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the relay's record on {topic} was written for the log {found}, and this database holds the log {log}; {WAYS_OUT}")]
    OtherLog { topic: String, found: Uuid, log: Uuid },
    #[error(
        "the relay's record on {topic} is at position {position}, and the log ends at {head}: the database was restored to an older state; {WAYS_OUT}"
    )]
    BeyondHead { topic: String, position: i64, head: i64 },
    #[error(
        "the event at position {position} of the log is {}, and the relay's record on {topic} names {}: the database was restored to an older state and has new events since; {WAYS_OUT}",
        id(*.log), id(*.found)
    )]
    OtherEvent { topic: String, position: i64, found: Option<Uuid>, log: Option<Uuid> },
    #[error(
        "{topic} holds no record of the transactional id {transactional_id}, and the database knows that everything up to position {confirmed} was sent: the topic was deleted or emptied, or KAFKA_BOOTSTRAP_SERVERS, KAFKA_TRANSACTIONAL_ID or the catalogue's names have changed; {WAYS_OUT}"
    )]
    RecordLost { topic: String, transactional_id: String, confirmed: i64 },
    #[error(
        "the relay's record on {topic} is at position {position}, and the database knows that everything up to position {confirmed} was sent: the topic has lost its newest records; {WAYS_OUT}"
    )]
    RecordBehind { topic: String, position: i64, confirmed: i64 },
    #[error(
        "the relay's record on {topic} is at position {position}, and consumers see the event at position {seen} on {place}: brokers have lost the record that was sent with it; {WAYS_OUT}"
    )]
    RecordOvertaken { topic: String, position: i64, seen: i64, place: String },
    #[error("the relay's record on {topic} cannot be read: {reason}; {WAYS_OUT}")]
    RecordUnreadable { topic: String, reason: String },
    #[error(
        "cleanup.policy of {topic} is {found:?}, under which brokers remove the relay's record in time; nothing is sent until it is compact: run `milepost topics apply`"
    )]
    CleanupPolicy { topic: String, found: String },
    #[error("{topic} holds no record of the transactional id {transactional_id}, and {place} holds events of a relay; {WAYS_OUT}")]
    TopicsNotEmpty { topic: String, transactional_id: String, place: String },
}

fn id(id: Option<Uuid>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

impl Refusal {
    /// Its reason, one of [`REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherLog { .. } => "other_log",
            Self::BeyondHead { .. } => "beyond_head",
            Self::OtherEvent { .. } => "other_event",
            Self::RecordLost { .. } => "record_lost",
            Self::RecordBehind { .. } => "record_behind",
            Self::RecordOvertaken { .. } => "record_overtaken",
            Self::RecordUnreadable { .. } => "record_unreadable",
            Self::CleanupPolicy { .. } => "cleanup_policy",
            Self::TopicsNotEmpty { .. } => "topics_not_empty",
        }
    }
}

/// Where the relay continues, if its record agrees with the log and with the last event of the log that consumers see, as far
/// as that is known. `topic` and `transactional_id` are for the sentences.
pub(super) fn agree(log: &LogSide, stored: &Stored, seen: Option<&Seen>, topic: &str, transactional_id: &str) -> Result<Sent, Refusal> {
    let (topic, confirmed) = (topic.to_owned(), log.confirmed);
    let record = match stored {
        Stored::Record(record) => record,
        Stored::Unreadable(reason) => return Err(Refusal::RecordUnreadable { topic, reason: reason.clone() }),
        Stored::Nothing if confirmed > 0 => {
            return Err(Refusal::RecordLost { topic, transactional_id: transactional_id.to_owned(), confirmed });
        }
        Stored::Nothing => return Ok(Sent::NOTHING),
    };
    let RelayRecord { position, log_id, event_id, .. } = *record;
    if log_id != log.id {
        return Err(Refusal::OtherLog { topic, found: log_id, log: log.id });
    }
    if position > log.head {
        return Err(Refusal::BeyondHead { topic, position, head: log.head });
    }
    if event_id != log.event_id {
        return Err(Refusal::OtherEvent { topic, position, found: event_id, log: log.event_id });
    }
    if position < confirmed {
        return Err(Refusal::RecordBehind { topic, position, confirmed });
    }
    if let Some(Seen { position: seen, topic: of_events, partition, .. }) = seen.filter(|seen| seen.position > record.sent_to()) {
        let place = format!("{of_events}[{partition}]");
        return Err(Refusal::RecordOvertaken { topic, position, seen: *seen, place });
    }
    Ok(Sent { position, event_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Uuid = Uuid::from_u128(1);
    const EVENT: Uuid = Uuid::from_u128(2);
    const OTHER: Uuid = Uuid::from_u128(3);

    /// A log of ten events, as it is seen beside a record at position 7.
    fn log() -> LogSide {
        LogSide { id: LOG, head: 10, event_id: Some(EVENT), confirmed: 6, changed_at: None }
    }

    fn record() -> RelayRecord {
        RelayRecord { position: 7, log_id: LOG, event_id: Some(EVENT), visible: Some(5), repeats_to: None }
    }

    fn verdict(log: LogSide, stored: &Stored) -> Result<Sent, &'static str> {
        verdict_beside(log, stored, None)
    }

    /// Where consumers see the event at a position.
    fn verdict_beside(log: LogSide, stored: &Stored, position: Option<i64>) -> Result<Sent, &'static str> {
        let seen = position.map(|position| Seen { position, event_id: OTHER, topic: "task-events".to_owned(), partition: 1 });
        let verdict = agree(&log, stored, seen.as_ref(), "milepost.relay", "milepost.relay");
        verdict.map_err(|refusal| {
            let sentence = refusal.to_string();
            assert!(sentence.contains("milepost.relay"), "the topic is named: {sentence}");
            assert!(REASONS.contains(&refusal.reason()), "{sentence}");
            refusal.reason()
        })
    }

    #[test]
    fn a_record_of_this_log_is_continued() {
        let sent = Ok(Sent { position: 7, event_id: Some(EVENT) });
        assert_eq!(verdict(log(), &Stored::Record(record())), sent, "the checkpoint may lag");
        assert_eq!(verdict(LogSide { confirmed: 7, ..log() }, &Stored::Record(record())), sent);
        assert_eq!(verdict(LogSide { head: 7, ..log() }, &Stored::Record(record())), sent);
    }

    #[test]
    fn a_record_of_less_than_consumers_see_is_refused_unless_it_repeats_that() {
        let sent = Ok(Sent { position: 7, event_id: Some(EVENT) });
        let beside = |repeats_to, seen| verdict_beside(log(), &Stored::Record(RelayRecord { repeats_to, ..record() }), seen);
        for (repeats_to, seen) in [(None, None), (None, Some(7)), (Some(9), Some(9)), (Some(9), Some(8))] {
            assert_eq!(beside(repeats_to, seen), sent, "{repeats_to:?}, {seen:?}");
        }
        for (repeats_to, seen) in [(None, Some(8)), (Some(8), Some(9)), (Some(6), Some(8))] {
            assert_eq!(beside(repeats_to, seen), Err("record_overtaken"), "{repeats_to:?}, {seen:?}");
        }
    }

    #[test]
    fn nothing_recorded_and_nothing_confirmed_is_a_start() {
        let fresh = LogSide { event_id: None, confirmed: 0, ..log() };
        assert_eq!(verdict(LogSide { head: 0, ..fresh.clone() }, &Stored::Nothing), Ok(Sent::NOTHING));
        assert_eq!(verdict(fresh.clone(), &Stored::Nothing), Ok(Sent::NOTHING), "Kafka came later than the first events");
        let from_start = RelayRecord { position: 0, event_id: None, ..record() };
        assert_eq!(verdict(fresh, &Stored::Record(from_start)), Ok(Sent::NOTHING), "an admin said so");
    }

    #[test]
    fn every_disagreement_is_refused_for_its_own_reason() {
        let unreadable = Stored::Unreadable("no record of a relay".to_owned());
        let cases = [
            ("other_log", LogSide { id: OTHER, ..log() }, Stored::Record(record())),
            ("other_log", LogSide { id: OTHER, head: 0, event_id: None, confirmed: 0, ..log() }, Stored::Record(record())),
            ("beyond_head", LogSide { head: 6, event_id: None, ..log() }, Stored::Record(record())),
            ("other_event", LogSide { event_id: Some(OTHER), ..log() }, Stored::Record(record())),
            ("other_event", log(), Stored::Record(RelayRecord { event_id: None, ..record() })),
            ("record_lost", LogSide { event_id: None, confirmed: 1, ..log() }, Stored::Nothing),
            ("record_behind", LogSide { confirmed: 8, ..log() }, Stored::Record(record())),
            ("record_unreadable", log(), unreadable),
        ];
        for (reason, log, stored) in cases {
            assert_eq!(verdict(log, &stored), Err(reason));
        }
    }
}
