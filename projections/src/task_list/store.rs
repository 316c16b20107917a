//! Rows of `task_list`.

use super::{TaskList, TaskRow};
use crate::querying::sql::{Column, array_literal, cast, col, declare_members, select_list, upsert};
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, TaskId, UserId, WorkspaceId};
use domain::task::Status;
use domain::values::{Due, Priority};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row};
use uuid::Uuid;

pub(crate) const COLUMNS: &[Column] = &[
    col("id", "uuid"),
    col("workspace_id", "uuid"),
    col("project_id", "uuid"),
    col("project_key", "text"),
    col("number", "int"),
    cast("former_keys", "text[]"),
    col("title", "text"),
    col("description", "text"),
    col("status", "text"),
    col("blocked_reason", "text"),
    col("priority", "smallint"),
    col("category", "text"),
    cast("tags", "text[]"),
    cast("assignee_ids", "uuid[]"),
    col("due_at", "timestamptz"),
    col("due_date", "date"),
    col("due_zone", "text"),
    col("estimate_minutes", "int"),
    col("created_by", "uuid"),
    col("created_at", "timestamptz"),
    col("updated_at", "timestamptz"),
    col("completed_at", "timestamptz"),
    col("time_to_complete_ms", "bigint"),
    col("version", "bigint"),
    col("hidden", "boolean"),
];

/// The number stored for a priority: 1 is the most urgent.
pub fn priority_number(priority: Priority) -> i16 {
    match priority {
        Priority::Critical => 1,
        Priority::High => 2,
        Priority::Medium => 3,
        Priority::Low => 4,
    }
}

fn priority(number: i16) -> Result<Priority, Error> {
    match number {
        1 => Ok(Priority::Critical),
        2 => Ok(Priority::High),
        3 => Ok(Priority::Medium),
        4 => Ok(Priority::Low),
        other => Err(Error::Decode(format!("{other} is not a priority").into())),
    }
}

fn status(word: &str) -> Result<Status, Error> {
    let found = Status::ALL.into_iter().find(|status| status.word() == word);
    found.ok_or_else(|| Error::Decode(format!("{word:?} is not a status").into()))
}

/// Reads a due moment from three columns.
pub(crate) fn due(row: &PgRow, from: usize) -> Result<Option<Due>, Error> {
    let (at, date, zone): (Option<DateTime<Utc>>, _, Option<&str>) = (row.try_get(from)?, row.try_get(from + 1)?, row.try_get(from + 2)?);
    let Some((at, zone)) = at.zip(zone) else { return Ok(None) };
    let time_zone = zone.parse().map_err(|_| Error::Decode(format!("{zone:?} is not a time zone").into()))?;
    Ok(Some(Due { at: at.into(), date, time_zone }))
}

/// Reads a row whose columns begin at `from`.
pub(crate) fn read(row: &PgRow, from: usize) -> Result<TaskRow, Error> {
    let people: Vec<Uuid> = row.try_get(from + 13)?;
    Ok(TaskRow {
        id: TaskId(row.try_get(from)?),
        workspace_id: WorkspaceId(row.try_get(from + 1)?),
        project_id: ProjectId(row.try_get(from + 2)?),
        project_key: row.try_get(from + 3)?,
        number: row.try_get(from + 4)?,
        former_keys: row.try_get(from + 5)?,
        title: row.try_get(from + 6)?,
        description: row.try_get(from + 7)?,
        status: status(row.try_get(from + 8)?)?,
        blocked_reason: row.try_get(from + 9)?,
        priority: priority(row.try_get(from + 10)?)?,
        category: row.try_get(from + 11)?,
        tags: row.try_get(from + 12)?,
        assignee_ids: people.into_iter().map(UserId).collect(),
        due: due(row, from + 14)?,
        estimate_minutes: row.try_get(from + 17)?,
        created_by: UserId(row.try_get(from + 18)?),
        created_at: row.try_get(from + 19)?,
        updated_at: row.try_get(from + 20)?,
        completed_at: row.try_get(from + 21)?,
        time_to_complete_ms: row.try_get(from + 22)?,
        version: row.try_get(from + 23)?,
        hidden: row.try_get(from + 24)?,
    })
}

pub(super) async fn load(connection: &mut PgConnection, version: i32, keys: &[TaskId]) -> Result<Vec<(TaskId, TaskRow)>, Error> {
    let keys: Vec<_> = keys.iter().map(|key| key.0).collect();
    let sql = format!("SELECT {} FROM milepost.task_list_v{version} t WHERE t.id = ANY($1)", select_list("t", COLUMNS));
    let rows = sqlx::query(&sql).bind(keys).fetch_all(connection).await?;
    rows.iter().map(|row| read(row, 0).map(|row| (row.id, row))).collect()
}

/// Opens the cursor over the tasks of these projects.
pub(super) async fn open_members(connection: &mut PgConnection, version: i32, projects: &[ProjectId]) -> Result<(), Error> {
    let projects: Vec<_> = projects.iter().map(|project| project.0).collect();
    let list = select_list("t", COLUMNS);
    let sql =
        declare_members::<TaskList>(&format!("SELECT {list} FROM milepost.task_list_v{version} t WHERE t.project_id = ANY($1::uuid[])"));
    sqlx::query(&sql).bind(projects).execute(connection).await.map(|_| ())
}

pub(super) async fn save(connection: &mut PgConnection, version: i32, rows: &[(TaskId, TaskRow)]) -> Result<(), Error> {
    fn all<'a, T>(rows: &'a [(TaskId, TaskRow)], field: impl Fn(&'a TaskRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, row)| field(row)).collect()
    }
    fn literal<T: ToString>(items: &[T]) -> String {
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        array_literal(items.iter().map(String::as_str))
    }
    sqlx::query(&upsert(&format!("task_list_v{version}"), COLUMNS, 1))
        .bind(all(rows, |row| row.id.0))
        .bind(all(rows, |row| row.workspace_id.0))
        .bind(all(rows, |row| row.project_id.0))
        .bind(all(rows, |row| row.project_key.as_str()))
        .bind(all(rows, |row| row.number))
        .bind(all(rows, |row| literal(&row.former_keys)))
        .bind(all(rows, |row| row.title.as_str()))
        .bind(all(rows, |row| row.description.as_str()))
        .bind(all(rows, |row| row.status.word()))
        .bind(all(rows, |row| row.blocked_reason.as_deref()))
        .bind(all(rows, |row| priority_number(row.priority)))
        .bind(all(rows, |row| row.category.as_deref()))
        .bind(all(rows, |row| literal(&row.tags)))
        .bind(all(rows, |row| literal(&row.assignee_ids)))
        .bind(all(rows, |row| row.due.map(|due| due.at.utc())))
        .bind(all(rows, |row| row.due.and_then(|due| due.date)))
        .bind(all(rows, |row| row.due.map(|due| due.time_zone.name())))
        .bind(all(rows, |row| row.estimate_minutes))
        .bind(all(rows, |row| row.created_by.0))
        .bind(all(rows, |row| row.created_at))
        .bind(all(rows, |row| row.updated_at))
        .bind(all(rows, |row| row.completed_at))
        .bind(all(rows, |row| row.time_to_complete_ms))
        .bind(all(rows, |row| row.version))
        .bind(all(rows, |row| row.hidden))
        .execute(connection)
        .await
        .map(|_| ())
}
