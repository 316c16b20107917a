//! The events of a project.

use crate::fields::Fields;
use crate::ids::{UserId, WorkspaceId};
use crate::values::{Change, CollaboratorRole, Description, ProjectKey, ProjectName};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

events! {
    /// One fact about a project.
    pub enum ProjectEvent {
        ProjectCreated(Box<ProjectCreated>) = "project_created", sets Fields::All;
        ProjectUpdated(Box<ProjectUpdated>) = "project_updated", sets Fields::named(ProjectChanges::default().by_name());
        ProjectArchived(ProjectArchived) = "project_archived", sets Fields::one("status");
        ProjectUnarchived(ProjectUnarchived) = "project_unarchived", sets Fields::one("status");
        ProjectDeleted(ProjectDeleted) = "project_deleted", sets Fields::All;
        ProjectCollaboratorAdded(CollaboratorAdded) = "project_collaborator_added", sets Fields::one("collaborators");
        ProjectCollaboratorRemoved(CollaboratorRemoved) = "project_collaborator_removed", sets Fields::one("collaborators");
        ProjectCollaboratorRoleChanged(CollaboratorRoleChanged) = "project_collaborator_role_changed", sets Fields::one("collaborators");
    }
}

/// The project was created. Its creator is the first owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectCreated {
    pub workspace_id: WorkspaceId,
    pub key: ProjectKey,
    pub name: ProjectName,
    pub description: Description,
    pub start_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    /// The time zone in which dates of this project end, unless they name another.
    pub time_zone: Tz,
    pub owner_id: UserId,
}

/// One or several fields changed. A field that is absent stayed as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectUpdated {
    pub changes: ProjectChanges,
}

/// The fields that an update can change, each with its old and new value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProjectChanges {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Change<ProjectName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Change<Description>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_on: Option<Change<Option<NaiveDate>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<Change<Option<NaiveDate>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Change<Tz>>,
}

/// The project was archived: nothing in it changes, and none of its schedules fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectArchived {
    pub key: ProjectKey,
}

/// The project was unarchived. Deadlines that passed in the meantime fire now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectUnarchived {
    pub key: ProjectKey,
}

/// The project was deleted permanently, and its tasks with it. Its key stays reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectDeleted {
    pub key: ProjectKey,
    pub name: ProjectName,
}

/// A collaborator was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollaboratorAdded {
    pub user_id: UserId,
    pub role: CollaboratorRole,
}

/// A collaborator was removed. `role` is the former role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollaboratorRemoved {
    pub user_id: UserId,
    pub role: CollaboratorRole,
}

/// The role of a collaborator changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollaboratorRoleChanged {
    pub user_id: UserId,
    pub from: CollaboratorRole,
    pub to: CollaboratorRole,
}

impl ProjectEvent {
    /// The fields that changed, by the names callers use.
    pub fn fields(&self) -> Fields {
        if let Self::ProjectUpdated(updated) = self {
            return Fields::which(updated.changes.by_name());
        }
        Self::fields_of(self.name()).unwrap_or(Fields::All)
    }
}

impl ProjectChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The names that callers use, and whether each changed.
    fn by_name(&self) -> [(&'static str, bool); 5] {
        let Self { name, description, start_on, due_on, time_zone } = self;
        [
            ("name", name.is_some()),
            ("description", description.is_some()),
            ("startOn", start_on.is_some()),
            ("dueOn", due_on.is_some()),
            ("timeZone", time_zone.is_some()),
        ]
    }
}
