//! Takes a batch of events into a version of a read model: rows and position in one transaction.

use crate::model::{Keyed, KeysToLoad, ReadModel, Rows};
use crate::registry::{OF_THIS_LOG, RATE_OVER_SECONDS, shape};
use crate::running::rows;
use crate::running::rows_class::{RowsClass, class};
use crate::running::run_context::{Fence, RETRY_PAUSE, RunContext};
use domain::event::{Fact, Recorded};
use sqlx::{Error, PgConnection};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use uuid::Uuid;

/// How often an event with a transient error is tried before its aggregate is parked.
const TRIES_MAX: u32 = 5;

/// Consecutive facts: all that is relevant after `from`, up to and with `to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) facts: &'a [Arc<Fact>],
    /// Events before these that the read model does not use: they were not even counted yet.
    pub(crate) passed: usize,
    /// The last event that was read for it, with its position: the log must still contain it. An event that was lost,
    /// or belongs to another history of the log, creates no row.
    pub(crate) last: Option<(i64, Uuid)>,
}

/// The last of some facts, as a batch proves it.
pub(crate) fn last_of(facts: &[Arc<Fact>]) -> Option<(i64, Uuid)> {
    facts.last().map(|fact| (fact.position, fact.event_id))
}

/// Why a batch was not applied. Nothing of it was.
#[derive(Debug)]
pub(crate) enum ApplyError {
    /// Another node has advanced the version or holds the lease, or the log is not the one that the events were read
    /// from.
    Fenced,
    /// An event that the rule cannot take.
    Failed { position: i64, error: String },
    /// Rows that an event changes cannot be read or written.
    Data(Error),
    /// Not caused by an event, for example if the database is unavailable.
    Database(Error),
}

impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        match class(&error) {
            RowsClass::Waits => Self::Database(error),
            RowsClass::MayPass | RowsClass::Stays => Self::Data(error),
        }
    }
}

/// Applies a batch, and parks the events that cannot be applied, each with the later events of its aggregate.
pub(crate) async fn apply_batch<M: ReadModel>(context: &RunContext, version: i32, batch: Batch<'_>) -> Result<(), ApplyError> {
    let (mut failed, mut tries) = (BTreeMap::new(), 1);
    loop {
        match try_once::<M>(context, version, batch, &failed).await {
            Err(ApplyError::Failed { position, error }) => {
                failed.insert(position, error);
            }
            // Half of the batch, again and again, finds the event that the database refuses.
            Err(ApplyError::Data(_)) if batch.facts.len() > 1 => {
                let (first, second) = batch.facts.split_at(batch.facts.len() / 2);
                let middle = first.last().map_or(batch.from, |fact| fact.position);
                let last = last_of(first);
                Box::pin(apply_batch::<M>(context, version, Batch { to: middle, facts: first, last, ..batch })).await?;
                context.heartbeat.beat();
                return Box::pin(apply_batch::<M>(context, version, Batch { from: middle, facts: second, passed: 0, ..batch })).await;
            }
            Err(ApplyError::Data(error)) if class(&error) == RowsClass::MayPass && tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(ApplyError::Data(error)) if !batch.facts.is_empty() && failed.is_empty() => {
                failed.insert(batch.facts[0].position, error.to_string());
            }
            result => return result,
        }
    }
}

async fn try_once<M: ReadModel>(
    context: &RunContext,
    version: i32,
    batch: Batch<'_>,
    failed: &BTreeMap<i64, String>,
) -> Result<(), ApplyError> {
    let mut tx = context.pool.begin().await?;
    let advanced = advance::<M>(&mut tx, version, context.fence.as_ref(), batch).await?;
    let Advanced { dead_letters, skips, pid } = advanced.ok_or(ApplyError::Fenced)?;
    let apply = async {
        let parked = if dead_letters > 0 { parked::<M>(&mut tx, version).await? } else { BTreeSet::new() };
        let skipped = if skips { skipped::<M>(&mut tx, batch).await? } else { BTreeSet::new() };
        let (events, letters) = sort::<M>(batch.facts, &skipped, parked, failed);
        fold_and_save::<M>(&mut tx, version, &events, context.group_rows).await?;
        if !letters.is_empty() {
            park::<M>(&mut tx, version, &letters).await?;
        }
        tx.commit().await?;
        Ok(())
    };
    context.heartbeat.while_open(&context.pool, pid, M::NAME, apply).await
}

/// What a batch needs to know of events that must not be applied.
#[derive(sqlx::FromRow)]
struct Advanced {
    dead_letters: i32,
    /// Whether some of its events are skipped.
    skips: bool,
    /// The server process that has the transaction open.
    pid: i32,
}

