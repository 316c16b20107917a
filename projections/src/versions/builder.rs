//! Builds versions of a read model beside the live one, compares them with it, and switches.

use crate::model::ReadModel;
use crate::registry::{self, VersionState};
use crate::running::apply::{ApplyError, Batch, apply_batch, last_of};
use crate::running::locks::LockWait;
use crate::running::log::Stretch;
use crate::running::run_context::RunContext;
use crate::versions::error::BuildError;
use crate::versions::lifecycle;
use sqlx::{PgPool, Postgres, Transaction};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// Most events in one batch of a build: the larger it is, the more changes of a row are one write.
pub const BUILD_BATCH_EVENTS_MAX: usize = 10_000;
/// A build that finds the live version further behind the log than this gives way to it: the build pauses for as long
/// as it works.
pub const GIVE_WAY_LAG_EVENTS: i64 = 5_000;
/// Longest pause at a time.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Most events that are applied while the live version is locked for a switch.
const SWITCH_EVENTS_MAX: i64 = 2_000;

/// The progress of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    pub position: i64,
    /// Where the log ends.
    pub head: i64,
    /// Events that this read model is about, so far.
    pub events: i64,
    /// It pauses, so that the live version can catch up.
    pub gives_way: bool,
}

/// The result of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub version: i32,
    pub position: i64,
    pub events: i64,
    pub compared: Compared,
}

/// The new version compared with the previous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    With(Comparison),
    /// The one before is of other rules, so its rows may well differ.
    OtherRules,
    /// There was none.
    NothingLive,
    /// The build was started earlier and had already passed the live version.
    Ahead,
}

/// The result of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    pub version: i32,
    pub position: i64,
}

/// The live version compared with a rebuilt one, at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub position: i64,
    pub live_rows: i64,
    pub built_rows: i64,
    pub equal: bool,
}

/// Receives the progress of a build.
pub type OnProgress<'a> = &'a (dyn Fn(Built) + Sync);

/// Builds a version, compares it with the live one, and switches to it.
pub(crate) async fn rebuild<M: ReadModel>(context: &RunContext, on_progress: OnProgress<'_>) -> Result<Rebuilt, BuildError> {
    // A version of another log is not compared.
    lifecycle::fit::<M>(context).await?;
    let mut build = Build::<M>::begin(context).await?;
    let compared = match registry::live(&context.pool, M::NAME).await? {
        None => Compared::NothingLive,
        Some(live) if live.shape != registry::shape::<M>() => Compared::OtherRules,
        Some(live) if build.position > live.position => Compared::Ahead,
        Some(_) => Compared::With(build.compare(context, on_progress).await?),
    };
    build.up_to(context, context.log.head_now(), on_progress).await?;
    lifecycle::make_fit::<M>(context, build.version).await?;
    build.switch(context, on_progress).await?;
    Ok(Rebuilt { version: build.version, position: build.position, events: build.events, compared })
}

/// Brings the version that was live before up to date, and switches back to it.
pub(crate) async fn roll_back<M: ReadModel>(context: &RunContext, on_progress: OnProgress<'_>) -> Result<RolledBack, BuildError> {
    let retained = lifecycle::resume_retained::<M>(&context.pool).await?.ok_or(BuildError::NothingRetained)?;
    if retained.shape != registry::shape::<M>() {
        return Err(BuildError::OtherRules { live: retained.rules, ours: registry::rules::<M>() });
    }
    let mut build = Build::<M>::of(&retained);
    build.switch(context, on_progress).await?;
    Ok(RolledBack { version: build.version, position: build.position })
}

/// Builds a version and compares it with the live one at one position. Nothing is switched.
pub(crate) async fn verify<M: ReadModel>(context: &RunContext, on_progress: OnProgress<'_>) -> Result<Comparison, BuildError> {
    let live = registry::live(&context.pool, M::NAME).await?.ok_or(BuildError::NothingLive)?;
    if live.shape != registry::shape::<M>() {
        return Err(BuildError::OtherRules { live: live.rules, ours: registry::rules::<M>() });
    }
    if !live.of_this_log {
        return Err(BuildError::OtherLog);
    }
    // A separate version: an interrupted rebuild continues from its own position.
    let mut build = Build::<M>::of(&lifecycle::start_check::<M>(&context.pool).await?);
    let compared = build.compare(context, on_progress).await?;
    lifecycle::drop_all::<M>(&context.pool, VersionState::Checking).await?;
    Ok(compared)
}

/// A version being built.
struct Build<M> {
    version: i32,
    position: i64,
    events: i64,
    model: PhantomData<M>,
}

impl<M: ReadModel> Build<M> {
    fn of(version: &registry::Version) -> Self {
        Self { version: version.version, position: version.position, events: version.events_done, model: PhantomData }
    }

    async fn begin(context: &RunContext) -> Result<Self, BuildError> {
        Ok(Self::of(&lifecycle::start_build::<M>(&context.pool, context.log.head_now()).await?))
    }

