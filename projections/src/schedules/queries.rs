//! Queries of schedules, including those of the scheduler.

use super::ScheduleRow;
use crate::columns::{Stored, select_list};
use crate::project_overview::{Beside, ProjectRow};
use crate::querying::error::QueryError;
use crate::querying::filter::{Comparator, Conditions, TimeComparator};
use crate::querying::page::{ForeignCursor, KeyValue, Kind, List, Page, SortKey, Window, read_list};
use crate::querying::reads::{Reads, all};
use crate::task_list::TaskRow;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{ScheduleId, TaskId, WorkspaceId};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Postgres, QueryBuilder, Row};
use std::sync::Arc;
use uuid::Uuid;

/// Which schedules are listed. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleFilter {
    /// By stored values. If omitted, all but the deleted ones.
    pub state: Option<Vec<String>>,
    pub project_id: Comparator<Uuid>,
    pub task_id: Comparator<Uuid>,
    pub due_at: TimeComparator,
}

/// What to select in addition to the schedules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleSelection {
    pub project: bool,
    pub task: bool,
}

/// A schedule with what was selected in addition. Outer `None`: not selected.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleView {
    pub schedule: ScheduleRow,
    pub project: Option<Option<Arc<ProjectRow>>>,
    pub task: Option<Option<TaskRow>>,
}

impl ScheduleSelection {
    pub(crate) fn columns(self) -> String {
        let mut columns = select_list::<ScheduleRow>("s");
        if self.project {
            columns.push_str(&format!(", {}", select_list::<ProjectRow>("p")));
        }
        if self.task {
            columns.push_str(&format!(", {}", select_list::<TaskRow>("t")));
        }
        columns
    }

    pub(crate) fn joins(self) -> String {
        let mut joins = String::new();
        if self.project {
            joins.push_str(" LEFT JOIN milepost.project_overview p ON p.id = s.project_id");
        }
        if self.task {
            joins.push_str(" LEFT JOIN milepost.task_list t ON t.id = s.task_id AND NOT t.hidden");
        }
        joins
    }

    pub(crate) fn read(self, row: &PgRow, from: usize, projects: &mut Beside) -> Result<ScheduleView, Error> {
        let mut next = from + ScheduleRow::columns().len();
        let mut view = ScheduleView { schedule: ScheduleRow::read(row, from)?, project: None, task: None };
        if self.project {
            view.project = Some(projects.read(row, next)?);
            next += ProjectRow::columns().len();
        }
        if self.task {
            let present = row.try_get::<Option<Uuid>, _>(next)?.is_some();
            view.task = Some(present.then(|| TaskRow::read(row, next)).transpose()?);
        }
        Ok(view)
    }
}

const BY_DUE: [SortKey; 2] = [
    SortKey { name: "due", kind: Kind::Time, expression: "s.due_at", descending: false },
    SortKey { name: "id", kind: Kind::Uuid, expression: "s.id", descending: false },
];

/// The statement that reads a page of the schedules of a workspace.
pub(crate) fn page_statement(
    workspace: WorkspaceId,
    filter: &ScheduleFilter,
    window: &Window,
    selection: ScheduleSelection,
) -> Result<QueryBuilder<'static, Postgres>, ForeignCursor> {
    List { sort: &BY_DUE, window }.build(
        &selection.columns(),
        |query| {
            query.push("milepost.schedules s").push(selection.joins());
        },
        "milepost.schedules s",
        |query| {
            query.push("s.workspace_id = ").push_bind(workspace.0).push(" AND NOT s.hidden AND ");
            let mut conditions = Conditions::new(query);
            match &filter.state {
                Some(states) => conditions.value("s.state = ANY(", states, ")"),
                None => {
                    conditions.and().push("s.state <> 'deleted'");
                }
            }
            conditions.compare("s.project_id", &filter.project_id);
            conditions.compare("s.task_id", &filter.task_id);
            conditions.compare_time("s.due_at", &filter.due_at);
        },
    )
}

/// A page of the schedules of a workspace, by due moment.
pub async fn list_schedules(
    reads: &impl Reads,
    workspace: WorkspaceId,
    filter: &ScheduleFilter,
    window: &Window,
    selection: ScheduleSelection,
) -> Result<Page<ScheduleView>, QueryError> {
    let mut query = page_statement(workspace, filter, window, selection)?;
    let list = List { sort: &BY_DUE, window };
    let mut projects = Beside::default();
    let found = read_list(&all(reads, query.build()).await?, |row, from| selection.read(row, from, &mut projects))?;
    Ok(list.page(found, |view| vec![KeyValue::Time(view.schedule.due.at.utc()), KeyValue::Uuid(view.schedule.id.0)]))
}

