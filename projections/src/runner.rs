//! Keeps read models up to date, and builds new versions beside the live ones.

use crate::model::ReadModel;
use crate::models::{ForEach, for_each};
use crate::registry::{self, Fit, Version, VersionState};
use crate::running::apply::{ApplyError, Batch, apply_batch, last_of};
use crate::running::run_context::{Fence, RETRY_PAUSE, RunContext};
use crate::versions::builder::{self, Comparison, OnProgress, Rebuilt, RolledBack};
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
/// How long a position may stay unwritten if no event before it concerns the read model. Other nodes, and the list of
/// versions, see it with this delay.
pub const WRITE_POSITION_AFTER: Duration = Duration::from_millis(25);
/// Most rows in memory at once of those that are changed only as members of a group, such as the tasks of a project
/// that is deleted.
pub const GROUP_ROWS_MAX: usize = 500;
/// Shortest time from one batch that was not full to the next, unless a request on this node waits for the read model:
/// the cost of a batch is shared by its events. Under load this saves a seventh of the total cost of a command.
pub const BATCH_GAP: Duration = Duration::from_millis(10);
/// How often a node that cannot keep the live version up to date checks again.
const CHECK_EVERY: Duration = Duration::from_secs(1);

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

/// A read model of any type of row.
#[async_trait]
pub trait Projection: Send + Sync {
    fn name(&self) -> &'static str;

    /// The hash of its rules and tables, as versions carry it.
    fn shape(&self) -> String;

    /// How the rules of this program relate to the stored versions.
    fn fit(&self, versions: &[Version]) -> Fit;

    /// The lease of the node that keeps it up to date. Programs with other rules keep other versions.
    fn lease(&self) -> String {
        registry::lease(self.name(), &self.shape())
    }

    /// Creates the first version if the log is empty.
    async fn prepare(&self, context: &RunContext) -> Result<(), sqlx::Error>;

    /// Keeps the live version up to date while the lease is held; a version with older rules is replaced first. Never
    /// returns.
    async fn run(&self, context: &RunContext, lease: watch::Receiver<Option<i64>>);

    /// Brings the live version up to a position, for programs that do not run on.
    async fn catch_up(&self, context: &RunContext, until: i64) -> Result<(), BuildError>;

