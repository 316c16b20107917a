//! Rows of `activity`.

use super::ActivityRow;
use crate::querying::sql::{Column, col, upsert};
use sqlx::{Error, PgConnection};

pub(crate) const COLUMNS: &[Column] = &[
    col("position", "bigint"),
    col("event_id", "uuid"),
    col("workspace_id", "uuid"),
    col("subject_id", "uuid"),
    col("event_type", "text"),
    col("actor", "uuid"),
    col("occurred_at", "timestamptz"),
    col("summary", "text"),
];

pub(super) async fn save(connection: &mut PgConnection, version: i32, rows: &[(i64, ActivityRow)]) -> Result<(), Error> {
    fn all<'a, T>(rows: &'a [(i64, ActivityRow)], field: impl Fn(&'a ActivityRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, row)| field(row)).collect()
    }
    sqlx::query(&upsert(&format!("activity_v{version}"), COLUMNS, 1))
        .bind(all(rows, |row| row.position))
        .bind(all(rows, |row| row.event_id))
        .bind(all(rows, |row| row.workspace_id.0))
        .bind(all(rows, |row| row.subject_id))
        .bind(all(rows, |row| row.event_type))
        .bind(all(rows, |row| row.actor.0))
        .bind(all(rows, |row| row.occurred_at))
        .bind(all(rows, |row| row.summary.as_str()))
        .execute(connection)
        .await
        .map(|_| ())
}
