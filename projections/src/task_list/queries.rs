//! Queries of tasks. Each is one statement, also if the task's project and schedule are selected.

use super::TaskRow;
use crate::columns::{Stored, select_list, select_list_of};
use crate::project_overview::{self, Beside, ProjectRow, ProjectSelection};
use crate::querying::error::QueryError;
use crate::querying::filter::{Comparator, Conditions, TextComparator, TimeComparator};
use crate::querying::page::{ForeignCursor, KeyValue, Kind, List, Page, SortKey, Window, read_list};
use crate::querying::reads::{Reads, all};
use crate::schedules::ScheduleRow;
use chrono::{DateTime, Utc};
use domain::ids::{TaskId, WorkspaceId};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Postgres, QueryBuilder, Row};
use std::sync::Arc;
use uuid::Uuid;

/// Which tasks are listed. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskFilter {
    pub and: Vec<TaskFilter>,
    /// If given, one of these must hold.
    pub or: Option<Vec<TaskFilter>>,
    pub not: Option<Box<TaskFilter>>,
    pub project_id: Comparator<Uuid>,
    /// By stored words.
    pub status: Comparator<String>,
    /// By stored numbers.
    pub priority: Comparator<i16>,
    pub assignee_id: Comparator<Uuid>,
    pub category: TextComparator,
    pub tag: TextComparator,
    pub title: TextComparator,
    pub due_at: TimeComparator,
    pub created_at: TimeComparator,
    pub updated_at: TimeComparator,
    pub is_overdue: Option<bool>,
    pub text: Option<String>,
}

/// The field by which tasks are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSortField {
    Number,
    Created,
    Updated,
    Due,
    Priority,
    Title,
}

impl TaskSortField {
    /// Every field.
    pub const ALL: [Self; 6] = [Self::Number, Self::Created, Self::Updated, Self::Due, Self::Priority, Self::Title];
}

/// One level of the order of tasks. Equal tasks are ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskSort {
    pub field: TaskSortField,
    pub descending: bool,
}

/// What to select in addition to the tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskSelection {
    pub project: Option<ProjectSelection>,
    pub schedule: bool,
    /// The description may be left out: it is empty then.
    pub without_description: bool,
}

impl TaskSelection {
    /// The union of two selections.
    pub fn or(self, other: Self) -> Self {
        let project = [self.project, other.project].into_iter().flatten().reduce(ProjectSelection::or);
        Self {
            project,
            schedule: self.schedule || other.schedule,
            without_description: self.without_description && other.without_description,
        }
    }

    /// The number of overdue tasks of the project.
    fn project_overdue(self) -> bool {
        self.project.is_some_and(|project| project.overdue)
    }
}

/// A task with what was selected in addition.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    pub task: TaskRow,
    pub project: Option<Arc<ProjectRow>>,
    pub project_overdue: Option<i64>,
    /// Outer `None`: not selected.
    pub schedule: Option<Option<ScheduleRow>>,
}

/// The FROM clause of a statement.
struct Source {
    selection: TaskSelection,
    now: DateTime<Utc>,
}

impl Source {
    fn columns(&self) -> String {
        let mut columns = select_list_of::<TaskRow>("t", self.selection.without_description);
        if let Some(project) = self.selection.project {
            columns.push_str(&format!(", {}", project.columns()));
        }
        if self.selection.project_overdue() {
            columns.push_str(", o.overdue");
        }
        if self.selection.schedule {
            columns.push_str(&format!(", {}", select_list::<ScheduleRow>("s")));
        }
        columns
    }

    fn push_from(&self, query: &mut QueryBuilder<'_, Postgres>) {
        query.push("milepost.task_list t");
        if self.selection.project.is_some() {
            query.push(" LEFT JOIN milepost.project_overview p ON p.id = t.project_id");
        }
        if self.selection.project_overdue() {
            project_overview::push_overdue(query, "t.project_id", self.now);
        }
        if self.selection.schedule {
            query.push(" LEFT JOIN milepost.schedules s ON s.task_id = t.id AND s.follows_task AND s.state <> 'deleted'");
        }
    }

