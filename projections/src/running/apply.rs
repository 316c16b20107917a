//! Takes a batch of events into a version of a read model: rows and position in one transaction.

use crate::model::{Keyed, Needs, ReadModel, Rows};
use crate::registry::{OF_THIS_LOG, RATE_OVER_SECONDS, shape};
use crate::running::rows;
use crate::running::rows_class::{RowsClass, class};
use crate::running::works::{Fence, RETRY_PAUSE, Works};
use domain::event::{Fact, Recorded};
use sqlx::{Error, PgConnection};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use uuid::Uuid;

/// How often an event is tried before its aggregate is parked, where its error may pass.
const TRIES_MAX: u32 = 5;

/// Consecutive facts: all that is relevant after `from`, up to and with `to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) facts: &'a [Arc<Fact>],
    /// Events before these that the read model is not about: nothing was done for them yet, not even counting.
    pub(crate) passed: usize,
    /// The last event that was read for it, with its position: the log must still hold it. One that was lost, or stands in
    /// another history of the log, becomes no row.
    pub(crate) last: Option<(i64, Uuid)>,
}

/// The last of some facts, as a batch proves it.
pub(crate) fn last_of(facts: &[Arc<Fact>]) -> Option<(i64, Uuid)> {
    facts.last().map(|fact| (fact.position, fact.event_id))
}

