//! Many commands from a file: one JSON object a line.
//!
//! Commands run at the same time as far as that makes no difference: lines that name the same thing keep their order,
//! and what changes the standing of a whole project waits for everything before it. Running a file twice changes
//! nothing, since every line has a command id.

use crate::caller::{Caller, Circumstances, Source};
use crate::commands::Command;
use crate::error::CommandError;
use crate::nearest::with_hint;
use crate::{Application, access};
use chrono::{DateTime, SubsecRound, Utc};
use domain::ids::UserId;
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Most commands at the same time.
pub const COMMANDS_AT_ONCE: usize = 512;
/// How often a command is sent again after a passing failure before the import stops.
pub const TRIES_MAX: u32 = 50;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportLine {
    /// The mutation's name, such as `taskCreate`.
    pub command: String,
    /// Makes it safe to import the line again.
    pub command_id: Uuid,
    /// Who did it. For those who look after the workspace; otherwise whoever imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Uuid>,
    /// When it happened. For those who look after the workspace; otherwise now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<DateTime<Utc>>,
    /// The mutation's input.
    pub input: Value,
}

/// A line that was not carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reject {
    /// Counted from 1.
    pub line: u64,
    pub command_id: Option<Uuid>,
    pub code: String,
    pub message: String,
    /// The line as it was; a text where it is no JSON.
    pub record: Value,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq)]
pub enum LineOutcome {
    Done,
    /// It had been imported before.
    Replayed,
    /// Its wish was already true.
    NothingToDo,
    Rejected(Box<Reject>),
}

/// The import cannot go on. Importing the file again goes on where it stopped.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("line {line}: the service does not carry out commands at the moment")]
    Unavailable {
        line: u64,
        #[source]
        error: CommandError,
    },
    #[error("the file could not be read: {0}")]
    File(#[source] std::io::Error),
}

/// Imports lines and gives the outcome of each, in order of completion. Of a line longer than [`LINE_BYTES_MAX`] the
/// beginning is enough, as long as it is longer too.
pub fn import<'a>(
    application: &'a Application,
    caller: Caller,
    lines: impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'a,
) -> impl Stream<Item = Result<LineOutcome, ImportError>> + Send + 'a {
    let room = Arc::new(Semaphore::new(COMMANDS_AT_ONCE));
    let mut order = Order::default();
    lines
        .zip(futures::stream::iter(1_u64..))
        .filter(|(line, _)| std::future::ready(!line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty())))
        .map(move |(line, number)| {
            let parsed = line.map_err(ImportError::File).map(|line| parse(&line, number, &caller));
            let turn = match &parsed {
                Ok(Ok(parsed)) => Some(order.turn(&parsed.command)),
                Ok(Err(_)) | Err(_) => None,
            };
            let room = Arc::clone(&room);
            async move {
                match (parsed?, turn) {
                    (Ok(parsed), Some(turn)) => {
                        turn.come().await;
                        let _permit = room.acquire().await;
                        let outcome = carry_out(application, caller, number, parsed).await;
                        turn.done();
                        outcome
                    }
                    (Ok(_), None) => Ok(LineOutcome::NothingToDo),
                    (Err(reject), _) => Ok(LineOutcome::Rejected(Box::new(reject))),
                }
            }
        })
        .buffer_unordered(COMMANDS_AT_ONCE)
}

struct Parsed {
    command: Command,
    actor: Option<UserId>,
    at: Option<DateTime<Utc>>,
    record: Value,
}

fn parse(line_bytes: &[u8], line: u64, caller: &Caller) -> Result<Parsed, Reject> {
    let reject = |command_id, message: String, record| Reject { line, command_id, code: "BAD_USER_INPUT".to_owned(), message, record };
    if line_bytes.len() > LINE_BYTES_MAX {
        return Err(reject(None, format!("a line has at most {LINE_BYTES_MAX} bytes; this one has more"), Value::Null));
    }
    let lossy = || Value::String(String::from_utf8_lossy(line_bytes).into_owned());
    let text = std::str::from_utf8(line_bytes).map_err(|error| reject(None, format!("the line is not UTF-8: {error}"), lossy()))?;
    let record: Value = serde_json::from_str(text).map_err(|error| reject(None, format!("the line is no JSON: {error}"), lossy()))?;
    let ImportLine { command, command_id, actor, at, input } =
        serde_json::from_value(record.clone()).map_err(|error| reject(None, with_hint(error.to_string()), record.clone()))?;
    let tagged = serde_json::json!({ "command": command, "input": input });
    let mut command: Command =
        serde_json::from_value(tagged).map_err(|error| reject(Some(command_id), with_hint(error.to_string()), record.clone()))?;
    if command.command_id().is_some_and(|id| id != command_id) {
        let message = "input.commandId differs from commandId; leave it out of the input".to_owned();
        return Err(reject(Some(command_id), message, record));
    }
    command.set_command_id(command_id);
    if (actor.is_some() || at.is_some()) && !access::may_give_history(caller) {
        let message = "actor and at are for those who look after the workspace: admin, owner or service".to_owned();
        return Err(Reject { code: "FORBIDDEN".to_owned(), ..reject(Some(command_id), message, record) });
    }
    Ok(Parsed { command, actor: actor.map(UserId), at: at.map(|at| at.trunc_subsecs(3)), record })
}

