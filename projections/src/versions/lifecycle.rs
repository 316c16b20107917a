//! The life cycle of a version: created, made live, retained, rolled back to, dropped.

use crate::model::ReadModel;
use crate::registry::{COLUMNS, Fit, Version, VersionState, live, read, rules, shape, versions_of};
use crate::running::locks::LockWait;
use crate::running::run_context::Fence;
use crate::running::run_context::RunContext;
use crate::versions::error::BuildError;
use sqlx::{Error, Executor, PgConnection, PgPool};

/// Timeout for a lock that queries would queue behind: on the view and the tables that queries read. On timeout the
/// caller retries later.
pub(crate) const QUEUE_TIMEOUT_MS: u32 = 50;
/// Timeout for locking the live version. Only the node that keeps it up to date waits behind it.
const LIVE_LOCK_TIMEOUT_MS: u32 = 1_000;
/// Timeout for locks that no query needs.
const CHANGE_TIMEOUT_MS: u32 = 10_000;

/// Limits how long the statements of a transaction wait for locks.
async fn wait_at_most(tx: &mut PgConnection, milliseconds: u32) -> Result<(), Error> {
    tx.execute(format!("SET LOCAL lock_timeout = {milliseconds}").as_str()).await.map(|_| ())
}

/// Changes of a read model's versions exclude one another.
async fn lock(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    wait_at_most(connection, CHANGE_TIMEOUT_MS).await?;
    take_lock(connection, name).await
}

async fn take_lock(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('milepost projection'), hashtext($1))")
        .bind(name)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Marks a transaction with its lease, so that the next holder can find and end it. Returns the server process that has
/// it open; fails if the lease is no longer held.
pub(crate) async fn under_lease(tx: &mut PgConnection, fence: Option<&Fence>) -> Result<i32, BuildError> {
    let pid = show_lease(tx, fence).await?;
    is_held(tx, fence).await?;
    Ok(pid)
}

/// Shows to others under which lease a transaction runs, until it ends. Returns the server process that has it open.
pub(crate) async fn show_lease(tx: &mut PgConnection, fence: Option<&Fence>) -> Result<i32, BuildError> {
    let (pid, _): (i32, Option<String>) =
        sqlx::query_as("SELECT pg_backend_pid(), pg_advisory_xact_lock_shared(hashtext('milepost lease'), hashtext($1))::text")
            .bind(fence.map(|fence| fence.lease.as_str()))
            .fetch_one(tx)
            .await?;
    Ok(pid)
}

/// Fails if a lease is no longer held. Called after [`show_lease`], by a statement that sees what was committed before
/// it: a node that takes the lease afterwards raises the epoch before it looks for the lock, so one of the two is seen.
pub(crate) async fn is_held(connection: &mut PgConnection, fence: Option<&Fence>) -> Result<(), BuildError> {
    let Some(Fence { lease, epoch }) = fence else { return Ok(()) };
    let held = sqlx::query_scalar("SELECT EXISTS (SELECT FROM milepost.leases WHERE name = $1 AND epoch = $2)");
    let held: bool = held.bind(lease).bind(epoch).fetch_one(connection).await?;
    if held { Ok(()) } else { Err(BuildError::Busy) }
}

/// The live version; if the read model has no version, a new and empty one.
pub(crate) async fn ensure_live<M: ReadModel>(pool: &PgPool) -> Result<Version, Error> {
    if let Some(version) = live(pool, M::NAME).await? {
        return Ok(version);
    }
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let live = versions_of(&mut tx, M::NAME).await?.into_iter().find(|version| version.state == VersionState::Live);
    let version = match live {
        Some(version) => version,
        None => {
            let version = create::<M>(&mut tx, VersionState::Live, None).await?;
            tx.execute(of_version(M::INDEXES, version.version).as_str()).await?;
            show::<M>(&mut tx, version.version).await?;
            version
        }
    };
    tx.commit().await?;
    Ok(version)
}

/// A version to build: an unfinished one with these rules, or else a new one. Other unfinished versions are dropped.
pub(crate) async fn start_build<M: ReadModel>(pool: &PgPool, target: i64) -> Result<Version, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let versions = versions_of(&mut tx, M::NAME).await?;
    let mut same = None;
    for version in versions.into_iter().filter(|version| version.state == VersionState::Building) {
        if version.shape == shape::<M>() && version.of_this_log && same.is_none() {
            same = Some(version);
        } else {
            drop_in::<M>(&mut tx, version.version).await?;
        }
    }
    let version = match same {
        Some(version) => version,
        None => create::<M>(&mut tx, VersionState::Building, Some(target)).await?,
    };
    tx.commit().await?;
    Ok(version)
}

