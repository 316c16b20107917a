//! Which comments does a task have?
//!
//! One row for each comment. Comments of a hidden task stay and are reached only through their task.

mod queries;
#[cfg(test)]
mod tests;

pub(crate) use queries::page_statement;
pub use queries::{find_comment, first_comments, list_comments};

use crate::columns::stored;
use crate::model::{Changes, ReadModel};
use chrono::{DateTime, Utc};
use domain::event::Recorded;
use domain::ids::{CommentId, TaskId, UserId, WorkspaceId};
use domain::task::TaskEvent;
use std::convert::Infallible;

/// The read model.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskComments;

/// A comment.
#[derive(Debug, Clone, PartialEq)]
pub struct CommentRow {
    pub id: CommentId,
    pub workspace_id: WorkspaceId,
    pub task_id: TaskId,
    pub author: UserId,
    pub body: String,
    pub created_at: DateTime<Utc>,
    /// Its place among all events, which orders the comments of a task.
    pub position: i64,
}

stored!(CommentRow { id, workspace_id, task_id, author, body, created_at, position });

impl ReadModel for TaskComments {
    const NAME: &'static str = "task_comments";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("tables.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");

    fn event_types() -> Vec<&'static str> {
        vec!["task_commented"]
    }

    type Key = CommentId;
    type Group = Infallible;
    type Row = CommentRow;

    fn key(row: &CommentRow) -> CommentId {
        row.id
    }

    fn on_task(event: &TaskEvent, recorded: &Recorded, rows: &mut impl Changes<Self>) {
        if let TaskEvent::TaskCommented(commented) = event {
            let id = commented.comment_id;
            rows.put(id, || CommentRow {
                id,
                workspace_id: recorded.workspace_id,
                task_id: TaskId(recorded.aggregate_id),
                author: recorded.metadata.actor,
                body: commented.body.to_string(),
                created_at: recorded.metadata.occurred_at.utc(),
                position: recorded.position,
            });
        }
    }
}
