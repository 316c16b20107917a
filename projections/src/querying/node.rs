//! What an id names.

use crate::querying::error::QueryError;
use domain::ids::WorkspaceId;
use sqlx::PgPool;
use uuid::Uuid;

/// The kinds of things that have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Project,
    Task,
    Schedule,
    Comment,
    Firing,
    Event,
}

/// The kind of the thing with this id in a workspace.
pub async fn kind_of(pool: &PgPool, workspace: WorkspaceId, id: Uuid) -> Result<Option<NodeKind>, QueryError> {
    let kind: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM milepost.project_overview WHERE id = $1 AND workspace_id = $2 \
         UNION ALL SELECT 2 FROM milepost.task_list WHERE id = $1 AND workspace_id = $2 AND NOT hidden \
         UNION ALL SELECT 3 FROM milepost.schedules WHERE id = $1 AND workspace_id = $2 AND NOT hidden \
         UNION ALL SELECT 4 FROM milepost.task_comments WHERE id = $1 AND workspace_id = $2 \
         UNION ALL SELECT 5 FROM milepost.deadline_log WHERE id = $1 AND workspace_id = $2 AND NOT hidden \
         UNION ALL SELECT 6 FROM milepost.activity WHERE event_id = $1 AND workspace_id = $2 LIMIT 1",
    )
    .bind(id)
    .bind(workspace.0)
    .fetch_optional(pool)
    .await?;
    Ok(match kind {
        None => None,
        Some(1) => Some(NodeKind::Project),
        Some(2) => Some(NodeKind::Task),
        Some(3) => Some(NodeKind::Schedule),
        Some(4) => Some(NodeKind::Comment),
        Some(5) => Some(NodeKind::Firing),
        Some(6) => Some(NodeKind::Event),
        Some(unknown) => return Err(sqlx::Error::Decode(format!("the kind {unknown} is unknown").into()).into()),
    })
}
