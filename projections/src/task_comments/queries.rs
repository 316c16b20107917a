//! Questions about comments.

use super::CommentRow;
use crate::error::QueryError;
use crate::page::{KeyValue, Kind, List, Page, SortKey, Window, read_list};
use crate::sql::select_list;
use domain::ids::{CommentId, TaskId, WorkspaceId};
use sqlx::postgres::PgPool;

/// A page of the comments on a task, the oldest first.
pub async fn list_comments(pool: &PgPool, workspace: WorkspaceId, task: TaskId, window: &Window) -> Result<Page<CommentRow>, QueryError> {
    let keys = [SortKey { name: "position", kind: Kind::Int, expression: "c.position", descending: false }];
    let list = List { sort: &keys, window };
    let mut query = list.build(
        &select_list("c", super::COLUMNS),
        |query| {
            query.push("milepost.task_comments c");
        },
        "milepost.task_comments c",
        |query| {
            query.push("c.task_id = ").push_bind(task.0).push(" AND c.workspace_id = ").push_bind(workspace.0);
        },
    )?;
    let found = read_list(&query.build().fetch_all(pool).await?, super::read_row)?;
    Ok(list.page(found, |comment| vec![KeyValue::Int(comment.position)]))
}

/// A comment by id, unless its task is hidden.
pub async fn find_comment(pool: &PgPool, workspace: WorkspaceId, id: CommentId) -> Result<Option<CommentRow>, QueryError> {
    let sql = format!(
        "SELECT {} FROM milepost.task_comments c JOIN milepost.task_list t ON t.id = c.task_id AND NOT t.hidden \
         WHERE c.id = $1 AND c.workspace_id = $2",
        select_list("c", super::COLUMNS)
    );
    let row = sqlx::query(&sql).bind(id.0).bind(workspace.0).fetch_optional(pool).await?;
    Ok(row.map(|row| super::read_row(&row, 0)).transpose()?)
}