/// The average rate after a batch of `$5` events, over `$9` seconds. It is numeric, since float8 refuses what is too small for it: the
/// share of the past after some hours without a batch, or a rate that has decayed for hours. And no clock that was set back, or
/// far ahead, makes it infinite.
const RATE: &str = "round(rate::numeric + ($5::bigint / greatest(extract(epoch FROM clock_timestamp() - updated_at), 0.001) - rate::numeric) \
                    * (1 - exp(-least(greatest(extract(epoch FROM clock_timestamp() - updated_at) / $9::float8::numeric, 0), 100))), 6)::float8";

/// Moves the position. `None` if another node holds the lease, or other rules made the version, or the log does not
/// contain the events.
async fn advance<M: ReadModel>(
    tx: &mut PgConnection,
    version: i32,
    fence: Option<&Fence>,
    batch: Batch<'_>,
) -> Result<Option<Advanced>, Error> {
    let (lease, epoch) = fence.map(|fence| (fence.lease.as_str(), fence.epoch)).unzip();
    let (last_position, last_event) = batch.last.unzip();
    sqlx::query_as(&format!(
        "UPDATE milepost.projections SET position = $4, event_id = reached.event_id, events_done = events_done + $5::bigint, updated_at = clock_timestamp(), \
           rate = {RATE} \
         FROM milepost.events AS reached \
         WHERE name = $1 AND version = $2 AND projections.position = $3 AND state <> 'old' AND shape = $8 AND reached.position = $4 \
         AND {OF_THIS_LOG} \
         AND ($10::bigint IS NULL OR EXISTS (SELECT FROM milepost.events AS last WHERE last.position = $10 AND last.event_id = $11)) \
         AND ($6::text IS NULL OR EXISTS (SELECT FROM milepost.leases WHERE leases.name = $6 AND epoch = $7)) \
         RETURNING dead_letters, EXISTS (SELECT FROM milepost.projection_skipped_events AS skipped \
                                         WHERE skipped.name = $1 AND skipped.position > $3 AND skipped.position <= $4) AS skips, \
           pg_backend_pid() AS pid, pg_advisory_xact_lock_shared(hashtext('milepost lease'), hashtext($6))::text"
    ))
    .bind(M::NAME)
    .bind(version)
    .bind(batch.from)
    .bind(batch.to)
    .bind((batch.passed + batch.facts.len()) as i64)
    .bind(lease)
    .bind(epoch)
    .bind(shape::<M>())
    .bind(RATE_OVER_SECONDS)
    .bind(last_position)
    .bind(last_event)
    .fetch_optional(tx)
    .await
}

/// Which events of a batch are skipped. An event of another aggregate at that position belongs to another history of
/// the log.
async fn skipped<M: ReadModel>(tx: &mut PgConnection, batch: Batch<'_>) -> Result<BTreeSet<i64>, Error> {
    let skipped: Vec<(i64, Uuid)> = sqlx::query_as(
        "SELECT position, aggregate_id::uuid FROM milepost.projection_skipped_events WHERE name = $1 AND position > $2 AND position <= $3",
    )
    .bind(M::NAME)
    .bind(batch.from)
    .bind(batch.to)
    .fetch_all(tx)
    .await?;
    let skipped: BTreeSet<_> = skipped.into_iter().collect();
    let skipped_here = batch.facts.iter().filter(|fact| skipped.contains(&(fact.position, fact.aggregate_id)));
    Ok(skipped_here.map(|fact| fact.position).collect())
}

async fn parked<M: ReadModel>(tx: &mut PgConnection, version: i32) -> Result<BTreeSet<Uuid>, Error> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT aggregate_id::uuid FROM milepost.projection_dead_letters WHERE name = $1 AND version = $2")
            .bind(M::NAME)
            .bind(version)
            .fetch_all(tx)
            .await?;
    Ok(ids.into_iter().collect())
}

pub(crate) struct Letter<'a> {
    fact: &'a Fact,
    /// `None` for an event that only waits behind another.
    pub(crate) error: Option<String>,
}

/// Which events to apply, and which to park.
pub(crate) fn sort<'a, M: ReadModel>(
    facts: &'a [Arc<Fact>],
    skipped: &BTreeSet<i64>,
    mut parked: BTreeSet<Uuid>,
    failed: &BTreeMap<i64, String>,
) -> (Vec<&'a Recorded>, Vec<Letter<'a>>) {
    let types = M::event_types();
    let (mut events, mut letters) = (vec![], vec![]);
    // A type that this program does not know is not part of the rule: programs that know it have rules of another
    // shape.
    let ours = |fact: &&Arc<Fact>| types.contains(&fact.event_type.as_str()) && !skipped.contains(&fact.position);
    for fact in facts.iter().filter(ours) {
        let error = match (&fact.recorded, failed.get(&fact.position)) {
            _ if parked.contains(&fact.aggregate_id) => None,
            (Ok(recorded), None) => {
                events.push(&**recorded);
                continue;
            }
            (Ok(_), Some(error)) => Some(error.clone()),
            (Err(error), _) => Some(error.to_string()),
        };
        parked.insert(fact.aggregate_id);
        letters.push(Letter { fact, error });
    }
    (events, letters)
}

