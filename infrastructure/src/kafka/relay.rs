//! Brings every event to Kafka exactly once, in order.
//!
//! One relay at a time, fenced twice: by its lease, and by Kafka itself through the transactional id. A transaction
//! holds a batch of events and the position after them; whoever takes over reads the position back and goes on there.
//! When the outcome of a commit is unknown, the producer is thrown away and the position read again: it tells.
//!
//! Transaction calls block, so the relay has a thread of its own.

use super::catalogue::Catalogue;
use super::client::{consumer_config, producer_config};
use super::contract::Envelope;
use super::topics::{Topics, TopicsError};
use crate::config::Kafka;
use application::ports::{EventLog, LogError};
use domain::event::{Fact, Recorded};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// The lease of the node that relays.
pub const LEASE: &str = "relay";
/// Most events in one transaction.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// Longest wait for one answer of the brokers.
pub const BROKERS_TIMEOUT: Duration = Duration::from_secs(30);
/// The row of `milepost.checkpoints` that shows how far the relay is. Only shown: the truth is in Kafka.
pub const CHECKPOINT: &str = "relay";

const IDLE_WAIT: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const SHOW_EVERY: Duration = Duration::from_millis(500);
/// How many records from the end of its topic the position is looked for, at first.
const LOOK_BACK: i64 = 100;

/// How the relay is doing on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayState {
    /// The position up to which everything is on Kafka, if this node knows.
    pub position: Option<i64>,
    /// Why it does not get on, if it does not.
    pub trouble: Option<String>,
}

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
    Log(#[from] LogError),
    #[error("the transaction was aborted: {0}")]
    Aborted(KafkaError),
    #[error("records were not taken within {} s", BROKERS_TIMEOUT.as_secs())]
    Slow,
    #[error("event {position} cannot be read, and nothing behind it is sent: {reason}")]
    Unreadable { position: i64, reason: String },
    #[error("no topic of the catalogue takes {0:?}")]
    NoTopic(String),
    #[error("the position in {topic} does not read: {reason}")]
    Position { topic: String, reason: String },
}

/// The value of a record on the relay's topic.
#[derive(Debug, Serialize, Deserialize)]
struct PositionRecord {
    position: String,
}

