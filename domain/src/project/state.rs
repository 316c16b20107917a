//! The state that a project's rules need, and how events change it.

use super::{ProjectChanges, ProjectCreated, ProjectEvent};
use crate::ids::{ProjectId, UserId, WorkspaceId};
use crate::values::{CollaboratorRole, DateSpan, Description, ProjectKey, ProjectName};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A project as its rules see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Project {
    #[default]
    Absent,
    Present(Box<LiveProject>),
}

/// A project that was created, also if it is archived or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveProject {
    pub workspace_id: WorkspaceId,
    pub phase: Phase,
    pub key: ProjectKey,
    pub name: ProjectName,
    pub description: Description,
    pub start_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    pub time_zone: Tz,
    pub collaborators: BTreeMap<UserId, CollaboratorRole>,
}

/// Where a project is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Active,
    Archived,
    Deleted,
}

/// What tasks and schedules need to know of their project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub id: ProjectId,
    pub workspace_id: WorkspaceId,
    pub key: ProjectKey,
    pub time_zone: Tz,
    pub phase: Phase,
}

impl Project {
    /// The project as its tasks and schedules see it.
    pub fn as_home(&self, id: ProjectId) -> Option<Home> {
        match self {
            Self::Absent => None,
            Self::Present(project) => Some(Home {
                id,
                workspace_id: project.workspace_id,
                key: project.key.clone(),
                time_zone: project.time_zone,
                phase: project.phase,
            }),
        }
    }
}

impl LiveProject {
    /// The planned days.
    pub fn span(&self) -> DateSpan {
        DateSpan { start_on: self.start_on, due_on: self.due_on }
    }

    /// How many people own the project.
    pub fn owners(&self) -> usize {
        self.collaborators.values().filter(|role| **role == CollaboratorRole::Owner).count()
    }
}

/// The state after an event. It cannot fail: a stored event is a fact.
pub fn evolve(project: Project, event: ProjectEvent) -> Project {
    match (project, event) {
        (_, ProjectEvent::ProjectCreated(created)) => begin(*created),
        (Project::Absent, _) => Project::Absent,
        (Project::Present(mut live), event) => {
            go_on(&mut live, event);
            Project::Present(live)
        }
    }
}

fn begin(created: ProjectCreated) -> Project {
    Project::Present(Box::new(LiveProject {
        workspace_id: created.workspace_id,
        phase: Phase::Active,
        key: created.key,
        name: created.name,
        description: created.description,
        start_on: created.start_on,
        due_on: created.due_on,
        time_zone: created.time_zone,
        collaborators: BTreeMap::from([(created.owner_id, CollaboratorRole::Owner)]),
    }))
}

fn go_on(live: &mut LiveProject, event: ProjectEvent) {
    match event {
        ProjectEvent::ProjectCreated(_) => {}
        ProjectEvent::ProjectUpdated(updated) => update(live, updated.changes),
        ProjectEvent::ProjectArchived(_) => live.phase = Phase::Archived,
        ProjectEvent::ProjectUnarchived(_) => live.phase = Phase::Active,
        ProjectEvent::ProjectDeleted(_) => live.phase = Phase::Deleted,
        ProjectEvent::ProjectCollaboratorAdded(added) => {
            live.collaborators.insert(added.user_id, added.role);
        }
        ProjectEvent::ProjectCollaboratorRemoved(removed) => {
            live.collaborators.remove(&removed.user_id);
        }
        ProjectEvent::ProjectCollaboratorRoleChanged(changed) => {
            live.collaborators.insert(changed.user_id, changed.to);
        }
    }
}

fn update(live: &mut LiveProject, changes: ProjectChanges) {
    let ProjectChanges { name, description, start_on, due_on, time_zone } = changes;
    if let Some(name) = name {
        live.name = name.to;
    }
    if let Some(description) = description {
        live.description = description.to;
    }
    if let Some(start_on) = start_on {
        live.start_on = start_on.to;
    }
    if let Some(due_on) = due_on {
        live.due_on = due_on.to;
    }
    if let Some(time_zone) = time_zone {
        live.time_zone = time_zone.to;
    }
}
