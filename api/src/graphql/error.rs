//! The one place where failures become answers.

use super::scalars::Position;
use crate::load::{Overload, RETRY_AFTER};
use application::error::CommandError;
use application::inputs::Refusal;
use application::ports::{LogError, RefusedLine};
use async_graphql::{Error, ErrorExtensions, SimpleObject, Value};
use projections::querying::error::{QueryError, TooMuch};
use projections::running::progress::NotReached;
use uuid::Uuid;

/// Every code that an error can have, with what it means. `docs/ERRORS.md` is made from it.
pub const CODES: [(&str, &str); 13] = [
    ("BAD_USER_INPUT", "The request or a value in it is malformed; `path` points to it where that is known."),
    ("UNAUTHENTICATED", "The token is missing or not accepted; the message says why."),
    ("FORBIDDEN", "The role in the workspace or in the project does not allow it; see `schemas/access.txt`."),
    ("NOT_FOUND", "A mutation refers to an object that does not exist in the workspace. Queries return null instead."),
    (
        "VERSION_CONFLICT",
        "A field that the command sets has changed since `expectedVersion`; see `currentVersion` and `conflictingFields`.",
    ),
    ("COMMAND_ID_REUSED", "The `commandId` was used for another request."),
    ("LIMIT_EXCEEDED", "The request or its response exceeds the limit named in `limit`; see `value` and `allowed`."),
    ("POSITION_NOT_REACHED", "Read models did not reach `minPosition` in time; try again."),
    (
        "OVERLOADED",
        "Too many requests or commands in progress, or another limit named in `limit`, for the caller (status 429) or for the node \
            (status 503). Retry after `retryAfterMs`.",
    ),
    (
        "UNAVAILABLE",
        "A server that Milepost depends on is not available, timed out, or has no disk space left; the message says which. Sending a \
            command again with the same `commandId` is safe. On the entity of a payload: the command is stored, only the entity cannot \
            be read. `stored` lists the commands of the request that are stored although their payloads are missing.",
    ),
    ("REQUEST_TIMEOUT", "The request body did not arrive in time. Nothing was executed; retry."),
    ("METHOD_NOT_ALLOWED", "Mutations require POST."),
    ("INTERNAL", "An internal error; `errorId` identifies it in the log."),
];

