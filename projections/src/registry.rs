//! The versions of every read model: which one is live, which is being built, which are kept.

use crate::model::ReadModel;
use chrono::{DateTime, Utc};
use domain::ids::derived;
use sqlx::postgres::PgRow;
use sqlx::{Error, Executor, PgConnection, PgPool, Row};

/// What a version is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// It catches up beside the live one.
    Building,
    /// It answers queries.
    Live,
    /// It is kept for going back.
    Old,
}

/// One version of a read model.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub name: String,
    pub version: i32,
    pub state: VersionState,
    pub shape: String,
    /// Every event up to here is in its rows.
    pub position: i64,
    /// How many events are parked.
    pub dead_letters: i32,
    /// Where the log ended when building began.
    pub target: Option<i64>,
    pub events_done: i64,
    pub last_error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub live_since: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "name, version, state, shape, position, dead_letters, target, events_done, last_error, started_at, live_since";

impl VersionState {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Old => "old",
        }
    }
}

fn read(row: &PgRow) -> Result<Version, Error> {
    Ok(Version {
        name: row.try_get(0)?,
        version: row.try_get(1)?,
        state: match row.try_get(2)? {
            "building" => VersionState::Building,
            "live" => VersionState::Live,
            _ => VersionState::Old,
        },
        shape: row.try_get(3)?,
        position: row.try_get(4)?,
        dead_letters: row.try_get(5)?,
        target: row.try_get(6)?,
        events_done: row.try_get(7)?,
        last_error: row.try_get(8)?,
        started_at: row.try_get(9)?,
        live_since: row.try_get(10)?,
    })
}

/// What the rows of a read model depend on: its tables and its rule.
pub fn shape<M: ReadModel>() -> String {
    derived(&["shape", M::NAME, &M::VERSION.to_string(), M::TABLES]).to_string()
}

/// Every version of every read model.
pub async fn versions(pool: &PgPool) -> Result<Vec<Version>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM milepost.projections ORDER BY name, version");
    sqlx::query(&sql).fetch_all(pool).await?.iter().map(read).collect()
}

/// The version that answers queries.
pub async fn live(pool: &PgPool, name: &str) -> Result<Option<Version>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM milepost.projections WHERE name = $1 AND state = 'live'");
    sqlx::query(&sql).bind(name).fetch_optional(pool).await?.as_ref().map(read).transpose()
}

/// How far the live versions are.
pub(crate) async fn live_positions(pool: &PgPool) -> Result<Vec<(String, i64)>, Error> {
    sqlx::query_as("SELECT name, position FROM milepost.projections WHERE state = 'live'").fetch_all(pool).await
}

/// Changes of a read model's versions exclude one another.
async fn lock(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('milepost projection'), hashtext($1))")
        .bind(name)
        .execute(connection)
        .await
        .map(|_| ())
}

/// The live version; where there is none yet, a new and empty one.
pub(crate) async fn ensure_live<M: ReadModel>(pool: &PgPool) -> Result<Version, Error> {
    if let Some(version) = live(pool, M::NAME).await? {
        return Ok(version);
    }
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    let sql = format!("SELECT {COLUMNS} FROM milepost.projections WHERE name = $1 AND state = 'live'");
    let version = match sqlx::query(&sql).bind(M::NAME).fetch_optional(&mut *tx).await? {
        Some(row) => read(&row)?,
        None => {
            let version = create::<M>(&mut tx, VersionState::Live, None).await?;
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
    let sql = format!("SELECT {COLUMNS} FROM milepost.projections WHERE name = $1 AND state = 'building' ORDER BY version");
    let begun = sqlx::query(&sql).bind(M::NAME).fetch_all(&mut *tx).await?.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut same = None;
    for version in begun {
        if version.shape == shape::<M>() && same.is_none() {
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
        "INSERT INTO milepost.projections (name, version, state, shape, target, live_since) \
         SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, CASE WHEN $2 = 'live' THEN now() END \
         FROM milepost.projections WHERE name = $1 RETURNING {COLUMNS}"
    );
    let row = sqlx::query(&sql).bind(M::NAME).bind(state.word()).bind(shape::<M>()).bind(target).fetch_one(&mut *tx).await?;
    let version = read(&row)?;
    tx.execute(M::TABLES.replace("{v}", &version.version.to_string()).as_str()).await?;
    Ok(version)
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

/// Lets a version answer queries instead of the live one, which is kept. False if it has fallen behind the live one.
pub(crate) async fn switch<M: ReadModel>(pool: &PgPool, to: i32) -> Result<bool, Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    // Whoever moves one of them waits here until the switch is made.
    let rows: Vec<(i32, String, i64)> = sqlx::query_as(
        "SELECT version, state, position FROM milepost.projections WHERE name = $1 AND (state = 'live' OR version = $2) ORDER BY version FOR UPDATE",
    )
    .bind(M::NAME)
    .bind(to)
    .fetch_all(&mut *tx)
    .await?;
    let position = |wanted: &dyn Fn(&(i32, String, i64)) -> bool| rows.iter().find(|row| wanted(row)).map(|row| row.2);
    let (new, old) = (position(&|row| row.0 == to), position(&|row| row.1 == "live"));
    if new.is_none() || old > new {
        return Ok(false);
    }
    sqlx::query("UPDATE milepost.projections SET state = 'old' WHERE name = $1 AND state = 'live'").bind(M::NAME).execute(&mut *tx).await?;
    sqlx::query("UPDATE milepost.projections SET state = 'live', live_since = now() WHERE name = $1 AND version = $2")
        .bind(M::NAME)
        .bind(to)
        .execute(&mut *tx)
        .await?;
    show::<M>(&mut tx, to).await?;
    tx.commit().await?;
    Ok(true)
}

/// Removes a version that is not live.
pub(crate) async fn drop_version<M: ReadModel>(pool: &PgPool, version: i32) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, M::NAME).await?;
    drop_in::<M>(&mut tx, version).await?;
    tx.commit().await
}

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

/// How many rows a version has, and a hash of all of them that does not depend on their order.
pub(crate) async fn content<M: ReadModel>(connection: &mut PgConnection, version: i32) -> Result<(i64, String), Error> {
    sqlx::query_as(&format!(
        "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0)::text FROM milepost.{}_v{version} t",
        M::NAME
    ))
    .fetch_one(connection)
    .await
}

/// How far a durable subscriber of the log is.
pub async fn checkpoint(pool: &PgPool, name: &str) -> Result<Option<i64>, Error> {
    sqlx::query_scalar("SELECT position FROM milepost.checkpoints WHERE name = $1").bind(name).fetch_optional(pool).await
}
