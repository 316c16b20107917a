//! How far durable subscribers are, in PostgreSQL.

use crate::postgres::log_error;
use application::ports::{Checkpoints, LogError};
use async_trait::async_trait;
use sqlx::PgPool;

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

    async fn advance(&self, name: &str, from: i64, to: i64) -> Result<bool, LogError> {
        let moved = sqlx::query(
            "INSERT INTO milepost.checkpoints AS kept (name, position) VALUES ($1, $3) \
             ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = now() WHERE kept.position = $2",
        )
        .bind(name)
        .bind(from)
        .bind(to)
        .execute(&self.pool)
        .await
        .map_err(log_error)?;
        Ok(moved.rows_affected() == 1)
    }
}
