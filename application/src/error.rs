//! Why a command was not carried out, by who has to act.

use crate::input::Refusal;
use crate::ports::{LogError, RefusedLine};
use std::time::Duration;
use thiserror::Error;

/// A command that was not carried out. Nothing of it was stored, unless said otherwise.
#[derive(Debug, Clone, Error)]
pub enum CommandError {
    /// The caller, with another command: rules or limits forbid it.
    #[error("{}", .0.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// The caller, with another id: the workspace has no such object.
    #[error("{}", .0.message)]
    NotFound(Refusal),
    /// The caller, with more permissions.
    #[error("{0}")]
    Forbidden(String),
    /// The importer, with another line, or by having it decided again. It is recorded; `before`: by an earlier import.
    #[error("{}", refusal.message)]
    RefusedLine { refusal: RefusedLine, before: bool },
    /// The caller, after reading again: a field that the command sets has changed since the expected version.
    #[error("version conflict: the current version is {current_version}, and these fields have changed since: {}", conflicting_fields.join(", "))]
    Conflict { current_version: i64, conflicting_fields: Vec<&'static str> },
    /// The caller, with a new command id.
    #[error("this commandId was used for another request; generate a new one for each request")]
    CommandIdReused,
    /// The caller, by retrying later.
    #[error("too many commands are waiting; try again in {} ms", retry_after.as_millis())]
    Overloaded { retry_after: Duration },
    /// The operator. Sending it again with the same commandId is safe.
    #[error("the service cannot reach its database")]
    Unavailable(#[source] LogError),
    /// The operator, by freeing disk space. Nothing was stored; sending it again with the same commandId is safe.
    #[error("the service cannot store anything because the disk of its database is full; try again later")]
    NoRoom(#[source] LogError),
    /// The caller, by sending it again with the same commandId: whether it was carried out is not known.
    #[error("the response of the database was lost; send the command again with the same commandId to learn its result")]
    OutcomeUnknown,
    /// The caller, by retrying: other commands changed the same object each time.
    #[error("other commands are changing the same object; try again")]
    Contended,
    /// The operator: stored events or the program are wrong.
    #[error("internal error")]
    Broken(#[source] LogError),
}

impl From<LogError> for CommandError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Overloaded { retry_after } => Self::Overloaded { retry_after },
            LogError::OutcomeUnknown => Self::OutcomeUnknown,
            error @ LogError::Unreachable(_) => Self::Unavailable(error),
            error @ LogError::NoRoom(_) => Self::NoRoom(error),
            error @ (LogError::Corrupt(_) | LogError::Unfit(_) | LogError::Rejected(_)) => Self::Broken(error),
        }
    }
}

impl CommandError {
    /// The same, for a command whose input has these fields. Rules refuse a command because of a project, a task or a status; if the
    /// input has no field for it, its `id` names the aggregate that is meant.
    pub(crate) fn pointing_to_id(mut self, fields: &[&str]) -> Self {
        let meant_by_id = |step: &str| {
            let field =
                [("projectId", "project_id"), ("taskId", "task_id"), ("status", "status")].into_iter().find(|(path, _)| *path == step);
            field.is_some_and(|(_, field)| !fields.contains(&field))
        };
        let refusals = match &mut self {
            Self::Refused(refusals) => refusals.as_mut_slice(),
            Self::NotFound(refusal) => std::slice::from_mut(refusal),
            Self::Forbidden(_)
            | Self::RefusedLine { .. }
            | Self::Conflict { .. }
            | Self::CommandIdReused
            | Self::Overloaded { .. }
            | Self::Unavailable(_)
            | Self::NoRoom(_)
            | Self::OutcomeUnknown
            | Self::Contended
            | Self::Broken(_) => &mut [],
        };
        for refusal in refusals.iter_mut().filter(|refusal| refusal.path.len() == 1 && meant_by_id(&refusal.path[0])) {
            refusal.path = vec!["id".to_owned()];
        }
        self
    }

    /// Whether sending the command again, unchanged, may well succeed.
    pub fn is_passing(&self) -> bool {
        match class(self) {
            Class::Waits | Class::Unclear | Class::MayPass => true,
            Class::Stays => false,
        }
    }

    /// What is recorded of it where it refuses a line of an import: a decision about the line, not a failure of the service.
    pub(crate) fn refusal(&self) -> Option<RefusedLine> {
        let path = match self {
            Self::Refused(refusals) => refusals.first().map(|refusal| refusal.path.as_slice()),
            Self::NotFound(refusal) => Some(refusal.path.as_slice()),
            Self::Forbidden(_) | Self::Conflict { .. } => None,
            Self::RefusedLine { .. }
            | Self::CommandIdReused
            | Self::Overloaded { .. }
            | Self::Unavailable(_)
            | Self::NoRoom(_)
            | Self::OutcomeUnknown
            | Self::Contended
            | Self::Broken(_) => return None,
        };
        let path = match path {
            None | Some([]) => vec![],
            Some(path) => [&["input".to_owned()], path].concat(),
        };
        Some(RefusedLine { code: self.code().to_owned(), message: self.to_string(), path })
    }

