//! Rows of `deadline_log`.

use super::{DeadlineLog, FiringRow, Group};
use crate::querying::sql::{Column, col, declare_members, select_list, upsert};
use domain::ids::{ProjectId, ScheduleId, TaskId, WorkspaceId};
use domain::values::{Threshold, ThresholdUnit};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row};
use uuid::Uuid;

pub(crate) const COLUMNS: &[Column] = &[
    col("id", "uuid"),
    col("workspace_id", "uuid"),
    col("schedule_id", "uuid"),
    col("project_id", "uuid"),
    col("task_id", "uuid"),
    col("threshold_amount", "int"),
    col("threshold_unit", "text"),
    col("due_revision", "int"),
    col("due_at", "timestamptz"),
    col("scheduled_for", "timestamptz"),
    col("fired_at", "timestamptz"),
    col("late_by_ms", "bigint"),
    col("position", "bigint"),
    col("hidden", "boolean"),
];

fn threshold(amount: i32, unit: &str) -> Result<Threshold, Error> {
    let units = [ThresholdUnit::Minutes, ThresholdUnit::Hours, ThresholdUnit::Days];
    let unit = units.into_iter().find(|known| known.word() == unit);
    let unit = unit.ok_or_else(|| Error::Decode("no unit of a threshold".into()))?;
    Ok(Threshold { amount: u32::try_from(amount).map_err(|error| Error::Decode(Box::new(error)))?, unit })
}

/// Reads a row whose columns begin at `from`.
pub(crate) fn read(row: &PgRow, from: usize) -> Result<FiringRow, Error> {
    let (amount, unit): (Option<i32>, Option<&str>) = (row.try_get(from + 5)?, row.try_get(from + 6)?);
    Ok(FiringRow {
        id: row.try_get(from)?,
        workspace_id: WorkspaceId(row.try_get(from + 1)?),
        schedule_id: ScheduleId(row.try_get(from + 2)?),
        project_id: row.try_get::<Option<Uuid>, _>(from + 3)?.map(ProjectId),
        task_id: row.try_get::<Option<Uuid>, _>(from + 4)?.map(TaskId),
        threshold: amount.zip(unit).map(|(amount, unit)| threshold(amount, unit)).transpose()?,
        due_revision: row.try_get(from + 7)?,
        due_at: row.try_get(from + 8)?,
        scheduled_for: row.try_get(from + 9)?,
        fired_at: row.try_get(from + 10)?,
        late_by_ms: row.try_get(from + 11)?,
        position: row.try_get(from + 12)?,
        hidden: row.try_get(from + 13)?,
    })
}

/// Opens the cursor over the firings of these groups.
pub(super) async fn open_members(connection: &mut PgConnection, version: i32, groups: &[Group]) -> Result<(), Error> {
    let (mut projects, mut tasks) = (vec![], vec![]);
    for group in groups {
        match group {
            Group::OfProject(project) => projects.push(project.0),
            Group::OfTask(task) => tasks.push(task.0),
        }
    }
    // Two index scans rather than one OR, which the planner may answer by reading everything.
    let list = select_list("t", COLUMNS);
    let sql = declare_members::<DeadlineLog>(&format!(
        "SELECT {list} FROM milepost.deadline_log_v{version} t WHERE t.project_id = ANY($1::uuid[]) \
         UNION SELECT {list} FROM milepost.deadline_log_v{version} t WHERE t.task_id = ANY($2::uuid[])"
    ));
    sqlx::query(&sql).bind(projects).bind(tasks).execute(connection).await.map(|_| ())
}

pub(super) async fn save(connection: &mut PgConnection, version: i32, rows: &[(Uuid, FiringRow)]) -> Result<(), Error> {
    fn all<'a, T>(rows: &'a [(Uuid, FiringRow)], field: impl Fn(&'a FiringRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, row)| field(row)).collect()
    }
    sqlx::query(&upsert(&format!("deadline_log_v{version}"), COLUMNS, 1))
        .bind(all(rows, |row| row.id))
        .bind(all(rows, |row| row.workspace_id.0))
        .bind(all(rows, |row| row.schedule_id.0))
        .bind(all(rows, |row| row.project_id.map(|id| id.0)))
        .bind(all(rows, |row| row.task_id.map(|id| id.0)))
        .bind(all(rows, |row| row.threshold.map(|threshold| threshold.amount as i32)))
        .bind(all(rows, |row| row.threshold.map(|threshold| threshold.unit.word())))
        .bind(all(rows, |row| row.due_revision))
        .bind(all(rows, |row| row.due_at))
        .bind(all(rows, |row| row.scheduled_for))
        .bind(all(rows, |row| row.fired_at))
        .bind(all(rows, |row| row.late_by_ms))
        .bind(all(rows, |row| row.position))
        .bind(all(rows, |row| row.hidden))
        .execute(connection)
        .await
        .map(|_| ())
}
