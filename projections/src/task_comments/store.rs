//! Rows of `task_comments`.

use super::CommentRow;
use crate::querying::sql::{Column, col, upsert};
use domain::ids::{CommentId, TaskId, UserId, WorkspaceId};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row};

pub(crate) const COLUMNS: &[Column] = &[
    col("id", "uuid"),
    col("workspace_id", "uuid"),
    col("task_id", "uuid"),
    col("author", "uuid"),
    col("body", "text"),
    col("created_at", "timestamptz"),
    col("position", "bigint"),
];

/// Reads a row whose columns begin at `from`.
pub(crate) fn read(row: &PgRow, from: usize) -> Result<CommentRow, Error> {
    Ok(CommentRow {
        id: CommentId(row.try_get(from)?),
        workspace_id: WorkspaceId(row.try_get(from + 1)?),
        task_id: TaskId(row.try_get(from + 2)?),
        author: UserId(row.try_get(from + 3)?),
        body: row.try_get(from + 4)?,
        created_at: row.try_get(from + 5)?,
        position: row.try_get(from + 6)?,
    })
}

pub(super) async fn save(connection: &mut PgConnection, version: i32, rows: &[(CommentId, CommentRow)]) -> Result<(), Error> {
    fn all<'a, T>(rows: &'a [(CommentId, CommentRow)], field: impl Fn(&'a CommentRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, row)| field(row)).collect()
    }
    sqlx::query(&upsert(&format!("task_comments_v{version}"), COLUMNS, 1))
        .bind(all(rows, |row| row.id.0))
        .bind(all(rows, |row| row.workspace_id.0))
        .bind(all(rows, |row| row.task_id.0))
        .bind(all(rows, |row| row.author.0))
        .bind(all(rows, |row| row.body.as_str()))
        .bind(all(rows, |row| row.created_at))
        .bind(all(rows, |row| row.position))
        .execute(connection)
        .await
        .map(|_| ())
}