/// Folds events into rows and writes them. Of the rows that are changed only as members of a group, at most
/// `group_rows` are in memory at once.
pub(crate) async fn fold_and_save<M: ReadModel>(
    tx: &mut PgConnection,
    version: i32,
    events: &[&Recorded],
    group_rows: usize,
) -> Result<(), ApplyError> {
    let to_load = KeysToLoad::<M>::of(events.iter().copied());
    let mut loaded = if to_load.keys.is_empty() { vec![] } else { rows::load::<M>(tx, version, &to_load.keys).await? };
    if to_load.groups.is_empty() {
        return save::<M>(tx, version, fold::<M>(loaded, events)?).await;
    }
    rows::open_members::<M>(tx, version, &to_load.groups).await?;
    let mut members = rows::next_members::<M>(tx, group_rows).await?;
    if members.len() < group_rows {
        loaded.extend(members);
        save::<M>(tx, version, fold::<M>(loaded, events)?).await?;
    } else {
        // Rows that an event changes by key are folded with all events, independent of their groups; the cursor shows
        // them unchanged.
        save::<M>(tx, version, fold::<M>(loaded, events)?).await?;
        let spreads = |event: &&&Recorded| !KeysToLoad::<M>::of([**event]).groups.is_empty();
        let spreading: Vec<_> = events.iter().filter(spreads).copied().collect();
        loop {
            let is_last = members.len() < group_rows;
            members.retain(|(key, _)| !to_load.names(key));
            save::<M>(tx, version, each_event::<M>(members, &spreading, Rows::apply_to_members)?).await?;
            if is_last {
                break;
            }
            members = rows::next_members::<M>(tx, group_rows).await?;
        }
    }
    Ok(rows::close_members::<M>(tx).await?)
}

async fn save<M: ReadModel>(tx: &mut PgConnection, version: i32, changed: Keyed<M>) -> Result<(), ApplyError> {
    if !changed.is_empty() {
        rows::save::<M>(tx, version, &changed).await?;
    }
    Ok(())
}

/// Folds events into the rows that they need. Returns those to write.
pub(crate) fn fold<M: ReadModel>(loaded: Keyed<M>, events: &[&Recorded]) -> Result<Keyed<M>, ApplyError> {
    each_event::<M>(loaded, events, Rows::apply)
}

fn each_event<M: ReadModel>(loaded: Keyed<M>, events: &[&Recorded], apply: fn(&mut Rows<M>, &Recorded)) -> Result<Keyed<M>, ApplyError> {
    let mut rows = Rows::<M>::with(loaded);
    for event in events {
        // The rows are discarded if the rule panics, so no partial change is seen.
        catch_unwind(AssertUnwindSafe(|| apply(&mut rows, event)))
            .map_err(|panic| ApplyError::Failed { position: event.position, error: panic_message(panic.as_ref()) })?;
    }
    Ok(rows.into_changed())
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the rule of the read model failed: {}", words.unwrap_or("it panicked"))
}

async fn park<M: ReadModel>(tx: &mut PgConnection, version: i32, letters: &[Letter<'_>]) -> Result<(), Error> {
    for letter in letters.iter().filter(|letter| letter.error.is_some()) {
        tracing::error!(
            projection.name = M::NAME,
            event.position = letter.fact.position,
            event.aggregate_id = %letter.fact.aggregate_id,
            error = letter.error.as_deref(),
            "an event is parked: the read model holds back its aggregate and continues with all others"
        );
    }
    sqlx::query(
        "INSERT INTO milepost.projection_dead_letters (name, version, position, aggregate_id, event_type, error) \
         SELECT $1, $2, n.position, n.aggregate_id, n.event_type, n.error \
         FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[]) AS n(position, aggregate_id, event_type, error)",
    )
    .bind(M::NAME)
    .bind(version)
    .bind(letters.iter().map(|letter| letter.fact.position).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.fact.aggregate_id.to_string()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.fact.event_type.as_str()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.error.as_deref()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    let error = letters.iter().find_map(|letter| letter.error.as_deref());
    sqlx::query(
        "UPDATE milepost.projections SET dead_letters = dead_letters + $3, last_error = coalesce($4, last_error) \
         WHERE name = $1 AND version = $2",
    )
    .bind(M::NAME)
    .bind(version)
    .bind(letters.len() as i32)
    .bind(error)
    .execute(tx)
    .await?;
    metrics::counter!("milepost_projection_parked_events_total", "projection" => M::NAME).increment(letters.len() as u64);
    Ok(())
}
