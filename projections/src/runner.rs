//! Keeps read models up to date, and builds new versions beside the live ones.

use crate::model::ReadModel;
use crate::models::{ForEach, for_each};
use crate::registry::{self, Fit, Version, VersionState};
use crate::running::apply::{ApplyError, Batch, last_of, take_in};
use crate::running::works::{Fence, RETRY_PAUSE, Works};
use crate::versions::builder::{self, Comparison, Rebuilt, Returned, Tell};
use crate::versions::dead_letters::{self, Retried, RetryError, Skip};
use crate::versions::error::BuildError;
use crate::versions::lifecycle;
use async_trait::async_trait;
use sqlx::PgPool;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// Most events in one batch of a live version.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// How long a position may stay unwritten behind which there is nothing that the read model is about. Other nodes, and those
/// who list versions, see it so much later.
pub const NOTE_AFTER: Duration = Duration::from_millis(25);
/// Most rows in memory at once that are changed only as members of a group, such as the tasks of a project that is deleted.
pub const GROUP_ROWS_MAX: usize = 500;
/// Shortest time from one batch that was not full to the next, unless somebody on this node waits for the read model: what a
/// batch costs is shared by its events. Under load this takes a seventh off what a command costs in all.
pub const BATCH_GAP: Duration = Duration::from_millis(10);
/// How often a node that cannot keep what is live looks whether it can by now.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Every read model, in the order in which they are listed.
pub fn all() -> Vec<Arc<dyn Projection>> {
    let mut all = All(vec![]);
    for_each(&mut all);
    all.0
}

struct All(Vec<Arc<dyn Projection>>);

impl ForEach for All {
    fn read_model<M: ReadModel>(&mut self) {
        self.0.push(Arc::new(Of::<M>(PhantomData)));
    }
}

/// A read model, whatever its rows are.
#[async_trait]
pub trait Projection: Send + Sync {
    fn name(&self) -> &'static str;

    /// The hash of its rules and tables, as versions carry it.
    fn shape(&self) -> String;

    /// How the rules of this program fit the stored versions.
    fn fit(&self, versions: &[Version]) -> Fit;

    /// The lease of the node that keeps it up to date. Programs with other rules keep other versions.
    fn lease(&self) -> String {
        registry::lease(self.name(), &self.shape())
    }

    /// Makes sure that there is a version to read from, where nothing has happened yet.
    async fn prepare(&self, works: &Works) -> Result<(), sqlx::Error>;

    /// Keeps the live version up to date while the lease is held; one of older rules is replaced first. Never returns.
    async fn run(&self, works: &Works, lease: watch::Receiver<Option<i64>>);

    /// Brings the live version up to a position, for programs that do not run on.
    async fn catch_up(&self, works: &Works, until: i64) -> Result<(), BuildError>;

