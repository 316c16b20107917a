//! The payload of commands on projects.

use super::types::Project;
use crate::graphql::context::ContextExt;
use crate::graphql::error::unanswered;
use crate::graphql::payload::{current, payload};
use application::executor::Outcome;
use async_graphql::{Context, Result};
use domain::ids::ProjectId;
use projections::project_overview::{ProjectOverview, ProjectSelection, ProjectView, find_project};
use std::sync::Arc;

payload!(domain::project::Project => ProjectPayload, project: Project = "project", project_after);

/// The project as it is after a command.
async fn project_after(ctx: &Context<'_>, outcome: &Outcome) -> Result<Option<Project>> {
    let id = ProjectId(outcome.aggregate_id);
    let read = || async {
        let view = find_project(ctx.pool(), ctx.workspace(), id, ProjectSelection::default(), ctx.now()).await.map_err(unanswered)?;
        Ok(view.map(|view| Arc::unwrap_or_clone(view.project)))
    };
    let row = current::<ProjectOverview, _>(ctx, id, outcome, read, |row| row.version).await?;
    Ok(row.map(|row| Project { view: ProjectView { project: Arc::new(row), overdue: None }, seen: outcome.position }))
}
