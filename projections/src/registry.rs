//! The versions of every read model: the live one, those being built, and the retained one.

use crate::model::ReadModel;
use chrono::{DateTime, Utc};
use domain::ids::derived;
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, PgPool, Row};

/// The state of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// It catches up while another one is live.
    Building,
    /// It answers queries.
    Live,
    /// It is retained for a rollback.
    Old,
    /// It was retained, and catches up to become live again.
    Returning,
    /// It is built to be compared with the live one, and dropped.
    Checking,
}

/// One version of a read model.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub name: String,
    pub version: i32,
    pub state: VersionState,
    pub shape: String,
    /// The number of the rules that built it.
    pub rules: i32,
    /// Every event up to here is in its rows.
    pub position: i64,
    /// How many events are parked.
    pub dead_letters: i32,
    /// Where the log ended when building began.
    pub target: Option<i64>,
    pub events_done: i64,
    /// Events per second, of late.
    pub rate: f64,
    pub last_error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub live_since: Option<DateTime<Utc>>,
    /// Whether the log contains the event at the version's position. If not, its rows are of another history.
    pub of_this_log: bool,
}

/// Over how many seconds the rate of events is averaged.
pub(crate) const RATE_OVER_SECONDS: f64 = 10.0;

macro_rules! of_this_log {
    () => {
        "(projections.position = 0 OR EXISTS (SELECT FROM milepost.events AS log \
          WHERE log.position = projections.position AND log.event_id = projections.event_id))"
    };
}

/// Whether a version belongs to this log, as an SQL expression on a row of `milepost.projections`.
pub(crate) const OF_THIS_LOG: &str = of_this_log!();

/// The columns that [`read`] reads, in its order.
pub(crate) const COLUMNS: &str = concat!(
    "name, version, state, shape, rules, position, dead_letters, target, events_done, rate, \
     extract(epoch FROM clock_timestamp() - updated_at)::float8, last_error, started_at, live_since, ",
    of_this_log!()
);

/// The position of a live version.
#[derive(sqlx::FromRow)]
pub(crate) struct LivePosition {
    pub(crate) name: String,
    pub(crate) version: i32,
    pub(crate) position: i64,
    pub(crate) of_this_log: bool,
}

impl VersionState {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Old => "old",
            Self::Returning => "returning",
            Self::Checking => "checking",
        }
    }
}

pub(crate) fn read(row: &PgRow) -> Result<Version, Error> {
    let (rate, seconds_ago): (f64, f64) = (row.try_get(9)?, row.try_get(10)?);
    Ok(Version {
        name: row.try_get(0)?,
        version: row.try_get(1)?,
        state: match row.try_get(2)? {
            "building" => VersionState::Building,
            "live" => VersionState::Live,
            "returning" => VersionState::Returning,
            "checking" => VersionState::Checking,
            "old" => VersionState::Old,
            unknown => return Err(Error::Decode(format!("a version is {unknown:?}, which this program does not know").into())),
        },
        shape: row.try_get(3)?,
        rules: row.try_get(4)?,
        position: row.try_get(5)?,
        dead_letters: row.try_get(6)?,
        target: row.try_get(7)?,
        events_done: row.try_get(8)?,
        // It decays while nothing is applied.
        rate: rate * (-seconds_ago.max(0.0) / RATE_OVER_SECONDS).exp(),
        last_error: row.try_get(11)?,
        started_at: row.try_get(12)?,
        live_since: row.try_get(13)?,
        of_this_log: row.try_get(14)?,
    })
}

/// What the rows of a read model depend on: its tables, the events it uses, and its rule.
pub fn shape<M: ReadModel>() -> String {
    derived(&["shape", M::NAME, &M::VERSION.to_string(), M::TABLES, M::INDEXES, &M::event_types().join(",")]).to_string()
}

/// The number of a read model's rules, as it is stored.
pub(crate) fn rules<M: ReadModel>() -> i32 {
    i32::try_from(M::VERSION).unwrap_or(i32::MAX)
}

