//! The event that the relay cannot send. Every later event waits behind it.

use super::parking::{Letter, Parking};
use crate::cli::{Source, Why};
use crate::exit::Failure;
use crate::wire::Core;
use async_trait::async_trait;
use infrastructure::kafka::relay::{BROKERS_TIMEOUT, LEASE, dead_letters};
use infrastructure::leases::is_held;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Timeout for the node that relays: it tries the event once more.
const ANSWER_WITHIN: Duration = BROKERS_TIMEOUT.saturating_mul(2);
const CHECK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Relay;

fn refused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of_database("failed to manage the relay's dead letters", error)
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
        say!("relay: event {} is retried every second by the node that runs the relay", first.position);
        Ok(())
    }

    async fn skip(&self, core: &Core, first: &Letter, why: &Why) -> Result<(), Failure> {
        let (pool, position, by) = (&core.database.worker, first.position, why.by());
        if !dead_letters::ask_to_skip(pool, position, &why.reason, &by).await.map_err(|error| refused(&error))? {
            return Err(gone(position));
        }
        let until = Instant::now() + ANSWER_WITHIN;
        while is_held(pool, LEASE).await.map_err(|error| refused(&error))? && Instant::now() < until {
            let letter = dead_letters::find(pool, position).await.map_err(|error| refused(&error))?;
            let Some(letter) = letter else { return Err(gone(position)) };
            if letter.skipped_at.is_some() {
                tracing::warn!(event.position = position, event.id = %letter.event_id, by, reason = why.reason, "event {position} is \
                    skipped for consumers");
                say!("relay: event {position} is skipped for consumers; the relay sends a dead letter in its place and continues");
                return Ok(());
            }
            tokio::time::sleep(CHECK_EVERY).await;
        }
        say!("relay: event {position} is skipped for consumers when a node runs the relay, unless it can be sent then");
        Ok(())
    }
}

fn gone(position: i64) -> Failure {
    Failure::no(format!("the relay is no longer stopped at event {position}"))
}