/// A schedule by id, hidden or not: the caller decides what to show.
pub async fn find_schedule(
    pool: &PgPool,
    workspace: WorkspaceId,
    id: ScheduleId,
    selection: ScheduleSelection,
) -> Result<Option<ScheduleView>, QueryError> {
    let (columns, joins) = (selection.columns(), selection.joins());
    let sql = format!("SELECT {columns} FROM milepost.schedules s{joins} WHERE s.id = $1 AND s.workspace_id = $2");
    let row = sqlx::query(&sql).bind(id.0).bind(workspace.0).fetch_optional(pool).await?;
    Ok(row.map(|row| selection.read(&row, 0, &mut Beside::default())).transpose()?)
}

/// Schedules by id, hidden or not: a firing may have been listed before its schedule was hidden.
pub async fn find_schedules(reads: &impl Reads, workspace: WorkspaceId, ids: &[ScheduleId]) -> Result<Vec<ScheduleRow>, QueryError> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let list = select_list::<ScheduleRow>("s");
    let sql = format!("SELECT {list} FROM milepost.schedules s WHERE s.id = ANY($1) AND s.workspace_id = $2");
    let rows = all(reads, sqlx::query(&sql).bind(ids).bind(workspace.0)).await?;
    Ok(rows.iter().map(|row| ScheduleRow::read(row, 0)).collect::<Result<_, Error>>()?)
}

/// The schedules that follow these tasks.
pub async fn schedules_of_tasks(reads: &impl Reads, workspace: WorkspaceId, tasks: &[TaskId]) -> Result<Vec<ScheduleRow>, QueryError> {
    let tasks: Vec<_> = tasks.iter().map(|id| id.0).collect();
    let list = select_list::<ScheduleRow>("s");
    let sql = format!(
        "SELECT {list} FROM milepost.schedules s \
         WHERE s.task_id = ANY($1) AND s.follows_task AND s.state <> 'deleted' AND NOT s.hidden AND s.workspace_id = $2"
    );
    let rows = all(reads, sqlx::query(&sql).bind(tasks).bind(workspace.0)).await?;
    Ok(rows.iter().map(|row| ScheduleRow::read(row, 0)).collect::<Result<_, Error>>()?)
}

/// A schedule that is due to fire.
#[derive(Debug, Clone, PartialEq)]
pub struct DueNow {
    pub id: ScheduleId,
    pub workspace_id: WorkspaceId,
    pub version: i64,
    pub due_revision: i32,
    pub fire_at: DateTime<Utc>,
}

/// The earliest time after `moment` at which any schedule fires.
pub async fn next_fire_after(pool: &PgPool, moment: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, QueryError> {
    Ok(sqlx::query_scalar(
        "SELECT s.next_fire_at FROM milepost.schedules s \
         WHERE s.next_fire_at > $1 AND NOT s.project_at_rest AND NOT s.hidden ORDER BY s.next_fire_at, s.id LIMIT 1",
    )
    .bind(moment)
    .fetch_optional(pool)
    .await?)
}

/// The schedules that fire up to a time, the earliest first, after a time and id of the list.
pub async fn due_now(
    pool: &PgPool,
    until: DateTime<Utc>,
    after: Option<(DateTime<Utc>, ScheduleId)>,
    limit: i64,
) -> Result<Vec<DueNow>, QueryError> {
    let (after_at, after_id) = after.unwrap_or((DateTime::<Utc>::UNIX_EPOCH - TimeDelta::days(100_000), ScheduleId(Uuid::nil())));
    let rows = sqlx::query(
        "SELECT s.id, s.workspace_id, s.due_revision, s.next_fire_at, s.version FROM milepost.schedules s \
         WHERE s.next_fire_at <= $1 AND (s.next_fire_at, s.id) > ($2, $3) AND NOT s.project_at_rest AND NOT s.hidden \
         ORDER BY s.next_fire_at, s.id LIMIT $4",
    )
    .bind(until)
    .bind(after_at)
    .bind(after_id.0)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let read = |row: &PgRow| {
        Ok(DueNow {
            id: ScheduleId(row.try_get(0)?),
            workspace_id: WorkspaceId(row.try_get(1)?),
            due_revision: row.try_get(2)?,
            fire_at: row.try_get(3)?,
            version: row.try_get(4)?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, Error>>()?)
}
