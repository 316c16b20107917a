//! How far durable subscribers are, in PostgreSQL.

use crate::postgres::log_error;
use application::ports::{Checkpoints, LogError, Parked};
use async_trait::async_trait;
use sqlx::PgPool;
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

/// How many events are parked, by whose they are.
pub async fn parked_counts(pool: &PgPool) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as("SELECT name, count(*) FROM milepost.parked_events GROUP BY name ORDER BY name").fetch_all(pool).await
}

#[async_trait]
impl Checkpoints for PostgresCheckpoints {
    async fn load(&self, name: &str) -> Result<i64, LogError> {
        let position: Option<i64> = sqlx::query_scalar("SELECT position FROM milepost.checkpoints WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(log_error)?;
        Ok(position.unwrap_or(0))
    }

    async fn advance(&self, name: &str, from: i64, to: i64, parked: &[Parked]) -> Result<bool, LogError> {
        let mut tx = self.pool.begin().await.map_err(log_error)?;
        let moved = sqlx::query(
            "INSERT INTO milepost.checkpoints AS kept (name, position) VALUES ($1, $3) \
             ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = now() WHERE kept.position = $2",
        )
        .bind(name)
        .bind(from)
        .bind(to)
        .execute(&mut *tx)
        .await
        .map_err(log_error)?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        for event in parked {
            sqlx::query("INSERT INTO milepost.parked_events (name, position, aggregate_id, error) VALUES ($1, $2, $3, $4)")
                .bind(name)
                .bind(event.position)
                .bind(event.aggregate_id)
                .bind(&event.error)
                .execute(&mut *tx)
                .await
                .map_err(log_error)?;
        }
        tx.commit().await.map_err(log_error)?;
        Ok(true)
    }

    async fn parked(&self, name: &str) -> Result<Vec<Parked>, LogError> {
        let rows: Vec<(i64, Uuid, String)> =
            sqlx::query_as("SELECT position, aggregate_id, error FROM milepost.parked_events WHERE name = $1 ORDER BY position")
                .bind(name)
                .fetch_all(&self.pool)
                .await
                .map_err(log_error)?;
        Ok(rows.into_iter().map(|(position, aggregate_id, error)| Parked { position, aggregate_id, error }).collect())
    }

    async fn release(&self, name: &str, position: i64) -> Result<(), LogError> {
        let release = sqlx::query("DELETE FROM milepost.parked_events WHERE name = $1 AND position = $2").bind(name).bind(position);
        release.execute(&self.pool).await.map(|_| ()).map_err(log_error)
    }
}
