//! Keeps read models up to date, and builds new versions beside the live ones.

use crate::activity::Activity;
use crate::apply::{ApplyError, Batch, Fence, take_in};
use crate::dead_letters::{self, RetryError};
use crate::deadline_log::DeadlineLog;
use crate::log::{Log, ReadError};
use crate::model::ReadModel;
use crate::progress::Progress;
use crate::project_overview::ProjectOverview;
use crate::registry;
use crate::schedules::Schedules;
use crate::task_comments::TaskComments;
use crate::task_list::TaskList;
use async_trait::async_trait;
use sqlx::PgPool;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

/// Most events in one batch of a live version.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// Most events in one batch of a version that is built.
pub const BUILD_BATCH_EVENTS_MAX: usize = 2_000;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Every read model, in the order in which they are listed.
pub fn all() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(Of::<ProjectOverview>(PhantomData)),
        Arc::new(Of::<TaskList>(PhantomData)),
        Arc::new(Of::<TaskComments>(PhantomData)),
        Arc::new(Of::<Schedules>(PhantomData)),
        Arc::new(Of::<DeadlineLog>(PhantomData)),
        Arc::new(Of::<Activity>(PhantomData)),
    ]
}

/// The lease of the node that keeps a read model up to date.
pub fn lease_name(projection: &str) -> String {
    format!("projection/{projection}")
}

/// What a projection works with.
#[derive(Clone)]
pub struct Works {
    /// Connections that need not wait for the disk: rows and position are lost together, or neither is.
    pub pool: PgPool,
    pub log: Arc<dyn Log>,
    pub progress: Arc<Progress>,
    /// Most events in one batch.
    pub batch: usize,
}

/// A read model, whatever its rows are.
#[async_trait]
pub trait Projection: Send + Sync {
    fn name(&self) -> &'static str;

    /// Makes sure that there is a version to read from.
    async fn prepare(&self, pool: &PgPool) -> Result<(), sqlx::Error>;

    /// Keeps the live version up to date while the lease is held. Never returns.
    async fn run(&self, works: &Works, lease: watch::Receiver<Option<i64>>);

    /// Brings the live version up to a position, for programs that do not run on.
    async fn catch_up(&self, works: &Works, until: i64) -> Result<(), BuildError>;

    /// Builds a new version beside the live one and switches to it.
    async fn rebuild(&self, works: &Works, tell: &(dyn Fn(Built) + Sync)) -> Result<Rebuilt, BuildError>;

    /// Builds a version and compares it with the live one at one position. Nothing is switched.
    async fn verify(&self, works: &Works, tell: &(dyn Fn(Built) + Sync)) -> Result<Comparison, BuildError>;

    /// Takes in what is parked of an aggregate; with `skip_first`, without its first event.
    async fn retry(&self, works: &Works, aggregate: Uuid, skip_first: bool) -> Result<usize, RetryError>;
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    pub position: i64,
    /// Where the log ends.
    pub head: i64,
    /// Events that this read model is about, so far.
    pub events: i64,
}

/// What a rebuild came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub version: i32,
    pub position: i64,
    pub events: i64,
}

/// The live version beside one built anew, at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub position: i64,
    pub live_rows: i64,
    pub built_rows: i64,
    pub equal: bool,
}

/// Why a build stopped. It goes on from there when it is started again.
#[derive(Debug, Error)]
pub enum BuildError {
    #[error("the log could not be read: {0}")]
    Log(ReadError),
    #[error("another process is building this read model")]
    Busy,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<ApplyError> for BuildError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Fenced => Self::Busy,
            ApplyError::Data(error) | ApplyError::Database(error) => Self::Database(error),
            ApplyError::Poison { error, .. } => Self::Log(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(error))),
        }
    }
}

struct Of<M>(PhantomData<M>);

