//! What the database knows of the relay: the last position that was sent, and why it refuses, if it does. It is written
//! after Kafka has committed, so it lags and never leads. It is not where the relay continues: that is the record on Kafka.

use super::limits::CHECKPOINT;
use super::refusal::Refusal;
use crate::postgres::within;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// What the database knows of the relay.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Known {
    /// Everything up to here was sent.
    pub position: i64,
    /// Why nothing is sent.
    pub refusal: Option<String>,
}

/// What the database knows of the relay, if it knows anything.
pub async fn known(pool: &PgPool) -> Result<Option<Known>, sqlx::Error> {
    let known = sqlx::query_as("SELECT position, refusal FROM milepost.checkpoints WHERE name = $1").bind(CHECKPOINT);
    within(known.fetch_optional(pool)).await
}

/// Notes that everything up to a position was sent, unless somebody else has changed the row since `changed_at`. Gives
/// when it was changed now, or nothing if it was not.
pub(super) async fn confirm(pool: &PgPool, position: i64, changed_at: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let confirm = sqlx::query_scalar(
        "INSERT INTO milepost.checkpoints AS stored (name, position, updated_at) VALUES ($1, $2, clock_timestamp()) \
         ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at, refusal = NULL \
         WHERE stored.updated_at = $3 RETURNING updated_at",
    );
    within(confirm.bind(CHECKPOINT).bind(position).bind(changed_at).fetch_optional(pool)).await
}

/// Notes a position that an admin has chosen, whatever was known before. Every relay looks again.
pub(super) async fn choose(pool: &PgPool, position: i64) -> Result<(), sqlx::Error> {
    let choose = sqlx::query(
        "INSERT INTO milepost.checkpoints (name, position, updated_at) VALUES ($1, $2, clock_timestamp()) \
         ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at, refusal = NULL",
    );
    within(choose.bind(CHECKPOINT).bind(position).execute(pool)).await.map(|_| ())
}

/// Forgets what was sent. Only for somebody who knows that the brokers are new, as `milepost dev` does of its own.
pub async fn forget(pool: &PgPool) -> Result<(), sqlx::Error> {
    let forget = sqlx::query("DELETE FROM milepost.checkpoints WHERE name = $1").bind(CHECKPOINT);
    within(forget.execute(pool)).await.map(|_| ())
}

/// Notes why nothing is sent, for the other nodes.
pub(super) async fn note_refusal(pool: &PgPool, refusal: &Refusal) -> Result<(), sqlx::Error> {
    let note = sqlx::query(
        "INSERT INTO milepost.checkpoints AS stored (name, position, refusal) VALUES ($1, 0, $2) \
         ON CONFLICT (name) DO UPDATE SET refusal = excluded.refusal WHERE stored.refusal IS DISTINCT FROM excluded.refusal",
    );
    within(note.bind(CHECKPOINT).bind(refusal.to_string()).execute(pool)).await.map(|_| ())
}
