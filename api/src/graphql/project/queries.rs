//! Queries on projects.

use super::types::{Project, ProjectConnection, ProjectStatus};
use crate::graphql::comparators::{IDComparator, StringComparator};
use crate::graphql::context::{ContextExt, FilterSize, Paging, any_node, items, optional_uuid, seen, wanted, words};
use crate::graphql::error::{bad_input, unanswered};
use crate::graphql::scalars::Position;
use async_graphql::{Context, ID, InputObject, Lookahead, Object, Result};
use domain::ids::ProjectId;
use domain::project::Phase;
use domain::values::normalized;
use projections::model::ReadModel;
use projections::project_overview::{self, ProjectOverview, ProjectSelection, find_project, list_projects, phase_word, project_by_key};
use projections::task_list::TaskList;

/// Filter for projects. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct ProjectFilter {
    /// In one of these lifecycle states. If omitted, all except deleted projects.
    status: Option<Vec<ProjectStatus>>,
    /// Has this user as a collaborator.
    collaborator_id: Option<IDComparator>,
    /// Key of the project.
    key: Option<StringComparator>,
    /// Name of the project.
    name: Option<StringComparator>,
    /// Every word occurs in the name, description or key, ignoring case.
    text: Option<String>,
}

impl ProjectFilter {
    fn size(&self) -> FilterSize {
        let lists = [
            items(&self.status),
            IDComparator::items(&self.collaborator_id),
            StringComparator::items(&self.key),
            StringComparator::items(&self.name),
        ];
        FilterSize::flat(words(self.text.as_ref()), lists)
    }

    /// The filter, unless it is too much or wrong.
    pub(crate) fn checked(self) -> Result<project_overview::ProjectFilter> {
        self.size().check()?;
        self.parse()
    }

    fn parse(self) -> Result<project_overview::ProjectFilter> {
        let phase = self.status.map(|statuses| statuses.into_iter().map(|status| phase_word(Phase::from(status)).to_owned()).collect());
        Ok(project_overview::ProjectFilter {
            phase,
            collaborator_id: IDComparator::parse(self.collaborator_id, "filter.collaboratorId")?,
            key: self.key.map(StringComparator::parse).unwrap_or_default(),
            name: self.name.map(StringComparator::parse).unwrap_or_default(),
            text: self.text.map(normalized),
        })
    }
}

/// What is asked of a project beside its own fields.
pub(crate) fn selection(look: &Lookahead<'_>) -> ProjectSelection {
    ProjectSelection {
        overdue: look.field("taskCounts").field("overdue").exists(),
        without_description: !look.field("description").exists(),
    }
}

/// The read models that the selection reads.
fn models(selection: ProjectSelection) -> Vec<&'static str> {
    let tasks = selection.overdue.then_some(TaskList::NAME);
    [ProjectOverview::NAME].into_iter().chain(tasks).collect()
}

/// Queries on projects.
#[derive(Default)]
pub struct ProjectQueries;

/// Queries on projects.
#[Object]
impl ProjectQueries {
    /// A project by ID or key, including deleted ones. Null if it does not exist.
    async fn project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the object.")] id: Option<ID>,
        #[graphql(desc = "Key of the project, such as `PRJ`.")] key: Option<String>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<Option<Project>> {
        let selection = selection(&ctx.look_ahead());
        let id = optional_uuid("id", id.as_ref())?;
        if id.is_some() == key.is_some() {
            return Err(bad_input(&["id"], "give exactly one of id and key"));
        }
        let position = wanted(ctx, min_position);
        seen(ctx, &models(selection), position).await?;
        let (pool, workspace, now) = (ctx.pool(), ctx.workspace(), ctx.now());
        let found = match (id, key) {
            (Some(id), _) => find_project(pool, workspace, ProjectId(id), selection, now).await,
            (None, key) => project_by_key(pool, workspace, &key.unwrap_or_default(), selection, now).await,
        };
        Ok(found.map_err(unanswered)?.map(|view| Project { view, seen: position }))
    }

    /// The projects of the workspace, ordered by key.
    #[allow(clippy::too_many_arguments)]
    async fn projects(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Filter.")] filter: Option<ProjectFilter>,
        #[graphql(desc = "Maximum number of items, from the start of the list or after `after`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Maximum number of items, from the end of the list or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor; without `first` or `last`, the last ones of them.")] before: Option<String>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<ProjectConnection> {
        let look = ctx.look_ahead();
        let selection = any_node(&look, |node| selection(&node), ProjectSelection::or);
        let window = Paging { first, after, last, before }.window(&look)?;
        let filter = filter.unwrap_or_default().checked()?;
        let position = wanted(ctx, min_position);
        seen(ctx, &models(selection), position).await?;
        let page = list_projects(&ctx.reader(), ctx.workspace(), &filter, &window, selection, ctx.now()).await.map_err(unanswered)?;
        Ok(page.map(|view| Project { view, seen: position }).into())
    }
}
