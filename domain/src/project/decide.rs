//! The rules of a project. Pure: what is needed rides in the command.

use super::{
    AddCollaborator, ChangeCollaboratorRole, CollaboratorAdded, CollaboratorRemoved, CollaboratorRoleChanged, CreateProject, LiveProject,
    Phase, Project, ProjectArchived, ProjectChanges, ProjectCommand, ProjectCreated, ProjectDeleted, ProjectError, ProjectEvent,
    ProjectUnarchived, ProjectUpdated, RemoveCollaborator, UpdateProject,
};
use crate::ids::{UserId, WorkspaceId};
use crate::issued::Issued;
use crate::values::{Change, CollaboratorRole, DateSpan};

/// Most collaborators of one project.
pub const COLLABORATORS_MAX: usize = 1_000;

type Decision = Result<Vec<ProjectEvent>, ProjectError>;

/// The events that a command results in, or the rule that refuses it.
pub fn decide(project: &Project, issued: Issued<ProjectCommand>) -> Decision {
    let Issued { by, workspace, command, .. } = issued;
    match (project, command) {
        (Project::Absent, ProjectCommand::Create(create)) => self::create(*create, workspace, by),
        (Project::Present(_), ProjectCommand::Create(_)) => Err(ProjectError::IdTaken),
        (Project::Present(live), command) if live.workspace_id == workspace => match live.phase {
            Phase::Active => active(live, command),
            Phase::Archived => archived(live, &command),
            Phase::Deleted => deleted(&command),
        },
        (Project::Absent | Project::Present(_), _) => Err(ProjectError::NotFound),
    }
}

fn create(create: CreateProject, workspace_id: WorkspaceId, owner_id: UserId) -> Decision {
    in_order(create.span)?;
    Ok(vec![ProjectEvent::ProjectCreated(Box::new(ProjectCreated {
        workspace_id,
        key: create.key,
        name: create.name,
        description: create.description,
        start_on: create.span.start_on,
        due_on: create.span.due_on,
        time_zone: create.time_zone,
        owner_id,
    }))])
}

fn active(live: &LiveProject, command: ProjectCommand) -> Decision {
    match command {
        ProjectCommand::Create(_) => Err(ProjectError::IdTaken),
        ProjectCommand::Update(fields) => update(live, *fields),
        ProjectCommand::Archive => Ok(vec![ProjectEvent::ProjectArchived(ProjectArchived { key: live.key.clone() })]),
        ProjectCommand::Unarchive => Ok(vec![]),
        ProjectCommand::Delete => delete(live),
        ProjectCommand::AddCollaborator(added) => add(live, &added),
        ProjectCommand::ChangeCollaboratorRole(change) => change_role(live, &change),
        ProjectCommand::RemoveCollaborator(removed) => remove(live, &removed),
    }
}

fn archived(live: &LiveProject, command: &ProjectCommand) -> Decision {
    match command {
        ProjectCommand::Archive => Ok(vec![]),
        ProjectCommand::Unarchive => Ok(vec![ProjectEvent::ProjectUnarchived(ProjectUnarchived { key: live.key.clone() })]),
        ProjectCommand::Delete => delete(live),
        ProjectCommand::Create(_)
        | ProjectCommand::Update(_)
        | ProjectCommand::AddCollaborator(_)
        | ProjectCommand::ChangeCollaboratorRole(_)
        | ProjectCommand::RemoveCollaborator(_) => Err(ProjectError::ProjectArchived),
    }
}

fn deleted(command: &ProjectCommand) -> Decision {
    match command {
        ProjectCommand::Delete => Ok(vec![]),
        ProjectCommand::Create(_)
        | ProjectCommand::Update(_)
        | ProjectCommand::Archive
        | ProjectCommand::Unarchive
        | ProjectCommand::AddCollaborator(_)
        | ProjectCommand::ChangeCollaboratorRole(_)
        | ProjectCommand::RemoveCollaborator(_) => Err(ProjectError::ProjectDeleted),
    }
}

fn update(live: &LiveProject, fields: UpdateProject) -> Decision {
    in_order(DateSpan { start_on: fields.start_on.unwrap_or(live.start_on), due_on: fields.due_on.unwrap_or(live.due_on) })?;
    let changes = ProjectChanges {
        name: Change::requested(&live.name, fields.name.as_ref()),
        description: Change::requested(&live.description, fields.description.as_ref()),
        start_on: Change::requested(&live.start_on, fields.start_on.as_ref()),
        due_on: Change::requested(&live.due_on, fields.due_on.as_ref()),
        time_zone: Change::requested(&live.time_zone, fields.time_zone.as_ref()),
    };
    Ok(if changes.is_empty() { vec![] } else { vec![ProjectEvent::ProjectUpdated(Box::new(ProjectUpdated { changes }))] })
}

fn delete(live: &LiveProject) -> Decision {
    Ok(vec![ProjectEvent::ProjectDeleted(ProjectDeleted { key: live.key.clone(), name: live.name.clone() })])
}

fn add(live: &LiveProject, added: &AddCollaborator) -> Decision {
    if live.collaborators.contains_key(&added.user_id) {
        return Err(ProjectError::AlreadyACollaborator(added.user_id));
    }
    if live.collaborators.len() >= COLLABORATORS_MAX {
        return Err(ProjectError::TooManyCollaborators(COLLABORATORS_MAX));
    }
    Ok(vec![ProjectEvent::ProjectCollaboratorAdded(CollaboratorAdded { user_id: added.user_id, role: added.role })])
}

fn change_role(live: &LiveProject, change: &ChangeCollaboratorRole) -> Decision {
    let from = *live.collaborators.get(&change.user_id).ok_or(ProjectError::NotACollaborator(change.user_id))?;
    if from == change.role {
        return Ok(vec![]);
    }
    keep_an_owner(live, from)?;
    Ok(vec![ProjectEvent::ProjectCollaboratorRoleChanged(CollaboratorRoleChanged { user_id: change.user_id, from, to: change.role })])
}

fn remove(live: &LiveProject, removed: &RemoveCollaborator) -> Decision {
    let role = *live.collaborators.get(&removed.user_id).ok_or(ProjectError::NotACollaborator(removed.user_id))?;
    keep_an_owner(live, role)?;
    Ok(vec![ProjectEvent::ProjectCollaboratorRemoved(CollaboratorRemoved { user_id: removed.user_id, role })])
}

fn keep_an_owner(live: &LiveProject, given_up: CollaboratorRole) -> Result<(), ProjectError> {
    if given_up == CollaboratorRole::Owner && live.owners() == 1 { Err(ProjectError::LastOwner) } else { Ok(()) }
}

fn in_order(span: DateSpan) -> Result<(), ProjectError> {
    match (span.start_on, span.due_on) {
        (Some(start_on), Some(due_on)) if !span.in_order() => Err(ProjectError::DateRange { start_on, due_on }),
        _ => Ok(()),
    }
}