    /// Whether the same request may have been carried out before, though it is not now. Where the log cannot be asked, or has
    /// answered by the command's id, there is no earlier outcome to find.
    pub(crate) fn may_hide_an_outcome(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NotFound(_) | Self::Forbidden(_) | Self::Conflict { .. } | Self::Contended | Self::Broken(_) => true,
            Self::RefusedLine { .. }
            | Self::CommandIdReused
            | Self::Overloaded { .. }
            | Self::Unavailable(_)
            | Self::NoRoom(_)
            | Self::OutcomeUnknown => false,
        }
    }

    /// The code for programs, the same at every entry point.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusals) => refusals.first().map_or("REFUSED", |refusal| refusal.code),
            Self::NotFound(refusal) => refusal.code,
            Self::Forbidden(_) => "FORBIDDEN",
            Self::RefusedLine { refusal, .. } => &refusal.code,
            Self::Conflict { .. } => "VERSION_CONFLICT",
            Self::CommandIdReused => "COMMAND_ID_REUSED",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::Unavailable(_) | Self::NoRoom(_) | Self::OutcomeUnknown | Self::Contended => "UNAVAILABLE",
            Self::Broken(_) => "INTERNAL",
        }
    }
}

/// What a failure says about the command, and so what to do about it. `docs/FAILURES.md`, "Retries", is this table in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The failure is not about the command: every other one fails as well. Wait as long as it takes.
    Waits,
    /// It is about the command only if the log accepts other commands at the same time.
    Unclear,
    /// Other commands conflicted, or the outcome is not known. It mostly passes; a command that fails so every time is stuck.
    MayPass,
    /// The same command fails again until its cause is removed.
    Stays,
}

/// The class of an error of a command.
pub(crate) fn class(error: &CommandError) -> Class {
    match error {
        CommandError::Refused(_)
        | CommandError::NotFound(_)
        | CommandError::Forbidden(_)
        | CommandError::RefusedLine { .. }
        | CommandError::Conflict { .. }
        | CommandError::CommandIdReused => Class::Stays,
        CommandError::Overloaded { .. } => Class::Waits,
        CommandError::OutcomeUnknown | CommandError::Contended => Class::MayPass,
        CommandError::Unavailable(error) | CommandError::NoRoom(error) | CommandError::Broken(error) => class_of_log(error),
    }
}

/// The class of an error of the log.
fn class_of_log(error: &LogError) -> Class {
    match error {
        LogError::Overloaded { .. } | LogError::NoRoom(_) => Class::Waits,
        // A server that is away or forbids everything, or one statement that it cannot carry out, such as a read that
        // takes too long.
        LogError::Unreachable(_) | LogError::Unfit(_) => Class::Unclear,
        LogError::OutcomeUnknown => Class::MayPass,
        LogError::Corrupt(_) | LogError::Rejected(_) => Class::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::with_causes;
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn only_what_says_nothing_about_a_command_may_wait_without_bound() {
        let cause = || Arc::new(io::Error::other("a cause"));
        let refusal = || Refusal { code: "A_CODE", message: "no".to_owned(), path: vec![] };
        let of_log = |error: LogError| class(&CommandError::from(error));
        for (found, expected) in [
            (of_log(LogError::Overloaded { retry_after: Duration::ZERO }), Class::Waits),
            (of_log(LogError::NoRoom(cause())), Class::Waits),
            (of_log(LogError::Unreachable(cause())), Class::Unclear),
            (of_log(LogError::Unfit(cause())), Class::Unclear),
            (of_log(LogError::OutcomeUnknown), Class::MayPass),
            (class(&CommandError::Contended), Class::MayPass),
            (of_log(LogError::Corrupt(cause())), Class::Stays),
            (of_log(LogError::Rejected("too long".to_owned())), Class::Stays),
            (class(&CommandError::Refused(vec![refusal()])), Class::Stays),
            (class(&CommandError::NotFound(refusal())), Class::Stays),
            (class(&CommandError::Forbidden("no".to_owned())), Class::Stays),
            (class(&CommandError::Conflict { current_version: 2, conflicting_fields: vec![] }), Class::Stays),
            (class(&CommandError::CommandIdReused), Class::Stays),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = CommandError::from(LogError::Corrupt(Arc::new(io::Error::other("event 7 does not read"))));
        let told = "internal error: the event log contains data that cannot be read: event 7 does not read";
        assert_eq!(with_causes(&error), told);
    }
}