    /// `SELECT … FROM … WHERE `.
    fn select(&self) -> QueryBuilder<'static, Postgres> {
        let mut query = QueryBuilder::new(format!("SELECT {} FROM ", self.columns()));
        self.push_from(&mut query);
        query.push(" WHERE ");
        query
    }

    async fn one(&self, mut query: QueryBuilder<'static, Postgres>, pool: &PgPool) -> Result<Option<TaskView>, Error> {
        let row = query.build().fetch_optional(pool).await?;
        row.map(|row| self.read(&row, 0, &mut Beside::default())).transpose()
    }

    fn read(&self, row: &PgRow, from: usize, projects: &mut Beside) -> Result<TaskView, Error> {
        let mut next = from;
        let task = TaskRow::read(row, next)?;
        next += TaskRow::columns().len();
        let mut view = TaskView { task, project: None, project_overdue: None, schedule: None };
        if self.selection.project.is_some() {
            view.project = projects.read(row, next)?;
            next += ProjectRow::columns().len();
        }
        if self.selection.project_overdue() {
            view.project_overdue = row.try_get(next)?;
            next += 1;
        }
        if self.selection.schedule {
            let present = row.try_get::<Option<Uuid>, _>(next)?.is_some();
            view.schedule = Some(present.then(|| ScheduleRow::read(row, next)).transpose()?);
        }
        Ok(view)
    }
}

fn sort_key(sort: TaskSort) -> SortKey {
    let (name, kind, expression) = match sort.field {
        TaskSortField::Number => ("number", Kind::Int, "t.number"),
        TaskSortField::Created => ("created", Kind::Time, "t.created_at"),
        TaskSortField::Updated => ("updated", Kind::Time, "t.updated_at"),
        TaskSortField::Due if sort.descending => ("due", Kind::TimeOrNever, "coalesce(t.due_at, '-infinity')"),
        TaskSortField::Due => ("due", Kind::TimeOrNever, "coalesce(t.due_at, 'infinity')"),
        TaskSortField::Priority => ("priority", Kind::Int, "t.priority"),
        TaskSortField::Title => ("title", Kind::Text, "t.title"),
    };
    SortKey { name, kind, expression, descending: sort.descending }
}

fn sort_value(field: &str, task: &TaskRow) -> KeyValue {
    match field {
        "number" => KeyValue::Int(i64::from(task.number)),
        "created" => KeyValue::Time(task.created_at),
        "updated" => KeyValue::Time(task.updated_at),
        "due" => task.due.map_or(KeyValue::Never, |due| KeyValue::Time(due.at.utc())),
        "priority" => KeyValue::Int(i64::from(super::priority_number(task.priority))),
        "title" => KeyValue::Text(task.title.clone()),
        _ => KeyValue::Uuid(task.id.0),
    }
}

fn push_filter(query: &mut QueryBuilder<'_, Postgres>, filter: &TaskFilter, now: DateTime<Utc>) {
    query.push("(");
    let mut conditions = Conditions::new(query);
    conditions.compare("t.project_id", &filter.project_id);
    conditions.compare("t.status", &filter.status);
    conditions.compare("t.priority", &filter.priority);
    conditions.compare_list("t.assignee_ids", &filter.assignee_id);
    conditions.compare_text("t.category", &filter.category);
    conditions.compare_texts("t.tags", &filter.tag);
    conditions.compare_text("t.title", &filter.title);
    conditions.compare_time("t.due_at", &filter.due_at);
    conditions.compare_time("t.created_at", &filter.created_at);
    conditions.compare_time("t.updated_at", &filter.updated_at);
    if let Some(is_overdue) = filter.is_overdue {
        let not = if is_overdue { "" } else { " IS NOT TRUE" };
        conditions.value("(t.due_at IS NOT NULL AND t.status NOT IN ('done', 'cancelled') AND t.due_at <= ", &now, &format!("){not}"));
    }
    if let Some(text) = &filter.text {
        conditions.words(&["t.title", "t.description", "(t.project_key || '-' || t.number)"], text);
    }
    for every in &filter.and {
        push_filter(conditions.and(), every, now);
    }
    if let Some(any) = &filter.or {
        let query = conditions.and().push("(false");
        for one in any {
            push_filter(query.push(" OR "), one, now);
        }
        query.push(")");
    }
    if let Some(not) = &filter.not {
        push_filter(conditions.and(), not, now);
        query.push(" IS NOT TRUE");
    }
    query.push(")");
}

