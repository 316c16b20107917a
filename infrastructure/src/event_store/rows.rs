//! Rows of the log, read back as facts.

use chrono::{DateTime, Utc};
use domain::event::{Event, Fact, Metadata, Recorded};
use domain::ids::WorkspaceId;
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use std::sync::Arc;
use uuid::Uuid;

/// The columns that [`fact`] reads, in its order.
pub(crate) const COLUMNS: &str = "position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, \
                                  payload::text, metadata::text, recorded_at";

/// Where the position stands among them.
pub(super) const POSITION: usize = 0;
/// Where the version of the aggregate stands among them.
pub(super) const VERSION: usize = 4;

/// About what a fact takes beside its texts.
pub(crate) const FACT_BYTES: usize = 256;

/// A row as a fact. A payload that does not read is a fact as well; a row that does not read is an error.
pub(crate) fn fact(row: &PgRow) -> Result<Arc<Fact>, Error> {
    let position: i64 = row.try_get(POSITION)?;
    let aggregate_id: &str = row.try_get(3)?;
    let aggregate_id = Uuid::parse_str(aggregate_id).map_err(|error| Error::Decode(Box::new(error)))?;
    let event_type: &str = row.try_get(6)?;
    let metadata: &str = row.try_get(9)?;
    let decoded = Event::decode(row.try_get(2)?, event_type, row.try_get(7)?, row.try_get(8)?)
        .and_then(|event| Metadata::decode(metadata).map(|metadata| (event, metadata)));
    let workspace_id: Uuid = row.try_get(1)?;
    let recorded_at: DateTime<Utc> = row.try_get(10)?;
    let (version, event_id): (i64, Uuid) = (row.try_get(VERSION)?, row.try_get(5)?);
    let recorded = decoded.map(|(event, metadata)| {
        let workspace_id = WorkspaceId(workspace_id);
        Arc::new(Recorded { position, workspace_id, aggregate_id, version, event_id, recorded_at, metadata, event })
    });
    Ok(Arc::new(Fact { position, event_id, aggregate_id, event_type: event_type.to_owned(), recorded }))
}

/// How many bytes a row's event and its circumstances are.
pub(crate) fn bytes(row: &PgRow) -> usize {
    let length = |column: usize| row.try_get::<&str, _>(column).map_or(0, str::len);
    FACT_BYTES + length(8) + length(9)
}
