//! The two sides that a relay compares before it sends: the log, and what consumers see on Kafka.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The log, as the database of this moment has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSide {
    /// Its identity.
    pub id: Uuid,
    pub head: i64,
    /// The event at the position that was asked for.
    pub event_id: Option<Uuid>,
    /// The last position that the relay is known to have sent; 0 if there is none. It lags, and never leads.
    pub confirmed: i64,
    /// When that was last changed.
    pub changed_at: Option<DateTime<Utc>>,
}

/// The last record of an event on a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub position: i64,
    pub event_id: Uuid,
    pub topic: String,
    pub partition: i32,
}
