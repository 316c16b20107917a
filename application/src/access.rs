//! Who may send which command.

use crate::caller::{Caller, Role};
use crate::commands::Command;
use crate::error::CommandError;

/// Viewers read; everybody else in a workspace may send every command.
pub fn may_send(caller: &Caller, command: &Command) -> Result<(), CommandError> {
    match caller.role {
        Role::Viewer => {
            Err(CommandError::Forbidden(format!("{} needs the role member or higher in the workspace; you are a viewer", command.name())))
        }
        Role::Member | Role::Admin | Role::Owner | Role::Service => Ok(()),
    }
}

/// History is given by those who look after the workspace: they may say when something happened and who did it.
pub fn may_give_history(caller: &Caller) -> bool {
    match caller.role {
        Role::Viewer | Role::Member => false,
        Role::Admin | Role::Owner | Role::Service => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{caller, command};
    use serde_json::json;

    #[test]
    fn everybody_but_a_viewer_sends_commands_and_who_looks_after_the_workspace_gives_history() {
        let wish = command("projectArchive", json!({ "id": uuid::Uuid::nil() }));
        let may = |role| (may_send(&caller(role), &wish).is_ok(), may_give_history(&caller(role)));
        assert_eq!(Role::ALL.map(may), [(false, false), (true, false), (true, true), (true, true), (true, true)]);
    }
}
