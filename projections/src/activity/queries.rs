//! Queries of events: the log itself, and the history of one object.

use super::summary;
use crate::querying::error::QueryError;
use crate::querying::filter::{Conditions, TimeComparator};
use crate::querying::reads::{Reads, all};
use chrono::{DateTime, Utc};
use domain::event::{Event, Metadata, Recorded};
use domain::ids::WorkspaceId;
use serde_json::Value;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Postgres, QueryBuilder, Row};
use uuid::Uuid;

/// Which events are listed. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    pub types: Option<Vec<String>>,
    pub aggregate_types: Option<Vec<String>>,
    pub aggregate_id: Option<Uuid>,
    pub actor: Option<Uuid>,
    pub recorded_at: TimeComparator,
}

/// An event for people and programs.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    pub position: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub version: i64,
    pub recorded_at: DateTime<Utc>,
    pub metadata: Metadata,
    pub summary: String,
    /// The event itself; or what is stored of it in the fields of its type, where this program cannot read it.
    pub recorded: Result<Box<Recorded>, Value>,
}

/// Events after a position, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    pub rows: Vec<EventRow>,
    pub has_next: bool,
}

const EVENT: &str = "e.position, e.event_id, e.event_type, e.aggregate_type, e.aggregate_id, e.sequence, e.recorded_at, e.metadata::text, \
                     e.payload::text, e.event_version, e.workspace_id";

fn read(row: &PgRow) -> Result<EventRow, Error> {
    let (event_type, aggregate_type, payload): (String, String, &str) = (row.try_get(2)?, row.try_get(3)?, row.try_get(8)?);
    let (position, event_id, version, recorded_at) = (row.try_get(0)?, row.try_get(1)?, row.try_get(5)?, row.try_get(6)?);
    let decoding = |error: Box<dyn std::error::Error + Send + Sync>| Error::Decode(error);
    let aggregate_id = Uuid::parse_str(row.try_get(4)?).map_err(|error| decoding(error.into()))?;
    let metadata = Metadata::decode(row.try_get(7)?).map_err(|error| decoding(error.into()))?;
    let workspace_id = WorkspaceId(row.try_get(10)?);
    let (summary, recorded) = match Event::decode(&aggregate_type, &event_type, row.try_get(9)?, payload) {
        Ok(event) => {
            let (summary, metadata) = (summary(&event), metadata.clone());
            let recorded = Recorded { position, workspace_id, aggregate_id, version, event_id, recorded_at, metadata, event };
            (summary, Ok(Box::new(recorded)))
        }
        Err(error) => {
            let stored = serde_json::from_str(payload).map_err(|error| decoding(error.into()))?;
            (error.to_string(), Err(fields_of(&event_type, stored)))
        }
    };
    Ok(EventRow { position, event_id, event_type, aggregate_type, aggregate_id, version, recorded_at, metadata, summary, recorded })
}

/// A payload without the name of its type around it.
fn fields_of(event_type: &str, mut stored: Value) -> Value {
    let outer = stored.as_object_mut().filter(|outer| outer.len() == 1);
    outer.and_then(|outer| outer.remove(event_type)).unwrap_or(stored)
}

async fn page(mut query: QueryBuilder<'static, Postgres>, reads: &impl Reads, limit: usize) -> Result<EventPage, QueryError> {
    query.push(format!(" LIMIT {}", limit + 1));
    let found = all(reads, query.build()).await?;
    let rows = found.iter().take(limit).map(read).collect::<Result<_, _>>()?;
    Ok(EventPage { rows, has_next: found.len() > limit })
}

/// The statement that reads the events after a position.
pub(crate) fn events_statement(workspace: Option<WorkspaceId>, filter: &EventFilter, after: i64) -> QueryBuilder<'static, Postgres> {
    let mut query = QueryBuilder::new(format!("SELECT {EVENT} FROM milepost.events e WHERE e.position > "));
    query.push_bind(after).push(" AND ");
    let mut conditions = Conditions::new(&mut query);
    workspace.iter().for_each(|workspace| conditions.value("e.workspace_id = ", &workspace.0, ""));
    filter.types.iter().for_each(|types| conditions.value("e.event_type = ANY(", types, ")"));
    filter.aggregate_types.iter().for_each(|types| conditions.value("e.aggregate_type = ANY(", types, ")"));
    filter.aggregate_id.iter().for_each(|id| conditions.value("e.aggregate_id = ", &id.to_string(), ""));
    filter.actor.iter().for_each(|actor| conditions.value("e.metadata ->> 'actor' = ", &actor.to_string(), ""));
    conditions.compare_time("e.recorded_at", &filter.recorded_at);
    query.push(" ORDER BY e.position");
    query
}

/// The events of a workspace after a position, from the log. Without a workspace those of all, for admins.
pub async fn list_events(
    reads: &impl Reads,
    workspace: Option<WorkspaceId>,
    filter: &EventFilter,
    after: i64,
    limit: usize,
) -> Result<EventPage, QueryError> {
    page(events_statement(workspace, filter, after), reads, limit).await
}

/// The history of one object after a position.
pub async fn history(reads: &impl Reads, workspace: WorkspaceId, subject: Uuid, after: i64, limit: usize) -> Result<EventPage, QueryError> {
    let mut query = QueryBuilder::new(format!(
        "SELECT {EVENT} FROM milepost.activity a JOIN milepost.events e ON e.position = a.position WHERE a.subject_id = "
    ));
    query.push_bind(subject).push(" AND a.workspace_id = ").push_bind(workspace.0);
    query.push(" AND a.position > ").push_bind(after).push(" ORDER BY a.position");
    page(query, reads, limit).await
}

/// An event by its id.
pub async fn find_event(pool: &PgPool, workspace: WorkspaceId, id: Uuid) -> Result<Option<EventRow>, QueryError> {
    let sql = format!(
        "SELECT {EVENT} FROM milepost.activity a JOIN milepost.events e ON e.position = a.position \
         WHERE a.event_id = $1 AND a.workspace_id = $2"
    );
    let row = sqlx::query(&sql).bind(id).bind(workspace.0).fetch_optional(pool).await?;
    Ok(row.map(|row| read(&row)).transpose()?)
}
