//! Rows of `schedules`.

use super::{Group, ScheduleRow, ScheduleState, Schedules};
use crate::querying::sql::{Column, cast, col, declare_members, select_list, upsert};
use crate::task_list::read_due;
use domain::ids::{ProjectId, ScheduleId, TaskId, WorkspaceId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Error, PgConnection, Row};
use uuid::Uuid;

pub(crate) const COLUMNS: &[Column] = &[
    col("id", "uuid"),
    col("workspace_id", "uuid"),
    col("project_id", "uuid"),
    col("task_id", "uuid"),
    col("follows_task", "boolean"),
    col("title", "text"),
    col("state", "text"),
    col("due_at", "timestamptz"),
    col("due_date", "date"),
    col("due_zone", "text"),
    col("due_revision", "int"),
    cast("thresholds", "jsonb"),
    col("fired_through", "timestamptz"),
    col("next_fire_at", "timestamptz"),
    col("project_at_rest", "boolean"),
    col("hidden", "boolean"),
    col("created_at", "timestamptz"),
    col("updated_at", "timestamptz"),
    col("version", "bigint"),
];

impl ScheduleState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approaching, Self::Overdue, Self::Met, Self::Deleted];

    /// The word stored for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approaching => "approaching",
            Self::Overdue => "overdue",
            Self::Met => "met",
            Self::Deleted => "deleted",
        }
    }

    fn from_word(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::Decode(format!("{word:?} is not a state of a schedule").into()))
    }
}

/// Reads a row whose columns begin at `from`.
pub(crate) fn read(row: &PgRow, from: usize) -> Result<ScheduleRow, Error> {
    let due = read_due(row, from + 7)?.ok_or_else(|| Error::Decode("a schedule is always due".into()))?;
    Ok(ScheduleRow {
        id: ScheduleId(row.try_get(from)?),
        workspace_id: WorkspaceId(row.try_get(from + 1)?),
        project_id: row.try_get::<Option<Uuid>, _>(from + 2)?.map(ProjectId),
        task_id: row.try_get::<Option<Uuid>, _>(from + 3)?.map(TaskId),
        follows_task: row.try_get(from + 4)?,
        title: row.try_get(from + 5)?,
        state: ScheduleState::from_word(row.try_get(from + 6)?)?,
        due,
        due_revision: row.try_get(from + 10)?,
        thresholds: row.try_get::<Json<_>, _>(from + 11)?.0,
        fired_through: row.try_get(from + 12)?,
        next_fire_at: row.try_get(from + 13)?,
        project_at_rest: row.try_get(from + 14)?,
        hidden: row.try_get(from + 15)?,
        created_at: row.try_get(from + 16)?,
        updated_at: row.try_get(from + 17)?,
        version: row.try_get(from + 18)?,
    })
}

pub(super) async fn load(
    connection: &mut PgConnection,
    version: i32,
    keys: &[ScheduleId],
) -> Result<Vec<(ScheduleId, ScheduleRow)>, Error> {
    let keys: Vec<_> = keys.iter().map(|key| key.0).collect();
    let sql = format!("SELECT {} FROM milepost.schedules_v{version} t WHERE t.id = ANY($1)", select_list("t", COLUMNS));
    let rows = sqlx::query(&sql).bind(keys).fetch_all(connection).await?;
    rows.iter().map(|row| read(row, 0).map(|row| (row.id, row))).collect()
}

/// Opens the cursor over the schedules of these groups.
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
    let sql = declare_members::<Schedules>(&format!(
        "SELECT {list} FROM milepost.schedules_v{version} t WHERE t.project_id = ANY($1::uuid[]) \
         UNION SELECT {list} FROM milepost.schedules_v{version} t WHERE t.task_id = ANY($2::uuid[])"
    ));
    sqlx::query(&sql).bind(projects).bind(tasks).execute(connection).await.map(|_| ())
}

pub(super) async fn save(connection: &mut PgConnection, version: i32, rows: &[(ScheduleId, ScheduleRow)]) -> Result<(), Error> {
    fn all<'a, T>(rows: &'a [(ScheduleId, ScheduleRow)], field: impl Fn(&'a ScheduleRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, row)| field(row)).collect()
    }
    sqlx::query(&upsert(&format!("schedules_v{version}"), COLUMNS, 1))
        .bind(all(rows, |row| row.id.0))
        .bind(all(rows, |row| row.workspace_id.0))
        .bind(all(rows, |row| row.project_id.map(|id| id.0)))
        .bind(all(rows, |row| row.task_id.map(|id| id.0)))
        .bind(all(rows, |row| row.follows_task))
        .bind(all(rows, |row| row.title.as_str()))
        .bind(all(rows, |row| row.state.word()))
        .bind(all(rows, |row| row.due.at.utc()))
        .bind(all(rows, |row| row.due.date))
        .bind(all(rows, |row| row.due.time_zone.name()))
        .bind(all(rows, |row| row.due_revision))
        .bind(all(rows, |row| serde_json::to_string(&row.thresholds).expect("thresholds are plain values")))
        .bind(all(rows, |row| row.fired_through))
        .bind(all(rows, |row| row.next_fire_at))
        .bind(all(rows, |row| row.project_at_rest))
        .bind(all(rows, |row| row.hidden))
        .bind(all(rows, |row| row.created_at))
        .bind(all(rows, |row| row.updated_at))
        .bind(all(rows, |row| row.version))
        .execute(connection)
        .await
        .map(|_| ())
}
