//! Builds versions of a read model beside the live one, compares them with it, and switches.

use crate::model::ReadModel;
use crate::registry::{self, VersionState};
use crate::running::apply::{ApplyError, Batch, last_of, take_in};
use crate::running::locks::LockWait;
use crate::running::log::Stretch;
use crate::running::works::Works;
use crate::versions::error::BuildError;
use crate::versions::lifecycle;
use sqlx::{PgPool, Postgres, Transaction};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// Most events in one batch of a version that is built: the more, the more of what happens to a row is one write.
pub const BUILD_BATCH_EVENTS_MAX: usize = 10_000;
/// A build that finds the live version further behind the log than this gives way to whoever keeps it: it rests as long as it
/// works.
pub const GIVE_WAY_LAG_EVENTS: i64 = 5_000;
/// Longest rest at a time.
const REST_MAX: Duration = Duration::from_secs(1);
/// Most events that are taken in while the live version is held still for a switch.
const SWITCH_EVENTS_MAX: i64 = 2_000;

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    pub position: i64,
    /// Where the log ends.
    pub head: i64,
    /// Events that this read model is about, so far.
    pub events: i64,
    /// It rests, so that the live version can catch up.
    pub gives_way: bool,
}

/// What a rebuild came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub version: i32,
    pub position: i64,
    pub events: i64,
    pub compared: Compared,
}

/// The new version beside the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    With(Comparison),
    /// The one before is of other rules, so its rows may well differ.
    OtherRules,
    /// There was none.
    NothingLive,
    /// The build was begun earlier and had passed the live version already.
    Ahead,
}

/// What going back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    pub version: i32,
    pub position: i64,
}

/// The live version beside one built anew, at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub position: i64,
    pub live_rows: i64,
    pub built_rows: i64,
    pub equal: bool,
}

/// Who wants to know how far a build is.
pub type Tell<'a> = &'a (dyn Fn(Built) + Sync);

/// Builds a version, compares it with the live one, and switches to it.
pub(crate) async fn rebuild<M: ReadModel>(works: &Works, tell: Tell<'_>) -> Result<Rebuilt, BuildError> {
    // What is not of this log is not compared with.
    lifecycle::fit::<M>(works).await?;
    let mut build = Build::<M>::begin(works).await?;
    let compared = match registry::live(&works.pool, M::NAME).await? {
        None => Compared::NothingLive,
        Some(live) if live.shape != registry::shape::<M>() => Compared::OtherRules,
        Some(live) if build.position > live.position => Compared::Ahead,
        Some(_) => Compared::With(build.compare(works, tell).await?),
    };
    build.up_to(works, works.log.head_now(), tell).await?;
    lifecycle::make_fit::<M>(works, build.version).await?;
    build.switch(works, tell).await?;
    Ok(Rebuilt { version: build.version, position: build.position, events: build.events, compared })
}

/// Brings the version that was live before up to date, and switches back to it.
pub(crate) async fn go_back<M: ReadModel>(works: &Works, tell: Tell<'_>) -> Result<Returned, BuildError> {
    let kept = lifecycle::take_back::<M>(&works.pool).await?.ok_or(BuildError::NothingKept)?;
    if kept.shape != registry::shape::<M>() {
        return Err(BuildError::OtherRules { live: kept.rules, ours: registry::rules::<M>() });
    }
    let mut build = Build::<M>::of(&kept);
    build.switch(works, tell).await?;
    Ok(Returned { version: build.version, position: build.position })
}

