//! Reading forward, in bounded pieces: six read models, reactions and the relay of a node may do so at once, and each
//! command may have a long stream to fold.

use super::rows;
use domain::event::Fact;
use futures::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::sync::Arc;

/// A read ends with the event that brings it to so many bytes, by the length of what is stored.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows of a first statement; how many more fit is known from them. The largest events there are fill a read with so many.
const FIRST_ROWS: usize = 64;

/// Which events.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    All,
    OfTypes {
        until: i64,
        types: &'a [&'static str],
    },
    /// Of one aggregate; of this kind or with these names only, if any are given. What they follow is then a version.
    OfAggregate {
        id: &'a str,
        kind: Option<&'static str>,
        types: Option<&'a [&'static str]>,
    },
}

/// What was read.
#[derive(Default)]
pub(super) struct Read {
    /// In order, each with its bytes.
    pub(super) facts: Vec<(Arc<Fact>, usize)>,
    bytes: usize,
    /// Nothing was left to be read.
    pub(super) whole: bool,
}

/// Reads what follows a position, or a version: at most so many rows, and no more bytes than one event beyond [`READ_BYTES_MAX`].
pub(super) async fn forward(pool: &PgPool, which: Which<'_>, mut after: i64, limit: usize) -> Result<Read, sqlx::Error> {
    let sql = which.sql();
    let (mut read, mut wanted) = (Read::default(), FIRST_ROWS.min(limit));
    loop {
        let had = read.facts.len();
        let query = sqlx::query(&sql).bind(after).bind(wanted as i64);
        let mut rows = match which {
            Which::All => query,
            Which::OfTypes { until, types } => query.bind(until).bind(types),
            Which::OfAggregate { id, kind, types } => query.bind(id).bind(kind).bind(types),
        }
        .fetch(pool);
        while let Some(row) = rows.try_next().await? {
            let (fact, bytes) = (rows::fact(&row)?, rows::bytes(&row));
            after = which.place(&row)?;
            read.bytes += bytes;
            read.facts.push((fact, bytes));
            if read.bytes >= READ_BYTES_MAX {
                return Ok(read);
            }
        }
        let count = read.facts.len();
        read.whole = count - had < wanted;
        if read.whole || count == limit {
            return Ok(read);
        }
        let each = (read.bytes / count).max(1);
        wanted = ((READ_BYTES_MAX - read.bytes) / each).clamp(1, limit - count);
    }
}

impl Which<'_> {
    fn sql(self) -> String {
        let (place, further) = match self {
            Self::All => ("position", ""),
            Self::OfTypes { .. } => ("position", "AND position <= $3 AND event_type = ANY($4) "),
            Self::OfAggregate { .. } => (
                "sequence",
                "AND aggregate_id = $3 AND ($4 IS NULL OR aggregate_type = $4) AND ($5::text[] IS NULL OR event_type = ANY($5)) ",
            ),
        };
        format!("SELECT {} FROM milepost.events WHERE {place} > $1 {further}ORDER BY {place} LIMIT $2", rows::COLUMNS)
    }

    /// What the next row must come after.
    fn place(self, row: &PgRow) -> Result<i64, sqlx::Error> {
        row.try_get(match self {
            Self::All | Self::OfTypes { .. } => rows::POSITION,
            Self::OfAggregate { .. } => rows::VERSION,
        })
    }
}
