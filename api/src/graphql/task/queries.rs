//! Queries on tasks.

use super::types::{Task, TaskConnection, TaskPriority, TaskStatus};
use crate::graphql::comparators::{DateTimeComparator, IDComparator, StringComparator};
use crate::graphql::context::{ContextExt, FilterSize, Paging, any_node, items, optional_uuid, seen, wanted, words};
use crate::graphql::error::{bad_input, limit_exceeded, unanswered};
use crate::graphql::project;
use crate::graphql::scalars::Position;
use crate::limits::SORT_LEVELS_MAX;
use async_graphql::{Context, Enum, ID, InputObject, Lookahead, Object, Result};
use domain::ids::{ProjectId, TaskId};
use domain::task::Status;
use domain::values::{Priority, normalized};
use projections::model::ReadModel;
use projections::project_overview::ProjectOverview;
use projections::querying::filter::Comparator;
use projections::schedules::Schedules;
use projections::task_list::{self, TaskList, TaskSelection, find_task, list_tasks, priority_number, task_by_key};

/// Conditions on a status. All given conditions must hold.
#[derive(Debug, InputObject)]
pub struct TaskStatusComparator {
    /// Equals this value.
    eq: Option<TaskStatus>,
    /// Differs from this value.
    ne: Option<TaskStatus>,
    /// Equals one of these values.
    #[graphql(name = "in")]
    within: Option<Vec<TaskStatus>>,
    /// Equals none of these values.
    not_in: Option<Vec<TaskStatus>>,
}

/// Conditions on a priority. All given conditions must hold.
#[derive(Debug, InputObject)]
pub struct TaskPriorityComparator {
    /// Equals this value.
    eq: Option<TaskPriority>,
    /// Differs from this value.
    ne: Option<TaskPriority>,
    /// Equals one of these values.
    #[graphql(name = "in")]
    within: Option<Vec<TaskPriority>>,
    /// Equals none of these values.
    not_in: Option<Vec<TaskPriority>>,
}

/// Filter for tasks. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct TaskFilter {
    /// All of these filters match.
    and: Option<Vec<TaskFilter>>,
    /// At least one of these filters matches.
    or: Option<Vec<TaskFilter>>,
    /// This filter does not match.
    not: Option<Box<TaskFilter>>,
    /// The project.
    project_id: Option<IDComparator>,
    /// The status.
    status: Option<TaskStatusComparator>,
    /// The priority.
    priority: Option<TaskPriorityComparator>,
    /// The assignees.
    assignee_id: Option<IDComparator>,
    /// The category.
    category: Option<StringComparator>,
    /// The tags.
    tag: Option<StringComparator>,
    /// The title.
    title: Option<StringComparator>,
    /// When it is due.
    due_at: Option<DateTimeComparator>,
    /// When the object was created.
    created_at: Option<DateTimeComparator>,
    /// When the task last changed.
    updated_at: Option<DateTimeComparator>,
    /// Whether the task is open and its due instant has passed at the time of the query.
    is_overdue: Option<bool>,
    /// Every word occurs in the title, description or key, ignoring case.
    text: Option<String>,
}

/// Fields that tasks can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskSortField {
    /// Number of the task in its project.
    Number,
    /// When the object was created.
    Created,
    /// When the task last changed.
    Updated,
    /// Due instant; tasks without one come last.
    Due,
    /// Priority; ascending is most urgent first.
    Priority,
    /// Title, by Unicode code point.
    Title,
}

/// Direction of a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SortDirection {
    /// Ascending.
    Asc,
    /// Descending.
    Desc,
}

/// One sort key of tasks.
#[derive(Debug, InputObject)]
pub struct TaskSort {
    /// Field to sort by.
    field: TaskSortField,
    /// Direction; ascending if omitted.
    direction: Option<SortDirection>,
}

impl TaskSort {
    fn parse(&self) -> task_list::TaskSort {
        let field = match self.field {
            TaskSortField::Number => task_list::TaskSortField::Number,
            TaskSortField::Created => task_list::TaskSortField::Created,
            TaskSortField::Updated => task_list::TaskSortField::Updated,
            TaskSortField::Due => task_list::TaskSortField::Due,
            TaskSortField::Priority => task_list::TaskSortField::Priority,
            TaskSortField::Title => task_list::TaskSortField::Title,
        };
        task_list::TaskSort { field, descending: self.direction == Some(SortDirection::Desc) }
    }
}

fn word(status: TaskStatus) -> String {
    Status::from(status).word().to_owned()
}

fn number(priority: TaskPriority) -> i16 {
    priority_number(Priority::from(priority))
}

impl TaskFilter {
    fn size(&self) -> FilterSize {
        let ids = [&self.project_id, &self.assignee_id].map(IDComparator::items);
        let texts = [&self.category, &self.tag, &self.title].map(StringComparator::items);
        let statuses = self.status.as_ref().map(|by| items(&by.within) + items(&by.not_in));
        let priorities = self.priority.as_ref().map(|by| items(&by.within) + items(&by.not_in));
        let own = FilterSize::flat(words(self.text.as_ref()), ids.into_iter().chain(texts).chain(statuses).chain(priorities));
        let inner = self.and.iter().chain(&self.or).flatten().chain(self.not.as_deref());
        inner.map(Self::size).fold(own, FilterSize::and)
    }

    /// The filter, unless it is too much or wrong.
    pub(crate) fn checked(self) -> Result<task_list::TaskFilter> {
        self.size().check()?;
        self.parse()
    }

