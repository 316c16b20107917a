//! Who may send which command: the same at every door. What a command needs stands in its row of the table of commands.
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
    /// The same, unless it is about oneself: a task that one is assigned to, one's own part in a project.
    ProjectOrOwn(CollaboratorRole),
    /// The role in the project, or nothing more where it is about a milestone, which is in no project: milestones are
    /// everybody's.
    ProjectOrMilestone(CollaboratorRole),
    /// Nothing helps: only the service's own workers send it.
    Service,
}

/// A command as far as it matters who may send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asks {
    command: &'static str,
    need: Need,
}

impl Asks {
    /// A command that callers send, and what it needs by its row in the table of commands.
    pub(crate) fn new(command: &'static str, need: Need) -> Self {
        Self { command, need }
    }

    /// What the service's own workers send.
    pub(crate) fn for_the_service(command: &'static str) -> Self {
        Self { command, need: Need::Service }
    }
}

/// What a caller is to the thing that a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The thing is in no project.
    NoProject,
    InProject(InProject),
}

/// What a caller is in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InProject {
    role: Option<CollaboratorRole>,
    /// Whether what is changed is the caller's own.
    own: bool,
    /// Needed in any case.
    above: Option<CollaboratorRole>,
}

impl InProject {
    pub(crate) fn of(project: &Project, actor: UserId) -> Self {
        Self { role: role_in(project, actor), own: false, above: None }
    }

    /// The same, with what is changed being the caller's own.
    pub(crate) fn own_if(self, own: bool) -> Self {
        Self { own, ..self }
    }

    /// In two projects at once: what one may in both.
    pub(crate) fn and_in(self, project: &Project, actor: UserId) -> Self {
        Self { role: self.role.min(role_in(project, actor)), ..self }
    }

    /// Of a command on a project itself. Only owners make and unmake owners.
    pub(crate) fn to_project(project: &Project, actor: UserId, wish: &ProjectCommand) -> Self {
        let is_owner = |user: UserId| role_in(project, user) == Some(Owner);
        let (own, about_owners) = match wish {
            ProjectCommand::AddCollaborator(add) => (false, add.role == Owner),
            ProjectCommand::ChangeCollaboratorRole(change) => (false, change.role == Owner || is_owner(change.user_id)),
            ProjectCommand::RemoveCollaborator(remove) => (remove.user_id == actor, remove.user_id != actor && is_owner(remove.user_id)),
            ProjectCommand::Create(_)
            | ProjectCommand::Update(_)
            | ProjectCommand::Archive
            | ProjectCommand::Unarchive
            | ProjectCommand::Delete => (false, false),
        };
        Self { role: role_in(project, actor), own, above: about_owners.then_some(Owner) }
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

/// Whether somebody may do what a command asks to a thing. Every need says what it means outside projects.
pub(crate) fn may_do(caller: &Caller, asks: Asks, standing: Standing) -> Result<(), CommandError> {
    may_send(caller, asks.command)?;
    let command = asks.command;
    match (asks.need, standing) {
        (Need::Service, _) => match caller.role {
            Role::Service => Ok(()),
            Role::Viewer | Role::Member | Role::Admin | Role::Owner => {
                Err(CommandError::Forbidden(format!("only the service may send {command}")))
            }
        },
        (Need::Membership | Need::ProjectOrMilestone(_), Standing::NoProject) => Ok(()),
        (Need::Project(_) | Need::ProjectOrOwn(_), Standing::NoProject) => {
            Err(CommandError::Forbidden(format!("{command} requires a role in a project, but this object belongs to none")))
        }
        (Need::Membership, Standing::InProject(here)) => enough(caller, command, None, here),
        (Need::ProjectOrOwn(_), Standing::InProject(here)) if here.own => enough(caller, command, None, here),
        (Need::Project(role) | Need::ProjectOrOwn(role) | Need::ProjectOrMilestone(role), Standing::InProject(here)) => {
            enough(caller, command, Some(role), here)
        }
    }
}

/// Whether the role that somebody has in a project, by whatever title, is as high as is needed.
fn enough(caller: &Caller, command: &str, needed: Option<CollaboratorRole>, here: InProject) -> Result<(), CommandError> {
    let everywhere = match caller.role {
        Role::Viewer | Role::Member => None,
        Role::Admin => Some(Manager),
        Role::Owner | Role::Service => Some(Owner),
    };
    let (has, needed) = (here.role.max(everywhere), needed.max(here.above));
    if has >= needed {
        return Ok(());
    }
    let needed = needed.map_or("viewer", CollaboratorRole::word);
    let has = has.map_or("you have none".to_owned(), |role| format!("you are {}", role.word()));
    Err(CommandError::Forbidden(format!("{command} requires the role {needed} or higher in the project; {has} there")))
}

/// History is given by those who look after the workspace: they may say when something happened and who did it.
pub fn may_give_history(caller: &Caller) -> bool {
    match caller.role {
        Role::Viewer | Role::Member => false,
        Role::Admin | Role::Owner | Role::Service => true,
    }
}

#[cfg(test)]
mod tests;
