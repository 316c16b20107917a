//! What happened to a thing, in words for people?
//!
//! One row for each event of any aggregate. The full data of an event stays in the log and is read from there.

mod queries;
mod store;
mod summary;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
pub(crate) use queries::events_statement;
pub use queries::{EventFilter, EventPage, EventRow, find_event, history, list_events};
pub use summary::summary;

use crate::model::ReadModel;
use chrono::{DateTime, Utc};
use domain::event::{AggregateType, Recorded};
use domain::ids::{UserId, WorkspaceId};
use sqlx::PgConnection;
use uuid::Uuid;

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityRow {
    pub position: i64,
    pub event_id: Uuid,
    pub workspace_id: WorkspaceId,
    /// The aggregate it happened to.
    pub subject_id: Uuid,
    pub event_type: &'static str,
    pub actor: UserId,
    pub occurred_at: DateTime<Utc>,
    pub summary: String,
}

impl ReadModel for Activity {
    const NAME: &'static str = "activity";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().collect()
    }

    type Key = i64;
    type Group = ();
    type Row = ActivityRow;

    fn touches(event: &Recorded) -> Vec<i64> {
        vec![event.position]
    }

    fn project(_: i64, _: Option<ActivityRow>, event: &Recorded) -> Option<ActivityRow> {
        Some(ActivityRow {
            position: event.position,
            event_id: event.event_id,
            workspace_id: event.workspace_id,
            subject_id: event.aggregate_id,
            event_type: event.event.name(),
            actor: event.metadata.actor,
            occurred_at: event.metadata.occurred_at.utc(),
            summary: summary(&event.event),
        })
    }

    async fn load(_: &mut PgConnection, _: i32, _: &[i64]) -> Result<Vec<(i64, ActivityRow)>, sqlx::Error> {
        // An event happens once, so there is nothing to read before.
        Ok(vec![])
    }

    async fn save(connection: &mut PgConnection, version: i32, rows: &[(i64, ActivityRow)], _: &[i64]) -> Result<(), sqlx::Error> {
        store::save(connection, version, rows).await
    }
}
