//! Messages about projects.

use crate::{ChangeV1, schema};
use chrono::NaiveDate;
use domain::event::Recorded;
use domain::project::{ProjectChanges, ProjectEvent};
use domain::values::CollaboratorRole;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A message about a project.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ProjectMessage {
    Created(ProjectCreatedV1),
    Updated(Box<ProjectUpdatedV1>),
    Standing(ProjectStandingV1),
    Deleted(ProjectDeletedV1),
    Collaborator(ProjectCollaboratorV1),
    RoleChanged(ProjectCollaboratorRoleChangedV1),
}

/// `project_created`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectCreatedV1 {
    pub project_id: Uuid,
    pub key: String,
    pub name: String,
    pub description: String,
    pub start_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    /// Where the project's dates end, unless they name a zone of their own.
    pub time_zone: String,
    pub owner_id: Uuid,
}

/// `project_updated`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectUpdatedV1 {
    pub project_id: Uuid,
    pub changes: ProjectChangesV1,
}

/// What changed. A field that is absent stayed as it was.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectChangesV1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ChangeV1<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<ChangeV1<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_on: Option<ChangeV1<Option<NaiveDate>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_on: Option<ChangeV1<Option<NaiveDate>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ChangeV1<String>>,
}

/// `project_archived` and `project_unarchived`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectStandingV1 {
    pub project_id: Uuid,
    pub key: String,
}

/// `project_deleted`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectDeletedV1 {
    pub project_id: Uuid,
    pub key: String,
    pub name: String,
}

/// `project_collaborator_added` and `project_collaborator_removed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectCollaboratorV1 {
    pub project_id: Uuid,
    pub user_id: Uuid,
    /// `viewer`, `editor`, `manager` or `owner`.
    pub role: &'static str,
}

/// `project_collaborator_role_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProjectCollaboratorRoleChangedV1 {
    pub project_id: Uuid,
    pub user_id: Uuid,
    pub from: &'static str,
    pub to: &'static str,
}

pub(crate) fn message(recorded: &Recorded, event: &ProjectEvent) -> ProjectMessage {
    let project_id = recorded.aggregate_id;
    let standing = |key: &dyn ToString| ProjectMessage::Standing(ProjectStandingV1 { project_id, key: key.to_string() });
    let collaborator = |user_id, of| ProjectMessage::Collaborator(ProjectCollaboratorV1 { project_id, user_id, role: role(of) });
    match event {
        ProjectEvent::ProjectCreated(created) => ProjectMessage::Created(ProjectCreatedV1 {
            project_id,
            key: created.key.to_string(),
            name: created.name.to_string(),
            description: created.description.to_string(),
            start_on: created.start_on,
            due_on: created.due_on,
            time_zone: created.time_zone.name().to_owned(),
            owner_id: created.owner_id.0,
        }),
        ProjectEvent::ProjectUpdated(updated) => {
            ProjectMessage::Updated(Box::new(ProjectUpdatedV1 { project_id, changes: changes(&updated.changes) }))
        }
        ProjectEvent::ProjectArchived(archived) => standing(&archived.key),
        ProjectEvent::ProjectUnarchived(unarchived) => standing(&unarchived.key),
        ProjectEvent::ProjectDeleted(deleted) => {
            let (key, name) = (deleted.key.to_string(), deleted.name.to_string());
            ProjectMessage::Deleted(ProjectDeletedV1 { project_id, key, name })
        }
        ProjectEvent::ProjectCollaboratorAdded(added) => collaborator(added.user_id.0, added.role),
        ProjectEvent::ProjectCollaboratorRemoved(removed) => collaborator(removed.user_id.0, removed.role),
        ProjectEvent::ProjectCollaboratorRoleChanged(changed) => ProjectMessage::RoleChanged(ProjectCollaboratorRoleChangedV1 {
            project_id,
            user_id: changed.user_id.0,
            from: role(changed.from),
            to: role(changed.to),
        }),
    }
}

fn changes(changes: &ProjectChanges) -> ProjectChangesV1 {
    let ProjectChanges { name, description, start_on, due_on, time_zone } = changes;
    ProjectChangesV1 {
        name: ChangeV1::of(name, |name| name.to_string()),
        description: ChangeV1::of(description, |description| description.to_string()),
        start_on: ChangeV1::of(start_on, |day| day),
        due_on: ChangeV1::of(due_on, |day| day),
        time_zone: ChangeV1::of(time_zone, |zone| zone.name().to_owned()),
    }
}

fn role(role: CollaboratorRole) -> &'static str {
    match role {
        CollaboratorRole::Viewer => "viewer",
        CollaboratorRole::Editor => "editor",
        CollaboratorRole::Manager => "manager",
        CollaboratorRole::Owner => "owner",
    }
}

pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("project_created", schema::<ProjectCreatedV1>()),
        ("project_updated", schema::<ProjectUpdatedV1>()),
        ("project_archived", schema::<ProjectStandingV1>()),
        ("project_unarchived", schema::<ProjectStandingV1>()),
        ("project_deleted", schema::<ProjectDeletedV1>()),
        ("project_collaborator_added", schema::<ProjectCollaboratorV1>()),
        ("project_collaborator_removed", schema::<ProjectCollaboratorV1>()),
        ("project_collaborator_role_changed", schema::<ProjectCollaboratorRoleChangedV1>()),
    ]
}
