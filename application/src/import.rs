//! Many commands from a file: one JSON object a line.
//!
//! Commands run at the same time as far as that makes no difference: lines that name the same object keep their order,
//! and a command that affects a whole project waits for everything before it. Running a file twice changes
//! nothing, since every line has a command id: what was carried out is not carried out again, and what was refused is
//! refused again, also where it would be accepted now.

mod line_order;

pub use line_order::COMMANDS_AT_ONCE;

use crate::caller::{Caller, Circumstances, Source};
use crate::command::Command;
use crate::error::CommandError;
use crate::nearest::with_hint;
use crate::ports::{CommandKey, Line, RefusedLine};
use crate::{Application, access, json};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::UserId;
use domain::values::{Instant, InvalidValue, valid_instant};
use futures::{Stream, StreamExt};
use line_order::LineOrder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// How often a command is sent again after a passing failure before the import stops, or continues without the line.
pub const TRIES_MAX: u32 = 50;
/// How far the time of a line may be ahead of this node's clock: clocks differ a little.
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
    /// User ID of the actor. Only for the roles admin, owner and service; defaults to the importer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Uuid>,
    /// When the command was executed. Only for the roles admin, owner and service; defaults to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Instant>,
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
    /// Whether an earlier import was answered so, and this is its answer.
    pub replayed: bool,
    /// The line as it was; a text where it is not JSON.
    pub record: Value,
}

/// The result of lines that an earlier import refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The same refusal.
    Again,
    /// They are decided again.
    DecidedAnew,
}

/// The result of one line.
#[derive(Debug, Clone, PartialEq)]
pub enum LineOutcome {
    Done,
    /// It had been imported before.
    Replayed,
    /// The object already was as the command asks.
    NothingToDo,
    Rejected(Box<Reject>),
}

/// The import stopped. Importing the file again continues where it stopped.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("line {line}: the service cannot execute commands now")]
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
    refused: Refused,
    lines: impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'a,
) -> impl Stream<Item = Result<LineOutcome, ImportError>> + Send + 'a {
    let room = Arc::new(Semaphore::new(COMMANDS_AT_ONCE));
    let mut before = LineOrder::new();
    lines
        .zip(futures::stream::iter(1_u64..))
        .filter(|(line, _)| std::future::ready(!line.as_ref().is_ok_and(|line| text_of(line).trim_ascii().is_empty())))
        .map(move |(line, number)| {
            let parsed = line.map_err(ImportError::File).map(|line| {
                let parsed = parse(&line, number, &caller, application.clock().now())?;
                // A line that cannot be carried out changes nothing, so none waits for it.
                let slot = parsed.command.as_ref().ok().map(|command| before.slot(command));
                Ok((parsed, slot))
            });
            let room = Arc::clone(&room);
            async move {
                match parsed? {
                    Ok((parsed, slot)) => {
                        if let Some(slot) = &slot {
                            slot.ready().await;
                        }
                        let _permit = room.acquire().await;
                        carry_out(application, caller, refused, number, parsed).await
                    }
                    Err(reject) => Ok(LineOutcome::Rejected(reject)),
                }
            }
        })
        .buffer_unordered(COMMANDS_AT_ONCE)
}

/// A line that has an id.
pub(crate) struct Parsed {
    /// The command, or why it is never carried out.
    pub(crate) command: Result<Command, RefusedLine>,
    key: CommandKey,
    /// Of the line as it was and who sends it.
    hash: [u8; 32],
    actor: UserId,
    at: Option<DateTime<Utc>>,
    record: Value,
}

