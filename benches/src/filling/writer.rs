//! Writes events as the append function would, thousands at a time.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use domain::event::{Event, Metadata};
use domain::ids::WorkspaceId;
use sqlx::PgPool;
use uuid::Uuid;

/// Events written by one statement.
const AT_ONCE: usize = 4_000;

const INSERT: &str = "INSERT INTO milepost.events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, \
       event_version, payload, metadata, recorded_at, command_source, command_id, request_hash, unit_size) \
     SELECT n.position, $1, n.kind, n.id, n.sequence, n.event_id, n.name, n.event_version, n.payload::json, n.metadata::jsonb, n.at, 1, n.command, \
       sha256(n.id::bytea), 1 \
     FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], \
       $11::uuid[], $12::text[]) AS n(position, kind, id, sequence, event_id, name, payload, metadata, at, command, event_version)";

/// Events on their way into an empty log, each a unit of its own with a command id.
pub(super) struct Writer<'a> {
    pool: &'a PgPool,
    workspace: WorkspaceId,
    /// When the first of them was recorded; one follows each millisecond.
    begun: DateTime<Utc>,
    written: i64,
    waiting: Columns,
}

#[derive(Default)]
struct Columns {
    positions: Vec<i64>,
    kinds: Vec<&'static str>,
    ids: Vec<String>,
    sequences: Vec<i64>,
    event_ids: Vec<Uuid>,
    names: Vec<&'static str>,
    payloads: Vec<String>,
    metadata: Vec<String>,
    at: Vec<DateTime<Utc>>,
    commands: Vec<Option<Uuid>>,
    versions: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(pool: &'a PgPool, workspace: WorkspaceId, begun: DateTime<Utc>) -> Self {
        Self { pool, workspace, begun, written: 0, waiting: Columns::default() }
    }

    /// How many events were put.
    pub(super) fn count(&self) -> i64 {
        self.written
    }

    pub(super) async fn put(&mut self, id: Uuid, sequence: i64, event: &Event, metadata: &Metadata) -> Result<()> {
        self.written += 1;
        let columns = &mut self.waiting;
        columns.positions.push(self.written);
        columns.kinds.push(event.aggregate_type().word());
        columns.ids.push(id.to_string());
        columns.sequences.push(sequence);
        columns.event_ids.push(Uuid::now_v7());
        columns.names.push(event.name());
        columns.payloads.push(event.encode());
        columns.metadata.push(metadata.encode());
        columns.at.push(self.begun + TimeDelta::milliseconds(self.written));
        columns.commands.push(metadata.command_id);
        columns.versions.push(event.version().to_string());
        if columns.positions.len() == AT_ONCE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let columns = std::mem::take(&mut self.waiting);
        sqlx::query(INSERT)
            .bind(self.workspace.0)
            .bind(columns.positions)
            .bind(columns.kinds)
            .bind(columns.ids)
            .bind(columns.sequences)
            .bind(columns.event_ids)
            .bind(columns.names)
            .bind(columns.payloads)
            .bind(columns.metadata)
            .bind(columns.at)
            .bind(columns.commands)
            .bind(columns.versions)
            .execute(self.pool)
            .await?;
        Ok(())
    }

    /// Writes what is left.
    pub(super) async fn finish(mut self) -> Result<i64> {
        self.flush().await?;
        Ok(self.written)
    }
}
