use super::{Golden, OTHER_PERSON, PERSON, WORKSPACE};
use crate::event::Event;
use crate::project::{
    CollaboratorAdded, CollaboratorRemoved, CollaboratorRoleChanged, ProjectArchived, ProjectChanges, ProjectCreated, ProjectDeleted,
    ProjectEvent, ProjectUnarchived, ProjectUpdated,
};
use crate::testing::{day, text};
use crate::values::{Change, CollaboratorRole};
use chrono_tz::Tz;

pub(super) fn goldens() -> Vec<Golden> {
    let key = || text("HALL1");
    let events = [
        ("project_created.1", ProjectEvent::ProjectCreated(Box::new(created()))),
        ("project_created.1.minimal", ProjectEvent::ProjectCreated(Box::new(barely_created()))),
        ("project_updated.1", ProjectEvent::ProjectUpdated(Box::new(ProjectUpdated { changes: changes() }))),
        ("project_updated.1.minimal", ProjectEvent::ProjectUpdated(Box::new(ProjectUpdated { changes: one_change() }))),
        ("project_archived.1", ProjectEvent::ProjectArchived(ProjectArchived { key: key() })),
        ("project_unarchived.1", ProjectEvent::ProjectUnarchived(ProjectUnarchived { key: key() })),
        ("project_deleted.1", ProjectEvent::ProjectDeleted(ProjectDeleted { key: key(), name: text("Renovation of the hall") })),
        (
            "project_collaborator_added.1",
            ProjectEvent::ProjectCollaboratorAdded(CollaboratorAdded { user_id: OTHER_PERSON, role: CollaboratorRole::Editor }),
        ),
        (
            "project_collaborator_removed.1",
            ProjectEvent::ProjectCollaboratorRemoved(CollaboratorRemoved { user_id: OTHER_PERSON, role: CollaboratorRole::Viewer }),
        ),
        (
            "project_collaborator_role_changed.1",
            ProjectEvent::ProjectCollaboratorRoleChanged(CollaboratorRoleChanged {
                user_id: OTHER_PERSON,
                from: CollaboratorRole::Manager,
                to: CollaboratorRole::Owner,
            }),
        ),
    ];
    events.map(|(name, event)| (name, Event::Project(event))).into()
}

fn created() -> ProjectCreated {
    ProjectCreated {
        workspace_id: WORKSPACE,
        key: text("HALL1"),
        name: text("Renovation of the hall"),
        description: text("Walls, floor and light.\nThe façade follows in summer – see \"Phase 2\"."),
        start_on: Some(day("2031-03-01")),
        due_on: Some(day("2031-06-30")),
        time_zone: Tz::Europe__Zurich,
        owner_id: PERSON,
    }
}

fn barely_created() -> ProjectCreated {
    ProjectCreated { description: text(""), start_on: None, due_on: None, time_zone: Tz::UTC, ..created() }
}

fn changes() -> ProjectChanges {
    ProjectChanges {
        name: Some(Change { from: text("Renovation of the hall"), to: text("Hall and stairs") }),
        description: Some(Change { from: text("Walls, floor and light."), to: text("") }),
        start_on: Some(Change { from: Some(day("2031-03-01")), to: None }),
        due_on: Some(Change { from: Some(day("2031-06-30")), to: Some(day("2031-07-31")) }),
        time_zone: Some(Change { from: Tz::Europe__Zurich, to: Tz::America__Argentina__Buenos_Aires }),
    }
}

fn one_change() -> ProjectChanges {
    ProjectChanges { due_on: Some(Change { from: None, to: Some(day("2031-07-31")) }), ..Default::default() }
}
