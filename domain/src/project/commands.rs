//! Commands on a project.

use crate::fields::Fields;
use crate::ids::UserId;
use crate::issued::DomainCommand;
use crate::values::{CollaboratorRole, DateSpan, Description, ProjectKey, ProjectName};
use chrono::NaiveDate;
use chrono_tz::Tz;

/// A command on one project.
#[derive(Debug, Clone)]
pub enum ProjectCommand {
    Create(Box<CreateProject>),
    Update(Box<UpdateProject>),
    Archive,
    Unarchive,
    Delete,
    AddCollaborator(AddCollaborator),
    ChangeCollaboratorRole(ChangeCollaboratorRole),
    RemoveCollaborator(RemoveCollaborator),
}

/// Creates a project.
#[derive(Debug, Clone)]
pub struct CreateProject {
    pub key: ProjectKey,
    pub name: ProjectName,
    pub description: Description,
    pub span: DateSpan,
    pub time_zone: Tz,
}

/// Sets the given fields. `None` leaves a field as it is; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdateProject {
    pub name: Option<ProjectName>,
    pub description: Option<Description>,
    pub start_on: Option<Option<NaiveDate>>,
    pub due_on: Option<Option<NaiveDate>>,
    pub time_zone: Option<Tz>,
}

/// Adds a collaborator.
#[derive(Debug, Clone)]
pub struct AddCollaborator {
    pub user_id: UserId,
    pub role: CollaboratorRole,
}

/// Changes the role of a collaborator.
#[derive(Debug, Clone)]
pub struct ChangeCollaboratorRole {
    pub user_id: UserId,
    pub role: CollaboratorRole,
}

/// Removes a collaborator.
#[derive(Debug, Clone)]
pub struct RemoveCollaborator {
    pub user_id: UserId,
}

impl DomainCommand for ProjectCommand {
    fn creates(&self) -> bool {
        matches!(self, Self::Create(_))
    }

    fn fields(&self) -> Fields {
        match self {
            Self::Create(_) | Self::Delete => Fields::All,
            Self::Update(update) => Fields::which([
                ("name", update.name.is_some()),
                ("description", update.description.is_some()),
                ("startOn", update.start_on.is_some()),
                ("dueOn", update.due_on.is_some()),
                ("timeZone", update.time_zone.is_some()),
            ]),
            Self::Archive | Self::Unarchive => Fields::one("status"),
            Self::AddCollaborator(_) | Self::ChangeCollaboratorRole(_) | Self::RemoveCollaborator(_) => Fields::one("collaborators"),
        }
    }
}