/// How the rules of this program relate to the stored versions of a read model.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// The live version is of these rules.
    Ours(Version),
    /// It must be built with these rules: the live version has older ones or belongs to another log, or none is live.
    ToBuild,
    /// These rules were live and were rolled back, or a newer program has built it.
    NotOurs(Version),
}

impl Fit {
    /// By all versions of one read model, the shape and the number of the rules.
    pub fn of(versions: &[Version], shape: &str, rules: i32) -> Self {
        let live = versions.iter().find(|version| version.state == VersionState::Live);
        let was_live = versions.iter().any(|version| version.state == VersionState::Old && version.shape == shape);
        match live {
            Some(live) if live.shape == shape && live.of_this_log => Self::Ours(live.clone()),
            Some(live) if live.shape == shape => Self::ToBuild,
            Some(live) if live.rules > rules || was_live => Self::NotOurs(live.clone()),
            Some(_) | None => Self::ToBuild,
        }
    }
}

/// Every version of one read model, oldest first.
pub(crate) async fn versions_of(connection: &mut PgConnection, name: &str) -> Result<Vec<Version>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM milepost.projections WHERE name = $1 ORDER BY version");
    sqlx::query(&sql).bind(name).fetch_all(connection).await?.iter().map(read).collect()
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

/// The lease of the node that keeps a version of this shape up to date.
pub(crate) fn lease(name: &str, shape: &str) -> String {
    format!("projection/{name}/{shape}")
}

/// The position of the live version, if a node keeps it up to date.
pub(crate) async fn maintained_position(pool: &PgPool, name: &str) -> Result<Option<i64>, Error> {
    let Some(live) = live(pool, name).await? else { return Ok(None) };
    let is_maintained: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM milepost.leases WHERE name = $1 AND expires_at > clock_timestamp())")
            .bind(lease(name, &live.shape))
            .fetch_one(pool)
            .await?;
    Ok(is_maintained.then_some(live.position))
}

/// The positions of the live versions, and whether they belong to this log.
pub(crate) async fn live_positions(pool: &PgPool) -> Result<Vec<LivePosition>, Error> {
    let sql = format!("SELECT name, version, position, {OF_THIS_LOG} AS of_this_log FROM milepost.projections WHERE state = 'live'");
    sqlx::query_as(&sql).fetch_all(pool).await
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

/// The position of a durable subscriber of the log.
pub async fn checkpoint(pool: &PgPool, name: &str) -> Result<Option<i64>, Error> {
    sqlx::query_scalar("SELECT position FROM milepost.checkpoints WHERE name = $1").bind(name).fetch_optional(pool).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(state: VersionState, shape: &str, rules: i32) -> Version {
        Version {
            name: "tasks".to_owned(),
            version: 1,
            state,
            shape: shape.to_owned(),
            rules,
            position: 0,
            dead_letters: 0,
            target: None,
            events_done: 0,
            rate: 0.0,
            last_error: None,
            started_at: DateTime::UNIX_EPOCH,
            live_since: None,
            of_this_log: true,
        }
    }

    #[test]
    fn a_program_builds_what_older_rules_made_and_leaves_what_newer_ones_made() {
        use VersionState::{Building, Live, Old};
        let ours = version(Live, "ours", 2);
        assert_eq!(Fit::of(std::slice::from_ref(&ours), "ours", 2), Fit::Ours(ours.clone()));
        assert_eq!(Fit::of(&[], "ours", 2), Fit::ToBuild);
        for older in [version(Live, "other", 1), version(Live, "other", 2)] {
            assert_eq!(Fit::of(std::slice::from_ref(&older), "ours", 2), Fit::ToBuild);
            assert_eq!(Fit::of(&[older.clone(), version(Building, "ours", 2)], "ours", 2), Fit::ToBuild);
            // A rollback on purpose.
            assert_eq!(Fit::of(&[older.clone(), version(Old, "ours", 2)], "ours", 2), Fit::NotOurs(older));
        }
        assert_eq!(Fit::of(&[Version { of_this_log: false, ..ours }], "ours", 2), Fit::ToBuild, "its rows are not this log's");
        let newer = version(Live, "other", 3);
        assert_eq!(Fit::of(std::slice::from_ref(&newer), "ours", 2), Fit::NotOurs(newer));
    }
}
