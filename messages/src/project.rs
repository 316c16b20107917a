//! Messages about projects.

use crate::values::ChangeV1;
use chrono::NaiveDate;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// `project_created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ProjectCreatedV1 {
    pub project_id: Uuid,
    pub key: String,
    pub name: String,
    pub description: String,
    pub start_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    /// Time zone of due dates that do not name one.
    pub time_zone: String,
    pub owner_id: Uuid,
}

/// `project_updated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ProjectUpdatedV1 {
    pub project_id: Uuid,
    pub changes: ProjectChangesV1,
}

/// The changed fields. A field that is absent did not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ProjectStandingV1 {
    pub project_id: Uuid,
    pub key: String,
}

/// `project_deleted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ProjectDeletedV1 {
    pub project_id: Uuid,
    pub key: String,
    pub name: String,
}

/// `project_collaborator_added` and `project_collaborator_removed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ProjectCollaboratorV1 {
    pub project_id: Uuid,
    pub user_id: Uuid,
    /// `viewer`, `editor`, `manager` or `owner`.
    pub role: Cow<'static, str>,
}

/// `project_collaborator_role_changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ProjectCollaboratorRoleChangedV1 {
    pub project_id: Uuid,
    pub user_id: Uuid,
    pub from: Cow<'static, str>,
    pub to: Cow<'static, str>,
}

#[cfg(feature = "from-domain")]
pub(crate) use from_domain::{PUBLISHED, write};

#[cfg(feature = "from-domain")]
mod from_domain {
    use super::*;
    use crate::schemas::Published;
    use domain::event::Recorded;
    use domain::project::{ProjectChanges, ProjectCreated, ProjectEvent};
    use domain::values::CollaboratorRole;
    use serde::Serializer;

    /// The type of each event's message.
    pub(crate) const PUBLISHED: &[Published] = &[
        Published::by::<ProjectCreatedV1>("project_created"),
        Published::by::<ProjectUpdatedV1>("project_updated"),
        Published::by::<ProjectStandingV1>("project_archived"),
        Published::by::<ProjectStandingV1>("project_unarchived"),
        Published::by::<ProjectDeletedV1>("project_deleted"),
        Published::by::<ProjectCollaboratorV1>("project_collaborator_added"),
        Published::by::<ProjectCollaboratorV1>("project_collaborator_removed"),
        Published::by::<ProjectCollaboratorRoleChangedV1>("project_collaborator_role_changed"),
    ];

    /// Writes the message of an event.
    pub(crate) fn write<S: Serializer>(recorded: &Recorded, event: &ProjectEvent, to: S) -> Result<S::Ok, S::Error> {
        let project_id = recorded.aggregate_id;
        match event {
            ProjectEvent::ProjectCreated(event) => created(project_id, event).serialize(to),
            ProjectEvent::ProjectUpdated(event) => ProjectUpdatedV1 { project_id, changes: changes(&event.changes) }.serialize(to),
            ProjectEvent::ProjectArchived(event) => ProjectStandingV1 { project_id, key: event.key.to_string() }.serialize(to),
            ProjectEvent::ProjectUnarchived(event) => ProjectStandingV1 { project_id, key: event.key.to_string() }.serialize(to),
            ProjectEvent::ProjectDeleted(event) => {
                ProjectDeletedV1 { project_id, key: event.key.to_string(), name: event.name.to_string() }.serialize(to)
            }
            ProjectEvent::ProjectCollaboratorAdded(event) => {
                ProjectCollaboratorV1 { project_id, user_id: event.user_id.0, role: role(event.role) }.serialize(to)
            }
            ProjectEvent::ProjectCollaboratorRemoved(event) => {
                ProjectCollaboratorV1 { project_id, user_id: event.user_id.0, role: role(event.role) }.serialize(to)
            }
            ProjectEvent::ProjectCollaboratorRoleChanged(event) => {
                let (from, into) = (role(event.from), role(event.to));
                ProjectCollaboratorRoleChangedV1 { project_id, user_id: event.user_id.0, from, to: into }.serialize(to)
            }
        }
    }

    fn created(project_id: Uuid, event: &ProjectCreated) -> ProjectCreatedV1 {
        ProjectCreatedV1 {
            project_id,
            key: event.key.to_string(),
            name: event.name.to_string(),
            description: event.description.to_string(),
            start_on: event.start_on,
            due_on: event.due_on,
            time_zone: event.time_zone.name().to_owned(),
            owner_id: event.owner_id.0,
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

    fn role(role: CollaboratorRole) -> Cow<'static, str> {
        let word = match role {
            CollaboratorRole::Viewer => "viewer",
            CollaboratorRole::Editor => "editor",
            CollaboratorRole::Manager => "manager",
            CollaboratorRole::Owner => "owner",
        };
        word.into()
    }
}
