//! Queries on schedules and firings.

use super::types::{DeadlineFiring, DeadlineFiringConnection, DeadlineKind, Schedule, ScheduleConnection, ScheduleState};
use crate::graphql::comparators::{DateTimeComparator, IDComparator};
use crate::graphql::context::{ContextExt, FilterSize, Paging, any_node, items, seen, uuid, wanted};
use crate::graphql::error::unanswered;
use crate::graphql::scalars::Position;
use async_graphql::{Context, ID, InputObject, Lookahead, Object, Result};
use domain::ids::ScheduleId;
use projections::deadline_log::{self, DeadlineLog, FiringSelection, list_firings};
use projections::model::ReadModel;
use projections::project_overview::ProjectOverview;
use projections::schedules::{self, ScheduleSelection, Schedules, find_schedule, list_schedules};
use projections::task_list::TaskList;

/// Filter for schedules. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct ScheduleFilter {
    /// In one of these lifecycle states. If omitted, all except deleted projects.
    state: Option<Vec<ScheduleState>>,
    /// The project of the schedule or of its task.
    project_id: Option<IDComparator>,
    /// The task.
    task_id: Option<IDComparator>,
    /// When it is due.
    due_at: Option<DateTimeComparator>,
}

/// Filter for deadline events. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct DeadlineFilter {
    /// The schedule.
    schedule_id: Option<IDComparator>,
    /// Kind of deadline event.
    kind: Option<DeadlineKind>,
    /// When the event fired.
    fired_at: Option<DateTimeComparator>,
}

impl ScheduleFilter {
    fn size(&self) -> FilterSize {
        FilterSize::flat(0, [items(&self.state), IDComparator::items(&self.project_id), IDComparator::items(&self.task_id)])
    }

    /// The filter, unless it is too much or wrong.
    pub(crate) fn checked(self) -> Result<schedules::ScheduleFilter> {
        self.size().check()?;
        self.parse()
    }

    fn parse(self) -> Result<schedules::ScheduleFilter> {
        let word = |state: ScheduleState| schedules::ScheduleState::from(state).word().to_owned();
        Ok(schedules::ScheduleFilter {
            state: self.state.map(|states| states.into_iter().map(word).collect()),
            project_id: IDComparator::parse(self.project_id, "filter.projectId")?,
            task_id: IDComparator::parse(self.task_id, "filter.taskId")?,
            due_at: self.due_at.map(DateTimeComparator::parse).unwrap_or_default(),
        })
    }
}

impl DeadlineFilter {
    fn size(&self) -> FilterSize {
        FilterSize::flat(0, [IDComparator::items(&self.schedule_id)])
    }

    /// The filter, unless it is too much or wrong.
    pub(crate) fn checked(self) -> Result<deadline_log::FiringFilter> {
        self.size().check()?;
        self.parse()
    }

    fn parse(self) -> Result<deadline_log::FiringFilter> {
        Ok(deadline_log::FiringFilter {
            schedule_id: IDComparator::parse(self.schedule_id, "filter.scheduleId")?,
            overdue: self.kind.map(|kind| kind == DeadlineKind::Overdue),
            fired_at: self.fired_at.map(DateTimeComparator::parse).unwrap_or_default(),
        })
    }
}

/// What is asked of a schedule beside its own fields.
fn selection(look: &Lookahead<'_>) -> ScheduleSelection {
    ScheduleSelection { project: look.field("project").exists(), task: look.field("task").exists() }
}

/// The read models that the selection reads.
fn models(selection: ScheduleSelection) -> Vec<&'static str> {
    let project = selection.project.then_some(ProjectOverview::NAME);
    let task = selection.task.then_some(TaskList::NAME);
    [Schedules::NAME].into_iter().chain(project).chain(task).collect()
}

/// Queries on schedules and firings.
#[derive(Default)]
pub struct ScheduleQueries;

/// Queries on schedules and firings.
#[Object]
impl ScheduleQueries {
    /// A schedule by ID, including deleted ones. Null if it does not exist or if its project or task is deleted.
    async fn schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the object.")] id: ID,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<Option<Schedule>> {
        let selection = selection(&ctx.look_ahead());
        let id = ScheduleId(uuid("id", &id)?);
        let position = wanted(ctx, min_position);
        seen(ctx, &models(selection), position).await?;
        let found = find_schedule(ctx.pool(), ctx.workspace(), id, selection).await.map_err(unanswered)?;
        Ok(found.filter(|view| !view.schedule.hidden).map(|view| Schedule { view, seen: position }))
    }

    /// The schedules of the workspace, ordered by due instant.
    #[allow(clippy::too_many_arguments)]
    async fn schedules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Filter.")] filter: Option<ScheduleFilter>,
        #[graphql(desc = "Maximum number of items, from the start of the list or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Maximum number of items, from the end of the list or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor; without `first` or `last`, the last ones of them.")] before: Option<String>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<ScheduleConnection> {
        let look = ctx.look_ahead();
        let both =
            |a: ScheduleSelection, b: ScheduleSelection| ScheduleSelection { project: a.project || b.project, task: a.task || b.task };
        let selection = any_node(&look, |node| selection(&node), both);
        let window = Paging { first, after, last, before }.window(&look)?;
        let filter = filter.unwrap_or_default().checked()?;
        let position = wanted(ctx, min_position);
        seen(ctx, &models(selection), position).await?;
        let page = list_schedules(&ctx.reader(), ctx.workspace(), &filter, &window, selection).await.map_err(unanswered)?;
        Ok(page.map(|view| Schedule { view, seen: position }).into())
    }

    /// The deadline events of the workspace, oldest first.
    #[allow(clippy::too_many_arguments)]
    async fn deadlines(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Filter.")] filter: Option<DeadlineFilter>,
        #[graphql(desc = "Maximum number of items, from the start of the list or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Maximum number of items, from the end of the list or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor; without `first` or `last`, the last ones of them.")] before: Option<String>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<DeadlineFiringConnection> {
        let look = ctx.look_ahead();
        let schedule = any_node(&look, |node| node.field("schedule").exists(), |a, b| a || b);
        let window = Paging { first, after, last, before }.window(&look)?;
        let filter = filter.unwrap_or_default().checked()?;
        let position = wanted(ctx, min_position);
        let mut models = vec![DeadlineLog::NAME];
        models.extend(schedule.then_some(Schedules::NAME));
        seen(ctx, &models, position).await?;
        let selection = FiringSelection { schedule };
        let page = list_firings(&ctx.reader(), ctx.workspace(), &filter, &window, selection).await.map_err(unanswered)?;
        Ok(page.map(|view| DeadlineFiring { row: view.firing, schedule: view.schedule, seen: position }).into())
    }
}
