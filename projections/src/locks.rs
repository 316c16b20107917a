//! Who holds the locks that something waits for.

use sqlx::{Error, Executor, PgPool};

/// The server processes that hold locks on the view or on a table of a read model, in the order in which their transactions
/// began.
pub(crate) async fn holders(pool: &PgPool, name: &str) -> Result<Vec<i32>, Error> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_class ON pg_class.oid = pg_locks.relation \
         WHERE relnamespace = 'milepost'::regnamespace AND relname ~ ('^' || $1 || '(_v[0-9]+)?$') AND granted AND pid <> pg_backend_pid() \
           AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         GROUP BY pid ORDER BY min(xact_start)",
    )
    .bind(name)
    .fetch_all(pool)
    .await
}

/// What server processes are doing: one line for each, with its id, its client and its statement.
pub(crate) async fn described(pool: &PgPool, pids: &[i32]) -> Result<Vec<String>, Error> {
    let mut tx = pool.begin().await?;
    // A login sees the statements of its own connections; the role that this connection has taken does not.
    tx.execute("SET LOCAL ROLE NONE").await?;
    let described = sqlx::query_scalar(
        "SELECT format('pid %s (%s, user %s), in a transaction for %s s, %s: %s', pid, nullif(application_name, ''), usename, \
                       round(extract(epoch FROM clock_timestamp() - xact_start)), state, \
                       left(regexp_replace(query, '\\s+', ' ', 'g'), 200)) \
         FROM unnest($1::int[]) WITH ORDINALITY AS named(pid, n) JOIN pg_stat_activity USING (pid) ORDER BY n",
    )
    .bind(pids)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(described)
}
