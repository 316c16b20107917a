//! The history of an object, as sentences for people.
//!
//! One row for each event of any aggregate. The full data of an event stays in the log and is read from there.

mod queries;
mod summary;
#[cfg(test)]
mod tests;

pub(crate) use queries::events_statement;
pub use queries::{EventFilter, EventPage, EventRow, find_event, history, list_events};
pub use summary::summary;

use crate::columns::stored;
use crate::model::{Changes, ReadModel};
use chrono::{DateTime, Utc};
use domain::event::{AggregateType, Recorded};
use domain::ids::{UserId, WorkspaceId};
use std::convert::Infallible;
use uuid::Uuid;

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity;

/// One event in a history.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityRow {
    pub position: i64,
    pub event_id: Uuid,
    pub workspace_id: WorkspaceId,
    /// The aggregate it happened to.
    pub subject_id: Uuid,
    pub event_type: String,
    pub actor: UserId,
    pub occurred_at: DateTime<Utc>,
    pub summary: String,
}

stored!(ActivityRow { position, event_id, workspace_id, subject_id, event_type, actor, occurred_at, summary });

impl ReadModel for Activity {
    const NAME: &'static str = "activity";
    /// It says every event in words, so each of its parts has a number of its own.
    const VERSION: u32 = summary::VERSION;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().collect()
    }

    type Key = i64;
    type Group = Infallible;
    type Row = ActivityRow;

    fn key(row: &ActivityRow) -> i64 {
        row.position
    }

    fn on(recorded: &Recorded, rows: &mut impl Changes<Self>) {
        rows.put(recorded.position, || ActivityRow {
            position: recorded.position,
            event_id: recorded.event_id,
            workspace_id: recorded.workspace_id,
            subject_id: recorded.aggregate_id,
            event_type: recorded.event.name().to_owned(),
            actor: recorded.metadata.actor,
            occurred_at: recorded.metadata.occurred_at.utc(),
            summary: summary(&recorded.event),
        });
    }
}