/// A line without the mark that some editors put at the beginning of a file, and without the first half of a line end of Windows.
fn text_of(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Reads a line. One without an id is refused at once, for nothing can be known of it.
pub(crate) fn parse(bytes: &[u8], line: u64, caller: &Caller, now: DateTime<Utc>) -> Result<Parsed, Box<Reject>> {
    let reject = |message: String, record| {
        let (code, path) = ("BAD_USER_INPUT".to_owned(), vec![]);
        Box::new(Reject { line, command_id: None, code, message, path, replayed: false, record })
    };
    if bytes.len() > LINE_BYTES_MAX {
        return Err(reject(format!("a line must have at most {LINE_BYTES_MAX} bytes; this one has more"), Value::Null));
    }
    let text = text_of(bytes);
    let lossy = || Value::String(String::from_utf8_lossy(text).into_owned());
    if let Err(error) = std::str::from_utf8(text) {
        return Err(reject(format!("the line is not UTF-8: {error}"), lossy()));
    }
    let record = json::strict(text).map_err(|error| {
        if error.is_data() { reject(error.to_string(), lossy()) } else { reject(format!("the line is not JSON: {error}"), lossy()) }
    })?;
    let read: Result<ImportLine, _> = serde_json::from_value(record.clone()).map_err(|error| with_hint(error.to_string()));
    let Some(id) = record["commandId"].as_str().and_then(|id| Uuid::parse_str(id).ok()) else {
        let message = read.err().unwrap_or_else(|| "commandId must be a UUID".to_owned());
        return Err(reject(message, record));
    };
    let given = read.as_ref().map_or((None, None), |read| (read.actor, read.at));
    let actor = given.0.map_or(caller.actor, UserId);
    let hash = hash_of(&[actor.0.as_bytes(), record.to_string().as_bytes()]);
    let asked = read.and_then(|read| asked(read).map_err(|error| with_hint(error.to_string())));
    // A request is the command, its sender and its time.
    let request_hash = match &asked {
        Ok(command) => hash_of(&[&command.request_hash(actor), serde_json::json!([given.0, given.1]).to_string().as_bytes()]),
        Err(_) => hash,
    };
    let command = asked.map_err(|message| refused("BAD_USER_INPUT", message, &[]));
    let (command, at) = match history(caller, given, now) {
        Ok(at) => (command, at),
        Err(refusal) => (command.and(Err(refusal)), None),
    };
    Ok(Parsed { command, key: CommandKey { source: Source::Import, id, request_hash }, hash, actor, at, record })
}

fn refused(code: &str, message: String, path: &[&str]) -> RefusedLine {
    RefusedLine { code: code.to_owned(), message, path: path.iter().map(|step| (*step).to_owned()).collect() }
}

/// The command of a line, under the line's id.
fn asked(line: ImportLine) -> Result<Command, serde_json::Error> {
    let ImportLine { command, command_id, input, .. } = line;
    let mut command: Command = serde_json::from_value(serde_json::json!({ "command": command, "input": input }))?;
    if command.command_id().is_some_and(|id| id != command_id) {
        return Err(serde::de::Error::custom("input.commandId differs from commandId; omit it from the input"));
    }
    command.set_command_id(Some(command_id));
    Ok(command)
}

/// The actor and time that a line gives, if its sender may give them and the time is possible.
fn history(
    caller: &Caller,
    (actor, at): (Option<Uuid>, Option<Instant>),
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, RefusedLine> {
    if (actor.is_some() || at.is_some()) && !access::may_give_history(caller) {
        let message = "only the roles admin, owner and service may set actor and at";
        return Err(refused("FORBIDDEN", message.to_owned(), &[]));
    }
    at.map(|at| past(at, now)).transpose().map_err(|InvalidValue { code, message }| refused(code, message, &["at"]))
}

/// A possible time in the past. Events are permanent, so a typing error must not become one.
fn past(at: Instant, now: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidValue> {
    let at = valid_instant(at)?.utc();
    if at > now + AT_AHEAD_MAX { Err(InvalidValue::new(format!("at is {at:?}, which is in the future (now: {now:?})"))) } else { Ok(at) }
}

fn hash_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

async fn carry_out(
    application: &Application,
    caller: Caller,
    refused: Refused,
    number: u64,
    parsed: Parsed,
) -> Result<LineOutcome, ImportError> {
    let how = Circumstances {
        caller: Caller { actor: parsed.actor, ..caller },
        source: Source::Import,
        at: parsed.at,
        correlation_id: application.new_id(),
        causation_id: None,
        traceparent: None,
    };
    let line = Line { hash: parsed.hash, anew: refused == Refused::DecidedAnew, refusal: None };
    let mut tries = 0;
    let error = loop {
        let error = match application.execute_line(&how, &parsed.key, &line, parsed.command.clone()).await {
            Ok(outcome) if outcome.replayed => return Ok(LineOutcome::Replayed),
            Ok(outcome) if outcome.recorded.is_empty() => return Ok(LineOutcome::NothingToDo),
            Ok(_) => return Ok(LineOutcome::Done),
            Err(error) => error,
        };
        match next(&error, tries) {
            Next::Again => {
                tries += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Next::Stop => return Err(ImportError::Unavailable { line: number, error }),
            Next::Reject => break error,
        }
    };
    let (RefusedLine { code, message, path }, replayed) = match error {
        CommandError::RefusedLine { refusal, before } => (refusal, before),
        CommandError::Contended => {
            let message = format!("other commands changed the same object during all {} attempts; import the line again", tries + 1);
            (self::refused(error.code(), message, &[]), false)
        }
        error => (self::refused(error.code(), error.to_string(), &[]), false),
    };
    let command_id = Some(parsed.key.id);
    Ok(LineOutcome::Rejected(Box::new(Reject { line: number, command_id, code, message, path, replayed, record: parsed.record })))
}

/// What follows a failure of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The line is tried again.
    Again,
    /// The import stops: other lines would fail as well.
    Stop,
    /// The line is rejected, and the others continue.
    Reject,
}

/// What follows a failure of a line that was tried again so often.
fn next(error: &CommandError, tries: u32) -> Next {
    match error {
        error if !error.is_passing() => Next::Reject,
        _ if tries < TRIES_MAX => Next::Again,
        // The log accepts the commands of others. The failure is not about the other lines.
        CommandError::Contended => Next::Reject,
        _ => Next::Stop,
    }
}

#[cfg(test)]
mod tests;
