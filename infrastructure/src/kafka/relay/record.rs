//! The relay's record on Kafka: how far it is, and in which log.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The value of a record on the relay's topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayRecord {
    /// Every event up to here was sent.
    #[serde(with = "text")]
    pub position: i64,
    /// The identity of the log that was read.
    pub log_id: Uuid,
    /// The event at the position; none at position 0.
    pub event_id: Option<Uuid>,
    /// Everything up to here was seen to be visible to consumers before this was written. What is between here and the
    /// position is looked at by whoever takes over. None in the word of an admin, of which nothing is expected.
    #[serde(default, with = "text_or_none")]
    pub visible: Option<i64>,
    /// Where an admin has asked to send events again: the last of them that is on the topics. Until the position is beyond it,
    /// events there do not prove that the record is too old.
    #[serde(default, with = "text_or_none")]
    pub repeats_to: Option<i64>,
}

/// What the relay's topic holds for a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    Nothing,
    Record(RelayRecord),
    /// A record that is not one of a relay, and why.
    Unreadable(String),
}

impl RelayRecord {
    /// An admin's word: a relay continues after an event of a log, whatever was sent before.
    pub fn chosen(log_id: Uuid, position: i64, event_id: Option<Uuid>) -> Self {
        Self { position, log_id, event_id, visible: None, repeats_to: None }
    }

    /// The position, or where events are sent again: up to where some may be on the topics.
    pub(super) fn sent_to(&self) -> i64 {
        self.position.max(self.repeats_to.unwrap_or(0))
    }

    /// As it is written.
    pub(super) fn written(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Stored {
    /// The record, if there is one that can be read.
    pub fn record(&self) -> Option<&RelayRecord> {
        match self {
            Self::Record(record) => Some(record),
            Self::Nothing | Self::Unreadable(_) => None,
        }
    }

    /// Its position.
    pub fn position(&self) -> Option<i64> {
        self.record().map(|record| record.position)
    }

    pub(super) fn read(payload: Option<&[u8]>) -> Self {
        match payload.map(serde_json::from_slice) {
            // What compaction is told to remove.
            None => Self::Nothing,
            Some(Ok(record)) => Self::Record(record),
            Some(Err(error)) => Self::Unreadable(error.to_string()),
        }
    }
}

/// Positions are text on Kafka: they may exceed what JavaScript's numbers hold.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(position: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&position.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        parsed(&String::deserialize(deserializer)?)
    }

    pub(super) fn parsed<E: Error>(text: &str) -> Result<i64, E> {
        let position = text.parse().ok().filter(|position| *position >= 0);
        position.ok_or_else(|| E::custom(format!("the position {text:?} is not a number of 0 or more")))
    }
}

/// The same where there may be none.
mod text_or_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(position: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        position.map(|position| position.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| super::text::parsed(&text)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_anything_else_is_unreadable() {
        let position = 9_007_199_254_740_993;
        let record = RelayRecord::chosen(Uuid::from_u128(1), position, None);
        let others = [
            RelayRecord { visible: Some(position - 1), ..record.clone() },
            RelayRecord { repeats_to: Some(position + 1), ..record.clone() },
        ];
        for record in others.into_iter().chain([record]) {
            assert_eq!(Stored::read(Some(record.written().as_bytes())), Stored::Record(record));
        }
        assert_eq!(Stored::read(None), Stored::Nothing);
        for other in
            ["", "{}", r#"{"position":"5"}"#, r#"{"position":"-1","log_id":"00000000-0000-0000-0000-000000000001","event_id":null}"#]
        {
            assert!(matches!(Stored::read(Some(other.as_bytes())), Stored::Unreadable(_)), "{other}");
        }
    }
}
