//! Wishes about projects.

use super::types::{CollaboratorRole, Project};
use crate::graphql::context::{ContextExt, execute, optional_uuid, uuid};
use crate::graphql::error::{UserError, answer, unanswered};
use crate::graphql::patch;
use crate::graphql::payload::{Done, current, entity, payload, refused};
use crate::graphql::scalars::{Date, Position, TimeZone};
use application::commands::{self, Command, Wire};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use domain::ids::ProjectId;
use projections::project_overview::{ProjectOverview, ProjectSelection, ProjectView, find_project};
use std::sync::Arc;

/// Input of `projectCreate`.
#[derive(InputObject)]
pub struct ProjectCreateInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// The id of the new project, a UUID. Not given: one is made.
    id: Option<ID>,
    /// The short name that task keys begin with: `[A-Z][A-Z0-9]{1,9}`, unique in the workspace for ever.
    key: String,
    /// One line of 1 to 200 characters.
    name: String,
    /// Up to 64 KiB.
    description: Option<String>,
    /// The planned first day.
    start_on: Option<Date>,
    /// The planned last day.
    due_on: Option<Date>,
    /// Where its dates end. Not given: UTC.
    time_zone: Option<TimeZone>,
}

/// Input of `projectUpdate`. A field left out stays as it is; an explicit null clears it.
#[derive(InputObject)]
pub struct ProjectUpdateInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that this sets has changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
    /// One line of 1 to 200 characters.
    name: MaybeUndefined<String>,
    /// Up to 64 KiB; null empties it.
    description: MaybeUndefined<String>,
    /// The planned first day.
    start_on: MaybeUndefined<Date>,
    /// The planned last day.
    due_on: MaybeUndefined<Date>,
    /// Where its dates end.
    time_zone: MaybeUndefined<TimeZone>,
}

/// Input of commands that name a project and nothing else.
#[derive(InputObject)]
pub struct ProjectInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if what this sets has changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
}

/// Input of `projectCollaboratorAdd` and `projectCollaboratorChangeRole`.
#[derive(InputObject)]
pub struct ProjectCollaboratorInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the collaborators have changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
    /// The person.
    user_id: ID,
    /// What they may do from now on.
    role: CollaboratorRole,
}

/// Input of `projectCollaboratorRemove`.
#[derive(InputObject)]
pub struct ProjectCollaboratorRemoveInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the collaborators have changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
    /// The person.
    user_id: ID,
}

impl ProjectCreateInput {
    fn parse(self) -> Result<commands::ProjectCreateInput> {
        Ok(commands::ProjectCreateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            id: optional_uuid("id", self.id.as_ref())?,
            key: self.key,
            name: self.name,
            description: self.description,
            start_on: self.start_on.map(|date| date.0),
            due_on: self.due_on.map(|date| date.0),
            time_zone: self.time_zone.map(|zone| zone.0),
        })
    }
}

impl ProjectUpdateInput {
    fn parse(self) -> Result<commands::ProjectUpdateInput> {
        Ok(commands::ProjectUpdateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            name: patch(self.name, |name| name),
            description: patch(self.description, |description| description),
            start_on: patch(self.start_on, |date| date.0),
            due_on: patch(self.due_on, |date| date.0),
            time_zone: patch(self.time_zone, |zone| zone.0),
        })
    }
}

impl ProjectInput {
    fn parse(self) -> Result<commands::ProjectInput> {
        Ok(commands::ProjectInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
        })
    }
}

impl ProjectCollaboratorInput {
    fn parse(self) -> Result<commands::ProjectCollaboratorInput> {
        Ok(commands::ProjectCollaboratorInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            user_id: uuid("userId", &self.user_id)?,
            role: Wire(self.role.into()),
        })
    }
}

impl ProjectCollaboratorRemoveInput {
    fn parse(self) -> Result<commands::ProjectCollaboratorRemoveInput> {
        Ok(commands::ProjectCollaboratorRemoveInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            user_id: uuid("userId", &self.user_id)?,
        })
    }
}

payload!(ProjectPayload, project, Project, "project");

async fn send(ctx: &Context<'_>, command: Command) -> Result<Option<ProjectPayload>> {
    let outcome = match execute(ctx, command).await {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Some(refused(answer(error)?))),
    };
    let project = entity(ctx, "project", &outcome, async {
        let id = ProjectId(outcome.aggregate_id);
        let read = || async {
            let view = find_project(ctx.pool(), ctx.workspace(), id, ProjectSelection::default(), ctx.now()).await.map_err(unanswered)?;
            Ok(view.map(|view| Arc::unwrap_or_clone(view.project)))
        };
        let row = current::<ProjectOverview, _>(ctx, id, &outcome, read, |row| row.version).await?;
        Ok(row.map(|row| Project { view: ProjectView { project: Arc::new(row), overdue: None }, seen: outcome.position }))
    });
    Ok(Some(ProjectPayload::done(project.await, &Done::from(&outcome))))
}

/// Wishes about projects.
#[derive(Default)]
pub struct ProjectMutations;

/// Wishes about projects.
#[Object]
impl ProjectMutations {
    /// Begins a project. Whoever creates it is its first owner. Refusals: KEY_TAKEN, DATE_RANGE, ID_TAKEN, INVALID_VALUE.
    async fn project_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to create.")] input: ProjectCreateInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCreate(input.parse()?)).await
    }

    /// Sets the given fields; several at once are one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, DATE_RANGE, INVALID_VALUE.
    async fn project_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to set.")] input: ProjectUpdateInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectUpdate(input.parse()?)).await
    }

    /// Puts a project to rest: nothing in it changes any more, none of its schedules fires. Refusals: PROJECT_DELETED.
    async fn project_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: ProjectInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectArchive(input.parse()?)).await
    }

    /// Takes an archived project up again; what fell due meanwhile is caught up. Refusals: PROJECT_DELETED.
    async fn project_unarchive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: ProjectInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectUnarchive(input.parse()?)).await
    }

    /// Deletes a project for good, and its tasks with it. Its key stays reserved.
    async fn project_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: ProjectInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectDelete(input.parse()?)).await
    }

    /// Lets somebody in. Refusals: ALREADY_A_COLLABORATOR, TOO_MANY_COLLABORATORS, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn project_collaborator_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, where, as what.")] input: ProjectCollaboratorInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCollaboratorAdd(input.parse()?)).await
    }

    /// Gives somebody another role. Refusals: NOT_A_COLLABORATOR, LAST_OWNER, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn project_collaborator_change_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, where, as what.")] input: ProjectCollaboratorInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCollaboratorChangeRole(input.parse()?)).await
    }

    /// Lets somebody go. Refusals: NOT_A_COLLABORATOR, LAST_OWNER, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn project_collaborator_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom and where.")] input: ProjectCollaboratorRemoveInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCollaboratorRemove(input.parse()?)).await
    }
}
