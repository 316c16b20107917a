//! Who may send which command: the same at every entry point. What a command needs stands in its row of the table of commands.
//!
//! A workspace viewer reads. A member works where a project lets it: by the role it has there, or on what is its own. An
//! admin counts as a manager of every project, an owner of the workspace and a service as an owner of every project.
//! The role in a project is part of what a decision relies on, so it is proved by the append like everything else.

use crate::caller::{Caller, Role};
use crate::error::CommandError;
use domain::ids::UserId;
use domain::project::{Project, ProjectCommand};
use domain::values::CollaboratorRole;
use domain::values::CollaboratorRole::{Manager, Owner};

/// What a command needs of a member of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing more.
    Membership,
    /// A role in the project that the command is about, or a higher one.
    Project(CollaboratorRole),
    /// The same, unless it changes only what is the caller's own: a task assigned to the caller, the caller's role in a project.
    ProjectOrOwn(CollaboratorRole),
    /// The role in the project, or nothing more for a milestone, which is in no project: milestones belong to everyone.
    ProjectOrMilestone(CollaboratorRole),
    /// No role is enough: only the service's own workers send it.
    Service,
}

/// The role of a caller towards the aggregate that a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerRole {
    /// The aggregate is in no project.
    NoProject,
    InProject(ProjectRole),
}

/// The role of a caller in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProjectRole {
    role: Option<CollaboratorRole>,
    /// Whether the command changes only what is the caller's own.
    own: bool,
    /// A role that is required in any case.
    at_least: Option<CollaboratorRole>,
}

impl ProjectRole {
    pub(crate) fn of(project: &Project, actor: UserId) -> Self {
        Self { role: role_in(project, actor), own: false, at_least: None }
    }

    /// The same, of a command that changes only what is the caller's own.
    pub(crate) fn own_if(self, own: bool) -> Self {
        Self { own, ..self }
    }

    /// In two projects at once: the lower of both roles.
    pub(crate) fn and_in(self, project: &Project, actor: UserId) -> Self {
        Self { role: self.role.min(role_in(project, actor)), ..self }
    }

    /// For a command on a project itself. Only owners add, change and remove owners.
    pub(crate) fn for_command(project: &Project, actor: UserId, command: &ProjectCommand) -> Self {
        let is_owner = |user: UserId| role_in(project, user) == Some(Owner);
        let (own, about_owners) = match command {
            ProjectCommand::AddCollaborator(add) => (false, add.role == Owner),
            ProjectCommand::ChangeCollaboratorRole(change) => (false, change.role == Owner || is_owner(change.user_id)),
            ProjectCommand::RemoveCollaborator(remove) => (remove.user_id == actor, remove.user_id != actor && is_owner(remove.user_id)),
            ProjectCommand::Create(_)
            | ProjectCommand::Update(_)
            | ProjectCommand::Archive
            | ProjectCommand::Unarchive
            | ProjectCommand::Delete => (false, false),
        };
        Self { role: role_in(project, actor), own, at_least: about_owners.then_some(Owner) }
    }
}

fn role_in(project: &Project, user: UserId) -> Option<CollaboratorRole> {
    match project {
        Project::Absent => None,
        Project::Present(live) => live.collaborators.get(&user).copied(),
    }
}

/// Viewers send nothing.
pub(crate) fn may_send(caller: &Caller, command: &str) -> Result<(), CommandError> {
    match caller.role {
        Role::Viewer => {
            Err(CommandError::Forbidden(format!("{command} requires the role member or higher in the workspace; you are a viewer")))
        }
        Role::Member | Role::Admin | Role::Owner | Role::Service => Ok(()),
    }
}

/// Whether a caller may carry out a command. Every need says what it means outside projects.
pub(crate) fn may_do(caller: &Caller, command: &str, need: Need, role: CallerRole) -> Result<(), CommandError> {
    may_send(caller, command)?;
    match (need, role) {
        (Need::Service, _) => match caller.role {
            Role::Service => Ok(()),
            Role::Viewer | Role::Member | Role::Admin | Role::Owner => {
                Err(CommandError::Forbidden(format!("only the service may send {command}")))
            }
        },
        (Need::Membership | Need::ProjectOrMilestone(_), CallerRole::NoProject) => Ok(()),
        (Need::Project(_) | Need::ProjectOrOwn(_), CallerRole::NoProject) => {
            Err(CommandError::Forbidden(format!("{command} requires a role in a project, but this object belongs to none")))
        }
        (Need::Membership, CallerRole::InProject(here)) => enough(caller, command, None, here),
        (Need::ProjectOrOwn(_), CallerRole::InProject(here)) if here.own => enough(caller, command, None, here),
        (Need::Project(role) | Need::ProjectOrOwn(role) | Need::ProjectOrMilestone(role), CallerRole::InProject(here)) => {
            enough(caller, command, Some(role), here)
        }
    }
}

/// Whether the role of a caller in a project, or in the whole workspace, is as high as required.
fn enough(caller: &Caller, command: &str, needed: Option<CollaboratorRole>, here: ProjectRole) -> Result<(), CommandError> {
    let everywhere = match caller.role {
        Role::Viewer | Role::Member => None,
        Role::Admin => Some(Manager),
        Role::Owner | Role::Service => Some(Owner),
    };
    let (has, needed) = (here.role.max(everywhere), needed.max(here.at_least));
    if has >= needed {
        return Ok(());
    }
    let needed = needed.map_or("viewer", CollaboratorRole::word);
    let has = has.map_or("you have none".to_owned(), |role| format!("you are {}", role.word()));
    Err(CommandError::Forbidden(format!("{command} requires the role {needed} or higher in the project; {has} there")))
}

/// Admins of the workspace import history: they may say when something happened and who did it.
pub fn may_give_history(caller: &Caller) -> bool {
    match caller.role {
        Role::Viewer | Role::Member => false,
        Role::Admin | Role::Owner | Role::Service => true,
    }
}

#[cfg(test)]
mod tests;