    fn parse(self) -> Result<task_list::TaskFilter> {
        let all = |filters: Option<Vec<TaskFilter>>| {
            filters.map(|filters| filters.into_iter().map(Self::parse).collect::<Result<Vec<_>>>()).transpose()
        };
        let text = |given: Option<StringComparator>| given.map(StringComparator::parse).unwrap_or_default();
        let time = |given: Option<DateTimeComparator>| given.map(DateTimeComparator::parse).unwrap_or_default();
        let status = self.status.map_or_else(Comparator::default, |by| Comparator {
            eq: by.eq.map(word),
            ne: by.ne.map(word),
            within: by.within.map(|statuses| statuses.into_iter().map(word).collect()),
            not_within: by.not_in.map(|statuses| statuses.into_iter().map(word).collect()),
            is_null: None,
        });
        let priority = self.priority.map_or_else(Comparator::default, |by| Comparator {
            eq: by.eq.map(number),
            ne: by.ne.map(number),
            within: by.within.map(|priorities| priorities.into_iter().map(number).collect()),
            not_within: by.not_in.map(|priorities| priorities.into_iter().map(number).collect()),
            is_null: None,
        });
        Ok(task_list::TaskFilter {
            and: all(self.and)?.unwrap_or_default(),
            or: all(self.or)?,
            not: self.not.map(|not| not.parse()).transpose()?.map(Box::new),
            project_id: IDComparator::parse(self.project_id, "filter.projectId")?,
            status,
            priority,
            assignee_id: IDComparator::parse(self.assignee_id, "filter.assigneeId")?,
            category: text(self.category),
            tag: text(self.tag),
            title: text(self.title),
            due_at: time(self.due_at),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            is_overdue: self.is_overdue,
            text: self.text.map(normalized),
        })
    }
}

/// What is asked of a task beside its own fields.
fn selection(look: &Lookahead<'_>) -> TaskSelection {
    let project = look.field("project");
    TaskSelection {
        project: project.exists().then(|| project::selection(&project)),
        schedule: look.field("schedule").exists(),
        without_description: !look.field("description").exists(),
    }
}

/// The read models that the selection reads.
fn models(selection: TaskSelection) -> Vec<&'static str> {
    let project = selection.project.map(|_| ProjectOverview::NAME);
    let schedule = selection.schedule.then_some(Schedules::NAME);
    [TaskList::NAME].into_iter().chain(project).chain(schedule).collect()
}

/// A page of tasks, of one project if one is given.
pub(crate) async fn list(
    ctx: &Context<'_>,
    filter: Option<TaskFilter>,
    sort: Option<Vec<TaskSort>>,
    paging: Paging,
    position: i64,
    project: Option<ProjectId>,
) -> Result<TaskConnection> {
    let look = ctx.look_ahead();
    let selection = any_node(&look, |node| selection(&node), TaskSelection::or);
    let window = paging.window(&look)?;
    let mut filter = filter.unwrap_or_default().checked()?;
    if let Some(project) = project {
        let only = Comparator { eq: Some(project.0), ..Comparator::default() };
        filter = task_list::TaskFilter { project_id: only, and: vec![filter], ..task_list::TaskFilter::default() };
    }
    let sort: Vec<_> = sort.unwrap_or_default().iter().map(TaskSort::parse).collect();
    if sort.len() > SORT_LEVELS_MAX {
        return Err(limit_exceeded("sortLevels", sort.len(), SORT_LEVELS_MAX));
    }
    seen(ctx, &models(selection), position).await?;
    let page = list_tasks(&ctx.reader(), ctx.workspace(), &filter, &sort, &window, selection, ctx.now()).await.map_err(unanswered)?;
    Ok(page.map(|view| Task { view, seen: position }).into())
}

/// Queries on tasks.
#[derive(Default)]
pub struct TaskQueries;

/// Queries on tasks.
#[Object]
impl TaskQueries {
    /// A task by ID or by a current or former key. Null if it does not exist or if the task or its project is deleted.
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the object.")] id: Option<ID>,
        #[graphql(desc = "Current or former key of the task, such as `PRJ-12`.")] key: Option<String>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<Option<Task>> {
        let selection = selection(&ctx.look_ahead());
        let id = optional_uuid("id", id.as_ref())?;
        if id.is_some() == key.is_some() {
            return Err(bad_input(&["id"], "give exactly one of id and key"));
        }
        let position = wanted(ctx, min_position);
        seen(ctx, &models(selection), position).await?;
        let (pool, workspace, now) = (ctx.pool(), ctx.workspace(), ctx.now());
        let found = match (id, key) {
            (Some(id), _) => find_task(pool, workspace, TaskId(id), selection, now).await,
            (None, key) => task_by_key(pool, workspace, &key.unwrap_or_default(), selection, now).await,
        };
        Ok(found.map_err(unanswered)?.filter(|view| !view.task.hidden).map(|view| Task { view, seen: position }))
    }

    /// The tasks of the workspace.
    #[allow(clippy::too_many_arguments)]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Filter.")] filter: Option<TaskFilter>,
        #[graphql(desc = "Sort order; by creation if omitted. Ties are broken by ID.")] sort: Option<Vec<TaskSort>>,
        #[graphql(desc = "Maximum number of items, from the start of the list or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Maximum number of items, from the end of the list or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor; without `first` or `last`, the last ones of them.")] before: Option<String>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<TaskConnection> {
        let paging = Paging { first, after, last, before };
        list(ctx, filter, sort, paging, wanted(ctx, min_position), None).await
    }
}
