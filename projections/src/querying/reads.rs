//! Reads many rows within the limits of the caller.

use crate::querying::error::{QueryError, TooMuch};
use futures::TryStreamExt;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};
use tokio::sync::OwnedSemaphorePermit;

/// Approximate size of a row in addition to its values.
const ROW_BYTES: usize = 128;

/// Reads rows on behalf of a caller. A plain pool reads for the service itself, without limits.
pub trait Reads: Sync {
    fn pool(&self) -> &PgPool;

    /// Waits for a permit, which is held until it is dropped: one client must not take all connections.
    fn turn(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send {
        std::future::ready(None)
    }

    /// Counts the bytes of a row that was read. Fails if they exceed the limit.
    fn take(&self, _bytes: usize) -> Result<(), TooMuch> {
        Ok(())
    }
}

impl Reads for PgPool {
    fn pool(&self) -> &PgPool {
        self
    }
}

/// All rows of a statement, counted one by one.
pub(crate) async fn all(reads: &impl Reads, statement: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, QueryError> {
    let _turn = reads.turn().await;
    let (mut rows, mut read) = (vec![], statement.fetch(reads.pool()));
    while let Some(row) = read.try_next().await? {
        reads.take(bytes(&row))?;
        rows.push(row);
    }
    Ok(rows)
}

fn bytes(row: &PgRow) -> usize {
    let value = |column| row.try_get_raw(column).ok().and_then(|value| value.as_bytes().ok().map(<[u8]>::len)).unwrap_or(0);
    ROW_BYTES + (0..row.len()).map(value).sum::<usize>()
}
