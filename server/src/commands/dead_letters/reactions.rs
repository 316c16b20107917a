//! Events that a reaction could not handle. The node that runs the reaction retries them on request.

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

/// Timeout from one event to the next: until the node looks for requests, until a running attempt ends, and for the
/// attempt itself, each with its statements.
const ANSWER_WITHIN: Duration =
    PARKED_LOOK_EVERY.saturating_add(TRY_WITHIN.saturating_add(STATEMENT_WITHIN.saturating_mul(2)).saturating_mul(2));
const CHECK_EVERY: Duration = Duration::from_millis(100);

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
        if skipped {
            say!(
                "{name}: event {position} of {} is skipped; events that wait behind it are retried by the node that runs the reaction",
                first.aggregate_id
            );
            Ok(())
        } else {
            Err(Failure::no(format!("event {position} is no longer parked in {name}")))
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

/// Waits until the node that runs the reaction has tried the parked events of an aggregate, and prints the result.
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
        tokio::time::sleep(CHECK_EVERY).await;
    }
}
