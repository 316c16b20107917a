//! Inputs of project commands.

use crate::inputs::{Checks, Refusal};
use crate::inputs::{Patch, Wire};
use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::ids::{ProjectId, UserId};
use domain::project::{AddCollaborator, ChangeCollaboratorRole, CreateProject, ProjectCommand, RemoveCollaborator, UpdateProject};
use domain::values::{CollaboratorRole, DateSpan, Description, ProjectKey, ProjectName, parse_zone, valid_date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Input of `projectCreate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectCreateInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub key: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_on: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Input of `projectUpdate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectUpdateInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub name: Patch<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub description: Patch<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub start_on: Patch<NaiveDate>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub due_on: Patch<NaiveDate>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub time_zone: Patch<String>,
}

/// Input of commands that take only a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
}

/// Input of `projectCollaboratorAdd` and `projectCollaboratorChangeRole`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectCollaboratorInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub user_id: Uuid,
    pub role: Wire<CollaboratorRole>,
}

/// Input of `projectCollaboratorRemove`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectCollaboratorRemoveInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub user_id: Uuid,
}

/// A checked wish about a project.
pub(crate) struct ProjectOrder {
    /// `None`: a new project gets a new id.
    pub(crate) id: Option<ProjectId>,
    pub(crate) expected_version: Option<i64>,
    pub(crate) wish: ProjectCommand,
}

fn order(id: Uuid, expected_version: Option<i64>, wish: ProjectCommand) -> ProjectOrder {
    ProjectOrder { id: Some(ProjectId(id)), expected_version, wish }
}

impl ProjectCreateInput {
    pub(crate) fn parse(self) -> Result<ProjectOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let key = checks.value("key", ProjectKey::new(self.key));
        let name = checks.value("name", ProjectName::new(self.name));
        let description = checks.value("description", self.description.map_or_else(|| Ok(Description::empty()), Description::new));
        let start_on = checks.value("startOn", self.start_on.map(valid_date).transpose());
        let due_on = checks.value("dueOn", self.due_on.map(valid_date).transpose());
        let time_zone = checks.value("timeZone", self.time_zone.as_deref().map_or(Ok(Tz::UTC), parse_zone));
        let create = (|| {
            let span = DateSpan { start_on: start_on?, due_on: due_on? };
            Some(CreateProject { key: key?, name: name?, description: description?, span, time_zone: time_zone? })
        })();
        let create = checks.finish(create)?;
        Ok(ProjectOrder { id: self.id.map(ProjectId), expected_version: None, wish: ProjectCommand::Create(Box::new(create)) })
    }
}

impl ProjectUpdateInput {
    pub(crate) fn parse(self) -> Result<ProjectOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let update = UpdateProject {
            name: self.name.required(&mut checks, "name", ProjectName::new),
            description: self.description.or_empty(&mut checks, "description", Description::empty(), Description::new),
            start_on: self.start_on.clearable(&mut checks, "startOn", valid_date),
            due_on: self.due_on.clearable(&mut checks, "dueOn", valid_date),
            time_zone: self.time_zone.required(&mut checks, "timeZone", |name| parse_zone(&name)),
        };
        let update = checks.finish(Some(update))?;
        Ok(order(self.id, self.expected_version, ProjectCommand::Update(Box::new(update))))
    }
}

impl ProjectInput {
    pub(crate) fn archive(self) -> ProjectOrder {
        order(self.id, self.expected_version, ProjectCommand::Archive)
    }

    pub(crate) fn unarchive(self) -> ProjectOrder {
        order(self.id, self.expected_version, ProjectCommand::Unarchive)
    }

    pub(crate) fn delete(self) -> ProjectOrder {
        order(self.id, self.expected_version, ProjectCommand::Delete)
    }
}

impl ProjectCollaboratorInput {
    pub(crate) fn add(self) -> ProjectOrder {
        let wish = AddCollaborator { user_id: UserId(self.user_id), role: self.role.0 };
        order(self.id, self.expected_version, ProjectCommand::AddCollaborator(wish))
    }

    pub(crate) fn change_role(self) -> ProjectOrder {
        let wish = ChangeCollaboratorRole { user_id: UserId(self.user_id), role: self.role.0 };
        order(self.id, self.expected_version, ProjectCommand::ChangeCollaboratorRole(wish))
    }
}

impl ProjectCollaboratorRemoveInput {
    pub(crate) fn remove(self) -> ProjectOrder {
        let wish = RemoveCollaborator { user_id: UserId(self.user_id) };
        order(self.id, self.expected_version, ProjectCommand::RemoveCollaborator(wish))
    }
}