    /// Builds a new version beside the live one and switches to it.
    async fn rebuild(&self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<Rebuilt, BuildError>;

    /// Brings the version that was live before up to date, and switches back to it.
    async fn roll_back(&self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<RolledBack, BuildError>;

    /// Drops versions being built, and retains a version that was to become live again. Returns how many there were.
    async fn cancel(&self, pool: &PgPool) -> Result<usize, sqlx::Error>;

    /// Drops the version that is retained for a rollback. Returns how many there were.
    async fn drop_old(&self, pool: &PgPool) -> Result<usize, sqlx::Error>;

    /// Builds a version and compares it with the live one at one position. Nothing is switched.
    async fn verify(&self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<Comparison, BuildError>;

    /// Applies the parked events of an aggregate; with `skip_first`, without the first.
    async fn retry(
        &self,
        context: &RunContext,
        aggregate: Uuid,
        skip_first: Option<Skip<'_>>,
        on_progress: OnProgress<'_>,
    ) -> Result<Retried, RetryError>;
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

    async fn prepare(&self, context: &RunContext) -> Result<(), sqlx::Error> {
        // If the log has events, an empty page would be wrong: the version is built first.
        if context.log.head_now() == 0 {
            lifecycle::ensure_live::<M>(&context.pool).await?;
        }
        Ok(())
    }

    async fn run(&self, context: &RunContext, mut lease: watch::Receiver<Option<i64>>) {
        loop {
            let held = lease.wait_for(Option::is_some).await.map(|epoch| *epoch);
            let Ok(Some(epoch)) = held else { return };
            let context = RunContext { fence: Some(Fence { lease: self.lease(), epoch }), ..context.clone() };
            let mut generation = context.log.generation();
            let now = *generation.borrow_and_update();
            tokio::select! {
                result = update_live::<M>(&context, now) => {
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

    async fn catch_up(&self, context: &RunContext, until: i64) -> Result<(), BuildError> {
        let generation = *context.log.generation().borrow();
        let mut live = lifecycle::ensure_live::<M>(&context.pool).await?;
        while live.position < until {
            let facts = context.log.after(live.position, context.batch).await.map_err(BuildError::Log)?;
            let Some(last) = facts.last().map(|fact| fact.position) else { break };
            let batch = Batch { from: live.position, to: last, facts: &facts, passed: 0, last: last_of(&facts) };
            apply_batch::<M>(context, live.version, batch).await?;
            live.position = last;
        }
        context.progress.set(M::NAME, generation, live.position);
        Ok(())
    }

    async fn rebuild(&self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<Rebuilt, BuildError> {
        builder::rebuild::<M>(context, on_progress).await
    }

    async fn roll_back(&self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<RolledBack, BuildError> {
        builder::roll_back::<M>(context, on_progress).await
    }

    async fn cancel(&self, pool: &PgPool) -> Result<usize, sqlx::Error> {
        Ok(lifecycle::drop_all::<M>(pool, VersionState::Building).await? + lifecycle::stop_resuming::<M>(pool).await?)
    }

    async fn drop_old(&self, pool: &PgPool) -> Result<usize, sqlx::Error> {
        lifecycle::drop_all::<M>(pool, VersionState::Old).await
    }

    async fn verify(&self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<Comparison, BuildError> {
        builder::verify::<M>(context, on_progress).await
    }

    async fn retry(
        &self,
        context: &RunContext,
        aggregate: Uuid,
        skip_first: Option<Skip<'_>>,
        on_progress: OnProgress<'_>,
    ) -> Result<Retried, RetryError> {
        dead_letters::retry::<M>(context, aggregate, skip_first, on_progress).await
    }
}

/// Returns when the lease is no longer held at this epoch.
async fn lost(lease: &mut watch::Receiver<Option<i64>>, epoch: i64) {
    let _ = lease.wait_for(|now| *now != Some(epoch)).await;
}

/// Does the work for the live version, until another one is live or the fence closes. All its reads are of one
/// generation.
async fn update_live<M: ReadModel>(context: &RunContext, generation: u64) -> Result<(), BuildError> {
    match lifecycle::fit::<M>(context).await? {
        Fit::Ours(live) => keep_up::<M>(context, &live, generation).await,
        Fit::ToBuild => {
            tracing::info!(projection.name = M::NAME, "building a version with the rules of this program");
            let built = match builder::rebuild::<M>(context, &|_| {}).await {
                Err(BuildError::Busy) => {
                    context.heartbeat.idle(tokio::time::sleep(CHECK_EVERY)).await;
                    return Ok(());
                }
                built => built?,
            };
            tracing::info!(projection.name = M::NAME, projection.version = built.version, events = built.events, "the new version is live");
            Ok(())
        }
        Fit::NotOurs(live) => {
            tracing::debug!(projection.name = M::NAME, projection.version = live.version, "the live version was built by other rules");
            context.heartbeat.idle(tokio::time::sleep(CHECK_EVERY)).await;
            Ok(())
        }
    }
}

/// Follows the log with the live version, until another version becomes live or the fence closes. If a batch has no
/// event for the read model, only the position changes; it is written with the next batch, or after a short delay.
async fn keep_up<M: ReadModel>(context: &RunContext, live: &Version, generation: u64) -> Result<(), BuildError> {
    let (version, types) = (live.version, M::event_types());
    let (mut written, mut position) = (live.position, live.position);
    let (mut unwritten_since, mut passed, mut read) = (None, 0, None);
    let _guard = context.progress.maintain(M::NAME, version);
    context.progress.set(M::NAME, generation, position);
    let mut head = context.log.head();
    let lag = metrics::gauge!("milepost_projection_lag_events", "projection" => M::NAME);
    let mut taken_at = None::<Instant>;
    loop {
        if let Some(gap) = taken_at.take().and_then(|at| BATCH_GAP.checked_sub(at.elapsed())) {
            context.progress.pause(gap, |name| name == M::NAME).await;
        }
        let facts = context.log.after(position, context.batch).await.map_err(BuildError::Log)?;
        let due = unwritten_since.is_some_and(|since: Instant| since.elapsed() >= WRITE_POSITION_AFTER);
        let last = facts.last().map_or(position, |fact| fact.position);
        read = last_of(&facts).or(read);
        if facts.is_empty() && !due {
            lag.set(0.0);
            let timeout = if unwritten_since.is_some() { WRITE_POSITION_AFTER } else { Duration::MAX };
            if let Ok(Err(_)) = context.heartbeat.idle(tokio::time::timeout(timeout, head.wait_for(|head| *head > position))).await {
                return Ok(());
            }
            continue;
        }
        if due || facts.iter().any(|fact| types.contains(&fact.event_type.as_str())) {
            let started = Instant::now();
            let batch = Batch { from: written, to: last, facts: &facts, passed, last: read };
            let applying = apply_batch::<M>(context, version, batch);
            taken_at = (facts.len() < context.batch).then_some(started);
            match showing_lag(applying, position, &mut head, &lag).await {
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
        context.heartbeat.beat();
        context.progress.set(M::NAME, generation, position);
        lag.set((*head.borrow() - position).max(0) as f64);
        metrics::counter!("milepost_projection_events_total", "projection" => M::NAME).increment(facts.len() as u64);
    }
}

/// Reports the lag of a position while the work runs: it may take long, or never end.
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