    /// Builds a new version beside the live one and switches to it.
    async fn rebuild(&self, works: &Works, tell: Tell<'_>) -> Result<Rebuilt, BuildError>;

    /// Brings the version that was live before up to date, and switches back to it.
    async fn go_back(&self, works: &Works, tell: Tell<'_>) -> Result<Returned, BuildError>;

    /// Drops what is being built, and leaves a version that was to be live again as it was kept. How many there were.
    async fn cancel(&self, pool: &PgPool) -> Result<usize, sqlx::Error>;

    /// Drops the version that is kept for going back. How many there were.
    async fn drop_old(&self, pool: &PgPool) -> Result<usize, sqlx::Error>;

    /// Builds a version and compares it with the live one at one position. Nothing is switched.
    async fn verify(&self, works: &Works, tell: Tell<'_>) -> Result<Comparison, BuildError>;

    /// Takes in what is parked of an aggregate; with `skip_first`, without its first event.
    async fn retry(&self, works: &Works, aggregate: Uuid, skip_first: Option<Skip<'_>>, tell: Tell<'_>) -> Result<Retried, RetryError>;
}

struct Of<M>(PhantomData<M>);

#[async_trait]
impl<M: ReadModel> Projection for Of<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn shape(&self) -> String {
        registry::shape::<M>()
    }

    fn fit(&self, versions: &[Version]) -> Fit {
        let ours: Vec<_> = versions.iter().filter(|version| version.name == M::NAME).cloned().collect();
        Fit::of(&ours, &self.shape(), registry::rules::<M>())
    }

    async fn prepare(&self, works: &Works) -> Result<(), sqlx::Error> {
        // Where the log holds something already, an empty page would be a lie: the version is built first.
        if works.log.head_now() == 0 {
            lifecycle::ensure_live::<M>(&works.pool).await?;
        }
        Ok(())
    }

    async fn run(&self, works: &Works, mut lease: watch::Receiver<Option<i64>>) {
        loop {
            let held = lease.wait_for(Option::is_some).await.map(|epoch| *epoch);
            let Ok(Some(epoch)) = held else { return };
            let works = Works { fence: Some(Fence { lease: self.lease(), epoch }), ..works.clone() };
            let mut generation = works.log.generation();
            let now = *generation.borrow_and_update();
            tokio::select! {
                result = tend::<M>(&works, now) => {
                    if let Err(error) = result {
                        tracing::warn!(projection.name = M::NAME, %error, "failed to update a read model; retrying");
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
                () = lost(&mut lease, epoch) => {}
                // Position and epoch are read again before anything is written.
                Ok(()) = generation.changed() => {}
            }
        }
    }

    async fn catch_up(&self, works: &Works, until: i64) -> Result<(), BuildError> {
        let generation = *works.log.generation().borrow();
        let mut live = lifecycle::ensure_live::<M>(&works.pool).await?;
        while live.position < until {
            let facts = works.log.after(live.position, works.batch).await.map_err(BuildError::Log)?;
            let Some(last) = facts.last().map(|fact| fact.position) else { break };
            let batch = Batch { from: live.position, to: last, facts: &facts, passed: 0, last: last_of(&facts) };
            take_in::<M>(works, live.version, batch).await?;
            live.position = last;
        }
        works.progress.set(M::NAME, generation, live.position);
        Ok(())
    }

    async fn rebuild(&self, works: &Works, tell: Tell<'_>) -> Result<Rebuilt, BuildError> {
        builder::rebuild::<M>(works, tell).await
    }

    async fn go_back(&self, works: &Works, tell: Tell<'_>) -> Result<Returned, BuildError> {
        builder::go_back::<M>(works, tell).await
    }

    async fn cancel(&self, pool: &PgPool) -> Result<usize, sqlx::Error> {
        Ok(lifecycle::drop_all::<M>(pool, VersionState::Building).await? + lifecycle::leave_be::<M>(pool).await?)
    }

    async fn drop_old(&self, pool: &PgPool) -> Result<usize, sqlx::Error> {
        lifecycle::drop_all::<M>(pool, VersionState::Old).await
    }

    async fn verify(&self, works: &Works, tell: Tell<'_>) -> Result<Comparison, BuildError> {
        builder::verify::<M>(works, tell).await
    }

    async fn retry(&self, works: &Works, aggregate: Uuid, skip_first: Option<Skip<'_>>, tell: Tell<'_>) -> Result<Retried, RetryError> {
        dead_letters::retry::<M>(works, aggregate, skip_first, tell).await
    }
}

/// Returns when a lease is no longer held as it was.
async fn lost(lease: &mut watch::Receiver<Option<i64>>, epoch: i64) {
    let _ = lease.wait_for(|now| *now != Some(epoch)).await;
}

/// Does what there is to do for what is live, until that changes or the fence closes. All that it reads is of one generation.
async fn tend<M: ReadModel>(works: &Works, generation: u64) -> Result<(), BuildError> {
    match lifecycle::fit::<M>(works).await? {
        Fit::Ours(live) => keep_up::<M>(works, &live, generation).await,
        Fit::ToBuild => {
            tracing::info!(projection.name = M::NAME, "building a version with the rules of this program");
            let built = match builder::rebuild::<M>(works, &|_| {}).await {
                Err(BuildError::Busy) => {
                    works.pulse.idle(tokio::time::sleep(LOOK_AGAIN)).await;
                    return Ok(());
                }
                built => built?,
            };
            tracing::info!(projection.name = M::NAME, projection.version = built.version, events = built.events, "the new version is live");
            Ok(())
        }
        Fit::NotOurs(live) => {
            tracing::debug!(projection.name = M::NAME, projection.version = live.version, "the live version was built by other rules");
            works.pulse.idle(tokio::time::sleep(LOOK_AGAIN)).await;
            Ok(())
        }
    }
}

/// Follows the log with the live version, until another version becomes live or the fence closes. Where a batch holds nothing
/// that the read model is about, only the position changes; it is written with what comes next, or a moment later.
async fn keep_up<M: ReadModel>(works: &Works, live: &Version, generation: u64) -> Result<(), BuildError> {
    let (version, types) = (live.version, M::event_types());
    let (mut written, mut position) = (live.position, live.position);
    let (mut unwritten_since, mut passed, mut read) = (None, 0, None);
    let _kept = works.progress.keep(M::NAME, version);
    works.progress.set(M::NAME, generation, position);
    let mut head = works.log.head();
    let lag = metrics::gauge!("milepost_projection_lag_events", "projection" => M::NAME);
    let mut taken_at = None::<Instant>;
    loop {
        if let Some(gap) = taken_at.take().and_then(|at| BATCH_GAP.checked_sub(at.elapsed())) {
            works.progress.rest(gap, |name| name == M::NAME).await;
        }
        let facts = works.log.after(position, works.batch).await.map_err(BuildError::Log)?;
        let due = unwritten_since.is_some_and(|since: Instant| since.elapsed() >= NOTE_AFTER);
        let last = facts.last().map_or(position, |fact| fact.position);
        read = last_of(&facts).or(read);
        if facts.is_empty() && !due {
            lag.set(0.0);
            let patience = if unwritten_since.is_some() { NOTE_AFTER } else { Duration::MAX };
            if let Ok(Err(_)) = works.pulse.idle(tokio::time::timeout(patience, head.wait_for(|head| *head > position))).await {
                return Ok(());
            }
            continue;
        }
        if due || facts.iter().any(|fact| types.contains(&fact.event_type.as_str())) {
            let started = Instant::now();
            let batch = Batch { from: written, to: last, facts: &facts, passed, last: read };
            let taking = take_in::<M>(works, version, batch);
            taken_at = (facts.len() < works.batch).then_some(started);
            match showing_lag(taking, position, &mut head, &lag).await {
                Ok(()) => (written, unwritten_since, passed) = (last, None, 0),
                // Another version became live, or another node holds the lease: look again.
                Err(ApplyError::Fenced) => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            metrics::histogram!("milepost_projection_batch_duration_seconds", "projection" => M::NAME).record(started.elapsed());
        } else {
            unwritten_since.get_or_insert_with(Instant::now);
            passed += facts.len();
        }
        position = last;
        works.pulse.beat();
        works.progress.set(M::NAME, generation, position);
        lag.set((*head.borrow() - position).max(0) as f64);
        metrics::counter!("milepost_projection_events_total", "projection" => M::NAME).increment(facts.len() as u64);
    }
}

/// Shows how far behind the log a position is while something is done: it may take long, or never end.
async fn showing_lag<T>(work: impl Future<Output = T>, position: i64, head: &mut watch::Receiver<i64>, lag: &metrics::Gauge) -> T {
    tokio::pin!(work);
    loop {
        lag.set((*head.borrow_and_update() - position).max(0) as f64);
        tokio::select! {
            done = &mut work => return done,
            Ok(()) = head.changed() => {}
        }
    }
}
