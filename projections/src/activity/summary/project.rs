//! Events of projects.

use super::words::{listed, or_none};
use domain::project::{ProjectChanges, ProjectEvent};
use domain::values::CollaboratorRole;

/// Raise it with every change of the sentences below, and with a new event: it counts in the number of the read model.
pub(super) const VERSION: u32 = 1;

/// An event of a project in a sentence.
pub(super) fn summary(event: &ProjectEvent) -> String {
    match event {
        ProjectEvent::ProjectCreated(created) => format!("created project {} “{}”", created.key, created.name),
        ProjectEvent::ProjectUpdated(updated) => {
            let ProjectChanges { name, description, start_on, due_on, time_zone } = &updated.changes;
            let mut parts = vec![];
            name.iter().for_each(|name| parts.push(format!("the name to “{}”", name.to)));
            description.iter().for_each(|_| parts.push("the description".to_owned()));
            start_on.iter().for_each(|day| parts.push(format!("the first day to {}", or_none(day.to))));
            due_on.iter().for_each(|day| parts.push(format!("the last day to {}", or_none(day.to))));
            time_zone.iter().for_each(|zone| parts.push(format!("the time zone to {}", zone.to)));
            format!("changed {}", listed(&parts))
        }
        ProjectEvent::ProjectArchived(archived) => format!("archived project {}", archived.key),
        ProjectEvent::ProjectUnarchived(unarchived) => format!("unarchived project {}", unarchived.key),
        ProjectEvent::ProjectDeleted(deleted) => format!("deleted project {} “{}”", deleted.key, deleted.name),
        ProjectEvent::ProjectCollaboratorAdded(added) => format!("added {} as {}", added.user_id, role(added.role)),
        ProjectEvent::ProjectCollaboratorRemoved(removed) => format!("removed {}, who was {}", removed.user_id, role(removed.role)),
        ProjectEvent::ProjectCollaboratorRoleChanged(changed) => {
            format!("made {} {} instead of {}", changed.user_id, role(changed.to), role(changed.from))
        }
    }
}

fn role(role: CollaboratorRole) -> &'static str {
    match role {
        CollaboratorRole::Viewer => "viewer",
        CollaboratorRole::Editor => "editor",
        CollaboratorRole::Manager => "manager",
        CollaboratorRole::Owner => "owner",
    }
}
