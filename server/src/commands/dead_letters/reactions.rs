//! Events that a reaction could not answer. The node that reacts tries them; here it is only told to.

use super::parking::{Letter, Parking};
use crate::cli::{Source, Why};
use crate::exit::Failure;
use crate::wire::Core;
use application::reactions::{PARKED_LOOK_EVERY, TRY_WITHIN, all, lease_name};
use async_trait::async_trait;
use infrastructure::checkpoints::{self, ParkedEvent, parked_events};
use infrastructure::leases::is_held;
use infrastructure::postgres::STATEMENT_WITHIN;
use std::time::Duration;
use tokio::time::Instant;

/// How long the node that reacts is waited for, from one event to the next: until it looks, until one of the tries under way
/// has made place, and for the try itself, each with the statements before and after it.
const ANSWER_WITHIN: Duration =
    PARKED_LOOK_EVERY.saturating_add(TRY_WITHIN.saturating_add(STATEMENT_WITHIN.saturating_mul(2)).saturating_mul(2));
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Reactions;

fn refused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of_database("failed to manage parked events", error)
}

#[async_trait]
impl Parking for Reactions {
    fn names(&self) -> Vec<&'static str> {
        all().iter().map(|reaction| reaction.name()).collect()
    }

    async fn letters(&self, core: &Core) -> Result<Vec<Letter>, Failure> {
        let parked = parked_events(&core.database.worker, None).await.map_err(|error| refused(&error))?;
        Ok(parked.into_iter().map(letter).collect())
    }

    async fn retry(&self, core: &Core, first: &Letter) -> Result<(), Failure> {
        let (pool, name, position) = (&core.database.worker, &first.name, first.position);
        checkpoints::retry_now(pool, name, position).await.map_err(|error| refused(&error))?;
        if !is_held(pool, &lease_name(name)).await.map_err(|error| refused(&error))? {
            say!("{name}: event {position} is retried when a node runs; none runs now");
            return Ok(());
        }
        outcome(core, first).await
    }

    async fn skip(&self, core: &Core, first: &Letter, why: &Why) -> Result<(), Failure> {
        let (pool, name, position) = (&core.database.worker, &first.name, first.position);
        let skipped = checkpoints::skip(pool, name, position, &why.reason, &why.by()).await.map_err(|error| refused(&error))?;
        match skipped {
            true => {
                say!(
                    "{name}: event {position} of {} is skipped; events that wait behind it are retried by the node that runs the reaction",
                    first.aggregate_id
                );
                Ok(())
            }
            false => Err(Failure::no(format!("event {position} is no longer parked in {name}"))),
        }
    }
}

fn letter(parked: ParkedEvent) -> Letter {
    Letter {
        source: Source::Reactions,
        name: parked.name,
        version: None,
        position: parked.position,
        aggregate_id: parked.aggregate_id,
        event_type: parked.event_type,
        error: parked.error,
        tries: Some(parked.tries),
        parked_at: parked.parked_at,
        next_try_at: parked.next_try_at,
    }
}

/// Waits until the node that reacts has tried what is parked of an aggregate, and says what came of it.
async fn outcome(core: &Core, first: &Letter) -> Result<(), Failure> {
    let (name, aggregate) = (&first.name, first.aggregate_id);
    let (mut position, mut until) = (first.position, Instant::now() + ANSWER_WITHIN);
    loop {
        let parked = parked_events(&core.database.worker, Some((name, aggregate))).await.map_err(|error| refused(&error))?;
        let Some(now) = parked.first() else {
            say!("{name}: all parked events of {aggregate} are processed");
            return Ok(());
        };
        match &now.error {
            Some(error) if now.position > first.position || Some(now.tries) > first.tries => {
                return Err(Failure::no(format!("event {} still cannot be processed: {error}", now.position)));
            }
            Some(_) | None => {}
        }
        if now.position > position {
            (position, until) = (now.position, Instant::now() + ANSWER_WITHIN);
        }
        if Instant::now() > until {
            let seconds = ANSWER_WITHIN.as_secs();
            return Err(Failure::no(format!("{name}: no node has tried event {position} within {seconds} s; it is retried when one can")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
