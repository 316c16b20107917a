//! How far durable subscribers are, and what is parked of them, in PostgreSQL.

use crate::postgres::{log_error, within};
use application::ports::{Checkpoints, Failed, FirstParked, LogError, Parked, Waiting};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Error, PgConnection, PgPool};
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

/// Most rows that one statement makes due.
const DUE_ROWS_MAX: i64 = 10_000;

/// Makes what is parked first of some aggregates due, where it only waited so far: from a moment on that has come, or from now.
async fn begin_with_first(tx: &mut PgConnection, name: &str, aggregates: &[Uuid], due: Option<DateTime<Utc>>) -> Result<(), Error> {
    sqlx::query(
        "UPDATE milepost.parked_events AS parked SET next_try_at = coalesce($3, clock_timestamp()) \
         FROM unnest($2::uuid[]) AS one (id) CROSS JOIN LATERAL (SELECT position FROM milepost.parked_events \
           WHERE name = $1 AND aggregate_id = one.id ORDER BY position LIMIT 1) AS first \
         WHERE parked.name = $1 AND parked.position = first.position AND parked.next_try_at IS NULL",
    )
    .bind(name)
    .bind(aggregates)
    .bind(due)
    .execute(tx)
    .await
    .map(|_| ())
}

/// Keeps others from changing what is parked under a name until the transaction ends: whoever takes the first event of an
/// aggregate out and whoever puts another one behind it must see each other.
async fn alone(tx: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query("SELECT FROM milepost.checkpoints WHERE name = $1 FOR UPDATE").bind(name).execute(tx).await.map(|_| ())
}

/// Takes out what is parked and is not in the log, or is behind the checkpoint and so answered anew: it must not keep the later
/// events of its aggregate waiting. An event of the same aggregate and type at a position is as good as the one that was parked.
async fn drop_of_other_logs(tx: &mut PgConnection, name: &str) -> Result<(), Error> {
    let dropped: Vec<(i64, Uuid)> = sqlx::query_as(
        "DELETE FROM milepost.parked_events AS parked WHERE name = $1 \
         AND (position > coalesce((SELECT kept.position FROM milepost.checkpoints AS kept WHERE kept.name = $1), 0) \
              OR NOT EXISTS (SELECT FROM milepost.events AS event WHERE event.position = parked.position \
                               AND event.aggregate_id = parked.aggregate_id::text AND event.event_type = parked.event_type)) \
         RETURNING position, aggregate_id",
    )
    .bind(name)
    .fetch_all(&mut *tx)
    .await?;
    let Some((first, _)) = dropped.iter().min() else { return Ok(()) };
    let events = dropped.len();
    tracing::error!(
        reaction.name = name,
        events,
        "{events} parked events of {name}, such as {first}, belong to another log; they were dropped"
    );
    let aggregates: Vec<Uuid> = dropped.into_iter().map(|(_, aggregate)| aggregate).collect();
    begin_with_first(tx, name, &aggregates, None).await
}

/// Statements of a reaction, as long as there is patience for them.
async fn limited<T>(statements: impl Future<Output = Result<T, Error>>) -> Result<T, LogError> {
    within(statements).await.map_err(log_error)
}

#[async_trait]
impl Checkpoints for PostgresCheckpoints {
    async fn load(&self, name: &str) -> Result<i64, LogError> {
        limited(async {
            let mut tx = self.pool.begin().await?;
            alone(&mut tx, name).await?;
            // Where the log went back, what follows its end is new.
            let position: Option<i64> = sqlx::query_scalar(
                "WITH head AS (SELECT coalesce(max(position), 0) AS position FROM milepost.events), \
                      back AS (UPDATE milepost.checkpoints AS kept SET position = head.position, updated_at = now() FROM head \
                               WHERE kept.name = $1 AND kept.position > head.position RETURNING kept.position) \
                 SELECT coalesce((SELECT position FROM back), (SELECT position FROM milepost.checkpoints WHERE name = $1))",
            )
            .bind(name)
            .fetch_one(&mut *tx)
            .await?;
            let position = position.unwrap_or(0);
            drop_of_other_logs(&mut tx, name).await?;
            tx.commit().await?;
            Ok(position)
        })
        .await
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
            if !parked.is_empty() {
                park(&mut tx, name, parked).await?;
            }
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn waiting(&self, name: &str, aggregates: &[Uuid]) -> Result<Waiting, LogError> {
        let waiting = sqlx::query_as(
            "SELECT array(SELECT id FROM unnest($2::uuid[]) AS one (id) \
                          WHERE EXISTS (SELECT FROM milepost.parked_events WHERE name = $1 AND aggregate_id = id)), \
                    EXISTS (SELECT FROM milepost.parked_events WHERE name = $1)",
        )
        .bind(name)
        .bind(aggregates)
        .fetch_one(&self.pool);
        let (aggregates, any): (Vec<Uuid>, bool) = limited(waiting).await?;
        Ok(Waiting { aggregates: aggregates.into_iter().collect(), any })
    }

    async fn count_parked(&self, name: &str) -> Result<i64, LogError> {
        let count = sqlx::query_scalar("SELECT count(*) FROM milepost.parked_events WHERE name = $1").bind(name);
        limited(count.fetch_one(&self.pool)).await
    }

    async fn due(&self, name: &str, but: &[Uuid], limit: usize) -> Result<Vec<FirstParked>, LogError> {
        let due = sqlx::query_as(
            "SELECT position, aggregate_id, tries FROM milepost.parked_events \
             WHERE name = $1 AND next_try_at <= statement_timestamp() AND aggregate_id <> ALL ($2) ORDER BY next_try_at, position LIMIT $3",
        )
        .bind(name)
        .bind(but)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool);
        let due: Vec<(i64, Uuid, i32)> = limited(due).await?;
        let first =
            |(position, aggregate_id, tries)| FirstParked { position, aggregate_id, tries: u32::try_from(tries).unwrap_or_default() };
        Ok(due.into_iter().map(first).collect())
    }

