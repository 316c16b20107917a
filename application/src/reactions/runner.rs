//! Follows the log for a reaction.

use super::Reaction;
use crate::Application;
use crate::error::CommandError;
use crate::lease::lost;
use crate::ports::{Checkpoints, LogError, Parked};
use domain::event::Fact;
use futures::{StreamExt, stream};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// Most facts read at once.
pub const BATCH_FACTS_MAX: usize = 500;
/// Most aggregates whose events are answered at the same time.
pub const AGGREGATES_AT_ONCE: usize = 64;
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often parked events are tried again where nothing new comes.
const TRY_PARKED_EVERY: Duration = Duration::from_secs(60);

/// Answers events while the lease is held. Returns when nobody will hold it any more.
pub async fn run(
    application: &Application,
    checkpoints: &dyn Checkpoints,
    reaction: &dyn Reaction,
    mut lease: watch::Receiver<Option<i64>>,
) {
    loop {
        if lease.wait_for(Option::is_some).await.is_err() {
            return;
        }
        tokio::select! {
            result = follow(application, checkpoints, reaction) => {
                if let Err(error) = result {
                    tracing::warn!(reaction.name = reaction.name(), %error, "a reaction was interrupted; going on");
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            () = lost(&mut lease) => {}
        }
    }
}

async fn follow(application: &Application, checkpoints: &dyn Checkpoints, reaction: &dyn Reaction) -> Result<(), LogError> {
    let mut position = checkpoints.load(reaction.name()).await?;
    let mut waiting = try_parked(application, checkpoints, reaction).await?;
    let mut head = application.log().head();
    loop {
        let facts = application.log().after(position, BATCH_FACTS_MAX).await?;
        let lag = metrics::gauge!("milepost_reaction_lag_events", "reaction" => reaction.name());
        let Some(last) = facts.last().map(|fact| fact.position) else {
            lag.set(0.0);
            tokio::select! {
                grows = async { head.wait_for(|head| *head > position).await.is_ok() } => if !grows { return Ok(()) },
                () = tokio::time::sleep(TRY_PARKED_EVERY), if !waiting.is_empty() => {
                    waiting = try_parked(application, checkpoints, reaction).await?;
                }
            }
            continue;
        };
        let parked = react_to(application, reaction, &facts, &waiting).await;
        if !checkpoints.advance(reaction.name(), position, last, &parked).await? {
            return Ok(());
        }
        waiting.extend(parked.iter().map(|event| event.aggregate_id));
        metrics::gauge!("milepost_reaction_parked_events", "reaction" => reaction.name()).increment(parked.len() as f64);
        position = last;
        lag.set((*head.borrow() - position).max(0) as f64);
    }
}

/// Tries again what is parked. Gives the aggregates that still wait.
async fn try_parked(application: &Application, checkpoints: &dyn Checkpoints, reaction: &dyn Reaction) -> Result<HashSet<Uuid>, LogError> {
    let mut waiting = HashSet::new();
    let parked = checkpoints.parked(reaction.name()).await?;
    let still = metrics::gauge!("milepost_reaction_parked_events", "reaction" => reaction.name());
    still.set(parked.len() as f64);
    for parked in parked {
        if waiting.contains(&parked.aggregate_id) {
            continue;
        }
        let facts = application.log().after(parked.position - 1, 1).await?;
        match facts.first() {
            Some(fact) if react_to_one(application, reaction, fact).await.is_err() => {
                waiting.insert(parked.aggregate_id);
            }
            Some(_) | None => {
                checkpoints.release(reaction.name(), parked.position).await?;
                still.decrement(1.0);
            }
        }
    }
    Ok(waiting)
}

/// Answers facts: those of one aggregate in order, those of different ones at the same time. Gives those to be parked.
async fn react_to(application: &Application, reaction: &dyn Reaction, facts: &[Arc<Fact>], waiting: &HashSet<Uuid>) -> Vec<Parked> {
    let mut by_aggregate: HashMap<Uuid, Vec<&Fact>> = HashMap::new();
    for fact in facts {
        // One that cannot be read may be of those that are listened to.
        if fact.recorded.as_ref().map_or(true, |recorded| reaction.listens_to(&recorded.event)) {
            by_aggregate.entry(fact.aggregate_id).or_default().push(fact);
        }
    }
    let answers: Vec<_> = by_aggregate
        .into_iter()
        .map(|(aggregate, facts)| react_in_order(application, reaction, aggregate, facts, waiting.contains(&aggregate)))
        .collect();
    stream::iter(answers).buffer_unordered(AGGREGATES_AT_ONCE).concat().await
}

/// Answers facts of one aggregate. Gives those to be parked: the first that cannot be dealt with, and all behind it.
async fn react_in_order(
    application: &Application,
    reaction: &dyn Reaction,
    aggregate_id: Uuid,
    facts: Vec<&Fact>,
    mut waits: bool,
) -> Vec<Parked> {
    let mut parked = vec![];
    for fact in facts {
        let error = match waits {
            true => String::new(),
            false => match react_to_one(application, reaction, fact).await {
                Ok(()) => continue,
                Err(error) => error,
            },
        };
        waits = true;
        parked.push(Parked { position: fact.position, aggregate_id, error });
    }
    parked
}

/// Tries until it is settled: a passing failure is no reason to leave something out. Fails where this program cannot do it.
async fn react_to_one(application: &Application, reaction: &dyn Reaction, fact: &Fact) -> Result<(), String> {
    let parked = |error: String| {
        tracing::error!(
            reaction.name = reaction.name(),
            event.position = fact.position,
            event.aggregate_id = %fact.aggregate_id,
            error,
            "an event is parked: its aggregate waits in this reaction until a node takes over that can deal with it"
        );
        error
    };
    let event = fact.recorded.as_ref().map_err(|error| parked(error.to_string()))?;
    loop {
        match reaction.react(application, event).await {
            Ok(()) => return Ok(()),
            Err(CommandError::Broken(error @ (LogError::Corrupt(_) | LogError::Rejected(_)))) => return Err(parked(error.to_string())),
            // What the database does not let us do today, somebody will allow.
            Err(error) if error.is_passing() || matches!(error, CommandError::Broken(_)) => tokio::time::sleep(RETRY_PAUSE).await,
            Err(error) => {
                tracing::error!(reaction.name = reaction.name(), event.position = fact.position, %error, "a reaction is refused and passed over");
                metrics::counter!("milepost_reaction_refused_total", "reaction" => reaction.name()).increment(1);
                return Ok(());
            }
        }
    }
}
