//! Who holds the locks that something waits for, and waiting for them a moment at a time.

use crate::runner::Works;
use sqlx::{Error, Executor, PgConnection, PgPool};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Longest look at who holds locks: it is only for the log.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// Pause after locks were not had in the time there was, and the longest: it doubles each time. While they are waited for, for at
/// most 50 ms, queries wait behind that; so they do so for less than a tenth of the time.
const PAUSE: Duration = Duration::from_millis(600);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Waits for locks for which queries queue up: each try is short, and the pauses in between grow.
pub(crate) struct LockWait {
    model: &'static str,
    /// What is waited for, as the log says it.
    what: &'static str,
    pause: Duration,
}

impl LockWait {
    pub(crate) fn new(model: &'static str, what: &'static str) -> Self {
        Self { model, what, pause: PAUSE }
    }

    /// Pauses after a try that failed for want of locks, because transactions that take long hold them, or because this one took
    /// too long itself. Names those. Any other error is given back.
    pub(crate) async fn pause_after(&mut self, works: &Works, error: Error) -> Result<(), Error> {
        if !error.as_database_error().and_then(|error| error.code()).is_some_and(|code| matches!(&*code, "55P03" | "25P03")) {
            return Err(error);
        }
        let blocked_by = look(holders(&works.pool, self.model)).await;
        tracing::warn!(
            projection.name = self.model,
            ?blocked_by,
            pause_ms = self.pause.as_millis() as u64,
            "{}; it is tried again after a pause",
            self.what
        );
        works.pulse.idle(tokio::time::sleep(around(self.pause))).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// A time that differs by up to a quarter, so that those who wait for the same thing do not come at once.
fn around(pause: Duration) -> Duration {
    let quarters = f64::from(u8::try_from(RandomState::new().build_hasher().finish() >> 56).unwrap_or(0)) / 255.0;
    pause.mul_f64(0.75 + quarters / 2.0)
}

/// What these server processes are doing: one line for each; one that says why where that is unknown.
pub(crate) async fn described(pool: &PgPool, pids: &[i32]) -> Vec<String> {
    look(async {
        let mut tx = pool.begin().await?;
        let lines = lines(&mut tx, pids).await?;
        tx.commit().await?;
        Ok(lines)
    })
    .await
}

async fn look(look: impl Future<Output = Result<Vec<String>, Error>>) -> Vec<String> {
    match tokio::time::timeout(LOOK_WITHIN, look).await {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => vec![format!("unknown, since PostgreSQL did not tell: {error}")],
        Err(_) => vec![format!("unknown, since PostgreSQL did not tell within {} s", LOOK_WITHIN.as_secs())],
    }
}

/// The server processes that hold locks on the view or on a table of a read model, in the order in which their transactions
/// began.
async fn holders(pool: &PgPool, model: &str) -> Result<Vec<String>, Error> {
    let mut tx = pool.begin().await?;
    tx.execute(AS_LOGIN).await?;
    let pids: Vec<i32> = sqlx::query_scalar(
        "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_class ON pg_class.oid = pg_locks.relation \
         WHERE relnamespace = 'milepost'::regnamespace AND relname ~ ('^' || $1 || '(_v[0-9]+)?$') AND granted AND pid <> pg_backend_pid() \
           AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         GROUP BY pid ORDER BY min(xact_start)",
    )
    .bind(model)
    .fetch_all(&mut *tx)
    .await?;
    let lines = lines(&mut tx, &pids).await?;
    tx.commit().await?;
    Ok(lines)
}

/// A login sees the statements of its own connections, and of others if it is a member of `pg_read_all_stats`; the role that a
/// connection has taken sees neither.
const AS_LOGIN: &str = "SET LOCAL ROLE NONE";

async fn lines(tx: &mut PgConnection, pids: &[i32]) -> Result<Vec<String>, Error> {
    tx.execute(AS_LOGIN).await?;
    sqlx::query_scalar(
        "SELECT format('pid %s (%s, user %s), ', pid, nullif(application_name, ''), usename) \
             || CASE WHEN pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_read_all_stats', 'USAGE') \
                  THEN format('in a transaction for %s s, %s: %s', round(extract(epoch FROM clock_timestamp() - xact_start)), state, \
                              left(regexp_replace(query, '\\s+', ' ', 'g'), 200)) \
                  ELSE format('whose statement %s may not see: grant it pg_read_all_stats', current_user) END \
         FROM unnest($1::int[]) WITH ORDINALITY AS named(pid, n) JOIN pg_stat_activity USING (pid) ORDER BY n",
    )
    .bind(pids)
    .fetch_all(tx)
    .await
}
