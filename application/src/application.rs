//! The service: what entry points, reactions and the scheduler call.

use crate::access::{self, Asks};
use crate::caller::{Circumstances, Source};
use crate::command::{Command, Order};
use crate::error::CommandError;
use crate::executor::{self, Executor, Outcome, Sending};
use crate::notices::Notice;
use crate::ports::{Clock, CommandKey, EventLog, Ids, Line, RefusedLine, Unit};
use crate::project::ProjectHandling;
use crate::schedule::{ScheduleHandling, ScheduleOrder, follower_of};
use crate::task::TaskHandling;
use domain::ids::{CommentId, ProjectId, ScheduleId, TaskId};
use domain::schedule::{ScheduleCommand, ScheduleError};
use domain::task::Task;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use uuid::Uuid;

/// The service, without its doors.
pub struct Application {
    pub(crate) executor: Executor,
    /// What an admin should know of the scheduler of this node.
    pub(crate) notes_of_scheduler: watch::Sender<Option<Notice>>,
}

impl Application {
    /// On a log, with a clock and a source of ids.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { executor: Executor::new(log, clock, ids), notes_of_scheduler: watch::Sender::new(None) }
    }

    /// What an admin should know of the scheduler of this node, if it has anything to say.
    pub fn notes_of_scheduler(&self) -> watch::Receiver<Option<Notice>> {
        self.notes_of_scheduler.subscribe()
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
        let key =
            command.command_id().map(|id| CommandKey { source: how.source, id, request_hash: command.request_hash(how.caller.actor) });
        self.send(self.executor.sending(&how, key.as_ref(), None), command).await
    }

    /// Carries out a line of an import. If it is refused, or was before, that is recorded.
    pub(crate) async fn execute_line(
        &self,
        how: &Circumstances,
        key: &CommandKey,
        line: &Line,
        command: Result<Command, RefusedLine>,
    ) -> Result<Outcome, CommandError> {
        let sending = self.executor.sending(how, Some(key), Some(line));
        match command {
            Ok(command) => self.send(sending, command).await,
            Err(refusal) => self.executor.record(sending, key, line, refusal).await,
        }
    }

    async fn send(&self, sending: Sending<'_>, command: Command) -> Result<Outcome, CommandError> {
        let name = command.name();
        let started = Instant::now();
        let by_id = command.meant_by_id();
        let result = match self.carry_out(sending, command).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.executor.refuse(sending, error.pointing_to_id(by_id)).await,
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

    async fn carry_out(&self, sending: Sending<'_>, command: Command) -> Result<Outcome, CommandError> {
        access::may_send(&sending.how.caller, command.name())?;
        let asks = Asks::new(command.name(), command.need());
        let order = command.parse().map_err(CommandError::Refused)?;
        let new = || self.executor.ids.new_id();
        match order {
            Order::Project(order) => {
                let id = order.id.unwrap_or_else(|| ProjectId(new()));
                self.executor.decide(sending, &ProjectHandling { id, asks, order }).await
            }
            Order::Task(order) => {
                let id = order.id.unwrap_or_else(|| TaskId(new()));
                self.executor.decide(sending, &TaskHandling { id, comment_id: CommentId(new()), asks, order }).await
            }
            Order::Schedule(order) => {
                let id = order.id.unwrap_or_else(|| ScheduleId(new()));
                self.executor.decide(sending, &ScheduleHandling { id, begins_to_follow: None, asks, order }).await
            }
        }
    }

    /// Whether a task is such that a schedule may follow it: it has a due date, or is deleted and may have had one. Whoever asks
    /// has seen an event of it with this version, so it is decided on no older state, and is an error where there is no such
    /// task.
    pub(crate) async fn may_have_follower(&self, task: TaskId, version: i64) -> Result<bool, CommandError> {
        Ok(match &*self.executor.states.get_at_least::<Task>(task.0, version).await?.state {
            Task::Absent => return Err(executor::refused(&ScheduleError::TaskNotFound)),
            Task::Live(live) => live.due.is_some(),
            Task::Deleted { .. } => true,
        })
    }

    /// Whether the log takes commands at all: one that changes nothing goes the way of every other.
    pub(crate) async fn takes_commands(&self) -> bool {
        let nothing = Unit::nothing(*self.log().generation().borrow(), Source::Reaction);
        self.executor.log.append(nothing).await.is_ok()
    }

    /// Lets a schedule fire what is due.
    pub(crate) async fn tick(&self, how: &Circumstances, key: Option<&CommandKey>, id: ScheduleId) -> Result<Outcome, CommandError> {
        let order = ScheduleOrder { id: Some(id), expected_version: None, wish: ScheduleCommand::Tick };
        self.executor.run(how, key, &ScheduleHandling { id, begins_to_follow: None, asks: Asks::for_the_service("tick"), order }).await
    }

    /// Brings the schedule that follows a task in step with it. It is found by its claim on the task, and has an id that
    /// nobody knows before it exists: whatever ids callers give to other things, they cannot be in its way.
    pub(crate) async fn follow(&self, how: &Circumstances, key: Option<&CommandKey>, task: TaskId) -> Result<Outcome, CommandError> {
        let workspace = how.caller.workspace;
        if let Some(follower) = self.executor.log.holder(workspace, &follower_of(task)).await? {
            return self.follow_as(ScheduleId(follower), None, how, key).await;
        }
        let begun = self.follow_as(ScheduleId(self.new_id()), Some(task), how, key).await;
        match begun {
            // Somebody else begins to follow it at the same time, such as a node that has lost its lease and does not know.
            Err(CommandError::Refused(_)) => match self.executor.log.holder(workspace, &follower_of(task)).await? {
                Some(follower) => self.follow_as(ScheduleId(follower), None, how, key).await,
                None => begun,
            },
            begun => begun,
        }
    }

    async fn follow_as(
        &self,
        id: ScheduleId,
        begins_to_follow: Option<TaskId>,
        how: &Circumstances,
        key: Option<&CommandKey>,
    ) -> Result<Outcome, CommandError> {
        let order = ScheduleOrder { id: Some(id), expected_version: None, wish: ScheduleCommand::Follow };
        let handling = ScheduleHandling { id, begins_to_follow, asks: Asks::for_the_service("follow"), order };
        self.executor.run(how, key, &handling).await
    }
}
