//! When something happened, then something is to be done: durable subscribers of the log whose answers are commands.
//!
//! Each reaction keeps how far it is. Its commands have ids made from the event, so a crash between the event and the
//! note of it repeats them without effect: nothing is lost, nothing is doubled.
//!
//! That a project at rest silences its schedules needs no reaction: every tick is guarded by the project's version, and
//! the read model that the scheduler looks at leaves them out. So there is no moment between the two.

mod keep_schedule_in_step_with_task;

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::error::CommandError;
use crate::ports::{Checkpoints, CommandKey, LogError};
use async_trait::async_trait;
use domain::event::{Event, Fact, Recorded};
use domain::ids::{derived, system};
use futures::StreamExt;
use futures::stream;
use keep_schedule_in_step_with_task::KeepScheduleInStepWithTask;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// Most facts read at once.
pub const BATCH_FACTS_MAX: usize = 500;
/// Most aggregates whose events are answered at the same time.
pub const AGGREGATES_AT_ONCE: usize = 64;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// When <event>, then <command>.
#[async_trait]
pub trait Reaction: Send + Sync {
    /// The name its position is stored under. Never renamed.
    fn name(&self) -> &'static str;

    /// Whether an event may call for something.
    fn listens_to(&self, event: &Event) -> bool;

    /// Does what is called for.
    async fn react(&self, application: &Application, event: &Recorded) -> Result<(), CommandError>;
}

/// Every reaction.
pub fn all() -> Vec<Arc<dyn Reaction>> {
    vec![Arc::new(KeepScheduleInStepWithTask)]
}

/// The lease of the node that reacts.
pub fn lease_name(reaction: &str) -> String {
    format!("reaction/{reaction}")
}

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

async fn lost(lease: &mut watch::Receiver<Option<i64>>) {
    let _ = lease.wait_for(Option::is_none).await;
}

async fn follow(application: &Application, checkpoints: &dyn Checkpoints, reaction: &dyn Reaction) -> Result<(), LogError> {
    let mut position = checkpoints.load(reaction.name()).await?;
    let mut head = application.log().head();
    loop {
        let facts = application.log().after(position, BATCH_FACTS_MAX).await?;
        let lag = metrics::gauge!("milepost_reaction_lag_events", "reaction" => reaction.name());
        let Some(last) = facts.last().map(|fact| fact.position) else {
            lag.set(0.0);
            if head.wait_for(|head| *head > position).await.is_err() {
                return Ok(());
            }
            continue;
        };
        react_to(application, reaction, &facts).await;
        if !checkpoints.advance(reaction.name(), position, last).await? {
            return Ok(());
        }
        position = last;
        lag.set((*head.borrow() - position).max(0) as f64);
    }
}

/// Answers facts: those of one aggregate in order, those of different ones at the same time.
async fn react_to(application: &Application, reaction: &dyn Reaction, facts: &[Arc<Fact>]) {
    let mut by_aggregate: HashMap<Uuid, Vec<&Recorded>> = HashMap::new();
    for fact in facts {
        match &fact.recorded {
            Ok(recorded) if reaction.listens_to(&recorded.event) => {
                by_aggregate.entry(fact.aggregate_id).or_default().push(recorded);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(reaction.name = reaction.name(), event.position = fact.position, %error, "an event that cannot be read is passed over");
            }
        }
    }
    stream::iter(by_aggregate.into_values())
        .for_each_concurrent(AGGREGATES_AT_ONCE, |events| async move {
            for event in events {
                react_to_one(application, reaction, event).await;
            }
        })
        .await;
}

/// Tries until it is settled: a passing failure is no reason to leave something out.
async fn react_to_one(application: &Application, reaction: &dyn Reaction, event: &Recorded) {
    loop {
        let Err(error) = reaction.react(application, event).await else { return };
        if !error.is_passing() {
            tracing::error!(reaction.name = reaction.name(), event.position = event.position, %error, "a reaction is refused and passed over");
            metrics::counter!("milepost_reaction_refused_total", "reaction" => reaction.name()).increment(1);
            return;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// The circumstances of a command that answers an event.
fn because_of(event: &Recorded) -> Circumstances {
    Circumstances {
        caller: Caller { actor: system::REACTIONS, workspace: event.workspace_id, role: Role::Service },
        source: Source::Reaction,
        at: None,
        correlation_id: event.metadata.correlation_id,
        causation_id: Some(event.event_id),
        traceparent: event.metadata.traceparent.clone(),
    }
}

/// The id of the command by which a reaction answers an event: the same whenever it is made.
fn key(reaction: &str, event: &Recorded) -> CommandKey {
    let id = derived(&["reaction", reaction, &event.event_id.to_string()]);
    CommandKey { source: Source::Reaction, id, request_hash: Sha256::digest(id.as_bytes()).into() }
}
