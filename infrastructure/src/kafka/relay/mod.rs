//! Brings every event to Kafka exactly once, in order.
//!
//! One relay at a time, fenced twice: by its lease, and by Kafka itself through the transactional id. A transaction
//! holds a batch of events and the position after them; whoever takes over reads the position back and goes on there.
//! When the outcome of a commit is unknown, the producer is thrown away and the position read again: it tells.
//!
//! Transaction calls block, so the relay has a thread of its own.

mod batch;
mod partitions;
mod state;
mod transaction;

pub use state::RelayState;

use super::catalogue::Catalogue;
use super::client::producer_config;
use super::position::read_position;
use super::topics::{Topics, TopicsError};
use crate::config::Kafka;
use application::ports::{EventLog, LogError};
use batch::Batch;
use domain::event::Fact;
use partitions::{Partitions, PartitionsError};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use sqlx::PgPool;
use state::{SHOW_EVERY, show_lag, tell};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use transaction::{Deliveries, Home, RelayProducer, send};

/// The lease of the node that relays.
pub const LEASE: &str = "relay";
/// Most events in one transaction. What begins and ends one costs as much as some hundred events.
pub const BATCH_EVENTS_MAX: usize = 4_000;
/// Shortest time from a commit to the next transaction, unless that was made ready meanwhile. The broker ends a transaction
/// after it has answered; meanwhile it turns the next one away, and librdkafka asks again after 20 ms.
pub const COMMIT_GAP: Duration = Duration::from_millis(3);
/// From so many events behind the log on, the next batch is made ready while one is sent.
const AHEAD_FROM_EVENTS: i64 = 500;
/// Longest read meanwhile: what was sent is not seen before it is committed.
const AHEAD_WITHIN: Duration = Duration::from_secs(1);
/// Longest wait for one answer of the brokers.
pub const BROKERS_TIMEOUT: Duration = Duration::from_secs(30);
/// The row of `milepost.checkpoints` that shows how far the relay is. Only shown: the truth is in Kafka.
pub const CHECKPOINT: &str = "relay";

const IDLE_WAIT: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the relay works with.
pub struct Relay {
    pub kafka: Kafka,
    pub catalogue: Arc<Catalogue>,
    pub log: Arc<dyn EventLog>,
    pub pool: PgPool,
    pub lease: watch::Receiver<Option<i64>>,
    pub stop: watch::Receiver<bool>,
}

