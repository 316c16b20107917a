//! The type of object that an id refers to.

use crate::querying::error::QueryError;
use domain::ids::WorkspaceId;
use sqlx::PgPool;
use uuid::Uuid;

/// The types of objects that have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Project,
    Task,
    Schedule,
    Comment,
    Firing,
    Event,
}

impl NodeKind {
    const ALL: [Self; 6] = [Self::Project, Self::Task, Self::Schedule, Self::Comment, Self::Firing, Self::Event];

    /// The word for it in the statement.
    fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Task => "task",
            Self::Schedule => "schedule",
            Self::Comment => "comment",
            Self::Firing => "firing",
            Self::Event => "event",
        }
    }

    /// The FROM and WHERE that find an object of this type by `$1`, its id, in `$2`, a workspace.
    fn found_in(self) -> &'static str {
        match self {
            Self::Project => "project_overview WHERE id = $1 AND workspace_id = $2",
            Self::Task => "task_list WHERE id = $1 AND workspace_id = $2 AND NOT hidden",
            Self::Schedule => "schedules WHERE id = $1 AND workspace_id = $2 AND NOT hidden",
            Self::Comment => "task_comments WHERE id = $1 AND workspace_id = $2",
            Self::Firing => "deadline_log WHERE id = $1 AND workspace_id = $2 AND NOT hidden",
            Self::Event => "activity WHERE event_id = $1 AND workspace_id = $2",
        }
    }

    fn from_word(word: &str) -> Result<Self, sqlx::Error> {
        let found = Self::ALL.into_iter().find(|kind| kind.word() == word);
        found.ok_or_else(|| sqlx::Error::Decode(format!("{word:?} is not a kind of node").into()))
    }
}

/// The type of the object with this id in a workspace.
pub async fn kind_of(pool: &PgPool, workspace: WorkspaceId, id: Uuid) -> Result<Option<NodeKind>, QueryError> {
    let looks = NodeKind::ALL.map(|kind| format!("SELECT '{}' FROM milepost.{}", kind.word(), kind.found_in()));
    let sql = format!("{} LIMIT 1", looks.join(" UNION ALL "));
    let word: Option<String> = sqlx::query_scalar(&sql).bind(id).bind(workspace.0).fetch_optional(pool).await?;
    Ok(word.as_deref().map(NodeKind::from_word).transpose()?)
}
