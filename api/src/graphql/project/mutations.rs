//! Wishes about projects.

use super::types::{CollaboratorRole, Project};
use crate::graphql::context::{ContextExt, execute, optional_uuid, uuid};
use crate::graphql::error::{UserError, answer, unanswered};
use crate::graphql::patch;
use crate::graphql::payload::{Done, current, entity, payload, refused};
use crate::graphql::scalars::{Date, Position, TimeZone};
use application::command::Command;
use application::inputs::{self, Wire};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use domain::ids::ProjectId;
use projections::project_overview::{ProjectOverview, ProjectSelection, ProjectView, find_project};
use std::sync::Arc;

/// Input of `projectCreate`.
#[derive(InputObject)]
pub struct ProjectCreateInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// ID of the new project, a UUID. Generated if omitted.
    id: Option<ID>,
    /// Short name that prefixes the keys of the project's tasks: `[A-Z][A-Z0-9]{1,9}`, unique in the workspace and
    /// never reused.
    key: String,
    /// One line of 1 to 200 characters.
    name: String,
    /// At most 64 KiB.
    description: Option<String>,
    /// Planned first day.
    start_on: Option<Date>,
    /// Planned last day.
    due_on: Option<Date>,
    /// Time zone of due dates that do not name one. UTC if omitted.
    time_zone: Option<TimeZone>,
}

/// Input of `projectUpdate`. An omitted field keeps its value; null clears it.
#[derive(InputObject)]
pub struct ProjectUpdateInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
    /// One line of 1 to 200 characters.
    name: MaybeUndefined<String>,
    /// At most 64 KiB; null clears it.
    description: MaybeUndefined<String>,
    /// Planned first day.
    start_on: MaybeUndefined<Date>,
    /// Planned last day.
    due_on: MaybeUndefined<Date>,
    /// Time zone of due dates that do not name one.
    time_zone: MaybeUndefined<TimeZone>,
}

/// Input of commands that take only a project.
#[derive(InputObject)]
pub struct ProjectInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
}

/// Input of `projectCollaboratorAdd` and `projectCollaboratorChangeRole`.
#[derive(InputObject)]
pub struct ProjectCollaboratorInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the collaborators have changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
    /// The user.
    user_id: ID,
    /// The new role.
    role: CollaboratorRole,
}

/// Input of `projectCollaboratorRemove`.
#[derive(InputObject)]
pub struct ProjectCollaboratorRemoveInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the collaborators have changed since this version.
    expected_version: Option<i32>,
    /// The project.
    id: ID,
    /// The user.
    user_id: ID,
}

impl ProjectCreateInput {
    fn parse(self) -> Result<inputs::ProjectCreateInput> {
        Ok(inputs::ProjectCreateInput {
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
    fn parse(self) -> Result<inputs::ProjectUpdateInput> {
        Ok(inputs::ProjectUpdateInput {
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
    fn parse(self) -> Result<inputs::ProjectInput> {
        Ok(inputs::ProjectInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
        })
    }
}

impl ProjectCollaboratorInput {
    fn parse(self) -> Result<inputs::ProjectCollaboratorInput> {
        Ok(inputs::ProjectCollaboratorInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            user_id: uuid("userId", &self.user_id)?,
            role: Wire(self.role.into()),
        })
    }
}

impl ProjectCollaboratorRemoveInput {
    fn parse(self) -> Result<inputs::ProjectCollaboratorRemoveInput> {
        Ok(inputs::ProjectCollaboratorRemoveInput {
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
    /// Creates a project. The caller becomes its first owner. Refusals: KEY_TAKEN, DATE_RANGE, ID_TAKEN, INVALID_VALUE.
    async fn project_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectCreateInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCreate(input.parse()?)).await
    }

    /// Sets the given fields of a project, as one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, DATE_RANGE,
    /// INVALID_VALUE.
    async fn project_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectUpdateInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectUpdate(input.parse()?)).await
    }

    /// Archives a project: it, its tasks and its schedules become read-only, and no deadlines fire. Refusals:
    /// PROJECT_DELETED.
    async fn project_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectArchive(input.parse()?)).await
    }

    /// Restores an archived project. Deadlines that passed while it was archived fire now. Refusals: PROJECT_DELETED.
    async fn project_unarchive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectUnarchive(input.parse()?)).await
    }

    /// Deletes a project and its tasks permanently. Its key stays reserved.
    async fn project_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectDelete(input.parse()?)).await
    }

    /// Adds a collaborator to a project. Refusals: ALREADY_A_COLLABORATOR, TOO_MANY_COLLABORATORS, PROJECT_ARCHIVED,
    /// PROJECT_DELETED.
    async fn project_collaborator_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectCollaboratorInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCollaboratorAdd(input.parse()?)).await
    }

    /// Changes the role of a collaborator. Refusals: NOT_A_COLLABORATOR, LAST_OWNER, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn project_collaborator_change_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectCollaboratorInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCollaboratorChangeRole(input.parse()?)).await
    }

    /// Removes a collaborator from a project. Refusals: NOT_A_COLLABORATOR, LAST_OWNER, PROJECT_ARCHIVED,
    /// PROJECT_DELETED.
    async fn project_collaborator_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ProjectCollaboratorRemoveInput,
    ) -> Result<Option<ProjectPayload>> {
        send(ctx, Command::ProjectCollaboratorRemove(input.parse()?)).await
    }
}
