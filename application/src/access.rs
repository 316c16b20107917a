//! Who may send which command: one table, the same at every door.
//!
//! A workspace viewer reads. A member works where a project lets it: by the role it has there, or on what is its own. An
//! admin counts as a manager of every project, an owner of the workspace and a service as an owner of every project.
//! The role in a project is part of what a decision relies on, so it is proved by the append like everything else.

use crate::caller::{Caller, Role};
use crate::error::CommandError;
use domain::ids::UserId;
use domain::project::{Project, ProjectCommand};
use domain::values::CollaboratorRole;
use domain::values::CollaboratorRole::{Editor, Manager, Owner};

/// What a command needs of a member of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing more.
    Membership,
    /// A role in the project that the command is about, or a higher one.
    Project(CollaboratorRole),
    /// The same, unless it is about oneself: a task that one is assigned to, one's own part in a project.
    ProjectOrOwn(CollaboratorRole),
}

/// What each command needs.
pub const NEEDS: [(&str, Need); 26] = [
    ("projectCreate", Need::Membership),
    ("projectUpdate", Need::Project(Manager)),
    ("projectArchive", Need::Project(Manager)),
    ("projectUnarchive", Need::Project(Manager)),
    ("projectDelete", Need::Project(Owner)),
    // Of an owner, or to make one: only another owner may.
    ("projectCollaboratorAdd", Need::Project(Manager)),
    ("projectCollaboratorChangeRole", Need::Project(Manager)),
    ("projectCollaboratorRemove", Need::ProjectOrOwn(Manager)),
    ("taskCreate", Need::Project(Editor)),
    ("taskUpdate", Need::ProjectOrOwn(Editor)),
    ("taskAssign", Need::Project(Editor)),
    ("taskUnassign", Need::ProjectOrOwn(Editor)),
    ("taskChangeStatus", Need::ProjectOrOwn(Editor)),
    ("taskChangePriority", Need::Project(Editor)),
    ("taskSetDue", Need::Project(Editor)),
    ("taskClearDue", Need::Project(Editor)),
    ("taskComplete", Need::ProjectOrOwn(Editor)),
    ("taskReopen", Need::ProjectOrOwn(Editor)),
    // In both projects.
    ("taskMove", Need::Project(Editor)),
    ("taskComment", Need::ProjectOrOwn(CollaboratorRole::Viewer)),
    ("taskDelete", Need::Project(Editor)),
    // Of a milestone, which is in no project: every member.
    ("scheduleCreate", Need::Project(Editor)),
    ("scheduleUpdate", Need::Project(Editor)),
    ("scheduleReschedule", Need::Project(Editor)),
    ("scheduleMeet", Need::Project(Editor)),
    ("scheduleDelete", Need::Project(Editor)),
];

/// A command as far as it matters who may send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asks {
    command: &'static str,
    need: Need,
}

impl Asks {
    /// What a command asks for. One without a line is for owners.
    pub(crate) fn of(command: &'static str) -> Self {
        let need = NEEDS.iter().find(|(name, _)| *name == command).map_or(Need::Project(Owner), |(_, need)| *need);
        Self { command, need }
    }

    /// What the service's own workers send.
    pub(crate) fn for_the_service(command: &'static str) -> Self {
        Self { command, need: Need::Project(Owner) }
    }
}

/// What a caller is to the thing that a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The thing is in no project.
    NoProject,
    /// The caller's role in the project, and whether the thing is the caller's own. `above`: needed in any case.
    InProject { role: Option<CollaboratorRole>, own: bool, above: Option<CollaboratorRole> },
}

impl Standing {
    /// In a project.
    pub(crate) fn in_project(project: &Project, actor: UserId) -> Self {
        Self::InProject { role: role_in(project, actor), own: false, above: None }
    }

    /// The same, with what is changed being the caller's own.
    pub(crate) fn own_if(self, is_own: bool) -> Self {
        match self {
            Self::InProject { role, above, .. } => Self::InProject { role, own: is_own, above },
            Self::NoProject => self,
        }
    }

    /// In two projects at once: what one may in both.
    pub(crate) fn and_in(self, project: &Project, actor: UserId) -> Self {
        match self {
            Self::InProject { role, own, above } => Self::InProject { role: role.min(role_in(project, actor)), own, above },
            Self::NoProject => self,
        }
    }

    /// Of a command on a project itself. Only owners make and unmake owners.
    pub(crate) fn to_project(project: &Project, actor: UserId, wish: &ProjectCommand) -> Self {
        let is_owner = |user: UserId| role_in(project, user) == Some(Owner);
        let (own, about_owners) = match wish {
            ProjectCommand::AddCollaborator(add) => (false, add.role == Owner),
            ProjectCommand::ChangeCollaboratorRole(change) => (false, change.role == Owner || is_owner(change.user_id)),
            ProjectCommand::RemoveCollaborator(remove) => (remove.user_id == actor, remove.user_id != actor && is_owner(remove.user_id)),
            _ => (false, false),
        };
        Self::InProject { role: role_in(project, actor), own, above: about_owners.then_some(Owner) }
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
            Err(CommandError::Forbidden(format!("{command} needs the role member or higher in the workspace; you are a viewer")))
        }
        Role::Member | Role::Admin | Role::Owner | Role::Service => Ok(()),
    }
}

/// Whether somebody may do what a command asks to a thing.
pub(crate) fn may_do(caller: &Caller, asks: Asks, standing: Standing) -> Result<(), CommandError> {
    may_send(caller, asks.command)?;
    let Standing::InProject { role, own, above } = standing else { return Ok(()) };
    let everywhere = match caller.role {
        Role::Viewer | Role::Member => None,
        Role::Admin => Some(Manager),
        Role::Owner | Role::Service => Some(Owner),
    };
    let needed = match asks.need {
        Need::Membership => None,
        Need::ProjectOrOwn(_) if own => None,
        Need::Project(needed) | Need::ProjectOrOwn(needed) => Some(needed),
    };
    let needed = needed.max(above);
    if role.max(everywhere) >= needed {
        return Ok(());
    }
    let (command, needed) = (asks.command, needed.map_or("viewer", CollaboratorRole::word));
    let has = role.max(everywhere).map_or("you have none".to_owned(), |role| format!("you are {}", role.word()));
    Err(CommandError::Forbidden(format!("{command} needs the role {needed} or higher in the project; {has} there")))
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
