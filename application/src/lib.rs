//! What the service can do: carry out commands, answer events with commands, and let time pass.
//!
//! The one way in is [`Application::execute`]; GraphQL, the import and every later door use it, so they obey the same
//! access rules and the same idempotency. What is needed of the world stands in [`ports`].

pub mod access;
#[cfg(feature = "bench")]
pub mod bench;
pub mod caller;
pub mod commands;
pub mod error;
pub mod executor;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod import;
pub mod nearest;
pub mod notices;
pub mod ports;
pub mod reactions;
pub mod scheduler;

mod lease;
mod projects;
mod schedules;
mod states;
mod tasks;
#[cfg(test)]
mod testing;

pub use projects::PROJECT_KEY_CLAIM;
pub use states::STATES_BYTES_MAX;

use access::Asks;
use caller::Circumstances;
use commands::{Command, Order, ScheduleOrder};
use domain::ids::{CommentId, ProjectId, ScheduleId, TaskId};
use domain::schedule::ScheduleCommand;
use domain::task::Task;
use error::CommandError;
use executor::{Executor, Outcome};
use ports::{Clock, CommandKey, EventLog, Ids};
use projects::ProjectHandling;
use schedules::ScheduleHandling;
use std::sync::Arc;
use std::time::Instant;
use tasks::TaskHandling;
use uuid::Uuid;

/// The service, without its doors.
pub struct Application {
    executor: Executor,
}

impl Application {
    /// On a log, with a clock and a source of ids.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { executor: Executor::new(log, clock, ids) }
    }

    /// The log that commands are appended to.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.executor.log
    }

    /// The clock that commands go by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.executor.clock
    }

    /// A new id.
    pub fn new_id(&self) -> Uuid {
        self.executor.ids.new_id()
    }

    /// Carries out a command, or says why not.
    pub async fn execute(&self, how: Circumstances, command: Command) -> Result<Outcome, CommandError> {
        let name = command.name();
        let started = Instant::now();
        let by_id = command.meant_by_id();
        let result = self.carry_out(&how, command).await.map_err(|error| error.pointing_to_id(by_id));
        let outcome = match &result {
            Ok(outcome) if outcome.replayed => "replayed",
            Ok(outcome) if outcome.recorded.is_empty() => "nothing_to_do",
            Ok(_) => "done",
            Err(CommandError::Refused(_) | CommandError::NotFound(_) | CommandError::Forbidden(_)) => "refused",
            Err(CommandError::Conflict { .. } | CommandError::CommandIdReused | CommandError::Contended) => "conflict",
            Err(CommandError::Overloaded { .. }) => "overloaded",
            Err(CommandError::Unavailable(_) | CommandError::NoRoom(_) | CommandError::OutcomeUnknown | CommandError::Broken(_)) => {
                "failed"
            }
        };
        metrics::histogram!("milepost_command_duration_seconds", "command" => name, "outcome" => outcome).record(started.elapsed());
        result
    }

    async fn carry_out(&self, how: &Circumstances, command: Command) -> Result<Outcome, CommandError> {
        access::may_send(&how.caller, command.name())?;
        let asks = Asks::of(command.name());
        let key =
            command.command_id().map(|id| CommandKey { source: how.source, id, request_hash: command.request_hash(how.caller.actor) });
        let order = command.parse().map_err(CommandError::Refused)?;
        let new = || self.executor.ids.new_id();
        match order {
            Order::Project(order) => {
                let id = order.id.unwrap_or_else(|| ProjectId(new()));
                self.executor.run(how, key.as_ref(), &ProjectHandling { id, asks, order }).await
            }
            Order::Task(order) => {
                let id = order.id.unwrap_or_else(|| TaskId(new()));
                self.executor.run(how, key.as_ref(), &TaskHandling { id, comment_id: CommentId(new()), asks, order }).await
            }
            Order::Schedule(order) => {
                let id = order.id.unwrap_or_else(|| ScheduleId(new()));
                self.executor.run(how, key.as_ref(), &ScheduleHandling { id, follows: None, asks, order }).await
            }
        }
    }

    /// Whether a task is such that a schedule may follow it: it has a due date, or is deleted and may have had one.
    pub(crate) async fn may_have_follower(&self, task: TaskId) -> Result<bool, CommandError> {
        Ok(match &*self.executor.states.get::<Task>(task.0).await?.state {
            Task::Absent => false,
            Task::Live(live) => live.due.is_some(),
            Task::Deleted { .. } => true,
        })
    }

    /// Lets a schedule fire what is due.
    pub(crate) async fn tick(&self, how: &Circumstances, key: Option<&CommandKey>, id: ScheduleId) -> Result<Outcome, CommandError> {
        let order = ScheduleOrder { id: Some(id), expected_version: None, wish: ScheduleCommand::Tick };
        self.executor.run(how, key, &ScheduleHandling { id, follows: None, asks: Asks::for_the_service("tick"), order }).await
    }
}
