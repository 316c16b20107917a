//! Events that the relay cannot send. It stops before such an event; an admin may leave it out for consumers. Then a record
//! without the event's payload goes to the dead-letter topic in its place, in the same transaction as its neighbours.
//!
//! An admin asks for that, and the relay decides, right after it has tried the event in vain once more: what stood in its way
//! may be gone, and the event be in a transaction, at the moment at which the admin asks. So an event is sent or left out.

use super::limits::CHECKPOINT;
use crate::postgres::within;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use std::collections::HashMap;
use uuid::Uuid;

/// What leaves an event out, before its position and its reason.
pub const SKIP: &str = "milepost dead-letters skip --source relay";
/// An event that could not be sent, as `milepost.relay_dead_letters` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct DeadLetter {
    pub position: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub workspace_id: Uuid,
    /// Where it should have gone.
    pub topic: String,
    /// Why it could not.
    pub error: String,
    pub stopped_at: DateTime<Utc>,
    /// When it was left out; null while the relay stands before it.
    pub skipped_at: Option<DateTime<Utc>>,
    /// Who has asked for that, also while it is not done.
    pub skipped_by: Option<String>,
    pub reason: Option<String>,
}

const COLUMNS: &str = "position, event_id, event_type, aggregate_type, aggregate_id, workspace_id, topic, error, stopped_at, skipped_at, \
                       skipped_by, reason";

/// Every event that was left out, and the one before which the relay stands, in order.
pub async fn list(pool: &PgPool) -> Result<Vec<DeadLetter>, sqlx::Error> {
    within(sqlx::query_as(&format!("SELECT {COLUMNS} FROM milepost.relay_dead_letters ORDER BY position")).fetch_all(pool)).await
}

/// Asks the relay to leave out for consumers the event before which it stands, on the record of somebody. False if it stands
/// before another or none, also where the row of one is still there that was sent since.
pub async fn ask_to_skip(pool: &PgPool, position: i64, reason: &str, by: &str) -> Result<bool, sqlx::Error> {
    let ask = sqlx::query(
        "UPDATE milepost.relay_dead_letters SET skipped_by = $3, reason = $2 WHERE position = $1 AND skipped_at IS NULL \
           AND position > coalesce((SELECT position FROM milepost.checkpoints WHERE name = $4), 0)",
    );
    Ok(within(ask.bind(position).bind(reason).bind(by).bind(CHECKPOINT).execute(pool)).await?.rows_affected() == 1)
}

/// An event before which the relay stands, or which was left out.
pub async fn find(pool: &PgPool, position: i64) -> Result<Option<DeadLetter>, sqlx::Error> {
    let find = format!("SELECT {COLUMNS} FROM milepost.relay_dead_letters WHERE position = $1");
    within(sqlx::query_as(&find).bind(position).fetch_optional(pool)).await
}

/// The events after a position that were left out. One of another log is not: another event has its position.
pub(super) async fn skipped_after(pool: &PgPool, position: i64) -> Result<HashMap<i64, DeadLetter>, sqlx::Error> {
    let skipped = format!(
        "SELECT {COLUMNS} FROM milepost.relay_dead_letters AS letter WHERE position > $1 AND skipped_at IS NOT NULL \
           AND EXISTS (SELECT FROM milepost.events AS event WHERE event.position = letter.position AND event.event_id = letter.event_id) \
         ORDER BY position"
    );
    let skipped: Vec<DeadLetter> = within(sqlx::query_as(&skipped).bind(position).fetch_all(pool)).await?;
    Ok(skipped.into_iter().map(|letter| (letter.position, letter)).collect())
}

/// Notes that the relay stands before an event, which it has just tried in vain, so that an admin can leave it out. Where one
/// has asked for that, it is left out from now on. What is noted of another log at its position is forgotten.
pub(super) async fn stop_before(pool: &PgPool, position: i64, topic: &str, error: &str) -> Result<(), sqlx::Error> {
    let forget = "DELETE FROM milepost.relay_dead_letters AS letter WHERE position = $1 \
                    AND NOT EXISTS (SELECT FROM milepost.events AS event WHERE event.position = $1 AND event.event_id = letter.event_id)";
    within(sqlx::query(forget).bind(position).execute(pool)).await?;
    let stop = sqlx::query(
        "INSERT INTO milepost.relay_dead_letters AS letter \
           (position, event_id, event_type, aggregate_type, aggregate_id, workspace_id, topic, error) \
         SELECT position, event_id, event_type, aggregate_type, aggregate_id, workspace_id, $2, $3 FROM milepost.events WHERE position = $1 \
         ON CONFLICT (position) DO UPDATE SET topic = excluded.topic, error = excluded.error, \
           skipped_at = CASE WHEN letter.reason IS NOT NULL THEN clock_timestamp() END \
         WHERE letter.skipped_at IS NULL",
    );
    within(stop.bind(position).bind(topic).bind(error).execute(pool)).await.map(|_| ())
}

/// Forgets the event before which the relay stood: it sends again.
pub(super) async fn forget_stop(pool: &PgPool) -> Result<(), sqlx::Error> {
    within(sqlx::query("DELETE FROM milepost.relay_dead_letters WHERE skipped_at IS NULL").execute(pool)).await.map(|_| ())
}
