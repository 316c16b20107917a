//! Keyset pagination: a cursor names the row after which to continue, so rows that are added or removed elsewhere do
//! not shift pages.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};
use std::borrow::Cow;
use std::sync::Arc;
use thiserror::Error;
use uuid::Uuid;

/// Which part of a sorted list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Most rows.
    pub limit: usize,
    /// Whether to read the last rows rather than the first.
    pub backward: bool,
    /// Only rows after this cursor.
    pub after: Option<String>,
    /// Only rows before this cursor.
    pub before: Option<String>,
    /// Whether to count all rows of the list.
    pub total: bool,
}

/// A part of a sorted list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Rows with their places, in the order of the list.
    pub rows: Vec<(T, Place)>,
    pub has_next: bool,
    pub has_previous: bool,
    /// How many rows the list has, if requested.
    pub total: Option<i64>,
}

/// The position of a row in a sorted list.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The sort that it belongs to.
    sort: Arc<str>,
    values: Vec<KeyValue>,
}

impl Place {
    /// As text, for requesting the rows after or before it. Opaque to clients, but not secret.
    pub fn cursor(&self) -> String {
        let cursor = Cursor { s: Cow::Borrowed(&self.sort), v: Cow::Borrowed(&self.values) };
        hex(&serde_json::to_vec(&cursor).expect("cursors are plain values"))
    }
}

/// A cursor that was not issued for this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this cursor does not belong to this list; use endCursor or startCursor of a page with the same sort")]
pub struct ForeignCursor {
    /// Which of the two it was given as: `after` or `before`.
    pub given_as: &'static str,
}

/// A value that rows are sorted by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyValue {
    Text(String),
    Int(i64),
    Time(DateTime<Utc>),
    /// Replaces a missing time; sorted last in either direction.
    Never,
    Uuid(Uuid),
}

/// What kind of values a level of a sort has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Time,
    TimeOrNever,
    Uuid,
}

/// The earliest year of a cursor: PostgreSQL knows none before 4713 BC.
const YEAR_MIN: i32 = -4_000;

impl Kind {
    /// Whether the database can compare rows with a value of a cursor.
    fn takes(self, value: &KeyValue) -> bool {
        match (self, value) {
            (Self::Text, KeyValue::Text(text)) => !text.contains('\0'),
            (Self::Time | Self::TimeOrNever, KeyValue::Time(at)) => at.year() >= YEAR_MIN,
            (Self::TimeOrNever, KeyValue::Never) | (Self::Int, KeyValue::Int(_)) | (Self::Uuid, KeyValue::Uuid(_)) => true,
            (Self::Text | Self::Int | Self::Time | Self::TimeOrNever | Self::Uuid, _) => false,
        }
    }
}

/// One level of a sort.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SortKey {
    /// The name of this level in cursors.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The SQL expression to sort by. Never null.
    pub(crate) expression: &'static str,
    pub(crate) descending: bool,
}

#[derive(Serialize, Deserialize)]
struct Cursor<'a> {
    /// The sort it belongs to.
    s: Cow<'a, str>,
    v: Cow<'a, [KeyValue]>,
}

fn signature(sort: &[SortKey]) -> String {
    sort.iter().map(|key| format!("{}{}", if key.descending { "-" } else { "+" }, key.name)).collect()
}

fn read_cursor(sort: &[SortKey], text: &str, given_as: &'static str) -> Result<Vec<KeyValue>, ForeignCursor> {
    let json = unhex(text).ok_or(ForeignCursor { given_as })?;
    let cursor: Cursor<'_> = serde_json::from_slice(&json).map_err(|_| ForeignCursor { given_as })?;
    let kinds = || sort.iter().zip(cursor.v.iter()).all(|(key, value)| key.kind.takes(value));
    let fits = cursor.s == signature(sort) && cursor.v.len() == sort.len() && kinds();
    if fits { Ok(cursor.v.into_owned()) } else { Err(ForeignCursor { given_as }) }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn push_value(query: &mut QueryBuilder<'_, Postgres>, value: &KeyValue, descending: bool) {
    match value {
        KeyValue::Text(text) => {
            query.push_bind(text.clone());
        }
        KeyValue::Int(number) => {
            query.push_bind(*number);
        }
        KeyValue::Time(at) => {
            query.push_bind(*at);
        }
        KeyValue::Never => {
            query.push(if descending { "'-infinity'::timestamptz" } else { "'infinity'::timestamptz" });
        }
        KeyValue::Uuid(id) => {
            query.push_bind(*id);
        }
    }
}

/// `… AND (keys beyond the cursor)`.
fn push_beyond(query: &mut QueryBuilder<'_, Postgres>, sort: &[SortKey], values: &[KeyValue], forward: bool) {
    let one_way = sort.iter().all(|key| key.descending == sort[0].descending);
    if one_way {
        // One comparison of rows, which an index on the same columns answers.
        let keys: Vec<_> = sort.iter().map(|key| key.expression).collect();
        query.push(format!(" AND ({}) {} (", keys.join(", "), sign(sort[0].descending, forward)));
        for (level, value) in values.iter().enumerate() {
            query.push(if level > 0 { ", " } else { "" });
            push_value(query, value, sort[level].descending);
        }
        query.push(")");
        return;
    }
    query.push(" AND (");
    for level in 0..sort.len() {
        query.push(if level > 0 { " OR (" } else { "(" });
        for (key, value) in sort[..level].iter().zip(values) {
            query.push(format!("{} = ", key.expression));
            push_value(query, value, key.descending);
            query.push(" AND ");
        }
        let key = &sort[level];
        query.push(format!("{} {} ", key.expression, sign(key.descending, forward)));
        push_value(query, &values[level], key.descending);
        query.push(")");
    }
    query.push(")");
}

fn sign(descending: bool, forward: bool) -> &'static str {
    if descending == forward { "<" } else { ">" }
}

