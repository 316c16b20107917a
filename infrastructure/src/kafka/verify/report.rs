//! What was found on the topics, in words.

use std::fmt;

/// Most faults that are told.
pub const FAULTS_MAX: usize = 10;

/// What the topics hold, compared with the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The highest position that Kafka should hold.
    pub until: i64,
    pub records: u64,
    /// Positions whose records are gone and are older than retention keeps them.
    pub expired: u64,
    /// Positions whose records are gone before their time, with all that was before them on the partition.
    pub unchecked: u64,
    /// Positions that an admin has left out, each on the dead-letter topic.
    pub skipped: u64,
    pub faults_total: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
}

/// A record that should not be so.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Fault {
    Missing {
        position: i64,
        event_type: String,
    },
    Twice {
        position: i64,
        place: String,
    },
    OutOfOrder {
        place: String,
        key: String,
        version: i64,
        after: i64,
    },
    /// Between two partitions there is no order.
    Split {
        place: String,
        key: String,
        other: i32,
    },
    Stranger {
        place: String,
        reason: String,
    },
    Different {
        position: i64,
        place: String,
        field: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { position, event_type } => write!(f, "position {position} ({event_type}) is on no topic"),
            Self::Twice { position, place } => write!(f, "position {position} is there again at {place}"),
            Self::OutOfOrder { place, key, version, after } => {
                write!(f, "{place}: version {version} of {key} comes after version {after}")
            }
            Self::Split { place, key, other } => write!(f, "{place}: {key} is on partition {other} of this topic as well"),
            Self::Stranger { place, reason } => write!(f, "{place}: {reason}"),
            Self::Different { position, place, field } => write!(f, "{place}: position {position} has another {field} than the log"),
        }
    }
}

impl Report {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Whether everything is as it should be.
    pub fn is_clean(&self) -> bool {
        self.faults_total == 0
    }
}
