//! Queries of firings.

use super::FiringRow;
use crate::columns::{Stored, select_list};
use crate::querying::error::QueryError;
use crate::querying::filter::{Comparator, Conditions, TimeComparator};
use crate::querying::page::{ForeignCursor, KeyValue, Kind, List, Page, SortKey, Window, read_list};
use crate::querying::reads::{Reads, all};
use crate::schedules::ScheduleRow;
use domain::ids::{ScheduleId, WorkspaceId};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Postgres, QueryBuilder};
use uuid::Uuid;

/// Which firings are listed. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FiringFilter {
    pub schedule_id: Comparator<Uuid>,
    /// True: due moments that passed; false: thresholds that were reached.
    pub overdue: Option<bool>,
    pub fired_at: TimeComparator,
}

/// What to select in addition to the firings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FiringSelection {
    pub schedule: bool,
}

/// A firing with what was selected in addition.
#[derive(Debug, Clone, PartialEq)]
pub struct FiringView {
    pub firing: FiringRow,
    pub schedule: Option<ScheduleRow>,
}

/// The oldest first.
const KEYS: [SortKey; 1] = [SortKey { name: "position", kind: Kind::Int, expression: "f.position", descending: false }];

/// The statement that reads a page of the firings in a workspace.
pub(crate) fn page_statement(
    workspace: WorkspaceId,
    filter: &FiringFilter,
    window: &Window,
    selection: FiringSelection,
) -> Result<QueryBuilder<'static, Postgres>, ForeignCursor> {
    let (mut columns, mut joins) = (select_list::<FiringRow>("f"), "");
    if selection.schedule {
        columns.push_str(&format!(", {}", select_list::<ScheduleRow>("s")));
        joins = " JOIN milepost.schedules s ON s.id = f.schedule_id";
    }
    List { sort: &KEYS, window }.build(
        &columns,
        |query| {
            query.push("milepost.deadline_log f").push(joins);
        },
        "milepost.deadline_log f",
        |query| {
            query.push("f.workspace_id = ").push_bind(workspace.0).push(" AND NOT f.hidden AND ");
            let mut conditions = Conditions::new(query);
            conditions.compare("f.schedule_id", &filter.schedule_id);
            filter.overdue.iter().for_each(|overdue| {
                conditions.and().push(format!("f.threshold_amount IS {}NULL", if *overdue { "" } else { "NOT " }));
            });
            conditions.compare_time("f.fired_at", &filter.fired_at);
        },
    )
}

/// A page of the firings in a workspace, the oldest first.
pub async fn list_firings(
    reads: &impl Reads,
    workspace: WorkspaceId,
    filter: &FiringFilter,
    window: &Window,
    selection: FiringSelection,
) -> Result<Page<FiringView>, QueryError> {
    let mut query = page_statement(workspace, filter, window, selection)?;
    let read = |row: &PgRow, from: usize| -> Result<FiringView, Error> {
        let firing = FiringRow::read(row, from)?;
        let schedule = selection.schedule.then(|| ScheduleRow::read(row, from + FiringRow::columns().len())).transpose()?;
        Ok(FiringView { firing, schedule })
    };
    let found = read_list(&all(reads, query.build()).await?, read)?;
    Ok(List { sort: &KEYS, window }.page(found, |view| vec![KeyValue::Int(view.firing.position)]))
}

/// A firing by id, unless it is hidden.
pub async fn find_firing(pool: &PgPool, workspace: WorkspaceId, id: Uuid) -> Result<Option<FiringRow>, QueryError> {
    let list = select_list::<FiringRow>("f");
    let sql = format!("SELECT {list} FROM milepost.deadline_log f WHERE f.id = $1 AND f.workspace_id = $2 AND NOT f.hidden");
    let row = sqlx::query(&sql).bind(id).bind(workspace.0).fetch_optional(pool).await?;
    Ok(row.map(|row| FiringRow::read(&row, 0)).transpose()?)
}

/// Most firings that are shown with a schedule; one due revision has fewer. [`list_firings`] gives all.
pub const FIRINGS_OF_MAX: usize = 25;

/// The latest firings of each of these schedules, the oldest first.
pub async fn firings_of(reads: &impl Reads, workspace: WorkspaceId, schedules: &[ScheduleId]) -> Result<Vec<FiringRow>, QueryError> {
    let schedules: Vec<_> = schedules.iter().map(|id| id.0).collect();
    let sql = format!(
        "SELECT l.* FROM unnest($1::uuid[]) s(id) CROSS JOIN LATERAL (SELECT {list} FROM milepost.deadline_log f \
         WHERE f.schedule_id = s.id AND f.workspace_id = $2 ORDER BY f.position DESC LIMIT {FIRINGS_OF_MAX}) l ORDER BY l.position",
        list = select_list::<FiringRow>("f")
    );
    let rows = all(reads, sqlx::query(&sql).bind(schedules).bind(workspace.0)).await?;
    Ok(rows.iter().map(|row| FiringRow::read(row, 0)).collect::<Result<_, Error>>()?)
}