/// A list about to be read in one statement.
pub(crate) struct List<'a> {
    pub(crate) sort: &'a [SortKey],
    pub(crate) window: &'a Window,
}

impl List<'_> {
    /// Builds the statement: `columns` of `from` where `filter` holds, for the rows of the window plus one. The count
    /// of the whole list is the first column of each row; for an empty page it is returned alone.
    pub(crate) fn build(
        &self,
        columns: &str,
        from: impl Fn(&mut QueryBuilder<'_, Postgres>),
        counted_from: &str,
        filter: impl Fn(&mut QueryBuilder<'_, Postgres>),
    ) -> Result<QueryBuilder<'static, Postgres>, ForeignCursor> {
        let Self { sort, window } = self;
        let forward = !window.backward;
        let mut query = QueryBuilder::new("");
        if window.total {
            query.push(format!("WITH total AS (SELECT count(*) AS n FROM {counted_from} WHERE "));
            filter(&mut query);
            query.push(") SELECT total.n, page.* FROM total LEFT JOIN LATERAL (SELECT true AS present, ");
        } else {
            query.push("SELECT NULL::bigint, page.* FROM (SELECT true AS present, ");
        }
        query.push(format!("{columns} FROM "));
        from(&mut query);
        query.push(" WHERE ");
        filter(&mut query);
        if let Some(after) = &window.after {
            push_beyond(&mut query, sort, &read_cursor(sort, after, "after")?, true);
        }
        if let Some(before) = &window.before {
            push_beyond(&mut query, sort, &read_cursor(sort, before, "before")?, false);
        }
        query.push(" ORDER BY ");
        for (level, key) in sort.iter().enumerate() {
            let direction = if key.descending == forward { "DESC" } else { "ASC" };
            query.push(format!("{}{} {direction}", if level > 0 { ", " } else { "" }, key.expression));
        }
        query.push(format!(" LIMIT {}", window.limit + 1));
        query.push(if window.total { ") page ON true" } else { ") page" });
        Ok(query)
    }

    /// The page from what the statement returned: the total, and a row if there is one.
    pub(crate) fn page<T>(&self, found: Vec<Found<T>>, values: impl Fn(&T) -> Vec<KeyValue>) -> Page<T> {
        let Self { sort, window } = self;
        let total = found.first().and_then(|(total, _)| *total);
        let mut rows: Vec<T> = found.into_iter().filter_map(|(_, row)| row).collect();
        let more = rows.len() > window.limit;
        rows.truncate(window.limit);
        if window.backward {
            rows.reverse();
        }
        let (has_next, has_previous) = if window.backward { (window.before.is_some(), more) } else { (more, window.after.is_some()) };
        let signature: Arc<str> = signature(sort).into();
        let rows = rows.into_iter().map(|row| {
            let place = Place { sort: Arc::clone(&signature), values: values(&row) };
            (row, place)
        });
        Page { rows: rows.collect(), has_next, has_previous, total }
    }
}

/// What one row of a list's statement holds: the count of the list and a row of it, each if there is one.
type Found<T> = (Option<i64>, Option<T>);

/// Reads what the statement of a list returned.
pub(crate) fn read_list<T>(
    rows: &[PgRow],
    mut read: impl FnMut(&PgRow, usize) -> Result<T, sqlx::Error>,
) -> Result<Vec<Found<T>>, sqlx::Error> {
    let one = |row: &PgRow| {
        let present: Option<bool> = row.try_get(1)?;
        Ok((row.try_get(0)?, present.map(|_| read(row, 2)).transpose()?))
    };
    rows.iter().map(one).collect()
}

impl<T> Page<T> {
    /// The same page of something made from each row.
    pub fn map<U>(self, make: impl Fn(T) -> U) -> Page<U> {
        let rows = self.rows.into_iter().map(|(row, place)| (make(row), place)).collect();
        Page { rows, has_next: self.has_next, has_previous: self.has_previous, total: self.total }
    }
}
