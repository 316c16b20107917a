//! The holders of locks that a transaction waits for.

use sqlx::{Error, Executor, PgConnection, PgPool};
use std::time::Duration;

/// Timeout of the query for lock holders: it is only for the log.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The activity of these server processes, one line for each; or one line that states why it is unknown.
pub(crate) async fn described(pool: &PgPool, pids: &[i32]) -> Vec<String> {
    look(async {
        let mut tx = pool.begin().await?;
        let lines = lines(&mut tx, pids).await?;
        tx.commit().await?;
        Ok(lines)
    })
    .await
}

/// The holders of locks on tables and views of a read model, one line for each.
pub(crate) async fn of(pool: &PgPool, model: &str) -> Vec<String> {
    look(holders(pool, model)).await
}

async fn look(look: impl Future<Output = Result<Vec<String>, Error>>) -> Vec<String> {
    match tokio::time::timeout(QUERY_TIMEOUT, look).await {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => vec![format!("unknown, because PostgreSQL returned an error: {error}")],
        Err(_) => vec![format!("unknown, because PostgreSQL did not answer within {} s", QUERY_TIMEOUT.as_secs())],
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
