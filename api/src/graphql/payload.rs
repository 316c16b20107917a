//! Payloads: the answers to mutations.
//!
//! The entity of a payload always shows the effect of the mutation: a row of the read model, brought up to date with
//! the events that it has not seen, by the read model's own rule.

use super::context::{ContextExt, execute, seen};
use super::error::{self, UserError, failure, log_failure};
use super::stored::Deadline;
use application::command::Command;
use application::executor::Outcome;
use async_graphql::{Context, Result};
use projections::model::{ReadModel, Rows};
use tokio::time::Instant;

/// How much of the time that a request has left may go into reading the entity of a payload.
const READING_SHARE: f64 = 0.75;

/// The payload of a command: what it says of the command, and the entity that the command changed.
pub(crate) trait Payload: Sized {
    type Entity;
    /// The field of the entity.
    const FIELD: &'static str;

    /// Of a command that was refused.
    fn refused(user_errors: Vec<UserError>) -> Self;

    /// Of a command that is stored.
    fn stored(entity: Result<Option<Self::Entity>>, outcome: &Outcome) -> Self;

    /// Reads the entity as it is after the command.
    fn read(ctx: &Context<'_>, outcome: &Outcome) -> impl Future<Output = Result<Option<Self::Entity>>> + Send;
}

/// An aggregate whose commands are mutations.
pub(crate) trait Answered {
    /// The payload of its commands.
    type Payload: Payload;
}

/// The payload of the commands on an aggregate.
pub(crate) type PayloadOf<A> = <A as Answered>::Payload;

/// Carries out a command, and answers with its payload.
pub(crate) async fn answer<P: Payload>(ctx: &Context<'_>, command: Command) -> Result<Option<P>> {
    let outcome = match execute(ctx, command).await {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Some(P::refused(error::answer(error)?))),
    };
    let entity = entity(ctx, P::FIELD, &outcome, P::read(ctx, &outcome)).await;
    Ok(Some(P::stored(entity, &outcome)))
}

/// Makes the payload of commands on an aggregate. `payload!(domain::task::Task => TaskPayload, task: Task = "task", task_after)` becomes the object
/// `TaskPayload` of the schema with the field `task`, which `task_after(ctx, outcome)` reads.
macro_rules! payload {
    ($aggregate:path => $payload:ident, $field:ident: $entity:ty = $what:literal, $read:path) => {
        #[doc = concat!("Result of a command on a ", $what, ". If the command was refused, `", $what, "`, `position` and `version` are null.")]
        #[derive(async_graphql::SimpleObject)]
        #[graphql(complex)]
        pub struct $payload {
            #[graphql(skip)]
            $field: async_graphql::Result<Option<$entity>>,
            /// Why the command was refused; empty if it was accepted.
            user_errors: Vec<$crate::graphql::error::UserError>,
            /// Position of the command's last event in the log. Pass it as `minPosition` to read your own write.
            position: Option<$crate::graphql::scalars::Position>,
            /// Version of the object after the command.
            version: Option<i32>,
            /// Whether the command was executed before and this is its recorded result.
            replayed: bool,
        }

        #[async_graphql::ComplexObject]
        impl $payload {
            #[doc = concat!("The ", $what, " after the command. Null with an error if the command was stored but the ", $what, " cannot be read.")]
            async fn $field(&self) -> async_graphql::Result<Option<&$entity>> {
                self.$field.as_ref().map(Option::as_ref).map_err(Clone::clone)
            }
        }

        impl $crate::graphql::payload::Answered for $aggregate {
            type Payload = $payload;
        }

        impl $crate::graphql::payload::Payload for $payload {
            type Entity = $entity;
            const FIELD: &'static str = $what;

            fn refused(user_errors: Vec<$crate::graphql::error::UserError>) -> Self {
                Self { $field: Ok(None), user_errors, position: None, version: None, replayed: false }
            }

            fn stored($field: async_graphql::Result<Option<$entity>>, outcome: &application::executor::Outcome) -> Self {
                Self {
                    $field,
                    user_errors: vec![],
                    position: Some($crate::graphql::scalars::Position(outcome.position)),
                    version: Some($crate::graphql::scalars::version(outcome.version)),
                    replayed: outcome.replayed,
                }
            }

            async fn read(
                ctx: &async_graphql::Context<'_>,
                outcome: &application::executor::Outcome,
            ) -> async_graphql::Result<Option<$entity>> {
                $read(ctx, outcome).await
            }
        }
    };
}

pub(crate) use payload;

/// The entity of a payload, if it is selected. A command that is stored is answered as such, even if its entity cannot be
/// read: a client that took it for lost and sent it again might carry it out twice.
async fn entity<T>(
    ctx: &Context<'_>,
    field: &'static str,
    outcome: &Outcome,
    read: impl Future<Output = Result<Option<T>>>,
) -> Result<Option<T>> {
    if !ctx.look_ahead().field(field).exists() {
        return Ok(None);
    }
    // The rest of the request's time is for the answer.
    let left = ctx.data_unchecked::<Deadline>().0.saturating_duration_since(Instant::now());
    let mut error = match tokio::time::timeout(left.mul_f64(READING_SHARE), read).await {
        Ok(Ok(entity)) => return Ok(entity),
        Ok(Err(error)) => error,
        Err(_) => failure("UNAVAILABLE", "it took too long"),
    };
    let (position, version) = (outcome.position, outcome.version);
    error.message = format!(
        "the command is stored at position {position} with version {version}, so do not send it again; its {field} cannot be read: {}",
        error.message
    );
    Err(error)
}

/// The row of an entity as it is after a command, even if the read model has not applied its events yet.
pub(crate) async fn current<M, F>(
    ctx: &Context<'_>,
    key: M::Key,
    outcome: &Outcome,
    read: impl FnOnce() -> F,
    version: impl Fn(&M::Row) -> i64,
) -> Result<Option<M::Row>>
where
    M: ReadModel,
    F: Future<Output = Result<Option<M::Row>>>,
{
    let created = outcome.recorded.first().is_some_and(|first| first.version == 1);
    let row = if created {
        None
    } else {
        // Where nothing is known of its position, its rows may be of another log.
        seen(ctx, &[M::NAME], 0).await?;
        read().await?
    };
    let known = row.as_ref().map_or(0, &version);
    if known >= outcome.version {
        return Ok(row);
    }
    let mut rows = Rows::<M>::with(row.map(|row| (key, row)));
    if outcome.recorded.first().is_some_and(|first| first.version == known + 1) {
        outcome.recorded.iter().for_each(|event| rows.apply(event));
        return Ok(rows.rows().get(&key).cloned());
    }
    // In steps: a stream has no bound, and a read model may be far behind.
    let (log, mut seen) = (ctx.services().application.log(), known);
    loop {
        let step = log.stream_after(outcome.aggregate_id, seen).await.map_err(log_failure)?;
        let Some(last) = step.last() else { break };
        seen = last.version;
        step.iter().for_each(|event| rows.apply(event));
    }
    Ok(rows.rows().get(&key).cloned())
}
