//! What has been said about a task?
//!
//! One row for each comment. Comments of a hidden task stay and are reached only through their task.

mod queries;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
pub(crate) use queries::page_statement;
pub use queries::{find_comment, first_comments, list_comments};

use crate::columns::stored;
use crate::model::ReadModel;
use chrono::{DateTime, Utc};
use domain::event::{Event, Recorded};
use domain::ids::{CommentId, TaskId, UserId, WorkspaceId};
use domain::task::TaskEvent;

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
    type Group = ();
    type Row = CommentRow;

    fn key(row: &CommentRow) -> CommentId {
        row.id
    }

    fn touches(event: &Recorded) -> Vec<CommentId> {
        match &event.event {
            Event::Task(TaskEvent::TaskCommented(commented)) => vec![commented.comment_id],
            Event::Project(_) | Event::Task(_) | Event::Schedule(_) => vec![],
        }
    }

    fn project(id: CommentId, row: Option<CommentRow>, event: &Recorded) -> Option<CommentRow> {
        let Event::Task(TaskEvent::TaskCommented(commented)) = &event.event else { return row };
        Some(CommentRow {
            id,
            workspace_id: event.workspace_id,
            task_id: TaskId(event.aggregate_id),
            author: event.metadata.actor,
            body: commented.body.to_string(),
            created_at: event.metadata.occurred_at.utc(),
            position: event.position,
        })
    }
}
