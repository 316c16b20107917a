//! A parked event, and what every source of them can do.

use crate::cli::{Source, Why};
use crate::exit::Failure;
use crate::wire::Core;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A parked event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub(super) source: Source,
    /// The read model or reaction that has parked it.
    pub(super) name: String,
    /// The version of a read model.
    pub(super) version: Option<i32>,
    pub(super) position: i64,
    pub(super) aggregate_id: Uuid,
    pub(super) event_type: String,
    /// Why it could not be dealt with; `None` for one that waits behind another.
    pub(super) error: Option<String>,
    /// How often it was tried, where that is counted.
    pub(super) tries: Option<i32>,
    pub(super) parked_at: DateTime<Utc>,
    /// When it is tried again by itself, where it is.
    pub(super) next_try_at: Option<DateTime<Utc>>,
}

/// What parks events.
#[async_trait]
pub(super) trait Parking: Sync {
    /// The names of all that may park an event.
    fn names(&self) -> Vec<&'static str>;

    /// Everything that is parked, by name and in order.
    async fn letters(&self, core: &Core) -> Result<Vec<Letter>, Failure>;

    /// Tries what is parked of an aggregate; `first` is the first of it. Says what came of it.
    async fn retry(&self, core: &Core, first: &Letter) -> Result<(), Failure>;

    /// Skips the first event that is parked of an aggregate, on the record, and goes on with the rest. Says what came of it.
    async fn skip(&self, core: &Core, first: &Letter, why: &Why) -> Result<(), Failure>;
}
