//! Answers to mutations.
//!
//! The entity of a payload always shows the effect of the mutation: a row of the read model, brought up to date with
//! the events that it has not seen, by the read model's own rule.

use super::context::ContextExt;
use super::error::{UserError, log_failure};
use application::executor::Outcome;
use async_graphql::{Context, Result};
use domain::event::Recorded;
use projections::model::{ReadModel, Rows};
use std::sync::Arc;

/// What every payload says of a command that was carried out.
pub(crate) struct Done {
    pub(crate) position: i64,
    pub(crate) version: i64,
    pub(crate) replayed: bool,
}

impl From<&Outcome> for Done {
    fn from(outcome: &Outcome) -> Self {
        Self { position: outcome.position, version: outcome.version, replayed: outcome.replayed }
    }
}

/// A payload that can be made of refusals.
pub(crate) trait Payload {
    fn of_refusals(user_errors: Vec<UserError>) -> Self;
}

/// The payload of a command that was refused.
pub(crate) fn refused<P: Payload>(user_errors: Vec<UserError>) -> P {
    P::of_refusals(user_errors)
}

macro_rules! payload {
    ($payload:ident, $field:ident, $entity:ty, $what:literal) => {
        #[doc = concat!("What became of a wish about a ", $what, ". Where it was refused, `", $what, "`, `position` and `version` are null.")]
        #[derive(async_graphql::SimpleObject)]
        pub struct $payload {
            #[doc = concat!("The ", $what, " after the command.")]
            $field: Option<$entity>,
            /// Why the wish was refused; empty if it was not.
            user_errors: Vec<UserError>,
            /// The place of the last event among all events: give it as `minPosition` to read what was written.
            position: Option<Position>,
            /// The version after the command.
            version: Option<i32>,
            /// Whether this is the answer to an earlier sending of the same command.
            replayed: bool,
        }

        impl $payload {
            pub(crate) fn done($field: Option<$entity>, done: &$crate::graphql::payload::Done) -> Self {
                Self {
                    $field,
                    user_errors: vec![],
                    position: Some(Position(done.position)),
                    version: Some($crate::graphql::scalars::version(done.version)),
                    replayed: done.replayed,
                }
            }
        }

        impl $crate::graphql::payload::Payload for $payload {
            fn of_refusals(user_errors: Vec<UserError>) -> Self {
                Self { $field: None, user_errors, position: None, version: None, replayed: false }
            }
        }
    };
}

pub(crate) use payload;

/// The row of an entity as it is after a command, whether or not the read model has seen it.
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
    let row = if created { None } else { read().await? };
    let known = row.as_ref().map_or(0, &version);
    if known >= outcome.version {
        return Ok(row);
    }
    let fresh = outcome.recorded.first().is_some_and(|first| first.version == known + 1);
    let missing: Vec<Arc<Recorded>> = match fresh {
        true => outcome.recorded.clone(),
        false => {
            let log = ctx.services().application.log();
            log.stream_after(outcome.aggregate_id, known).await.map_err(log_failure)?
        }
    };
    let mut rows = Rows::<M>::with(row.map(|row| (key, row)));
    missing.iter().for_each(|event| rows.apply(event));
    Ok(rows.rows().get(&key).cloned())
}