/// The statement that reads a page of the tasks of a workspace, and what it is sorted by.
pub(crate) fn page_statement(
    workspace: WorkspaceId,
    filter: &TaskFilter,
    sort: &[TaskSort],
    window: &Window,
    selection: TaskSelection,
    now: DateTime<Utc>,
) -> Result<(QueryBuilder<'static, Postgres>, Vec<SortKey>), ForeignCursor> {
    let default = [TaskSort { field: TaskSortField::Created, descending: false }];
    let sort = if sort.is_empty() { &default } else { sort };
    let mut keys: Vec<SortKey> = sort.iter().copied().map(sort_key).collect();
    let descending = keys.last().is_some_and(|key| key.descending);
    keys.push(SortKey { name: "id", kind: Kind::Uuid, expression: "t.id", descending });
    let source = Source { selection, now };
    let query = List { sort: &keys, window }.build(
        &source.columns(),
        |query| source.push_from(query),
        "milepost.task_list t",
        |query| {
            query.push("t.workspace_id = ").push_bind(workspace.0).push(" AND NOT t.hidden AND ");
            push_filter(query, filter, now);
        },
    )?;
    Ok((query, keys))
}

/// A page of the tasks of a workspace.
pub async fn list_tasks(
    reads: &impl Reads,
    workspace: WorkspaceId,
    filter: &TaskFilter,
    sort: &[TaskSort],
    window: &Window,
    selection: TaskSelection,
    now: DateTime<Utc>,
) -> Result<Page<TaskView>, QueryError> {
    let (mut query, keys) = page_statement(workspace, filter, sort, window, selection, now)?;
    let (source, list) = (Source { selection, now }, List { sort: &keys, window });
    let mut projects = Beside::default();
    let found = read_list(&all(reads, query.build()).await?, |row, from| source.read(row, from, &mut projects))?;
    Ok(list.page(found, |view| keys.iter().map(|key| sort_value(key.name, &view.task)).collect()))
}

/// A task by id, hidden or not: the caller decides what to show.
pub async fn find_task(
    pool: &PgPool,
    workspace: WorkspaceId,
    id: TaskId,
    selection: TaskSelection,
    now: DateTime<Utc>,
) -> Result<Option<TaskView>, QueryError> {
    let source = Source { selection, now };
    let mut query = source.select();
    query.push("t.id = ").push_bind(id.0).push(" AND t.workspace_id = ").push_bind(workspace.0);
    Ok(source.one(query, pool).await?)
}

/// A task by a key it has or had, such as `PRJ-12`.
pub async fn task_by_key(
    pool: &PgPool,
    workspace: WorkspaceId,
    key: &str,
    selection: TaskSelection,
    now: DateTime<Utc>,
) -> Result<Option<TaskView>, QueryError> {
    let Some((project_key, number)) = key.rsplit_once('-').and_then(|(prefix, number)| Some((prefix, number.parse::<i32>().ok()?))) else {
        return Ok(None);
    };
    let source = Source { selection, now };
    let mut query = source.select();
    query.push("t.workspace_id = ").push_bind(workspace.0).push(" AND NOT t.hidden AND (t.project_key = ");
    query.push_bind(project_key.to_owned()).push(" AND t.number = ").push_bind(number);
    query.push(" OR t.former_keys <> '{}' AND t.former_keys @> ARRAY[").push_bind(key.to_owned()).push("])");
    Ok(source.one(query, pool).await?)
}

/// Tasks by id, without the hidden ones.
pub async fn find_tasks(reads: &impl Reads, workspace: WorkspaceId, ids: &[TaskId]) -> Result<Vec<TaskRow>, QueryError> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let list = select_list::<TaskRow>("t");
    let sql = format!("SELECT {list} FROM milepost.task_list t WHERE t.id = ANY($1) AND t.workspace_id = $2 AND NOT t.hidden");
    let rows = all(reads, sqlx::query(&sql).bind(ids).bind(workspace.0)).await?;
    Ok(rows.iter().map(|row| TaskRow::read(row, 0)).collect::<Result<_, Error>>()?)
}
