//! How far durable subscribers are, and what is parked of them, in PostgreSQL.

use crate::postgres::{log_error, within};
use application::ports::{Checkpoints, Failed, FirstParked, LogError, Parked};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgPool, Row};
use uuid::Uuid;

/// Checkpoints in the table of that name.
pub struct PostgresCheckpoints {
    pool: PgPool,
}

impl PostgresCheckpoints {
    /// On a pool of the worker role.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

/// The columns of what is parked first of an aggregate.
const FIRST: &str = "DISTINCT ON (aggregate_id) position, aggregate_id, tries, next_try_at <= clock_timestamp(), \
                     count(*) OVER (PARTITION BY aggregate_id)";

fn first(row: &PgRow) -> Result<FirstParked, Error> {
    Ok(FirstParked {
        position: row.try_get(0)?,
        aggregate_id: row.try_get(1)?,
        tries: u32::try_from(row.try_get::<i32, _>(2)?).unwrap_or_default(),
        is_due: row.try_get(3)?,
        events: row.try_get(4)?,
    })
}

/// Statements of a reaction, as long as there is patience for them.
async fn limited<T>(statements: impl Future<Output = Result<T, Error>>) -> Result<T, LogError> {
    within(statements).await.map_err(log_error)
}

#[async_trait]
impl Checkpoints for PostgresCheckpoints {
    async fn load(&self, name: &str) -> Result<i64, LogError> {
        // Where the log went back, what follows its end is new.
        let load = sqlx::query_scalar(
            "WITH head AS (SELECT coalesce(max(position), 0) AS position FROM milepost.events), \
                  back AS (UPDATE milepost.checkpoints AS kept SET position = head.position, updated_at = now() FROM head \
                           WHERE kept.name = $1 AND kept.position > head.position RETURNING kept.position) \
             SELECT coalesce((SELECT position FROM back), (SELECT position FROM milepost.checkpoints WHERE name = $1))",
        )
        .bind(name)
        .fetch_one(&self.pool);
        let position: Option<i64> = limited(load).await?;
        Ok(position.unwrap_or(0))
    }