#[async_trait]
impl<M: ReadModel> Projection for Of<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    async fn prepare(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        registry::ensure_live::<M>(pool).await.map(|_| ())
    }

    async fn run(&self, works: &Works, mut lease: watch::Receiver<Option<i64>>) {
        loop {
            let held = lease.wait_for(Option::is_some).await.map(|epoch| *epoch);
            let Ok(Some(epoch)) = held else { return };
            let fence = Fence { lease: lease_name(M::NAME), epoch };
            tokio::select! {
                result = keep_up::<M>(works, &fence) => {
                    if let Err(error) = result {
                        tracing::warn!(projection.name = M::NAME, %error, "a read model could not be kept up to date; trying again");
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
                () = lost(&mut lease, epoch) => {}
            }
        }
    }

    async fn catch_up(&self, works: &Works, until: i64) -> Result<(), BuildError> {
        let mut live = registry::ensure_live::<M>(&works.pool).await?;
        while live.position < until {
            let facts = works.log.after(live.position, works.batch).await.map_err(BuildError::Log)?;
            let Some(last) = facts.last().map(|fact| fact.position) else { break };
            take_in::<M>(&works.pool, live.version, None, Batch { from: live.position, to: last, facts: &facts }).await?;
            live.position = last;
        }
        works.progress.set(M::NAME, live.position);
        Ok(())
    }

    async fn rebuild(&self, works: &Works, tell: &(dyn Fn(Built) + Sync)) -> Result<Rebuilt, BuildError> {
        registry::ensure_live::<M>(&works.pool).await?;
        let mut build = Build::<M>::begin(works).await?;
        loop {
            build.up_to(works, works.log.head_now(), tell).await?;
            if registry::switch::<M>(&works.pool, build.version).await? {
                return Ok(Rebuilt { version: build.version, position: build.position, events: build.events });
            }
        }
    }

    async fn verify(&self, works: &Works, tell: &(dyn Fn(Built) + Sync)) -> Result<Comparison, BuildError> {
        registry::ensure_live::<M>(&works.pool).await?;
        let mut build = Build::<M>::begin(works).await?;
        // Not beyond the live version, which must be met exactly.
        let near = registry::live(&works.pool, M::NAME).await?.map_or(0, |live| live.position);
        if build.position > near {
            // A build that was interrupted is ahead of it.
            registry::drop_version::<M>(&works.pool, build.version).await?;
            build = Build::<M>::begin(works).await?;
        }
        build.up_to(works, near, tell).await?;

        let mut snapshot = works.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *snapshot).await?;
        let (version, position): (i32, i64) =
            sqlx::query_as("SELECT version, position FROM milepost.projections WHERE name = $1 AND state = 'live'")
                .bind(M::NAME)
                .fetch_one(&mut *snapshot)
                .await?;
        let (live_rows, live_hash) = registry::content::<M>(&mut snapshot, version).await?;
        snapshot.commit().await?;

        build.up_to(works, position, tell).await?;
        let mut connection = works.pool.acquire().await?;
        let (built_rows, built_hash) = registry::content::<M>(&mut connection, build.version).await?;
        drop(connection);
        registry::drop_version::<M>(&works.pool, build.version).await?;
        Ok(Comparison { position, live_rows, built_rows, equal: live_rows == built_rows && live_hash == built_hash })
    }

    async fn retry(&self, works: &Works, aggregate: Uuid, skip_first: bool) -> Result<usize, RetryError> {
        dead_letters::retry::<M>(&works.pool, works.log.as_ref(), aggregate, skip_first).await
    }
}

/// Returns when a lease is no longer held as it was.
async fn lost(lease: &mut watch::Receiver<Option<i64>>, epoch: i64) {
    let _ = lease.wait_for(|now| *now != Some(epoch)).await;
}

/// Follows the log with the live version, until another version becomes live or the fence closes.
async fn keep_up<M: ReadModel>(works: &Works, fence: &Fence) -> Result<(), BuildError> {
    let live = registry::ensure_live::<M>(&works.pool).await?;
    let (version, mut position) = (live.version, live.position);
    works.progress.set(M::NAME, position);
    let mut head = works.log.head();
    loop {
        let facts = works.log.after(position, works.batch).await.map_err(BuildError::Log)?;
        let lag = metrics::gauge!("milepost_projection_lag_events", "projection" => M::NAME);
        let Some(last) = facts.last().map(|fact| fact.position) else {
            lag.set(0.0);
            if head.wait_for(|head| *head > position).await.is_err() {
                return Ok(());
            }
            continue;
        };
        let started = std::time::Instant::now();
        let taking = take_in::<M>(&works.pool, version, Some(fence), Batch { from: position, to: last, facts: &facts });
        match showing_lag(taking, position, &mut head, &lag).await {
            Ok(()) => position = last,
            // Another version became live, or another node holds the lease: look again.
            Err(ApplyError::Fenced) => {
                tokio::time::sleep(RETRY_PAUSE).await;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        works.progress.set(M::NAME, position);
        lag.set((*head.borrow() - position).max(0) as f64);
        metrics::counter!("milepost_projection_events_total", "projection" => M::NAME).increment(facts.len() as u64);
        metrics::histogram!("milepost_projection_batch_duration_seconds", "projection" => M::NAME).record(started.elapsed());
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

/// A version being built.
struct Build<M> {
    version: i32,
    position: i64,
    events: i64,
    model: PhantomData<M>,
}

impl<M: ReadModel> Build<M> {
    async fn begin(works: &Works) -> Result<Self, BuildError> {
        let begun = registry::begin_build::<M>(&works.pool, works.log.head_now()).await?;
        Ok(Self { version: begun.version, position: begun.position, events: begun.events_done, model: PhantomData })
    }

    /// Takes in everything up to and with a position.
    async fn up_to(&mut self, works: &Works, until: i64, tell: &(dyn Fn(Built) + Sync)) -> Result<(), BuildError> {
        let types = M::event_types();
        while self.position < until {
            let limit = BUILD_BATCH_EVENTS_MAX;
            let facts = works.log.after_of_types(self.position, until, &types, limit).await.map_err(BuildError::Log)?;
            let to = if facts.len() == limit { facts.last().map_or(until, |fact| fact.position) } else { until };
            take_in::<M>(&works.pool, self.version, None, Batch { from: self.position, to, facts: &facts }).await?;
            self.position = to;
            self.events += facts.len() as i64;
            tell(Built { position: self.position, head: until, events: self.events });
        }
        Ok(())
    }
}