/// A failure with a code for programs.
pub(crate) fn failure(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// Something that the caller sent is malformed.
pub(crate) fn bad_input(path: &[&str], message: impl Into<String>) -> Error {
    let path: Vec<Value> = path.iter().map(|step| Value::from(*step)).collect();
    failure("BAD_USER_INPUT", message).extend_with(|_, extensions| extensions.set("path", Value::List(path)))
}

/// Something goes beyond a limit.
pub(crate) fn limit_exceeded(limit: &'static str, value: usize, allowed: usize) -> Error {
    failure("LIMIT_EXCEEDED", format!("{limit} is {value}, and {allowed} is allowed")).extend_with(|_, extensions| {
        extensions.set("limit", limit);
        extensions.set("value", value as u64);
        extensions.set("allowed", allowed as u64);
    })
}

/// A request is refused because a limit on concurrent work is reached.
pub(crate) fn overloaded(overload: Overload) -> Error {
    let Overload { limit, allowed, .. } = overload;
    failure("OVERLOADED", overload.to_string()).extend_with(|_, extensions| {
        extensions.set("limit", limit);
        extensions.set("allowed", allowed as u64);
        extensions.set("retryAfterMs", u64::try_from(RETRY_AFTER.as_millis()).unwrap_or(u64::MAX));
    })
}

/// An internal failure. The caller gets only an id, by which it is found in the log.
pub(crate) fn internal(error: &dyn std::error::Error) -> Error {
    let id = Uuid::now_v7();
    tracing::error!(error.id = %id, error = chain(error), "internal error while handling a request");
    metrics::counter!("milepost_api_internal_errors_total").increment(1);
    failure("INTERNAL", format!("internal error; include the ID {id} when you report it"))
        .extend_with(|_, extensions| extensions.set("errorId", id.to_string()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn unavailable(message: String, cause: Option<&dyn std::error::Error>) -> Error {
    tracing::warn!(error = cause.map(chain), "a request failed with a temporary error");
    failure("UNAVAILABLE", message)
}

/// The error of a query that was not answered.
pub(crate) fn unanswered(error: impl Into<QueryError>) -> Error {
    match error.into() {
        QueryError::Cursor(cursor) => bad_input(&[cursor.given_as], cursor.to_string()),
        error @ QueryError::Value(_) => bad_input(&[], error.to_string()),
        QueryError::TooMuch(TooMuch::InAnswer { limit, value, allowed }) => limit_exceeded(limit, value, allowed),
        QueryError::TooMuch(TooMuch::Underway { limit, allowed, of_node }) => overloaded(Overload { limit, allowed, of_node }),
        error @ QueryError::Unavailable(_) => unavailable("the service cannot reach its database; try again".to_owned(), Some(&error)),
        error @ (QueryError::Building(_) | QueryError::TooSlow(_)) => unavailable(error.to_string(), Some(&error)),
        error @ QueryError::Broken(_) => internal(&error),
    }
}

/// Why a command was refused: a business rule or a value limit.
#[derive(Debug, Clone, SimpleObject)]
pub struct UserError {
    /// Code in upper snake case, from the closed list in `docs/ERRORS.md`.
    code: String,
    /// Human-readable explanation, one sentence.
    message: String,
    /// Path of the field in `input`.
    path: Vec<String>,
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.to_owned(), message: refusal.message, path: refusal.path }
    }
}

/// A command that was not carried out: refusals by rules are part of the payload, everything else is an error.
pub(crate) fn answer(error: CommandError) -> Result<Vec<UserError>, Error> {
    let message = error.to_string();
    Err(match error {
        CommandError::Refused(refusals) => return Ok(refusals.into_iter().map(UserError::from).collect()),
        // Only imports have these.
        CommandError::RefusedLine { refusal: RefusedLine { code, message, path }, .. } => {
            return Ok(vec![UserError { code, message, path }]);
        }
        CommandError::NotFound(refusal) => {
            let path: Vec<Value> = refusal.path.into_iter().map(Value::from).collect();
            failure("NOT_FOUND", message).extend_with(|_, extensions| extensions.set("path", Value::List(path)))
        }
        CommandError::Forbidden(_) => failure("FORBIDDEN", message),
        CommandError::Conflict { current_version, conflicting_fields } => {
            failure("VERSION_CONFLICT", message).extend_with(|_, extensions| {
                extensions.set("currentVersion", current_version);
                extensions.set("conflictingFields", Value::List(conflicting_fields.into_iter().map(Value::from).collect()));
            })
        }
        CommandError::CommandIdReused => failure("COMMAND_ID_REUSED", message),
        CommandError::Overloaded { retry_after } => failure("OVERLOADED", message)
            .extend_with(|_, extensions| extensions.set("retryAfterMs", u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX))),
        CommandError::Contended | CommandError::OutcomeUnknown => failure("UNAVAILABLE", message),
        CommandError::Unavailable(cause) | CommandError::NoRoom(cause) => unavailable(message, Some(&cause)),
        CommandError::Broken(cause) => internal(&cause),
    })
}

/// The log did not answer.
pub(crate) fn log_failure(error: LogError) -> Error {
    match answer(CommandError::from(error)) {
        Err(error) => error,
        Ok(_) => failure("UNAVAILABLE", "the service cannot reach its database; try again"),
    }
}

/// Read models did not reach the position in time, or their positions are not known.
pub(crate) fn not_reached(error: &NotReached) -> Error {
    let Some(reached) = error.reached else { return failure("UNAVAILABLE", error.to_string()) };
    failure("POSITION_NOT_REACHED", error.to_string()).extend_with(|_, extensions| {
        extensions.set("reached", Position(reached).to_string());
        extensions.set("wanted", Position(error.wanted).to_string());
    })
}
