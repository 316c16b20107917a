//! The event before which the relay stands because it cannot send it. Every later event waits behind it.

use super::{Letter, Parking};
use crate::cli::{Source, Why};
use crate::exit::Failure;
use crate::wire::Core;
use async_trait::async_trait;
use infrastructure::kafka::relay::{LEASE, dead_letters};
use uuid::Uuid;

pub(super) struct Relay;

fn refused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of_database("the relay's dead letters cannot be looked after", error)
}

#[async_trait]
impl Parking for Relay {
    fn names(&self) -> Vec<&'static str> {
        vec![LEASE]
    }

    async fn letters(&self, core: &Core) -> Result<Vec<Letter>, Failure> {
        let letters = dead_letters::list(&core.database.worker).await.map_err(|error| refused(&error))?;
        let stopped = letters.into_iter().filter(|letter| letter.skipped_at.is_none());
        stopped
            .map(|letter| {
                Ok(Letter {
                    source: Source::Relay,
                    name: LEASE.to_owned(),
                    version: None,
                    position: letter.position,
                    aggregate_id: Uuid::parse_str(&letter.aggregate_id).map_err(|error| refused(&error))?,
                    event_type: letter.event_type,
                    error: Some(letter.error),
                    tries: None,
                    parked_at: letter.stopped_at,
                    next_try_at: None,
                })
            })
            .collect()
    }

    async fn retry(&self, _: &Core, first: &Letter) -> Result<(), Failure> {
        say!("relay: event {} is tried again every second by the node that relays", first.position);
        Ok(())
    }

    async fn skip(&self, core: &Core, first: &Letter, why: &Why) -> Result<(), Failure> {
        let (position, by) = (first.position, why.by());
        let skipped = dead_letters::skip(&core.database.worker, position, &why.reason, &by).await.map_err(|error| refused(&error))?;
        let Some(skipped) = skipped else { return Err(Failure::no(format!("the relay no longer stands before event {position}"))) };
        tracing::warn!(event.position = position, event.id = %skipped.event_id, by, reason = why.reason, "event {position} is left out for consumers");
        say!("relay: event {position} is left out for consumers; the relay sends a dead letter in its place and goes on");
        Ok(())
    }
}