    async fn make_all_due(&self, name: &str) -> Result<(), LogError> {
        loop {
            let due = sqlx::query(
                "UPDATE milepost.parked_events SET next_try_at = clock_timestamp() WHERE name = $1 AND position IN \
                 (SELECT position FROM milepost.parked_events WHERE name = $1 AND next_try_at > statement_timestamp() LIMIT $2)",
            )
            .bind(name)
            .bind(DUE_ROWS_MAX)
            .execute(&self.pool);
            if limited(due).await?.rows_affected() == 0 {
                return Ok(());
            }
        }
    }

    async fn release(&self, name: &str, released: &FirstParked) -> Result<(), LogError> {
        limited(async {
            let mut tx = self.pool.begin().await?;
            alone(&mut tx, name).await?;
            let release = sqlx::query_scalar("DELETE FROM milepost.parked_events WHERE name = $1 AND position = $2 RETURNING next_try_at");
            let due: Option<Option<DateTime<Utc>>> = release.bind(name).bind(released.position).fetch_optional(&mut *tx).await?;
            // What waited behind it takes its place in the line: an admin has asked for all of them, or for none.
            begin_with_first(&mut tx, name, &[released.aggregate_id], due.flatten()).await?;
            tx.commit().await
        })
        .await
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

/// Parks events in one statement, however many they are. One may be parked already, where a checkpoint was set back.
async fn park(tx: &mut PgConnection, name: &str, parked: &[Parked]) -> Result<(), Error> {
    let failed = |event: &Parked| event.failed.clone();
    let aggregates: Vec<Uuid> = parked.iter().map(|event| event.aggregate_id).collect();
    sqlx::query(
        "INSERT INTO milepost.parked_events (name, position, aggregate_id, event_type, error, tries, next_try_at) \
         SELECT $1, position, aggregate_id, event_type, error, tries, clock_timestamp() + again_after \
         FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::interval[]) \
           AS new (position, aggregate_id, event_type, error, tries, again_after) \
         ON CONFLICT (name, position) DO NOTHING",
    )
    .bind(name)
    .bind(parked.iter().map(|event| event.position).collect::<Vec<_>>())
    .bind(&aggregates)
    .bind(parked.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
    .bind(parked.iter().map(|event| failed(event).map(|failed| failed.error)).collect::<Vec<_>>())
    .bind(parked.iter().map(|event| failed(event).map_or(0, |failed| as_int(failed.tries))).collect::<Vec<_>>())
    .bind(parked.iter().map(|event| failed(event).map(|failed| failed.again_after)).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    // What they waited for may be dealt with by now.
    begin_with_first(tx, name, &aggregates, None).await
}

fn as_int(tries: u32) -> i32 {
    i32::try_from(tries).unwrap_or(i32::MAX)
}

/// A parked event, as an admin sees it.
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
    /// When it is tried again; `None` for one that waits behind another.
    pub next_try_at: Option<DateTime<Utc>>,
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

/// Has the first parked event of an aggregate tried again before all others that are due, by whichever node holds the lease.
pub async fn retry_now(pool: &PgPool, name: &str, position: i64) -> Result<(), Error> {
    let now = "UPDATE milepost.parked_events SET next_try_at = least(clock_timestamp(), \
                 (SELECT min(next_try_at) FROM milepost.parked_events WHERE name = $1) - interval '1 microsecond') \
               WHERE name = $1 AND position = $2 AND next_try_at IS NOT NULL";
    sqlx::query(now).bind(name).bind(position).execute(pool).await.map(|_| ())
}

/// Takes a parked event out for good and records who did so and why; both or neither. False if it is no longer parked.
pub async fn skip(pool: &PgPool, name: &str, position: i64, reason: &str, by: &str) -> Result<bool, Error> {
    let mut tx = pool.begin().await?;
    alone(&mut tx, name).await?;
    let skipped = sqlx::query_scalar(
        "WITH skipped AS (DELETE FROM milepost.parked_events WHERE name = $1 AND position = $2 \
                          RETURNING name, position, aggregate_id, event_type, error) \
         INSERT INTO milepost.skipped_events (name, position, aggregate_id, event_type, error, reason, skipped_by) \
         SELECT name, position, aggregate_id, event_type, error, $3, $4 FROM skipped \
         ON CONFLICT (name, position) DO UPDATE SET error = excluded.error, reason = excluded.reason, skipped_by = excluded.skipped_by, \
           skipped_at = excluded.skipped_at \
         RETURNING aggregate_id",
    );
    let skipped: Option<Uuid> = skipped.bind(name).bind(position).bind(reason).bind(by).fetch_optional(&mut *tx).await?;
    let Some(aggregate) = skipped else { return Ok(false) };
    begin_with_first(&mut tx, name, &[aggregate], None).await?;
    tx.commit().await?;
    Ok(true)
}
