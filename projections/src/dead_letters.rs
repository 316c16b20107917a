//! Parked events: looked at, tried again, or given up.
//!
//! The events of an aggregate stay in order: the first one failed, the others wait behind it.

use crate::apply::{ApplyError, fold_and_save};
use crate::log::Log;
use crate::model::ReadModel;
use chrono::{DateTime, Utc};
use domain::event::Recorded;
use sqlx::{Error, PgConnection, PgPool};
use std::sync::Arc;
use thiserror::Error;
use uuid::Uuid;

/// A parked event.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct DeadLetter {
    pub name: String,
    pub version: i32,
    pub position: i64,
    pub aggregate_id: String,
    pub event_type: String,
    /// Why it could not be taken in; `None` for one that waits behind another.
    pub error: Option<String>,
    pub parked_at: DateTime<Utc>,
}

/// Trying again did not work.
#[derive(Debug, Error)]
pub enum RetryError {
    #[error("nothing of this aggregate is parked")]
    NothingParked,
    #[error("event {position} still cannot be taken in: {error}")]
    StillPoison { position: i64, error: String },
    #[error("the log could not be read: {0}")]
    Log(String),
    #[error(transparent)]
    Database(#[from] Error),
}

/// Every parked event, those of one read model if a name is given.
pub async fn list(pool: &PgPool, name: Option<&str>) -> Result<Vec<DeadLetter>, Error> {
    sqlx::query_as(
        "SELECT name, version, position, aggregate_id, event_type, error, parked_at FROM milepost.projection_dead_letters \
         WHERE $1::text IS NULL OR name = $1 ORDER BY name, version, position",
    )
    .bind(name)
    .fetch_all(pool)
    .await
}

/// Takes in the parked events of an aggregate, all or none. With `skip_first` the first is given up for good.
pub(crate) async fn retry<M: ReadModel>(pool: &PgPool, log: &dyn Log, aggregate: Uuid, skip_first: bool) -> Result<usize, RetryError> {
    let mut tx = pool.begin().await?;
    // The live version cannot move until this is done, so no later event of the aggregate slips past.
    let version: Option<i32> = sqlx::query_scalar("SELECT version FROM milepost.projections WHERE name = $1 AND state = 'live' FOR UPDATE")
        .bind(M::NAME)
        .fetch_optional(&mut *tx)
        .await?;
    let version = version.ok_or(RetryError::NothingParked)?;
    let positions: Vec<i64> = sqlx::query_scalar(
        "SELECT position FROM milepost.projection_dead_letters WHERE name = $1 AND version = $2 AND aggregate_id = $3 ORDER BY position",
    )
    .bind(M::NAME)
    .bind(version)
    .bind(aggregate.to_string())
    .fetch_all(&mut *tx)
    .await?;
    if positions.is_empty() {
        return Err(RetryError::NothingParked);
    }
    let mut events: Vec<Arc<Recorded>> = vec![];
    for position in positions.iter().skip(usize::from(skip_first)) {
        let facts = log.after(position - 1, 1).await.map_err(|error| RetryError::Log(error.to_string()))?;
        let fact = facts.first().ok_or_else(|| RetryError::Log(format!("there is no event {position}")))?;
        match &fact.recorded {
            Ok(recorded) => events.push(Arc::clone(recorded)),
            Err(error) => return Err(RetryError::StillPoison { position: *position, error: error.to_string() }),
        }
    }
    let borrowed: Vec<&Recorded> = events.iter().map(|event| &**event).collect();
    match fold_and_save::<M>(&mut tx, version, &borrowed).await {
        Ok(()) => {}
        Err(ApplyError::Poison { position, error }) => return Err(RetryError::StillPoison { position, error }),
        Err(ApplyError::Data(error)) => {
            return Err(RetryError::StillPoison { position: positions[0], error: error.to_string() });
        }
        Err(ApplyError::Database(error)) => return Err(error.into()),
        Err(ApplyError::Fenced) => return Err(RetryError::NothingParked),
    }
    release::<M>(&mut tx, version, aggregate, positions.len()).await?;
    tx.commit().await?;
    Ok(events.len())
}

async fn release<M: ReadModel>(tx: &mut PgConnection, version: i32, aggregate: Uuid, count: usize) -> Result<(), Error> {
    sqlx::query("DELETE FROM milepost.projection_dead_letters WHERE name = $1 AND version = $2 AND aggregate_id = $3")
        .bind(M::NAME)
        .bind(version)
        .bind(aggregate.to_string())
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "UPDATE milepost.projections SET dead_letters = dead_letters - $3, \
         last_error = CASE WHEN dead_letters = $3 THEN NULL ELSE last_error END WHERE name = $1 AND version = $2",
    )
    .bind(M::NAME)
    .bind(version)
    .bind(count as i32)
    .execute(tx)
    .await
    .map(|_| ())
}