/// Why a batch was not taken in. Nothing of it was.
#[derive(Debug)]
pub(crate) enum ApplyError {
    /// Somebody else has moved the version, or holds the lease, or the log is not the one that the events were read from.
    Fenced,
    /// An event that the rule cannot take.
    Poison { position: i64, error: String },
    /// Rows that an event changes cannot be read or written.
    Data(Error),
    /// It says nothing about any event, as where the database is not there.
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

/// Takes a batch in, and parks the events that cannot be taken: each with what follows it in its aggregate.
pub(crate) async fn take_in<M: ReadModel>(works: &Works, version: i32, batch: Batch<'_>) -> Result<(), ApplyError> {
    let (mut poison, mut tries) = (BTreeMap::new(), 1);
    loop {
        match try_once::<M>(works, version, batch, &poison).await {
            Err(ApplyError::Poison { position, error }) => {
                poison.insert(position, error);
            }
            // Half of the batch, again and again, finds the event that the database refuses.
            Err(ApplyError::Data(_)) if batch.facts.len() > 1 => {
                let (first, second) = batch.facts.split_at(batch.facts.len() / 2);
                let middle = first.last().map_or(batch.from, |fact| fact.position);
                let last = last_of(first);
                Box::pin(take_in::<M>(works, version, Batch { to: middle, facts: first, last, ..batch })).await?;
                works.pulse.beat();
                return Box::pin(take_in::<M>(works, version, Batch { from: middle, facts: second, passed: 0, ..batch })).await;
            }
            Err(ApplyError::Data(error)) if class(&error) == RowsClass::MayPass && tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(ApplyError::Data(error)) if !batch.facts.is_empty() && poison.is_empty() => {
                poison.insert(batch.facts[0].position, error.to_string());
            }
            result => return result,
        }
    }
}

async fn try_once<M: ReadModel>(works: &Works, version: i32, batch: Batch<'_>, poison: &BTreeMap<i64, String>) -> Result<(), ApplyError> {
    let mut tx = works.pool.begin().await?;
    let advanced = advance::<M>(&mut tx, version, works.fence.as_ref(), batch).await?;
    let Advanced { dead_letters, skips, pid } = advanced.ok_or(ApplyError::Fenced)?;
    let rest = async {
        let parked = if dead_letters > 0 { parked::<M>(&mut tx, version).await? } else { BTreeSet::new() };
        let skipped = if skips { skipped::<M>(&mut tx, batch).await? } else { BTreeSet::new() };
        let (events, letters) = sort::<M>(batch.facts, &skipped, parked, poison);
        fold_and_save::<M>(&mut tx, version, &events, works.group_rows).await?;
        if !letters.is_empty() {
            park::<M>(&mut tx, version, &letters).await?;
        }
        tx.commit().await?;
        Ok(())
    };
    works.pulse.while_open(&works.pool, pid, M::NAME, rest).await
}

/// What a batch needs to know of events that are not taken in.
#[derive(sqlx::FromRow)]
struct Advanced {
    dead_letters: i32,
    /// Whether some of its events were given up.
    skips: bool,
    /// The server process that has the transaction open.
    pid: i32,
}

/// Moves the position. `None` if that is not ours to do: another node holds the lease, or other rules made the version, or the
/// log does not hold the events.
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
           rate = rate + ($5::bigint / greatest(extract(epoch FROM clock_timestamp() - updated_at), 0.001)::float8 - rate) \
                         * (1 - exp(-extract(epoch FROM clock_timestamp() - updated_at)::float8 / $9)) \
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

/// Which events of a batch were given up. One of another aggregate at that position stands in another history of the log.
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
    let given_up = batch.facts.iter().filter(|fact| skipped.contains(&(fact.position, fact.aggregate_id)));
    Ok(given_up.map(|fact| fact.position).collect())
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

/// Which events to take in, and which to park.
pub(crate) fn sort<'a, M: ReadModel>(
    facts: &'a [Arc<Fact>],
    skipped: &BTreeSet<i64>,
    mut parked: BTreeSet<Uuid>,
    poison: &BTreeMap<i64, String>,
) -> (Vec<&'a Recorded>, Vec<Letter<'a>>) {
    let types = M::event_types();
    let (mut events, mut letters) = (vec![], vec![]);
    // A type that this program does not know is none of the rule: programs that know it have rules of another shape.
    let ours = |fact: &&Arc<Fact>| types.contains(&fact.event_type.as_str()) && !skipped.contains(&fact.position);
    for fact in facts.iter().filter(ours) {
        let error = match (&fact.recorded, poison.get(&fact.position)) {
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

/// Folds events into rows and writes them. Of the rows that are changed only as members of a group, so many are in memory at
/// once.
pub(crate) async fn fold_and_save<M: ReadModel>(
    tx: &mut PgConnection,
    version: i32,
    events: &[&Recorded],
    group_rows: usize,
) -> Result<(), ApplyError> {
    let needs = Needs::<M>::of(events.iter().copied());
    let mut at_hand = if needs.keys.is_empty() { vec![] } else { rows::load::<M>(tx, version, &needs.keys).await? };
    if needs.groups.is_empty() {
        return save::<M>(tx, version, fold::<M>(at_hand, events)?).await;
    }
    rows::open_members::<M>(tx, version, &needs.groups).await?;
    let mut members = rows::next_members::<M>(tx, group_rows).await?;
    if members.len() < group_rows {
        at_hand.extend(members);
        save::<M>(tx, version, fold::<M>(at_hand, events)?).await?;
    } else {
        // What an event changes by name is folded with all events, whatever groups it is in; the cursor shows it as it was.
        save::<M>(tx, version, fold::<M>(at_hand, events)?).await?;
        let spreads = |event: &&&Recorded| !Needs::<M>::of([**event]).groups.is_empty();
        let spreading: Vec<_> = events.iter().filter(spreads).copied().collect();
        loop {
            let is_last = members.len() < group_rows;
            members.retain(|(key, _)| !needs.names(key));
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

/// What events make of the rows that they need: those to write.
pub(crate) fn fold<M: ReadModel>(at_hand: Keyed<M>, events: &[&Recorded]) -> Result<Keyed<M>, ApplyError> {
    each_event::<M>(at_hand, events, Rows::apply)
}

fn each_event<M: ReadModel>(at_hand: Keyed<M>, events: &[&Recorded], apply: fn(&mut Rows<M>, &Recorded)) -> Result<Keyed<M>, ApplyError> {
    let mut rows = Rows::<M>::with(at_hand);
    for event in events {
        // The rows are thrown away if the rule panics, so nothing half-done is seen.
        catch_unwind(AssertUnwindSafe(|| apply(&mut rows, event)))
            .map_err(|panic| ApplyError::Poison { position: event.position, error: words_of(panic.as_ref()) })?;
    }
    Ok(rows.into_changed())
}

fn words_of(panic: &(dyn Any + Send)) -> String {
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
