//! The life of a version: begun, switched to, kept, gone back to, dropped.

use crate::model::ReadModel;
use crate::registry::{COLUMNS, Fit, Version, VersionState, live, read, rules, shape, versions_of};
use crate::running::locks::LockWait;
use crate::running::works::Fence;
use crate::running::works::Works;
use crate::versions::error::BuildError;
use sqlx::{Error, Executor, PgConnection, PgPool};

/// Longest wait for a lock for which queries would queue up: those of the view, and of tables, that queries read. Whoever does
/// not get it tries again later.
pub(crate) const QUEUE_PATIENCE_MS: u32 = 50;
/// Longest wait for the live version to be held still. Only whoever keeps it up to date waits as well.
const HOLD_PATIENCE_MS: u32 = 1_000;
/// Longest wait for locks that no query needs.
const CHANGE_PATIENCE_MS: u32 = 10_000;

/// Limits how long the statements of a transaction wait for locks.
async fn wait_at_most(tx: &mut PgConnection, milliseconds: u32) -> Result<(), Error> {
    tx.execute(format!("SET LOCAL lock_timeout = {milliseconds}").as_str()).await.map(|_| ())
}

/// Changes of a read model's versions exclude one another.
async fn lock(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    wait_at_most(connection, CHANGE_PATIENCE_MS).await?;
    take_lock(connection, name).await
}

async fn take_lock(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('milepost projection'), hashtext($1))")
        .bind(name)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Lets the next holder of the lease under which a transaction is begun find and end it. Gives the server process that has it open;
/// fails where the lease is not held any more.
pub(crate) async fn under_lease(tx: &mut PgConnection, fence: Option<&Fence>) -> Result<i32, BuildError> {
    let pid = show_lease(tx, fence).await?;
    is_held(tx, fence).await?;
    Ok(pid)
}

/// Shows to others under which lease a transaction is, until it ends. Gives the server process that has it open.
pub(crate) async fn show_lease(tx: &mut PgConnection, fence: Option<&Fence>) -> Result<i32, BuildError> {
    let (pid, _): (i32, Option<String>) =
        sqlx::query_as("SELECT pg_backend_pid(), pg_advisory_xact_lock_shared(hashtext('milepost lease'), hashtext($1))::text")
            .bind(fence.map(|fence| fence.lease.as_str()))
            .fetch_one(tx)
            .await?;
    Ok(pid)
}

/// Fails where a lease is not held any more. Asked after [`show_lease`], by a statement that sees what was committed before it:
/// whoever takes the lease afterwards has a higher epoch before it looks for the lock, so one of the two is seen.
pub(crate) async fn is_held(connection: &mut PgConnection, fence: Option<&Fence>) -> Result<(), BuildError> {
    let Some(Fence { lease, epoch }) = fence else { return Ok(()) };
    let held = sqlx::query_scalar("SELECT EXISTS (SELECT FROM milepost.leases WHERE name = $1 AND epoch = $2)");
    let held: bool = held.bind(lease).bind(epoch).fetch_one(connection).await?;
    if held { Ok(()) } else { Err(BuildError::Busy) }
}

/// The live version; where nothing of the read model is there yet, a new and empty one.
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

