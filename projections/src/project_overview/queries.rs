//! Queries of projects.

use super::ProjectRow;
use crate::columns::{Stored, select_list_of};
use crate::querying::error::QueryError;
use crate::querying::filter::{Comparator, Conditions, TextComparator};
use crate::querying::page::{ForeignCursor, KeyValue, Kind, List, Page, SortKey, Window, read_list};
use crate::querying::reads::{Reads, all};
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, WorkspaceId};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Postgres, QueryBuilder, Row};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Which projects are listed. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectFilter {
    /// By stored values. If omitted, all but the deleted ones.
    pub phase: Option<Vec<String>>,
    pub collaborator_id: Comparator<Uuid>,
    pub key: TextComparator,
    pub name: TextComparator,
    pub text: Option<String>,
}

/// What to select in addition to the projects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProjectSelection {
    /// The number of overdue tasks.
    pub overdue: bool,
    /// The description may be left out: it is empty then.
    pub without_description: bool,
}

impl ProjectSelection {
    /// The union of two selections.
    pub fn or(self, other: Self) -> Self {
        Self { overdue: self.overdue || other.overdue, without_description: self.without_description && other.without_description }
    }

    /// The columns of the projects themselves.
    pub(crate) fn columns(self) -> String {
        select_list_of::<ProjectRow>("p", self.without_description)
    }
}

/// A project with what was selected in addition.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectView {
    pub project: Arc<ProjectRow>,
    pub overdue: Option<i64>,
}

/// Projects of the rows of one answer. Each is decoded once, however many rows refer to it.
#[derive(Default)]
pub(crate) struct Beside(HashMap<Uuid, Arc<ProjectRow>>);

impl Beside {
    /// The project whose columns start at `from`, if the row has one.
    pub(crate) fn read(&mut self, row: &PgRow, from: usize) -> Result<Option<Arc<ProjectRow>>, Error> {
        let Some(id) = row.try_get(from)? else { return Ok(None) };
        if let Some(known) = self.0.get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let project = Arc::new(ProjectRow::read(row, from)?);
        self.0.insert(id, Arc::clone(&project));
        Ok(Some(project))
    }
}

/// ` LEFT JOIN LATERAL (how many tasks of the project are overdue) o ON true`.
pub(crate) fn push_overdue(query: &mut QueryBuilder<'_, Postgres>, project_id: &str, now: DateTime<Utc>) {
    query
        .push(format!(
            " LEFT JOIN LATERAL (SELECT count(*) AS overdue FROM milepost.task_list late WHERE late.project_id = {project_id} \
             AND NOT late.hidden AND late.due_at IS NOT NULL AND late.status NOT IN ('done', 'cancelled') AND late.due_at <= "
        ))
        .push_bind(now)
        .push(") o ON true");
}

struct Source {
    selection: ProjectSelection,
    now: DateTime<Utc>,
}

impl Source {
    fn columns(&self) -> String {
        let columns = self.selection.columns();
        if self.selection.overdue { format!("{columns}, o.overdue") } else { columns }
    }

    fn push_from(&self, query: &mut QueryBuilder<'_, Postgres>) {
        query.push("milepost.project_overview p");
        if self.selection.overdue {
            push_overdue(query, "p.id", self.now);
        }
    }

    fn read(&self, row: &PgRow, from: usize) -> Result<ProjectView, Error> {
        let project = Arc::new(ProjectRow::read(row, from)?);
        let overdue = if self.selection.overdue { row.try_get(from + ProjectRow::columns().len())? } else { None };
        Ok(ProjectView { project, overdue })
    }

