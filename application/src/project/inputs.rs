//! Inputs of commands on projects, and how they become commands of the domain.

use crate::executor::{Checked, Request};
use crate::input::{Checks, CollaboratorRole, Day, Id, Int, Text, Zone, define_inputs};
use chrono_tz::Tz;
use domain::ids::UserId;
use domain::project::{AddCollaborator, ChangeCollaboratorRole, CreateProject, ProjectCommand, RemoveCollaborator, UpdateProject};
use domain::values::{DateSpan, Description, ProjectKey, ProjectName, parse_zone, valid_date};

/// The inputs of commands on projects, as `$define` makes them: see [`define_inputs`] for the form of a row.
#[macro_export]
macro_rules! project_inputs {
    ($define:ident) => {
        $define! {
            /// Input of `projectCreate`.
            #[derive(Default)]
            input ProjectCreateInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// ID of the new project, a UUID. Generated if omitted.
                id: Option<Id>,
                /// Short name that prefixes the keys of the project's tasks: `[A-Z][A-Z0-9]{1,9}`, unique in the workspace and
                /// never reused.
                key: Text,
                /// One line of 1 to 200 characters.
                name: Text,
                /// At most 64 KiB.
                description: Option<Text>,
                /// Planned first day.
                start_on: Option<Day>,
                /// Planned last day.
                due_on: Option<Day>,
                /// Time zone of due dates that do not name one. UTC if omitted.
                time_zone: Option<Zone>,
            }

            /// Input of `projectUpdate`. An omitted field keeps its value; null clears it.
            input ProjectUpdateInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
                expected_version: Option<Int>,
                /// The project.
                id: Id,
            } patch {
                /// One line of 1 to 200 characters.
                name: Text,
                /// At most 64 KiB; null clears it.
                description: Text,
                /// Planned first day.
                start_on: Day,
                /// Planned last day.
                due_on: Day,
                /// Time zone of due dates that do not name one.
                time_zone: Zone,
            }

            /// Input of commands that take only a project.
            input ProjectInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
                expected_version: Option<Int>,
                /// The project.
                id: Id,
            }

            /// Input of `projectCollaboratorAdd` and `projectCollaboratorChangeRole`.
            input ProjectCollaboratorInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the collaborators have changed since this version.
                expected_version: Option<Int>,
                /// The project.
                id: Id,
                /// The user.
                user_id: Id,
                /// The new role.
                role: CollaboratorRole,
            }

            /// Input of `projectCollaboratorRemove`.
            input ProjectCollaboratorRemoveInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the collaborators have changed since this version.
                expected_version: Option<Int>,
                /// The project.
                id: Id,
                /// The user.
                user_id: Id,
            }
        }
    };
}

project_inputs!(define_inputs);

impl ProjectCreateInput {
    pub(crate) fn request(self) -> Checked<ProjectCommand> {
        let create = Checks::all(|checks| {
            let key = checks.value("key", ProjectKey::new(self.key));
            let name = checks.value("name", ProjectName::new(self.name));
            let description = checks.value("description", self.description.map_or_else(|| Ok(Description::empty()), Description::new));
            let start_on = checks.value("startOn", self.start_on.map(valid_date).transpose());
            let due_on = checks.value("dueOn", self.due_on.map(valid_date).transpose());
            let time_zone = checks.value("timeZone", self.time_zone.as_deref().map_or(Ok(Tz::UTC), parse_zone));
            Some(CreateProject {
                key: key?,
                name: name?,
                description: description?,
                span: DateSpan { start_on: start_on?, due_on: due_on? },
                time_zone: time_zone?,
            })
        })?;
        Ok(Request::create(self.id, ProjectCommand::Create(Box::new(create))))
    }
}

impl ProjectUpdateInput {
    pub(crate) fn request(self) -> Checked<ProjectCommand> {
        let update = Checks::all(|checks| {
            Some(UpdateProject {
                name: self.name.required(checks, "name", ProjectName::new),
                description: self.description.or_empty(checks, "description", Description::empty(), Description::new),
                start_on: self.start_on.clearable(checks, "startOn", valid_date),
                due_on: self.due_on.clearable(checks, "dueOn", valid_date),
                time_zone: self.time_zone.required(checks, "timeZone", |name| parse_zone(&name)),
            })
        })?;
        Ok(Request::on(self.id, self.expected_version, ProjectCommand::Update(Box::new(update))))
    }
}

impl ProjectInput {
    pub(crate) fn request(self, command: ProjectCommand) -> Checked<ProjectCommand> {
        Ok(Request::on(self.id, self.expected_version, command))
    }
}

impl ProjectCollaboratorInput {
    pub(crate) fn add(self) -> Checked<ProjectCommand> {
        let add = AddCollaborator { user_id: UserId(self.user_id), role: self.role.0 };
        Ok(Request::on(self.id, self.expected_version, ProjectCommand::AddCollaborator(add)))
    }

    pub(crate) fn change_role(self) -> Checked<ProjectCommand> {
        let change = ChangeCollaboratorRole { user_id: UserId(self.user_id), role: self.role.0 };
        Ok(Request::on(self.id, self.expected_version, ProjectCommand::ChangeCollaboratorRole(change)))
    }
}

impl ProjectCollaboratorRemoveInput {
    pub(crate) fn request(self) -> Checked<ProjectCommand> {
        let remove = RemoveCollaborator { user_id: UserId(self.user_id) };
        Ok(Request::on(self.id, self.expected_version, ProjectCommand::RemoveCollaborator(remove)))
    }
}