async fn create<M: ReadModel>(tx: &mut PgConnection, state: VersionState, target: Option<i64>) -> Result<Version, Error> {
    let sql = format!(
        "INSERT INTO milepost.projections (name, version, state, shape, rules, target, live_since) \
         SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $5, $4, CASE WHEN $2 = 'live' THEN now() END \
         FROM milepost.projections WHERE name = $1 RETURNING {COLUMNS}"
    );
    let row =
        sqlx::query(&sql).bind(M::NAME).bind(state.word()).bind(shape::<M>()).bind(target).bind(rules::<M>()).fetch_one(&mut *tx).await?;
    let version = read(&row)?;
    tx.execute(of_version(M::TABLES, version.version).as_str()).await?;
    Ok(version)
}

fn of_version(statements: &str, version: i32) -> String {
    statements.replace("{v}", &version.to_string())
}

/// Prepares a version that has its rows for queries: creates the indexes that they need, and the statistics without
/// which PostgreSQL plans as for an empty table.
pub(crate) async fn make_fit<M: ReadModel>(context: &RunContext, version: i32) -> Result<(), BuildError> {
    let mut tx = context.pool.begin().await?;
    let pid = under_lease(&mut tx, context.fence.as_ref()).await?;
    // Takes time in proportion to the rows. No query reads this version yet, so none waits for the locks.
    let work = async {
        // A node that builds the same version creates the same indexes, and would not see these before they are
        // committed.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('milepost indexes'), hashtext($1))").bind(M::NAME).execute(&mut *tx).await?;
        tx.execute(of_version(M::INDEXES, version).as_str()).await?;
        tx.execute(format!("ANALYZE milepost.{}_v{version}", M::NAME).as_str()).await?;
        tx.commit().await?;
        Ok(())
    };
    context.heartbeat.while_open(&context.pool, pid, M::NAME, work).await
}

/// Points the view of the read model to a version.
async fn show<M: ReadModel>(tx: &mut PgConnection, version: i32) -> Result<(), Error> {
    let name = M::NAME;
    // Dropped first: a view can be replaced only by one with the same columns.
    tx.execute(
        format!("DROP VIEW IF EXISTS milepost.{name}; CREATE VIEW milepost.{name} AS SELECT * FROM milepost.{name}_v{version}").as_str(),
    )
    .await
    .map(|_| ())
}

/// Locks the live version until the transaction ends. `None` if no version is live.
pub(crate) async fn lock_live<M: ReadModel>(tx: &mut PgConnection) -> Result<Option<i64>, Error> {
    wait_at_most(tx, LIVE_LOCK_TIMEOUT_MS).await?;
    take_lock(tx, M::NAME).await?;
    let held = sqlx::query_scalar("SELECT position FROM milepost.projections WHERE name = $1 AND state = 'live' FOR UPDATE")
        .bind(M::NAME)
        .fetch_optional(&mut *tx)
        .await?;
    wait_at_most(tx, CHANGE_TIMEOUT_MS).await?;
    Ok(held)
}

/// Makes a version live instead of the live one, which is retained; the one retained before is dropped. False if the
/// version is gone. The view is changed last: from then on queries wait until the transaction ends.
pub(crate) async fn switch<M: ReadModel>(tx: &mut PgConnection, to: i32) -> Result<bool, Error> {
    let versions = versions_of(tx, M::NAME).await?;
    let live = versions.iter().find(|version| version.state == VersionState::Live).map(|live| live.version);
    if let Some(live) = live {
        change::<M>(tx, live, VersionState::Live, VersionState::Old).await?;
    }
    let switched = change::<M>(tx, to, VersionState::Building, VersionState::Live).await?
        || change::<M>(tx, to, VersionState::Returning, VersionState::Live).await?;
    if !switched {
        return Ok(false);
    }
    sqlx::query("UPDATE milepost.projections SET live_since = now() WHERE name = $1 AND version = $2")
        .bind(M::NAME)
        .bind(to)
        .execute(&mut *tx)
        .await?;
    wait_at_most(tx, QUEUE_TIMEOUT_MS).await?;
    let retained = |version: &&Version| matches!(version.state, VersionState::Old | VersionState::Returning) && version.version != to;
    if live.is_some() {
        for version in versions.iter().filter(retained) {
            drop_in::<M>(tx, version.version).await?;
        }
    }
    show::<M>(tx, to).await?;
    Ok(true)
}

