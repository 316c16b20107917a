//! What a failure says about the command that failed: the one place where the service's own workers learn whether to try
//! again. `docs/FAILURES.md`, "Retries", is this table in words.

use crate::error::CommandError;
use crate::ports::LogError;
use std::any::Any;
use std::error::Error;

/// What to do about a failure, by what it says about the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It says nothing about the command: every other one fails as well. Wait as long as it takes.
    Waits,
    /// It says something about the command only if the log takes other commands at the same time.
    Unclear,
    /// Others were in the way, or the outcome is not known. It mostly passes; a command that meets it every time is stuck.
    MayPass,
    /// The same command fails again until somebody changes what it meets.
    Stays,
}

/// What an error of a command says.
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

/// What an error of the log says.
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

/// An error with its causes, for admins.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let (mut words, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

/// What a panic says.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the program failed: {}", words.unwrap_or("it panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Refusal;
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