    /// Applies all events up to and including a position.
    async fn up_to(&mut self, context: &RunContext, until: i64, on_progress: OnProgress<'_>) -> Result<(), BuildError> {
        let types = M::event_types();
        let read = async |from: i64| {
            if from >= until {
                return Ok(None);
            }
            context.log.after_of_types(from, until, &types, BUILD_BATCH_EVENTS_MAX).await.map(Some)
        };
        let mut next = read(self.position).await;
        while let Some(Stretch { facts, to }) = next.map_err(BuildError::Log)? {
            let started = Instant::now();
            let batch = Batch { from: self.position, to, facts: &facts, passed: 0, last: last_of(&facts) };
            // While the database writes these, the next ones are read.
            let (taken, following) = tokio::join!(apply_batch::<M>(context, self.version, batch), read(to));
            next = following;
            match taken {
                Ok(()) => {}
                Err(ApplyError::Fenced) => return Err(self.overtaken(&context.pool).await?),
                Err(error) => return Err(error.into()),
            }
            self.position = to;
            self.events += facts.len() as i64;
            context.heartbeat.beat();
            let gives_way = self.position < until && live_lag::<M>(context).await? > GIVE_WAY_LAG_EVENTS;
            on_progress(Built { position: self.position, head: until, events: self.events, gives_way });
            if gives_way {
                tokio::time::sleep(started.elapsed().min(PAUSE_MAX)).await;
            }
        }
        Ok(())
    }

    /// Why the version has moved without us.
    async fn overtaken(&self, pool: &PgPool) -> Result<BuildError, BuildError> {
        let versions = registry::versions_of(&mut *pool.acquire().await?, M::NAME).await?;
        let there = versions.iter().any(|version| version.version == self.version && version.state != VersionState::Old);
        Ok(if there { BuildError::Busy } else { BuildError::Dropped })
    }

    /// Compares with the live version, which this one has not passed, at the position where that one is.
    async fn compare(&mut self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<Comparison, BuildError> {
        let mut snapshot = context.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *snapshot).await?;
        let pid = lifecycle::show_lease(&mut snapshot, context.fence.as_ref()).await?;
        // On another connection: the snapshot of this one may be older than its lock.
        lifecycle::is_held(&mut *context.pool.acquire().await?, context.fence.as_ref()).await?;
        let (version, position): (i32, i64) =
            sqlx::query_as("SELECT version, position FROM milepost.projections WHERE name = $1 AND state = 'live'")
                .bind(M::NAME)
                .fetch_one(&mut *snapshot)
                .await?;
        // The live one is gone through while this one comes to where it was.
        let live = content::<M>(context, snapshot, pid, version);
        let ((live_rows, live_hash), ()) = tokio::try_join!(live, self.up_to(context, position, on_progress))?;
        let mut now = context.pool.begin().await?;
        let pid = lifecycle::under_lease(&mut now, context.fence.as_ref()).await?;
        let (built_rows, built_hash) = content::<M>(context, now, pid, self.version).await?;
        Ok(Comparison { position, live_rows, built_rows, equal: live_rows == built_rows && live_hash == built_hash })
    }

    /// Catches up with the live version and replaces it, atomically.
    async fn switch(&mut self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<(), BuildError> {
        let mut locks = LockWait::new(M::NAME, "a built version waits for transactions that hold the live one");
        loop {
            let live = registry::live(&context.pool, M::NAME).await?.map_or(0, |live| live.position);
            self.up_to(context, live.max(context.log.head_now()), on_progress).await?;
            match self.try_switch(context, on_progress).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Other sessions must not wait.
                Err(BuildError::Database(error)) => locks.pause_after(context, error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// False if the live version has advanced too far in the meantime.
    async fn try_switch(&mut self, context: &RunContext, on_progress: OnProgress<'_>) -> Result<bool, BuildError> {
        let mut tx = context.pool.begin().await?;
        let pid = lifecycle::under_lease(&mut tx, context.fence.as_ref()).await?;
        let switch = async {
            let live = lifecycle::lock_live::<M>(&mut tx).await?.unwrap_or(0);
            if live - self.position > SWITCH_EVENTS_MAX {
                return Ok(false);
            }
            // On other connections. The live version is locked, so this ends.
            self.up_to(context, live, on_progress).await?;
            if !lifecycle::switch::<M>(&mut tx, self.version).await? {
                return Err(BuildError::Dropped);
            }
            tx.commit().await?;
            Ok(true)
        };
        context.heartbeat.while_open(&context.pool, pid, M::NAME, switch).await
    }
}

/// The content of a version, read by a transaction that ends with the lease. Takes time in proportion to the rows.
async fn content<M: ReadModel>(
    context: &RunContext,
    mut tx: Transaction<'_, Postgres>,
    pid: i32,
    version: i32,
) -> Result<(i64, String), BuildError> {
    let content = context.heartbeat.while_open(&context.pool, pid, M::NAME, registry::content::<M>(&mut tx, version)).await?;
    tx.commit().await?;
    Ok(content)
}

/// The lag of the live version, if a node keeps it up to date: no node may still keep one with other rules.
async fn live_lag<M: ReadModel>(context: &RunContext) -> Result<i64, BuildError> {
    let position = registry::maintained_position(&context.pool, M::NAME).await?;
    Ok(position.map_or(0, |position| context.log.head_now() - position))
}