    async fn advance(&self, name: &str, from: i64, to: i64, parked: &[Parked]) -> Result<bool, LogError> {
        limited(async {
            let mut tx = self.pool.begin().await?;
            let moved = sqlx::query(
                // Never beyond the log: events that were lost while they were answered are nobody's progress.
                "INSERT INTO milepost.checkpoints AS kept (name, position) SELECT $1, position FROM milepost.events WHERE position = $3 \
                 ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = now() WHERE kept.position = $2",
            )
            .bind(name)
            .bind(from)
            .bind(to)
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() == 0 {
                return Ok(false);
            }
            for event in parked {
                // It may be parked already, where a checkpoint was set back.
                sqlx::query(
                    "INSERT INTO milepost.parked_events (name, position, aggregate_id, event_type, error, tries, next_try_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7) ON CONFLICT (name, position) DO NOTHING",
                )
                .bind(name)
                .bind(event.position)
                .bind(event.aggregate_id)
                .bind(&event.event_type)
                .bind(event.failed.as_ref().map(|failed| failed.error.as_str()))
                .bind(event.failed.as_ref().map_or(0, |failed| as_int(failed.tries)))
                .bind(event.failed.as_ref().map(|failed| failed.again_after).unwrap_or_default())
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn parked(&self, name: &str) -> Result<Vec<FirstParked>, LogError> {
        let sql = format!("SELECT {FIRST} FROM milepost.parked_events WHERE name = $1 ORDER BY aggregate_id, position");
        let rows = limited(sqlx::query(&sql).bind(name).fetch_all(&self.pool)).await?;
        rows.iter().map(first).collect::<Result<_, _>>().map_err(log_error)
    }

    async fn release(&self, name: &str, released: &FirstParked) -> Result<Option<FirstParked>, LogError> {
        let released_now = sqlx::query("DELETE FROM milepost.parked_events WHERE name = $1 AND position = $2");
        limited(released_now.bind(name).bind(released.position).execute(&self.pool)).await?;
        let sql =
            format!("SELECT {FIRST} FROM milepost.parked_events WHERE name = $1 AND aggregate_id = $2 ORDER BY aggregate_id, position");
        let next = limited(sqlx::query(&sql).bind(name).bind(released.aggregate_id).fetch_optional(&self.pool)).await?;
        next.as_ref().map(first).transpose().map_err(log_error)
    }

    async fn failed_again(&self, name: &str, position: i64, failed: &Failed) -> Result<(), LogError> {
        let noted = sqlx::query(
            "UPDATE milepost.parked_events SET error = $3, tries = $4, next_try_at = clock_timestamp() + $5 WHERE name = $1 AND position = $2",
        )
        .bind(name)
        .bind(position)
        .bind(&failed.error)
        .bind(as_int(failed.tries))
        .bind(failed.again_after)
        .execute(&self.pool);
        limited(noted).await.map(|_| ())
    }
}

fn as_int(tries: u32) -> i32 {
    i32::try_from(tries).unwrap_or(i32::MAX)
}

/// A parked event, as operators see it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ParkedEvent {
    pub name: String,
    pub position: i64,
    pub aggregate_id: Uuid,
    pub event_type: String,
    /// Why it could not be dealt with; `None` for one that waits behind another.
    pub error: Option<String>,
    pub tries: i32,
    pub parked_at: DateTime<Utc>,
    pub next_try_at: DateTime<Utc>,
}

/// Every parked event, or what is parked of one aggregate under a name; by name and in order.
pub async fn parked_events(pool: &PgPool, of: Option<(&str, Uuid)>) -> Result<Vec<ParkedEvent>, Error> {
    let (name, aggregate_id) = of.unzip();
    sqlx::query_as(
        "SELECT name, position, aggregate_id, event_type, error, tries, parked_at, next_try_at FROM milepost.parked_events \
         WHERE $1::text IS NULL OR name = $1 AND aggregate_id = $2 ORDER BY 1, 2",
    )
    .bind(name)
    .bind(aggregate_id)
    .fetch_all(pool)
    .await
}

/// How many events are parked, by whose they are.
pub async fn parked_counts(pool: &PgPool) -> Result<Vec<(String, i64)>, Error> {
    sqlx::query_as("SELECT name, count(*) FROM milepost.parked_events GROUP BY name ORDER BY name").fetch_all(pool).await
}

/// Has a parked event tried again at once, by whichever node holds the lease.
pub async fn retry_now(pool: &PgPool, name: &str, position: i64) -> Result<(), Error> {
    let now = "UPDATE milepost.parked_events SET next_try_at = clock_timestamp() WHERE name = $1 AND position = $2";
    sqlx::query(now).bind(name).bind(position).execute(pool).await.map(|_| ())
}

/// Takes a parked event out for good and records who did so and why; both or neither. False if it is no longer parked.
pub async fn skip(pool: &PgPool, name: &str, position: i64, reason: &str, by: &str) -> Result<bool, Error> {
    let skipped = sqlx::query(
        "WITH skipped AS (DELETE FROM milepost.parked_events WHERE name = $1 AND position = $2 \
                          RETURNING name, position, aggregate_id, event_type, error) \
         INSERT INTO milepost.skipped_events (name, position, aggregate_id, event_type, error, reason, skipped_by) \
         SELECT name, position, aggregate_id, event_type, error, $3, $4 FROM skipped \
         ON CONFLICT (name, position) DO UPDATE SET error = excluded.error, reason = excluded.reason, skipped_by = excluded.skipped_by, \
           skipped_at = excluded.skipped_at",
    );
    Ok(skipped.bind(name).bind(position).bind(reason).bind(by).execute(pool).await?.rows_affected() > 0)
}