async fn carry_out(application: &Application, caller: Caller, line: u64, parsed: Parsed) -> Result<LineOutcome, ImportError> {
    let how = Circumstances {
        caller: Caller { actor: parsed.actor.unwrap_or(caller.actor), ..caller },
        source: Source::Import,
        at: parsed.at,
        correlation_id: application.new_id(),
        causation_id: None,
        traceparent: None,
    };
    let command_id = parsed.command.command_id();
    let mut tries = 0;
    let error = loop {
        match application.execute(how.clone(), parsed.command.clone()).await {
            Ok(outcome) if outcome.replayed => return Ok(LineOutcome::Replayed),
            Ok(outcome) if outcome.recorded.is_empty() => return Ok(LineOutcome::NothingToDo),
            Ok(_) => return Ok(LineOutcome::Done),
            Err(error) if error.is_passing() && tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) if error.is_passing() => return Err(ImportError::Unavailable { line, error }),
            Err(error) => break error,
        }
    };
    let code = error.code().to_owned();
    Ok(LineOutcome::Rejected(Box::new(Reject { line, command_id, code, message: error.to_string(), record: parsed.record })))
}

/// Resolves when somebody before in the file is done.
type Before = Shared<BoxFuture<'static, ()>>;

/// The order of lines that name the same things.
#[derive(Default)]
struct Order {
    /// By thing: who changed it last, and who has relied on it since.
    things: HashMap<Thing, Uses>,
    /// Everybody since the last change of a whole project.
    everybody: Vec<Before>,
    barrier: Option<Before>,
}

#[derive(Default)]
struct Uses {
    changed: Option<Before>,
    relied_on: Vec<Before>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Thing {
    Id(Uuid),
    ProjectKey(String),
}

/// The place of one line in the order.
struct Turn {
    before: Vec<Before>,
    done: oneshot::Sender<()>,
}

impl Turn {
    async fn come(&self) {
        futures::future::join_all(self.before.iter().cloned()).await;
    }

    fn done(self) {
        let _ = self.done.send(());
    }
}

impl Order {
    fn turn(&mut self, command: &Command) -> Turn {
        let (done, finished) = oneshot::channel();
        // A line that is dropped counts as done.
        let me: Before = finished.map(|_| ()).boxed().shared();
        let mut before: Vec<Before> = self.barrier.iter().cloned().collect();
        if changes_a_whole_project(command) {
            before.append(&mut self.everybody);
            self.things.clear();
            self.barrier = Some(me);
            return Turn { before, done };
        }
        let (changes, relies_on) = things_of(command);
        for thing in relies_on {
            let uses = self.things.entry(thing).or_default();
            before.extend(uses.changed.iter().cloned());
            uses.relied_on.push(me.clone());
        }
        for thing in changes {
            let uses = self.things.entry(thing).or_default();
            before.extend(uses.changed.replace(me.clone()));
            before.append(&mut uses.relied_on);
        }
        self.everybody.push(me);
        self.forget_what_is_done();
        Turn { before, done }
    }

    /// Keeps what is remembered in proportion to what is going on.
    fn forget_what_is_done(&mut self) {
        let over = |before: &Before| before.peek().is_some();
        if self.everybody.len() > 4 * COMMANDS_AT_ONCE {
            self.everybody.retain(|before| !over(before));
            self.things.retain(|_, uses| {
                uses.relied_on.retain(|before| !over(before));
                uses.changed.take_if(|before| over(before));
                uses.changed.is_some() || !uses.relied_on.is_empty()
            });
        }
    }
}

fn changes_a_whole_project(command: &Command) -> bool {
    matches!(command, Command::ProjectArchive(_) | Command::ProjectUnarchive(_) | Command::ProjectDelete(_))
}

/// What a command changes and what it relies on.
fn things_of(command: &Command) -> (Vec<Thing>, Vec<Thing>) {
    let ids = |ids: &[Option<Uuid>]| ids.iter().flatten().copied().map(Thing::Id).collect::<Vec<_>>();
    match command {
        Command::ProjectCreate(input) => (ids(&[input.id]).into_iter().chain([Thing::ProjectKey(input.key.clone())]).collect(), vec![]),
        Command::ProjectUpdate(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ProjectArchive(input) | Command::ProjectUnarchive(input) | Command::ProjectDelete(input) => {
            (ids(&[Some(input.id)]), vec![])
        }
        Command::ProjectCollaboratorAdd(input) | Command::ProjectCollaboratorChangeRole(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ProjectCollaboratorRemove(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskCreate(input) => (ids(&[input.id]), ids(&[Some(input.project_id)])),
        Command::TaskUpdate(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskAssign(input) | Command::TaskUnassign(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskChangeStatus(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskChangePriority(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskSetDue(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskClearDue(input) | Command::TaskComplete(input) | Command::TaskReopen(input) | Command::TaskDelete(input) => {
            (ids(&[Some(input.id)]), vec![])
        }
        Command::TaskMove(input) => (ids(&[Some(input.id)]), ids(&[Some(input.project_id)])),
        Command::TaskComment(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ScheduleCreate(input) => (ids(&[input.id]), ids(&[input.project_id, input.task_id])),
        Command::ScheduleUpdate(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ScheduleReschedule(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ScheduleMeet(input) | Command::ScheduleDelete(input) => (ids(&[Some(input.id)]), vec![]),
    }
}

#[cfg(test)]
mod tests;