/// The relay's thread, and how it is doing.
pub struct Running {
    pub state: watch::Receiver<RelayState>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    /// Returns when the relay has stopped. It does so when told, and then finishes the transaction it is in.
    pub async fn stopped(self) {
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

/// Why the relay stopped. It begins anew.
#[derive(Debug, Error)]
pub enum RelayError {
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    #[error("{0}")]
    Topics(#[from] TopicsError),
    #[error("{0}")]
    Partitions(#[from] PartitionsError),
    #[error("{0}")]
    Log(#[from] LogError),
    #[error("a transaction failed: {0}")]
    Aborted(String),
    #[error("records were not taken within {} s", BROKERS_TIMEOUT.as_secs())]
    Slow,
    #[error("event {position} cannot be read, and nothing behind it is sent: {reason}")]
    Unreadable { position: i64, reason: String },
    #[error("event {position} is not taken by Kafka, and nothing behind it is sent: {reason}")]
    Refused { position: i64, reason: String },
    #[error("the topic {0} is not there; run `milepost topics apply`")]
    TopicMissing(String),
    #[error("no topic of the catalogue takes {0:?}")]
    NoTopic(String),
    #[error("the position in {topic} does not read: {reason}")]
    Position { topic: String, reason: String },
}

impl Relay {
    /// Starts the thread.
    pub fn start(self) -> std::io::Result<Running> {
        let (state, watching) = watch::channel(RelayState::default());
        let runtime = Handle::current();
        tokio::spawn(show_lag(self.pool.clone(), self.log.head(), watching.clone(), self.lease.clone()));
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || self.run(&runtime, &state))?;
        Ok(Running { state: watching, thread })
    }

    fn run(self, runtime: &Handle, state: &watch::Sender<RelayState>) {
        let mut most = BATCH_EVENTS_MAX;
        while self.wait_for_lease(runtime) {
            let before = most;
            if let Err(error) = self.session(runtime, state, &mut most) {
                tell(state, Some(error.to_string()));
                if most >= before {
                    self.pause(runtime, RETRY_PAUSE);
                }
            }
        }
    }

    /// False when told to stop.
    fn wait_for_lease(&self, runtime: &Handle) -> bool {
        let (mut lease, mut stop) = (self.lease.clone(), self.stop.clone());
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => false,
                held = lease.wait_for(Option::is_some) => held.is_ok(),
            }
        })
    }

    fn pause(&self, runtime: &Handle, pause: Duration) {
        let mut stop = self.stop.clone();
        let _ = runtime.block_on(async { tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() });
    }

    /// A session is of one generation of the log: its position and what it has read ahead are read again after that.
    fn may_go_on(&self, generation: &watch::Receiver<u64>) -> bool {
        self.lease.borrow().is_some() && !*self.stop.borrow() && !generation.has_changed().unwrap_or(true)
    }

    /// One producer from its beginning until the lease is lost or something goes wrong. `most` is how many events are
    /// tried at once: fewer after a failure that may be due to one of them.
    ///
    /// A producer that failed is not used again, not even to abort: after records were refused, librdkafka may leave
    /// those of its next transaction unsent. Whoever begins next with the transactional id aborts what was left open.
    fn session(&self, runtime: &Handle, state: &watch::Sender<RelayState>, most: &mut usize) -> Result<(), RelayError> {
        if self.kafka.create_topics {
            let created = runtime.block_on(Topics::new(&self.kafka, &self.catalogue)?.create_missing())?;
            if !created.is_empty() {
                tracing::info!(topics = created.join(", "), "topics were created");
            }
        }
        let generation = self.log.generation();
        let partitions = Partitions::of(&self.kafka, &self.catalogue)?;
        partitions.led()?;
        let producer: RelayProducer = producer_config(&self.kafka).create_with_context(Deliveries::default())?;
        producer.init_transactions(BROKERS_TIMEOUT)?;
        let mut position = read_position(&self.kafka, &self.catalogue)?;
        partitions.closed(position)?;
        tracing::info!(position, "the relay to Kafka goes on");
        let mut shown = Instant::now();
        self.show(runtime, position);
        let home = Home { topic: self.catalogue.relay_topic(), transactional_id: &self.kafka.transactional_id };
        let mut head = self.log.head();
        let (mut following, mut committed) = (None, None::<Instant>);
        while self.may_go_on(&generation) {
            state.send_if_modified(|state| state.position.replace(position) != Some(position));
            if let (None, Some(gap)) = (&following, committed.and_then(|at| COMMIT_GAP.checked_sub(at.elapsed()))) {
                self.pause(runtime, gap);
            }
            let Some(batch) = following.take().unwrap_or_else(|| self.prepare(runtime, position, *most, None))? else {
                tell(state, None);
                let mut stop = self.stop.clone();
                runtime.block_on(async {
                    tokio::select! {
                        _ = tokio::time::timeout(IDLE_WAIT, head.wait_for(|head| *head > position)) => {}
                        _ = stop.wait_for(|stop| *stop) => {}
                    }
                });
                continue;
            };
            let (facts, last) = (batch.facts, batch.last);
            // While brokers take these, the next ones are read and written out. With few of them that is done later, so that
            // those which come meanwhile are in the next transaction, not in the one after it.
            let meanwhile = || {
                let left = *head.borrow() - last;
                (left >= AHEAD_FROM_EVENTS).then(|| self.prepare(runtime, last, *most, Some(AHEAD_WITHIN)))
            };
            let begun = Instant::now();
            following = send(&producer, batch.records, last, &home, state, meanwhile).map_err(|error| narrowed(&facts, error, most))?;
            (position, committed) = (last, Some(Instant::now()));
            partitions.led_after(begun)?;
            *most = BATCH_EVENTS_MAX.min(*most * 2);
            tell(state, None);
            if shown.elapsed() > SHOW_EVERY || *head.borrow() <= position {
                self.show(runtime, position);
                shown = Instant::now();
            }
        }
        Ok(())
    }

    /// Reads what follows a position and writes it out as records; nothing if there is nothing, or if reading takes longer
    /// than there is patience.
    fn prepare(&self, runtime: &Handle, position: i64, most: usize, patience: Option<Duration>) -> Result<Option<Batch>, RelayError> {
        let patience = patience.unwrap_or(Duration::MAX);
        match runtime.block_on(async { tokio::time::timeout(patience, self.log.after(position, most)).await }) {
            Ok(facts) => Batch::of(facts?, &self.catalogue),
            Err(_) => Ok(None),
        }
    }

    /// Shows other nodes and people how far the relay is.
    fn show(&self, runtime: &Handle, position: i64) {
        let shown = sqlx::query(
            "INSERT INTO milepost.checkpoints (name, position) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = now()",
        )
        .bind(CHECKPOINT)
        .bind(position)
        .execute(&self.pool);
        if let Err(error) = runtime.block_on(shown) {
            tracing::debug!(%error, "the relay's position could not be shown");
        }
    }
}

/// After facts could not be sent together: lowers the number to be tried next, until what stands in the way is alone and
/// can be named, and everything before it is sent. Brokers refuse a whole batch for one record in it.
fn narrowed(facts: &[Arc<Fact>], error: RelayError, most: &mut usize) -> RelayError {
    let first = facts.first().map_or(0, |fact| fact.position);
    match error {
        RelayError::Refused { position, .. } if position > first => *most = usize::try_from(position - first).unwrap_or(1),
        RelayError::Aborted(reason) if facts.len() == 1 => return RelayError::Refused { position: first, reason },
        RelayError::Aborted(_) => *most = facts.len() / 2,
        _ => {}
    }
    error
}