/// Moves a version from one state to another. False if it is not in that state.
async fn change<M: ReadModel>(tx: &mut PgConnection, version: i32, from: VersionState, to: VersionState) -> Result<bool, Error> {
    let changed = sqlx::query("UPDATE milepost.projections SET state = $4 WHERE name = $1 AND version = $2 AND state = $3")
        .bind(M::NAME)
        .bind(version)
        .bind(from.word())
        .bind(to.word())
        .execute(tx)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// Resumes the version that was live before, also after an interruption. `None` if none is retained.
pub(crate) async fn resume_retained<M: ReadModel>(pool: &PgPool) -> Result<Option<Version>, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let versions = versions_of(&mut tx, M::NAME).await?;
    let retained = |version: &Version| matches!(version.state, VersionState::Old | VersionState::Returning) && version.of_this_log;
    let retained = versions.into_iter().rev().find(retained);
    if let Some(retained) = retained.as_ref().filter(|retained| retained.shape == shape::<M>()) {
        change::<M>(&mut tx, retained.version, VersionState::Old, VersionState::Returning).await?;
        tx.commit().await?;
    }
    Ok(retained)
}

/// Ends a rollback that is not live yet: its version is only retained again. Returns how many there were.
pub(crate) async fn stop_resuming<M: ReadModel>(pool: &PgPool) -> Result<usize, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let mut left = 0;
    for version in versions_of(&mut tx, M::NAME).await? {
        left += usize::from(change::<M>(&mut tx, version.version, VersionState::Returning, VersionState::Old).await?);
    }
    tx.commit().await?;
    Ok(left)
}

/// A version to compare with the live one. Earlier ones made for that are dropped.
pub(crate) async fn start_check<M: ReadModel>(pool: &PgPool) -> Result<Version, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    for version in versions_of(&mut tx, M::NAME).await?.iter().filter(|version| version.state == VersionState::Checking) {
        drop_in::<M>(&mut tx, version.version).await?;
    }
    let version = create::<M>(&mut tx, VersionState::Checking, None).await?;
    tx.commit().await?;
    Ok(version)
}

/// Drops every version in a state. Returns how many there were.
pub(crate) async fn drop_all<M: ReadModel>(pool: &PgPool, state: VersionState) -> Result<usize, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let versions = versions_of(&mut tx, M::NAME).await?;
    let there: Vec<_> = versions.into_iter().filter(|version| version.state == state).collect();
    for version in &there {
        drop_in::<M>(&mut tx, version.version).await?;
    }
    tx.commit().await?;
    Ok(there.len())
}

/// How this program's rules relate to the stored versions. Versions of another log are dropped first, also the live
/// one: until it is rebuilt, queries fail rather than return what never happened.
pub(crate) async fn fit<M: ReadModel>(context: &RunContext) -> Result<Fit, Error> {
    let mut versions = versions_of(&mut *context.pool.acquire().await?, M::NAME).await?;
    let mut locks = LockWait::new(M::NAME, "a version that is not of this log waits to be dropped for transactions that hold it");
    while versions.iter().any(|version| !version.of_this_log) {
        match drop_of_other_logs::<M>(&context.pool).await {
            Ok(left) => versions = left,
            Err(error) => locks.pause_after(context, error).await?,
        }
    }
    Ok(Fit::of(&versions, &shape::<M>(), rules::<M>()))
}

/// Drops every version whose rows are of another history than that of the log. Returns those that are left.
async fn drop_of_other_logs<M: ReadModel>(pool: &PgPool) -> Result<Vec<Version>, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    wait_at_most(&mut tx, QUEUE_TIMEOUT_MS).await?;
    let (left, others): (Vec<_>, Vec<_>) = versions_of(&mut tx, M::NAME).await?.into_iter().partition(|version| version.of_this_log);
    for version in &others {
        if change::<M>(&mut tx, version.version, VersionState::Live, VersionState::Old).await? {
            tx.execute(format!("DROP VIEW IF EXISTS milepost.{}", M::NAME).as_str()).await?;
        }
        drop_in::<M>(&mut tx, version.version).await?;
    }
    tx.commit().await?;
    for version in &others {
        tracing::error!(
            projection.name = M::NAME,
            projection.version = version.version,
            projection.position = version.position,
            "a version of a read model was not built from this log: at its position the log holds another event or none; it was dropped"
        );
    }
    Ok(left)
}

/// Removes a version, unless it is live.
async fn drop_in<M: ReadModel>(tx: &mut PgConnection, version: i32) -> Result<(), Error> {
    let gone = sqlx::query("DELETE FROM milepost.projections WHERE name = $1 AND version = $2 AND state <> 'live'")
        .bind(M::NAME)
        .bind(version)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 1 {
        sqlx::query("DELETE FROM milepost.projection_dead_letters WHERE name = $1 AND version = $2")
            .bind(M::NAME)
            .bind(version)
            .execute(&mut *tx)
            .await?;
        tx.execute(format!("DROP TABLE IF EXISTS milepost.{}_v{version}", M::NAME).as_str()).await?;
    }
    Ok(())
}
