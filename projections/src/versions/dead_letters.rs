//! Parked events: listed, retried, or skipped.
//!
//! The events of an aggregate stay in order: the first one failed, the others wait behind it.

use crate::model::ReadModel;
use crate::registry::{self, VersionState};
use crate::running::apply::{ApplyError, fold_and_save};
use crate::running::run_context::RunContext;
use crate::versions::builder::{self, OnProgress};
use crate::versions::error::BuildError;
use crate::versions::lifecycle;
use chrono::{DateTime, Utc};
use domain::event::Recorded;
use sqlx::{Error, PgPool};
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
    /// Why it could not be applied; `None` for one that waits behind another.
    pub error: Option<String>,
    pub parked_at: DateTime<Utc>,
}

/// Why a parked event is skipped, and who skips it.
#[derive(Debug, Clone, Copy)]
pub struct Skip<'a> {
    pub reason: &'a str,
    pub by: &'a str,
}

/// The result for the parked events of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retried {
    pub applied: usize,
    /// They wait behind the next event that cannot be applied, or are it.
    pub parked: usize,
}

/// Trying again did not work.
#[derive(Debug, Error)]
pub enum RetryError {
    #[error("the aggregate has no parked events")]
    NothingParked,
    #[error("event {position} still cannot be applied: {error}")]
    StillFails { position: i64, error: String },
    #[error("the log could not be read: {0}")]
    Log(String),
    #[error("the read model could not be rebuilt: {0}")]
    Build(BuildError),
    #[error(transparent)]
    Database(#[from] Error),
}

/// Every parked event, those of one read model if a name is given.
pub async fn list(pool: &PgPool, name: Option<&str>) -> Result<Vec<DeadLetter>, Error> {
    sqlx::query_as(
        "SELECT name, version, letter.position, aggregate_id, event_type, error, parked_at FROM milepost.projection_dead_letters AS letter \
         JOIN milepost.projections USING (name, version) WHERE state <> 'old' AND ($1::text IS NULL OR name = $1) ORDER BY 1, 2, 3",
    )
    .bind(name)
    .fetch_all(pool)
    .await
}

/// Applies the parked events of an aggregate, all or none. With `skip_first` the first is skipped permanently and
/// recorded, and the events behind it are applied up to the next one that fails.
///
/// Events of other aggregates that change the same rows have been applied since. So a version is built beside the live
/// one, with every event in order, and switched to.
pub(crate) async fn retry<M: ReadModel>(
    context: &RunContext,
    aggregate: Uuid,
    skip_first: Option<Skip<'_>>,
    on_progress: OnProgress<'_>,
) -> Result<Retried, RetryError> {
    let live = registry::live(&context.pool, M::NAME).await?.ok_or(RetryError::NothingParked)?;
    if live.shape != registry::shape::<M>() {
        return Err(RetryError::Build(BuildError::OtherRules { live: live.rules, ours: registry::rules::<M>() }));
    }
    if !live.of_this_log {
        return Err(RetryError::Build(BuildError::OtherLog));
    }
    let parked = positions::<M>(&context.pool, live.version, aggregate).await?;
    let first = *parked.first().ok_or(RetryError::NothingParked)?;
    match skip_first {
        Some(why) => skip::<M>(&context.pool, live.version, first, why).await?,
        None => try_on::<M>(context, live.version, &read_again(context, &parked).await?, first).await?,
    }
    lifecycle::drop_all::<M>(&context.pool, VersionState::Building).await?;
    let built = builder::rebuild::<M>(context, on_progress).await.map_err(RetryError::Build)?;
    let left = positions::<M>(&context.pool, built.version, aggregate).await?;
    let parked_again = parked.iter().filter(|position| left.contains(position)).count();
    let tried = parked.len() - usize::from(skip_first.is_some());
    Ok(Retried { applied: tried - parked_again, parked: left.len() })
}

/// The events of an aggregate that a version has parked, in order.
async fn positions<M: ReadModel>(pool: &PgPool, version: i32, aggregate: Uuid) -> Result<Vec<i64>, Error> {
    let parked = sqlx::query_scalar(
        "SELECT position FROM milepost.projection_dead_letters WHERE name = $1 AND version = $2 AND aggregate_id = $3 ORDER BY position",
    );
    parked.bind(M::NAME).bind(version).bind(aggregate.to_string()).fetch_all(pool).await
}

async fn read_again(context: &RunContext, positions: &[i64]) -> Result<Vec<Arc<Recorded>>, RetryError> {
    let mut events = vec![];
    for position in positions {
        let facts = context.log.after(position - 1, 1).await.map_err(|error| RetryError::Log(error.to_string()))?;
        context.heartbeat.beat();
        let fact = facts.first().ok_or_else(|| RetryError::Log(format!("event {position} does not exist")))?;
        match &fact.recorded {
            Ok(recorded) => events.push(Arc::clone(recorded)),
            Err(error) => return Err(RetryError::StillFails { position: *position, error: error.to_string() }),
        }
    }
    Ok(events)
}

/// Whether events can be applied now. Changes nothing.
async fn try_on<M: ReadModel>(context: &RunContext, version: i32, events: &[Arc<Recorded>], first: i64) -> Result<(), RetryError> {
    let borrowed: Vec<&Recorded> = events.iter().map(|event| &**event).collect();
    let mut tx = context.pool.begin().await?;
    let pid = lifecycle::under_lease(&mut tx, context.fence.as_ref()).await.map_err(RetryError::Build)?;
    let fold = fold_and_save::<M>(&mut tx, version, &borrowed, context.group_rows);
    let tried = context.heartbeat.while_open(&context.pool, pid, M::NAME, fold).await;
    tx.rollback().await?;
    tried.map_err(|error| match error {
        ApplyError::Failed { position, error } => RetryError::StillFails { position, error },
        ApplyError::Data(error) => RetryError::StillFails { position: first, error: error.to_string() },
        ApplyError::Database(error) => error.into(),
        ApplyError::Fenced => RetryError::NothingParked,
    })
}

/// Skips an event, in this and all versions to come.
async fn skip<M: ReadModel>(pool: &PgPool, version: i32, position: i64, why: Skip<'_>) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO milepost.projection_skipped_events (name, position, aggregate_id, event_type, error, reason, skipped_by) \
         SELECT name, position, aggregate_id, event_type, error, $4, $5 FROM milepost.projection_dead_letters \
         WHERE name = $1 AND version = $2 AND position = $3 ON CONFLICT DO NOTHING",
    )
    .bind(M::NAME)
    .bind(version)
    .bind(position)
    .bind(why.reason)
    .bind(why.by)
    .execute(pool)
    .await
    .map(|_| ())
}