    async fn one(&self, pool: &PgPool, condition: impl FnOnce(&mut QueryBuilder<'static, Postgres>)) -> Result<Option<ProjectView>, Error> {
        let mut query = QueryBuilder::new(format!("SELECT {} FROM ", self.columns()));
        self.push_from(&mut query);
        query.push(" WHERE ");
        condition(&mut query);
        let row = query.build().fetch_optional(pool).await?;
        row.map(|row| self.read(&row, 0)).transpose()
    }
}

fn push_filter(query: &mut QueryBuilder<'_, Postgres>, filter: &ProjectFilter) {
    let mut conditions = Conditions::new(query);
    match &filter.phase {
        Some(phases) => conditions.value("p.phase = ANY(", phases, ")"),
        None => {
            conditions.and().push("p.phase <> 'deleted'");
        }
    }
    let by = &filter.collaborator_id;
    let has = |id: &Uuid| serde_json::json!([{ "user_id": id }]);
    by.eq.iter().for_each(|id| conditions.value("p.collaborators @> ", &has(id), ""));
    by.ne.iter().for_each(|id| conditions.value("NOT p.collaborators @> ", &has(id), ""));
    let any = |ids: &[Uuid]| ids.iter().map(has).collect::<Vec<_>>();
    by.within.iter().for_each(|ids| conditions.value("p.collaborators @> ANY(", &any(ids), ")"));
    by.not_within.iter().for_each(|ids| conditions.value("NOT p.collaborators @> ANY(", &any(ids), ")"));
    by.is_null.iter().for_each(|nobody| {
        conditions.and().push(format!("p.collaborators {} '[]'", if *nobody { "=" } else { "<>" }));
    });
    conditions.compare_text("p.key", &filter.key);
    conditions.compare_text("p.name", &filter.name);
    if let Some(text) = &filter.text {
        conditions.words(&["p.name", "p.description", "p.key"], text);
    }
}

const BY_KEY: [SortKey; 2] = [
    SortKey { name: "key", kind: Kind::Text, expression: "p.key", descending: false },
    SortKey { name: "id", kind: Kind::Uuid, expression: "p.id", descending: false },
];

/// The statement that reads a page of the projects of a workspace.
pub(crate) fn page_statement(
    workspace: WorkspaceId,
    filter: &ProjectFilter,
    window: &Window,
    selection: ProjectSelection,
    now: DateTime<Utc>,
) -> Result<QueryBuilder<'static, Postgres>, ForeignCursor> {
    let source = Source { selection, now };
    List { sort: &BY_KEY, window }.build(
        &source.columns(),
        |query| source.push_from(query),
        "milepost.project_overview p",
        |query| {
            query.push("p.workspace_id = ").push_bind(workspace.0).push(" AND ");
            push_filter(query, filter);
        },
    )
}

/// A page of the projects of a workspace, by key.
pub async fn list_projects(
    reads: &impl Reads,
    workspace: WorkspaceId,
    filter: &ProjectFilter,
    window: &Window,
    selection: ProjectSelection,
    now: DateTime<Utc>,
) -> Result<Page<ProjectView>, QueryError> {
    let mut query = page_statement(workspace, filter, window, selection, now)?;
    let (source, list) = (Source { selection, now }, List { sort: &BY_KEY, window });
    let found = read_list(&all(reads, query.build()).await?, |row, from| source.read(row, from))?;
    Ok(list.page(found, |view| vec![KeyValue::Text(view.project.key.clone()), KeyValue::Uuid(view.project.id.0)]))
}

/// A project by id, also a deleted one.
pub async fn find_project(
    pool: &PgPool,
    workspace: WorkspaceId,
    id: ProjectId,
    selection: ProjectSelection,
    now: DateTime<Utc>,
) -> Result<Option<ProjectView>, QueryError> {
    let source = Source { selection, now };
    let condition = |query: &mut QueryBuilder<'static, Postgres>| {
        query.push("p.id = ").push_bind(id.0).push(" AND p.workspace_id = ").push_bind(workspace.0);
    };
    Ok(source.one(pool, condition).await?)
}

/// A project by key, also a deleted one.
pub async fn project_by_key(
    pool: &PgPool,
    workspace: WorkspaceId,
    key: &str,
    selection: ProjectSelection,
    now: DateTime<Utc>,
) -> Result<Option<ProjectView>, QueryError> {
    let source = Source { selection, now };
    let condition = |query: &mut QueryBuilder<'static, Postgres>| {
        query.push("p.workspace_id = ").push_bind(workspace.0).push(" AND p.key = ").push_bind(key.to_owned());
    };
    Ok(source.one(pool, condition).await?)
}

/// Projects by id, each with the number of its overdue tasks.
pub async fn find_projects(
    reads: &impl Reads,
    workspace: WorkspaceId,
    ids: &[ProjectId],
    now: DateTime<Utc>,
) -> Result<Vec<ProjectView>, QueryError> {
    let source = Source { selection: ProjectSelection { overdue: true, ..ProjectSelection::default() }, now };
    let mut query = QueryBuilder::new(format!("SELECT {} FROM ", source.columns()));
    source.push_from(&mut query);
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    query.push(" WHERE p.id = ANY(").push_bind(ids).push(") AND p.workspace_id = ").push_bind(workspace.0);
    let rows = all(reads, query.build()).await?;
    Ok(rows.iter().map(|row| source.read(row, 0)).collect::<Result<_, Error>>()?)
}