/// Builds a version and compares it with the live one at one position. Nothing is switched.
pub(crate) async fn verify<M: ReadModel>(works: &Works, tell: Tell<'_>) -> Result<Comparison, BuildError> {
    let live = registry::live(&works.pool, M::NAME).await?.ok_or(BuildError::NothingLive)?;
    if live.shape != registry::shape::<M>() {
        return Err(BuildError::OtherRules { live: live.rules, ours: registry::rules::<M>() });
    }
    if !live.of_this_log {
        return Err(BuildError::OtherLog);
    }
    // One of its own: a rebuild that was interrupted goes on from where it is.
    let mut build = Build::<M>::of(&lifecycle::begin_check::<M>(&works.pool).await?);
    let compared = build.compare(works, tell).await?;
    lifecycle::drop_all::<M>(&works.pool, VersionState::Checking).await?;
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

    async fn begin(works: &Works) -> Result<Self, BuildError> {
        Ok(Self::of(&lifecycle::begin_build::<M>(&works.pool, works.log.head_now()).await?))
    }

    /// Takes in everything up to and with a position.
    async fn up_to(&mut self, works: &Works, until: i64, tell: Tell<'_>) -> Result<(), BuildError> {
        let types = M::event_types();
        let read = async |from: i64| {
            if from >= until {
                return Ok(None);
            }
            works.log.after_of_types(from, until, &types, BUILD_BATCH_EVENTS_MAX).await.map(Some)
        };
        let mut next = read(self.position).await;
        while let Some(Stretch { facts, to }) = next.map_err(BuildError::Log)? {
            let begun = Instant::now();
            let batch = Batch { from: self.position, to, facts: &facts, passed: 0, last: last_of(&facts) };
            // While the database writes these, the next ones are read.
            let (taken, following) = tokio::join!(take_in::<M>(works, self.version, batch), read(to));
            next = following;
            match taken {
                Ok(()) => {}
                Err(ApplyError::Fenced) => return Err(self.overtaken(&works.pool).await?),
                Err(error) => return Err(error.into()),
            }
            self.position = to;
            self.events += facts.len() as i64;
            works.pulse.beat();
            let gives_way = self.position < until && live_lag::<M>(works).await? > GIVE_WAY_LAG_EVENTS;
            tell(Built { position: self.position, head: until, events: self.events, gives_way });
            if gives_way {
                tokio::time::sleep(begun.elapsed().min(REST_MAX)).await;
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
    async fn compare(&mut self, works: &Works, tell: Tell<'_>) -> Result<Comparison, BuildError> {
        let mut snapshot = works.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *snapshot).await?;
        let pid = lifecycle::show_lease(&mut snapshot, works.fence.as_ref()).await?;
        // By another connection: what this one sees may be older than its lock.
        lifecycle::is_held(&mut *works.pool.acquire().await?, works.fence.as_ref()).await?;
        let (version, position): (i32, i64) =
            sqlx::query_as("SELECT version, position FROM milepost.projections WHERE name = $1 AND state = 'live'")
                .bind(M::NAME)
                .fetch_one(&mut *snapshot)
                .await?;
        // The live one is gone through while this one comes to where it was.
        let live = content::<M>(works, snapshot, pid, version);
        let ((live_rows, live_hash), ()) = tokio::try_join!(live, self.up_to(works, position, tell))?;
        let mut now = works.pool.begin().await?;
        let pid = lifecycle::under_lease(&mut now, works.fence.as_ref()).await?;
        let (built_rows, built_hash) = content::<M>(works, now, pid, self.version).await?;
        Ok(Comparison { position, live_rows, built_rows, equal: live_rows == built_rows && live_hash == built_hash })
    }

    /// Catches up with the live version and lets this one answer instead, in one moment.
    async fn switch(&mut self, works: &Works, tell: Tell<'_>) -> Result<(), BuildError> {
        let mut locks = LockWait::new(M::NAME, "a built version waits for transactions that hold the live one");
        loop {
            let live = registry::live(&works.pool, M::NAME).await?.map_or(0, |live| live.position);
            self.up_to(works, live.max(works.log.head_now()), tell).await?;
            match self.try_switch(works, tell).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Others are not kept waiting.
                Err(BuildError::Database(error)) => locks.pause_after(works, error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// False if the live version got too far ahead meanwhile.
    async fn try_switch(&mut self, works: &Works, tell: Tell<'_>) -> Result<bool, BuildError> {
        let mut tx = works.pool.begin().await?;
        let pid = lifecycle::under_lease(&mut tx, works.fence.as_ref()).await?;
        let switch = async {
            let live = lifecycle::hold_live::<M>(&mut tx).await?.unwrap_or(0);
            if live - self.position > SWITCH_EVENTS_MAX {
                return Ok(false);
            }
            // By other connections. The live version stands still, so this comes to an end.
            self.up_to(works, live, tell).await?;
            if !lifecycle::switch::<M>(&mut tx, self.version).await? {
                return Err(BuildError::Dropped);
            }
            tx.commit().await?;
            Ok(true)
        };
        works.pulse.while_open(&works.pool, pid, M::NAME, switch).await
    }
}

/// What a version holds, by a transaction under the lease that ends with it. It takes as long as the rows are many.
async fn content<M: ReadModel>(
    works: &Works,
    mut tx: Transaction<'_, Postgres>,
    pid: i32,
    version: i32,
) -> Result<(i64, String), BuildError> {
    let content = works.pulse.while_open(&works.pool, pid, M::NAME, registry::content::<M>(&mut tx, version)).await?;
    tx.commit().await?;
    Ok(content)
}

/// How far the live version is behind the log, where somebody keeps it: one of other rules may be nobody's any more.
async fn live_lag<M: ReadModel>(works: &Works) -> Result<i64, BuildError> {
    let kept = registry::kept_position(&works.pool, M::NAME).await?;
    Ok(kept.map_or(0, |position| works.log.head_now() - position))
}
