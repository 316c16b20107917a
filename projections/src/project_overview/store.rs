//! Rows of `project_overview`.

use super::{Counts, ProjectRow};
use crate::querying::sql::{Column, cast, col, select_list, upsert};
use domain::ids::{ProjectId, UserId, WorkspaceId};
use domain::project::Phase;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Error, PgConnection, Row};

pub(crate) const COLUMNS: &[Column] = &[
    col("id", "uuid"),
    col("workspace_id", "uuid"),
    col("key", "text"),
    col("name", "text"),
    col("description", "text"),
    col("phase", "text"),
    col("start_on", "date"),
    col("due_on", "date"),
    col("time_zone", "text"),
    cast("collaborators", "jsonb"),
    col("todo", "int"),
    col("in_progress", "int"),
    col("in_review", "int"),
    col("blocked", "int"),
    col("done", "int"),
    col("cancelled", "int"),
    col("created_by", "uuid"),
    col("created_at", "timestamptz"),
    col("updated_at", "timestamptz"),
    col("version", "bigint"),
];

/// The word for a phase.
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Active => "active",
        Phase::Archived => "archived",
        Phase::Deleted => "deleted",
    }
}

fn phase(word: &str) -> Result<Phase, Error> {
    match word {
        "active" => Ok(Phase::Active),
        "archived" => Ok(Phase::Archived),
        "deleted" => Ok(Phase::Deleted),
        other => Err(Error::Decode(format!("{other:?} is not a lifecycle state").into())),
    }
}

/// Reads a row whose columns begin at `from`.
pub(crate) fn read(row: &PgRow, from: usize) -> Result<ProjectRow, Error> {
    let time_zone: &str = row.try_get(from + 8)?;
    Ok(ProjectRow {
        id: ProjectId(row.try_get(from)?),
        workspace_id: WorkspaceId(row.try_get(from + 1)?),
        key: row.try_get(from + 2)?,
        name: row.try_get(from + 3)?,
        description: row.try_get(from + 4)?,
        phase: phase(row.try_get(from + 5)?)?,
        start_on: row.try_get(from + 6)?,
        due_on: row.try_get(from + 7)?,
        time_zone: time_zone.parse().map_err(|_| Error::Decode(format!("{time_zone:?} is not a time zone").into()))?,
        collaborators: row.try_get::<Json<_>, _>(from + 9)?.0,
        counts: Counts {
            todo: row.try_get(from + 10)?,
            in_progress: row.try_get(from + 11)?,
            in_review: row.try_get(from + 12)?,
            blocked: row.try_get(from + 13)?,
            done: row.try_get(from + 14)?,
            cancelled: row.try_get(from + 15)?,
        },
        created_by: UserId(row.try_get(from + 16)?),
        created_at: row.try_get(from + 17)?,
        updated_at: row.try_get(from + 18)?,
        version: row.try_get(from + 19)?,
    })
}

pub(super) async fn load(connection: &mut PgConnection, version: i32, keys: &[ProjectId]) -> Result<Vec<(ProjectId, ProjectRow)>, Error> {
    let keys: Vec<_> = keys.iter().map(|key| key.0).collect();
    let sql = format!("SELECT {} FROM milepost.project_overview_v{version} t WHERE t.id = ANY($1)", select_list("t", COLUMNS));
    let rows = sqlx::query(&sql).bind(keys).fetch_all(connection).await?;
    rows.iter().map(|row| read(row, 0).map(|row| (row.id, row))).collect()
}

pub(super) async fn save(
    connection: &mut PgConnection,
    version: i32,
    rows: &[(ProjectId, ProjectRow)],
    _never: &[ProjectId],
) -> Result<(), Error> {
    fn all<'a, T>(rows: &'a [(ProjectId, ProjectRow)], field: impl Fn(&'a ProjectRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, row)| field(row)).collect()
    }
    sqlx::query(&upsert(&format!("project_overview_v{version}"), COLUMNS, 1))
        .bind(all(rows, |row| row.id.0))
        .bind(all(rows, |row| row.workspace_id.0))
        .bind(all(rows, |row| row.key.as_str()))
        .bind(all(rows, |row| row.name.as_str()))
        .bind(all(rows, |row| row.description.as_str()))
        .bind(all(rows, |row| phase_word(row.phase)))
        .bind(all(rows, |row| row.start_on))
        .bind(all(rows, |row| row.due_on))
        .bind(all(rows, |row| row.time_zone.name()))
        .bind(all(rows, |row| serde_json::to_string(&row.collaborators).expect("collaborators are plain values")))
        .bind(all(rows, |row| row.counts.todo))
        .bind(all(rows, |row| row.counts.in_progress))
        .bind(all(rows, |row| row.counts.in_review))
        .bind(all(rows, |row| row.counts.blocked))
        .bind(all(rows, |row| row.counts.done))
        .bind(all(rows, |row| row.counts.cancelled))
        .bind(all(rows, |row| row.created_by.0))
        .bind(all(rows, |row| row.created_at))
        .bind(all(rows, |row| row.updated_at))
        .bind(all(rows, |row| row.version))
        .execute(connection)
        .await
        .map(|_| ())
}
