//! What can be wished of a project.

use crate::fields::Fields;
use crate::ids::UserId;
use crate::values::{CollaboratorRole, DateSpan, Description, ProjectKey, ProjectName};
use chrono::NaiveDate;
use chrono_tz::Tz;

/// A wish about one project.
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

/// Begin a project.
#[derive(Debug, Clone)]
pub struct CreateProject {
    pub key: ProjectKey,
    pub name: ProjectName,
    pub description: Description,
    pub span: DateSpan,
    pub time_zone: Tz,
}

/// Set the given fields. `None` leaves a field as it is; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdateProject {
    pub name: Option<ProjectName>,
    pub description: Option<Description>,
    pub start_on: Option<Option<NaiveDate>>,
    pub due_on: Option<Option<NaiveDate>>,
    pub time_zone: Option<Tz>,
}

/// Let somebody in.
#[derive(Debug, Clone)]
pub struct AddCollaborator {
    pub user_id: UserId,
    pub role: CollaboratorRole,
}

/// Give somebody another role.
#[derive(Debug, Clone)]
pub struct ChangeCollaboratorRole {
    pub user_id: UserId,
    pub role: CollaboratorRole,
}

/// Let somebody go.
#[derive(Debug, Clone)]
pub struct RemoveCollaborator {
    pub user_id: UserId,
}

impl ProjectCommand {
    /// The fields that the wish sets.
    pub fn fields(&self) -> Fields {
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