/// A version to build: the one that was begun with these rules, or else a new one. Others that were begun are dropped.
pub(crate) async fn begin_build<M: ReadModel>(pool: &PgPool, target: i64) -> Result<Version, Error> {
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

/// Makes a version that has its rows fit for queries: with the indexes that they need, and with what PostgreSQL knows of the
/// rows, without which it reads them in ways that suit an empty table.
pub(crate) async fn make_fit<M: ReadModel>(works: &Works, version: i32) -> Result<(), BuildError> {
    let mut tx = works.pool.begin().await?;
    let pid = under_lease(&mut tx, works.fence.as_ref()).await?;
    // It takes as long as the rows are many. Nobody queries this version yet, so nobody waits for the locks.
    let work = async {
        // Whoever builds the same version makes the same indexes, and would not see these before they are there.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('milepost indexes'), hashtext($1))").bind(M::NAME).execute(&mut *tx).await?;
        tx.execute(of_version(M::INDEXES, version).as_str()).await?;
        tx.execute(format!("ANALYZE milepost.{}_v{version}", M::NAME).as_str()).await?;
        tx.commit().await?;
        Ok(())
    };
    works.pulse.while_open(&works.pool, pid, M::NAME, work).await
}

/// Lets the view of the read model show a version.
async fn show<M: ReadModel>(tx: &mut PgConnection, version: i32) -> Result<(), Error> {
    let name = M::NAME;
    // Dropped first: a view can be replaced only by one with the same columns.
    tx.execute(
        format!("DROP VIEW IF EXISTS milepost.{name}; CREATE VIEW milepost.{name} AS SELECT * FROM milepost.{name}_v{version}").as_str(),
    )
    .await
    .map(|_| ())
}

/// The live version, held still until the transaction ends. `None` where nothing is live.
pub(crate) async fn hold_live<M: ReadModel>(tx: &mut PgConnection) -> Result<Option<i64>, Error> {
    wait_at_most(tx, HOLD_PATIENCE_MS).await?;
    take_lock(tx, M::NAME).await?;
    let held = sqlx::query_scalar("SELECT position FROM milepost.projections WHERE name = $1 AND state = 'live' FOR UPDATE")
        .bind(M::NAME)
        .fetch_optional(&mut *tx)
        .await?;
    wait_at_most(tx, CHANGE_PATIENCE_MS).await?;
    Ok(held)
}

/// Lets a version answer queries instead of the live one, which is kept; what was kept before is dropped. False if the
/// version is gone. The view comes last: from then on queries wait until the transaction ends.
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
    wait_at_most(tx, QUEUE_PATIENCE_MS).await?;
    let kept = |version: &&Version| matches!(version.state, VersionState::Old | VersionState::Returning) && version.version != to;
    if live.is_some() {
        for version in versions.iter().filter(kept) {
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

/// Takes up the version that was live before, also where that was interrupted. `None` if none is kept.
pub(crate) async fn take_back<M: ReadModel>(pool: &PgPool) -> Result<Option<Version>, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let versions = versions_of(&mut tx, M::NAME).await?;
    let kept = |version: &Version| matches!(version.state, VersionState::Old | VersionState::Returning) && version.of_this_log;
    let kept = versions.into_iter().rev().find(kept);
    if let Some(kept) = kept.as_ref().filter(|kept| kept.shape == shape::<M>()) {
        change::<M>(&mut tx, kept.version, VersionState::Old, VersionState::Returning).await?;
        tx.commit().await?;
    }
    Ok(kept)
}

/// What was taken back and is not live yet is only kept again. How many there were.
pub(crate) async fn leave_be<M: ReadModel>(pool: &PgPool) -> Result<usize, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let mut left = 0;
    for version in versions_of(&mut tx, M::NAME).await? {
        left += usize::from(change::<M>(&mut tx, version.version, VersionState::Returning, VersionState::Old).await?);
    }
    tx.commit().await?;
    Ok(left)
}

/// A version to compare with the live one. Others that were made for that are dropped.
pub(crate) async fn begin_check<M: ReadModel>(pool: &PgPool) -> Result<Version, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    for version in versions_of(&mut tx, M::NAME).await?.iter().filter(|version| version.state == VersionState::Checking) {
        drop_in::<M>(&mut tx, version.version).await?;
    }
    let version = create::<M>(&mut tx, VersionState::Checking, None).await?;
    tx.commit().await?;
    Ok(version)
}

/// Drops every version in a state. How many there were.
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

/// How this program's rules fit what is stored. Versions that are not of this log are dropped first, also what is live: until it
/// is built anew, queries are told so, rather than that which never happened.
pub(crate) async fn fit<M: ReadModel>(works: &Works) -> Result<Fit, Error> {
    let mut versions = versions_of(&mut *works.pool.acquire().await?, M::NAME).await?;
    let mut locks = LockWait::new(M::NAME, "a version that is not of this log waits to be dropped for transactions that hold it");
    while versions.iter().any(|version| !version.of_this_log) {
        match drop_of_other_logs::<M>(&works.pool).await {
            Ok(left) => versions = left,
            Err(error) => locks.pause_after(works, error).await?,
        }
    }
    Ok(Fit::of(&versions, &shape::<M>(), rules::<M>()))
}

/// Drops every version whose rows are of another history than that of the log. Gives those that are left.
async fn drop_of_other_logs<M: ReadModel>(pool: &PgPool) -> Result<Vec<Version>, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    wait_at_most(&mut tx, QUEUE_PATIENCE_MS).await?;
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