impl Relay {
    /// Starts the thread.
    pub fn start(self) -> std::io::Result<Running> {
        let (state, watching) = watch::channel(RelayState::default());
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || self.run(&runtime, &state))?;
        Ok(Running { state: watching, thread })
    }

    fn run(self, runtime: &Handle, state: &watch::Sender<RelayState>) {
        while self.wait_for_lease(runtime) {
            let trouble = match self.session(runtime, state) {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            };
            let news = state.send_if_modified(|state| {
                let news = state.trouble != trouble;
                state.trouble.clone_from(&trouble);
                news
            });
            if let (true, Some(trouble)) = (news, &trouble) {
                metrics::counter!("milepost_relay_troubles_total").increment(1);
                tracing::warn!(error = trouble, "the relay to Kafka does not get on; it goes on trying");
            }
            if trouble.is_some() {
                self.pause(runtime, RETRY_PAUSE);
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

    fn may_go_on(&self) -> bool {
        self.lease.borrow().is_some() && !*self.stop.borrow()
    }

    /// One producer from its beginning until the lease is lost or something goes wrong.
    fn session(&self, runtime: &Handle, state: &watch::Sender<RelayState>) -> Result<(), RelayError> {
        if self.kafka.create_topics {
            let created = runtime.block_on(Topics::new(&self.kafka, &self.catalogue)?.create_missing())?;
            if !created.is_empty() {
                tracing::info!(topics = created.join(", "), "topics were created");
            }
        }
        let producer: BaseProducer = producer_config(&self.kafka).create()?;
        producer.init_transactions(BROKERS_TIMEOUT)?;
        let mut position = read_position(&self.kafka, &self.catalogue)?;
        tracing::info!(position, "the relay to Kafka goes on");
        let mut shown = Instant::now();
        self.show(runtime, position);
        let mut head = self.log.head();
        while self.may_go_on() {
            state.send_if_modified(|state| {
                let now = RelayState { position: Some(position), trouble: None };
                std::mem::replace(state, now.clone()) != now
            });
            metrics::gauge!("milepost_relay_lag_events").set((*head.borrow() - position).max(0) as f64);
            let facts = runtime.block_on(self.log.after(position, BATCH_EVENTS_MAX))?;
            if facts.is_empty() {
                producer.poll(Duration::ZERO);
                let mut stop = self.stop.clone();
                runtime.block_on(async {
                    tokio::select! {
                        _ = tokio::time::timeout(IDLE_WAIT, head.wait_for(|head| *head > position)) => {}
                        _ = stop.wait_for(|stop| *stop) => {}
                    }
                });
                continue;
            }
            match self.send(&producer, &facts) {
                Ok(sent) => position = sent,
                Err(RelayError::Aborted(error)) => tracing::warn!(%error, "a transaction was aborted; its events are sent again"),
                Err(error) => return Err(error),
            }
            if shown.elapsed() > SHOW_EVERY || *head.borrow() <= position {
                self.show(runtime, position);
                shown = Instant::now();
            }
        }
        Ok(())
    }

    /// Sends facts and the position after them in one transaction.
    fn send(&self, producer: &BaseProducer, facts: &[Arc<Fact>]) -> Result<i64, RelayError> {
        let started = Instant::now();
        producer.begin_transaction()?;
        failpoint("relay_after_begin");
        let result = self.fill(producer, facts).and_then(|last| {
            self.settle(producer)?;
            failpoint("relay_before_commit");
            Ok(last)
        });
        let last = match result {
            Ok(last) => last,
            Err(error) => {
                // Whether the abort succeeds or not, nothing of it was committed.
                let _ = producer.abort_transaction(BROKERS_TIMEOUT);
                return Err(error);
            }
        };
        commit(producer)?;
        failpoint("relay_after_commit");
        metrics::counter!("milepost_relay_events_total").increment(facts.len() as u64);
        metrics::histogram!("milepost_relay_transaction_duration_seconds").record(started.elapsed());
        Ok(last)
    }

    fn fill(&self, producer: &BaseProducer, facts: &[Arc<Fact>]) -> Result<i64, RelayError> {
        let mut last = 0;
        for (index, fact) in facts.iter().enumerate() {
            let recorded =
                fact.recorded.as_ref().map_err(|error| RelayError::Unreadable { position: fact.position, reason: error.to_string() })?;
            let topic = self.catalogue.topic_of(recorded.event.name());
            let topic = topic.ok_or_else(|| RelayError::NoTopic(recorded.event.name().to_owned()))?;
            self.put_event(producer, &self.catalogue.full_name(&topic.name), recorded)?;
            last = fact.position;
            if index == facts.len() / 2 {
                failpoint("relay_after_half");
            }
        }
        let value = serde_json::to_string(&PositionRecord { position: last.to_string() }).unwrap_or_default();
        let topic = self.catalogue.relay_topic();
        put(producer, BaseRecord::to(&topic).key(self.kafka.transactional_id.as_str()).payload(value.as_bytes()).partition(0))?;
        Ok(last)
    }

    fn put_event(&self, producer: &BaseProducer, topic: &str, recorded: &Recorded) -> Result<(), RelayError> {
        let envelope = Envelope::of(recorded);
        let value = serde_json::to_vec(&envelope).unwrap_or_default();
        let key = recorded.aggregate_id.to_string();
        let names = envelope.headers();
        let headers = names
            .iter()
            .fold(OwnedHeaders::new_with_capacity(names.len()), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        // Without a timestamp: a record bears the time of sending, or retention would treat imported history as old.
        put(producer, BaseRecord::to(topic).key(key.as_str()).payload(value.as_slice()).headers(headers))
    }

    /// Waits until the brokers have all records: committing while some are on the way costs at least 100 ms.
    fn settle(&self, producer: &BaseProducer) -> Result<(), RelayError> {
        let begun = Instant::now();
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(1));
            if begun.elapsed() > BROKERS_TIMEOUT {
                return Err(RelayError::Slow);
            }
        }
        Ok(())
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

/// Puts a record into the producer's queue, and waits while the queue is full.
fn put(producer: &BaseProducer, mut record: BaseRecord<'_, str, [u8]>) -> Result<(), RelayError> {
    let begun = Instant::now();
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if begun.elapsed() < BROKERS_TIMEOUT => {
                record = back;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Commits. An error other than an abort leaves the outcome unknown.
fn commit(producer: &BaseProducer) -> Result<(), RelayError> {
    let begun = Instant::now();
    loop {
        match producer.commit_transaction(BROKERS_TIMEOUT) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) if error.is_retriable() && begun.elapsed() < BROKERS_TIMEOUT => {}
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                producer.abort_transaction(BROKERS_TIMEOUT)?;
                return Err(RelayError::Aborted(KafkaError::Transaction(error)));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The position after the last committed transaction, 0 if there was none. Blocks.
pub fn read_position(kafka: &Kafka, catalogue: &Catalogue) -> Result<i64, RelayError> {
    let topic = catalogue.relay_topic();
    let consumer: BaseConsumer = consumer_config(kafka).create()?;
    let (low, high) = consumer.fetch_watermarks(&topic, 0, BROKERS_TIMEOUT)?;
    let mut look_back = LOOK_BACK;
    loop {
        let from = low.max(high - look_back);
        match last_position(&consumer, &topic, from, &kafka.transactional_id)? {
            Some(position) => return Ok(position),
            None if from <= low => return Ok(0),
            // Only aborted transactions so far back.
            None => look_back *= 10,
        }
    }
}

/// The last committed position from an offset on, or `None` if there is none.
fn last_position(consumer: &BaseConsumer, topic: &str, from: i64, key: &str) -> Result<Option<i64>, RelayError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(from))?;
    consumer.assign(&assignment)?;
    let begun = Instant::now();
    let mut found = None;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.key() == Some(key.as_bytes()) => {
                let unreadable = |reason: String| RelayError::Position { topic: topic.to_owned(), reason };
                let record: PositionRecord =
                    serde_json::from_slice(message.payload().unwrap_or_default()).map_err(|error| unreadable(error.to_string()))?;
                found = Some(record.position.parse().map_err(|_| unreadable(record.position))?);
            }
            Some(Ok(_)) => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            Some(Err(error)) => return Err(error.into()),
            None if begun.elapsed() > BROKERS_TIMEOUT => return Err(RelayError::Slow),
            None => {}
        }
    }
}

/// Where a test may make the process die without a word, as a power cut would.
fn failpoint(name: &'static str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(name, |_| {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    });
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}
