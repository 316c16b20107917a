//! Questions about tasks.

use super::types::{Task, TaskConnection, TaskPriority, TaskStatus};
use crate::graphql::comparators::{DateTimeComparator, IDComparator, StringComparator};
use crate::graphql::context::{ContextExt, FilterSize, Paging, any_node, items, optional_uuid, seen, wanted, words};
use crate::graphql::error::{bad_input, limit_exceeded, unanswered};
use crate::graphql::limits::SORT_LEVELS_MAX;
use crate::graphql::project;
use crate::graphql::scalars::Position;
use async_graphql::{Context, Enum, ID, InputObject, Lookahead, Object, Result};
use domain::ids::{ProjectId, TaskId};
use domain::task::Status;
use domain::values::{Priority, normalized};
use projections::model::ReadModel;
use projections::project_overview::ProjectOverview;
use projections::querying::filter::Comparator;
use projections::schedules::Schedules;
use projections::task_list::{self, TaskList, TaskSelection, find_task, list_tasks, priority_number, task_by_key};

/// How a status is compared. Everything given must hold.
#[derive(Debug, InputObject)]
pub struct TaskStatusComparator {
    /// It is this one.
    eq: Option<TaskStatus>,
    /// It is another one.
    ne: Option<TaskStatus>,
    /// It is one of these.
    #[graphql(name = "in")]
    within: Option<Vec<TaskStatus>>,
    /// It is none of these.
    not_in: Option<Vec<TaskStatus>>,
}

/// How a priority is compared. Everything given must hold.
#[derive(Debug, InputObject)]
pub struct TaskPriorityComparator {
    /// It is this one.
    eq: Option<TaskPriority>,
    /// It is another one.
    ne: Option<TaskPriority>,
    /// It is one of these.
    #[graphql(name = "in")]
    within: Option<Vec<TaskPriority>>,
    /// It is none of these.
    not_in: Option<Vec<TaskPriority>>,
}

/// Which tasks are wanted. Everything given must hold.
#[derive(Debug, Default, InputObject)]
pub struct TaskFilter {
    /// All of these hold.
    and: Option<Vec<TaskFilter>>,
    /// At least one of these holds.
    or: Option<Vec<TaskFilter>>,
    /// This does not hold.
    not: Option<Box<TaskFilter>>,
    /// The project.
    project_id: Option<IDComparator>,
    /// The status.
    status: Option<TaskStatusComparator>,
    /// The priority.
    priority: Option<TaskPriorityComparator>,
    /// Those who work on it.
    assignee_id: Option<IDComparator>,
    /// The category.
    category: Option<StringComparator>,
    /// The tags.
    tag: Option<StringComparator>,
    /// The title.
    title: Option<StringComparator>,
    /// When it is due.
    due_at: Option<DateTimeComparator>,
    /// When it was created.
    created_at: Option<DateTimeComparator>,
    /// When it last changed.
    updated_at: Option<DateTimeComparator>,
    /// Whether it is overdue, by the clock at the moment of asking.
    is_overdue: Option<bool>,
    /// Every word occurs in title, description or key, whatever its case.
    text: Option<String>,
}

/// What tasks are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskSortField {
    /// The number in the project.
    Number,
    /// When it was created.
    Created,
    /// When it last changed.
    Updated,
    /// When it is due; tasks without a due moment come last.
    Due,
    /// How pressing it is; ascending is most urgent first.
    Priority,
    /// The title, by Unicode code point.
    Title,
}

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SortDirection {
    /// Smallest first.
    Asc,
    /// Greatest first.
    Desc,
}

/// One level of an order of tasks.
#[derive(Debug, InputObject)]
pub struct TaskSort {
    /// What to sort by.
    field: TaskSortField,
    /// Which way. Not given: ascending.
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

/// Questions about tasks.
#[derive(Default)]
pub struct TaskQueries;

/// Questions about tasks.
#[Object]
impl TaskQueries {
    /// A task by id, or by a key that it has or had. Null if there is none, also where it or its project is deleted.
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: Option<ID>,
        #[graphql(desc = "A key that it has or had, such as `PRJ-12`.")] key: Option<String>,
        #[graphql(desc = "Waits, bounded, until what the answer reads has seen this position.")] min_position: Option<Position>,
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
        #[graphql(desc = "Only tasks for which all of this holds.")] filter: Option<TaskFilter>,
        #[graphql(desc = "The order. Not given: by creation. Ties are ordered by id.")] sort: Option<Vec<TaskSort>>,
        #[graphql(desc = "At most this many rows, from the beginning or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many rows, from the end or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor; alone, the last of them.")] before: Option<String>,
        #[graphql(desc = "Waits, bounded, until what the answer reads has seen this position.")] min_position: Option<Position>,
    ) -> Result<TaskConnection> {
        let paging = Paging { first, after, last, before };
        list(ctx, filter, sort, paging, wanted(ctx, min_position), None).await
    }
}
