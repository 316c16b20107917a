//! Queries of comments.

use super::CommentRow;
use crate::columns::{Stored, select_list};
use crate::querying::error::QueryError;
use crate::querying::page::{ForeignCursor, KeyValue, Kind, List, Page, SortKey, Window, read_list};
use crate::querying::reads::{Reads, all};
use domain::ids::{CommentId, TaskId, WorkspaceId};
use sqlx::postgres::PgPool;
use sqlx::{Postgres, QueryBuilder, Row};
use std::collections::HashMap;

/// The oldest first.
const KEYS: [SortKey; 1] = [SortKey { name: "position", kind: Kind::Int, expression: "c.position", descending: false }];

fn key_values(comment: &CommentRow) -> Vec<KeyValue> {
    vec![KeyValue::Int(comment.position)]
}

/// The statement that reads a page of the comments on a task.
pub(crate) fn page_statement(
    workspace: WorkspaceId,
    task: TaskId,
    window: &Window,
) -> Result<QueryBuilder<'static, Postgres>, ForeignCursor> {
    List { sort: &KEYS, window }.build(
        &select_list::<CommentRow>("c"),
        |query| {
            query.push("milepost.task_comments c");
        },
        "milepost.task_comments c",
        |query| {
            query.push("c.task_id = ").push_bind(task.0).push(" AND c.workspace_id = ").push_bind(workspace.0);
        },
    )
}

/// A page of the comments on a task, the oldest first.
pub async fn list_comments(
    reads: &impl Reads,
    workspace: WorkspaceId,
    task: TaskId,
    window: &Window,
) -> Result<Page<CommentRow>, QueryError> {
    let mut query = page_statement(workspace, task, window)?;
    let found = read_list(&all(reads, query.build()).await?, CommentRow::read)?;
    Ok(List { sort: &KEYS, window }.page(found, key_values))
}

/// The first page of the comments of each of several tasks, in one statement.
pub async fn first_comments(
    reads: &impl Reads,
    workspace: WorkspaceId,
    tasks: &[TaskId],
    window: &Window,
) -> Result<HashMap<TaskId, Page<CommentRow>>, QueryError> {
    let of_task = "FROM milepost.task_comments c WHERE c.task_id = t.id AND c.workspace_id = $2";
    let total = if window.total { format!("(SELECT count(*) {of_task})") } else { "NULL::bigint".to_owned() };
    let sql = format!(
        "SELECT total.n, page.*, t.id FROM unnest($1::uuid[]) AS t(id) CROSS JOIN LATERAL (SELECT {total} AS n) total \
         LEFT JOIN LATERAL (SELECT true AS present, {columns} {of_task} ORDER BY c.position LIMIT {limit}) page ON true \
         ORDER BY page.position",
        columns = select_list::<CommentRow>("c"),
        limit = window.limit + 1,
    );
    let ids: Vec<_> = tasks.iter().map(|task| task.0).collect();
    let rows = all(reads, sqlx::query(&sql).bind(ids).bind(workspace.0)).await?;
    let mut found: HashMap<TaskId, Vec<_>> = HashMap::new();
    for (row, comment) in rows.iter().zip(read_list(&rows, CommentRow::read)?) {
        found.entry(TaskId(row.try_get(2 + CommentRow::columns().len())?)).or_default().push(comment);
    }
    let list = List { sort: &KEYS, window };
    Ok(found.into_iter().map(|(task, comments)| (task, list.page(comments, key_values))).collect())
}

/// A comment by id, unless its task is hidden.
pub async fn find_comment(pool: &PgPool, workspace: WorkspaceId, id: CommentId) -> Result<Option<CommentRow>, QueryError> {
    let sql = format!(
        "SELECT {} FROM milepost.task_comments c JOIN milepost.task_list t ON t.id = c.task_id AND NOT t.hidden \
         WHERE c.id = $1 AND c.workspace_id = $2",
        select_list::<CommentRow>("c")
    );
    let row = sqlx::query(&sql).bind(id.0).bind(workspace.0).fetch_optional(pool).await?;
    Ok(row.map(|row| CommentRow::read(&row, 0)).transpose()?)
}
