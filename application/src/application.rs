//! The service: what entry points, reactions and the scheduler call.

use crate::access;
use crate::caller::{Circumstances, Source};
use crate::command::Command;
use crate::error::CommandError;
use crate::executor::{Executor, Outcome, Submission};
use crate::notices::Notice;
use crate::ports::{Clock, CommandKey, EventLog, Ids, Line, RefusedLine, Unit};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use uuid::Uuid;

/// The service, without its entry points.
pub struct Application {
    pub(crate) executor: Executor,
    /// The notice about the scheduler of this node, if there is one.
    pub(crate) scheduler_notice: watch::Sender<Option<Notice>>,
}

impl Application {
    /// On a log, with a clock and a source of ids.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { executor: Executor::new(log, clock, ids), scheduler_notice: watch::Sender::new(None) }
    }

    /// The notice about the scheduler of this node, if there is one.
    pub fn scheduler_notice(&self) -> watch::Receiver<Option<Notice>> {
        self.scheduler_notice.subscribe()
    }

    /// The log that commands are appended to.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.executor.log
    }

    /// The clock by which commands are timed.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.executor.clock
    }

    /// A new id.
    pub fn new_id(&self) -> Uuid {
        self.executor.ids.new_id()
    }

    /// Carries out a command, or returns why not.
    pub async fn execute(&self, how: Circumstances, command: Command) -> Result<Outcome, CommandError> {
        let key =
            command.command_id().map(|id| CommandKey { source: how.source, id, request_hash: command.request_hash(how.caller.actor) });
        self.send(self.executor.submission(&how, key.as_ref(), None), command).await
    }

    /// Carries out a line of an import. If it is refused, or was before, that is recorded.
    pub(crate) async fn execute_line(
        &self,
        how: &Circumstances,
        key: &CommandKey,
        line: &Line,
        command: Result<Command, RefusedLine>,
    ) -> Result<Outcome, CommandError> {
        let submission = self.executor.submission(how, Some(key), Some(line));
        match command {
            Ok(command) => self.send(submission, command).await,
            Err(refusal) => self.executor.record(submission, key, line, refusal).await,
        }
    }

    async fn send(&self, submission: Submission<'_>, command: Command) -> Result<Outcome, CommandError> {
        let name = command.name();
        let started = Instant::now();
        let fields = command.input_fields();
        let result = match self.carry_out(submission, command).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.executor.refuse(submission, error.pointing_to_id(fields)).await,
        };
        let outcome = match &result {
            Ok(outcome) if outcome.replayed => "replayed",
            Ok(outcome) if outcome.recorded.is_empty() => "nothing_to_do",
            Ok(_) => "done",
            Err(CommandError::Refused(_) | CommandError::NotFound(_) | CommandError::Forbidden(_) | CommandError::RefusedLine { .. }) => {
                "refused"
            }
            Err(CommandError::Conflict { .. } | CommandError::CommandIdReused | CommandError::Contended) => "conflict",
            Err(CommandError::Overloaded { .. }) => "overloaded",
            Err(CommandError::Unavailable(_) | CommandError::NoRoom(_) | CommandError::OutcomeUnknown | CommandError::Broken(_)) => {
                "failed"
            }
        };
        metrics::histogram!("milepost_command_duration_seconds", "command" => name, "outcome" => outcome).record(started.elapsed());
        result
    }

    async fn carry_out(&self, submission: Submission<'_>, command: Command) -> Result<Outcome, CommandError> {
        access::may_send(&submission.how.caller, command.name())?;
        command.carry_out(&self.executor, submission).await
    }

    /// Whether the log accepts commands at all: one that changes nothing takes the same path as every other.
    pub(crate) async fn takes_commands(&self) -> bool {
        let nothing = Unit::nothing(*self.log().generation().borrow(), Source::Reaction);
        self.executor.log.append(nothing).await.is_ok()
    }
}
