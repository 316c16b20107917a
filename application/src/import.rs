//! Many commands from a file: one JSON object a line.
//!
//! Commands run at the same time as far as that makes no difference: lines that name the same thing keep their order,
//! and what changes the standing of a whole project waits for everything before it. Running a file twice changes
//! nothing, since every line has a command id.

mod order;

use crate::caller::{Caller, Circumstances, Source};
use crate::commands::Command;
use crate::error::CommandError;
use crate::nearest::with_hint;
use crate::{Application, access};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::UserId;
use domain::values::{InvalidValue, valid_instant};
use futures::{Stream, StreamExt};
use order::Order;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Most commands at the same time.
pub const COMMANDS_AT_ONCE: usize = 512;
/// How often a command is sent again after a passing failure before the import stops.
pub const TRIES_MAX: u32 = 50;
/// How far ahead of this node's clock a line may say that something happened: clocks differ a little.
pub const AT_AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);
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
    /// Points into the line, such as `["input", "due", "date"]`; empty where no field is to blame.
    pub path: Vec<String>,
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
    let mut order = Order::new();
    lines
        .zip(futures::stream::iter(1_u64..))
        .filter(|(line, _)| std::future::ready(!line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty())))
        .map(move |(line, number)| {
            let parsed = line.map_err(ImportError::File).map(|line| {
                let parsed = parse(&line, number, &caller, application.clock().now())?;
                let turn = order.turn(&parsed.command);
                Ok((parsed, turn))
            });
            let room = Arc::clone(&room);
            async move {
                match parsed? {
                    Ok((parsed, turn)) => {
                        turn.come().await;
                        let _permit = room.acquire().await;
                        carry_out(application, caller, number, parsed).await
                    }
                    Err(reject) => Ok(LineOutcome::Rejected(reject)),
                }
            }
        })
        .buffer_unordered(COMMANDS_AT_ONCE)
}

pub(crate) struct Parsed {
    pub(crate) command: Command,
    actor: Option<UserId>,
    at: Option<DateTime<Utc>>,
    record: Value,
}

pub(crate) fn parse(line_bytes: &[u8], line: u64, caller: &Caller, now: DateTime<Utc>) -> Result<Parsed, Box<Reject>> {
    let reject = |command_id, message: String, record| {
        Box::new(Reject { line, command_id, code: "BAD_USER_INPUT".to_owned(), message, path: vec![], record })
    };
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
        return Err(Box::new(Reject { code: "FORBIDDEN".to_owned(), ..*reject(Some(command_id), message, record) }));
    }
    match at.map(|at| past(at, now)).transpose() {
        Ok(at) => Ok(Parsed { command, actor: actor.map(UserId), at, record }),
        Err(InvalidValue { code, message }) => {
            Err(Box::new(Reject { code: code.to_owned(), path: vec!["at".to_owned()], ..*reject(Some(command_id), message, record) }))
        }
    }
}

/// A moment that can have been, to the millisecond. Stored facts are for ever, so a slip of the pen must not become one.
fn past(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidValue> {
    let at = valid_instant(at)?;
    match at > now + AT_AHEAD_MAX {
        true => Err(InvalidValue::new(format!("at is {at:?}, and it is {now:?} only: what has not happened yet cannot be imported"))),
        false => Ok(at),
    }
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
    let (code, message, path) = (error.code().to_owned(), error.to_string(), path_of(&error));
    Ok(LineOutcome::Rejected(Box::new(Reject { line, command_id, code, message, path, record: parsed.record })))
}

/// Where in the line that is which the error is about.
fn path_of(error: &CommandError) -> Vec<String> {
    let about = match error {
        CommandError::Refused(refusals) => refusals.first(),
        CommandError::NotFound(refusal) => Some(refusal),
        CommandError::Forbidden(_)
        | CommandError::Conflict { .. }
        | CommandError::CommandIdReused
        | CommandError::Overloaded { .. }
        | CommandError::Unavailable(_)
        | CommandError::NoRoom(_)
        | CommandError::OutcomeUnknown
        | CommandError::Contended
        | CommandError::Broken(_) => None,
    };
    match about.map(|refusal| refusal.path.as_slice()) {
        None | Some([]) => vec![],
        Some(path) => [&["input".to_owned()], path].concat(),
    }
}

#[cfg(test)]
mod tests;
