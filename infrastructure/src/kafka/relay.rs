//! Brings every event to Kafka exactly once, in order.
//!
//! One relay at a time, fenced twice: by its lease, and by Kafka itself through the transactional id. A transaction
//! holds a batch of events and the position after them; whoever takes over reads the position back and goes on there.
//! When the outcome of a commit is unknown, the producer is thrown away and the position read again: it tells.
//!
//! Transaction calls block, so the relay has a thread of its own.

use super::catalogue::Catalogue;
use super::client::producer_config;
use super::contract::Envelope;
use super::position::{read_position, written};
use super::topics::{Topics, TopicsError};
use crate::config::Kafka;
use application::ports::{EventLog, LogError};
use domain::event::{Fact, Recorded};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use sqlx::PgPool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// The lease of the node that relays.
pub const LEASE: &str = "relay";
/// Most events in one transaction. What begins and ends one costs as much as some hundred events.
pub const BATCH_EVENTS_MAX: usize = 4_000;
/// Shortest time from a commit to the next transaction, unless that was made ready meanwhile. The broker ends a transaction after it has answered; meanwhile it turns
/// the next one away, and librdkafka asks again after 20 ms.
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
const SHOW_EVERY: Duration = Duration::from_millis(500);
/// How often somebody who waits for deliveries looks around without news.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long records may be on their way before somebody is told.
const SLOW_AFTER: Duration = Duration::from_secs(2);

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

/// With a thread of its own that hears of deliveries: whoever polls rdkafka's plain producer waits in a busy loop.
type RelayProducer = ThreadedProducer<Deliveries>;

/// A batch that is ready to be sent.
struct Prepared {
    facts: Vec<Arc<Fact>>,
    records: Vec<EventRecord>,
    /// The position after them.
    last: i64,
}

/// The record of an event.
struct EventRecord {
    position: i64,
    topic: String,
    key: String,
    value: Vec<u8>,
    headers: OwnedHeaders,
}

/// What has become of records that were put into the queue.
#[derive(Default)]
struct Deliveries {
    under_way: AtomicUsize,
    /// What brokers had against a record: the transaction itself does not tell.
    refused: Mutex<Option<String>>,
    /// Nothing is under way any more, or something was refused.
    news: Condvar,
}

impl Deliveries {
    fn refused(&self) -> MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for news, but not for long.
    fn wait(&self) {
        let refused = self.refused();
        if refused.is_none() && self.under_way.load(Ordering::Acquire) > 0 {
            drop(self.news.wait_timeout(refused, LOOK_EVERY));
        }
    }

    fn left(&self) {
        if self.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Whoever is about to wait holds the lock until it does.
            drop(self.refused());
            self.news.notify_all();
        }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        // Records that are dropped because of another one say nothing.
        if let Err((error, record)) = result
            && error.rdkafka_error_code().is_none_or(|code| !matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight))
        {
            self.refused().get_or_insert_with(|| format!("a record for {}: {error}", record.topic()));
            self.news.notify_all();
        }
        self.left();
    }
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

    fn may_go_on(&self) -> bool {
        self.lease.borrow().is_some() && !*self.stop.borrow()
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
        let producer: RelayProducer = producer_config(&self.kafka).create_with_context(Deliveries::default())?;
        producer.init_transactions(BROKERS_TIMEOUT)?;
        let mut position = read_position(&self.kafka, &self.catalogue)?;
        tracing::info!(position, "the relay to Kafka goes on");
        let mut shown = Instant::now();
        self.show(runtime, position);
        let mut head = self.log.head();
        let (mut following, mut committed) = (None, None::<Instant>);
        while self.may_go_on() {
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
            following = self.send(&producer, batch.records, last, state, meanwhile).map_err(|error| narrowed(&facts, error, most))?;
            (position, committed) = (last, Some(Instant::now()));
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
    fn prepare(&self, runtime: &Handle, position: i64, most: usize, patience: Option<Duration>) -> Result<Option<Prepared>, RelayError> {
        let patience = patience.unwrap_or(Duration::MAX);
        let read = runtime.block_on(async { tokio::time::timeout(patience, self.log.after(position, most)).await });
        let Ok(facts) = read else { return Ok(None) };
        let mut facts = facts?;
        facts.truncate(readable(&facts)?);
        let Some(last) = facts.last().map(|fact| fact.position) else { return Ok(None) };
        let records = facts.iter().filter_map(|fact| fact.recorded.as_deref().ok()).map(|recorded| self.record_of(recorded));
        let records = records.collect::<Result<_, _>>()?;
        Ok(Some(Prepared { facts, records, last }))
    }

    fn record_of(&self, recorded: &Recorded) -> Result<EventRecord, RelayError> {
        let topic = self.catalogue.topic_of(recorded.event.name());
        let topic = topic.ok_or_else(|| RelayError::NoTopic(recorded.event.name().to_owned()))?;
        let envelope = Envelope::of(recorded);
        let names = envelope.headers();
        let headers = names
            .iter()
            .fold(OwnedHeaders::new_with_capacity(names.len()), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        Ok(EventRecord {
            position: recorded.position,
            topic: self.catalogue.full_name(&topic.name),
            key: recorded.aggregate_id.to_string(),
            value: serde_json::to_vec(&envelope).unwrap_or_default(),
            headers,
        })
    }

    /// Sends records and the position after them in one transaction. Does something else meanwhile, and gives what that gave.
    fn send<T>(
        &self,
        producer: &RelayProducer,
        records: Vec<EventRecord>,
        last: i64,
        state: &watch::Sender<RelayState>,
        meanwhile: impl FnOnce() -> T,
    ) -> Result<T, RelayError> {
        let (started, count) = (Instant::now(), records.len());
        producer.begin_transaction()?;
        failpoint("relay_after_begin");
        self.fill(producer, records, last)?;
        let done = meanwhile();
        settle(producer, state)?;
        failpoint("relay_before_commit");
        commit(producer)?;
        failpoint("relay_after_commit");
        metrics::counter!("milepost_relay_events_total").increment(count as u64);
        metrics::histogram!("milepost_relay_transaction_duration_seconds").record(started.elapsed());
        Ok(done)
    }

    fn fill(&self, producer: &RelayProducer, records: Vec<EventRecord>, last: i64) -> Result<(), RelayError> {
        let half = records.len() / 2;
        for (index, EventRecord { position, topic, key, value, headers }) in records.into_iter().enumerate() {
            // Without a timestamp: a record bears the time of sending, or retention would treat imported history as old.
            let record = BaseRecord::to(&topic).key(key.as_str()).payload(value.as_slice()).headers(headers);
            put(producer, record).map_err(|error| match error {
                RelayError::Kafka(KafkaError::MessageProduction(code @ RDKafkaErrorCode::MessageSizeTooLarge)) => {
                    RelayError::Refused { position, reason: code.to_string() }
                }
                // Brokers refused a record of this transaction while more were put into it.
                RelayError::Kafka(KafkaError::MessageProduction(RDKafkaErrorCode::State)) => {
                    RelayError::Aborted(refusal(producer).unwrap_or_else(|| "brokers did not take a record".to_owned()))
                }
                error => error,
            })?;
            if index == half {
                failpoint("relay_after_half");
            }
        }
        let value = written(last);
        let topic = self.catalogue.relay_topic();
        put(producer, BaseRecord::to(&topic).key(self.kafka.transactional_id.as_str()).payload(value.as_bytes()).partition(0))
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

/// Waits until the brokers have all records: committing while some are on the way costs at least 100 ms.
fn settle(producer: &RelayProducer, state: &watch::Sender<RelayState>) -> Result<(), RelayError> {
    let begun = Instant::now();
    while producer.in_flight_count() > 0 {
        producer.context().wait();
        std::thread::yield_now();
        // What is behind a refused record stays where it is: the transaction has failed.
        if let Some(reason) = refusal(producer) {
            return Err(RelayError::Aborted(reason));
        }
        if begun.elapsed() > SLOW_AFTER {
            tell(state, Some(format!("records have been on their way for more than {} s", SLOW_AFTER.as_secs())));
        }
        if begun.elapsed() > BROKERS_TIMEOUT {
            return Err(RelayError::Slow);
        }
    }
    Ok(())
}

/// How many facts come before the first that this program cannot read; an error if there are none.
fn readable(facts: &[Arc<Fact>]) -> Result<usize, RelayError> {
    let unreadable = facts.iter().enumerate().find_map(|(index, fact)| Some((index, fact.position, fact.recorded.as_ref().err()?)));
    match unreadable {
        Some((0, position, error)) => Err(RelayError::Unreadable { position, reason: error.to_string() }),
        Some((index, ..)) => Ok(index),
        None => Ok(facts.len()),
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

/// Says how the relay is doing: in the log when that is news, and to whoever asks for the health of the node.
fn tell(state: &watch::Sender<RelayState>, trouble: Option<String>) {
    let news = state.send_if_modified(|state| {
        let news = state.trouble != trouble;
        state.trouble.clone_from(&trouble);
        news
    });
    match (news, &trouble) {
        (true, Some(trouble)) => {
            metrics::counter!("milepost_relay_troubles_total").increment(1);
            tracing::warn!(error = trouble, "the relay to Kafka does not get on; it goes on trying");
        }
        (true, None) => tracing::info!("the relay to Kafka gets on again"),
        (false, _) => {}
    }
}

/// Keeps the figure of the lag true while the relay itself waits for brokers.
async fn show_lag(
    pool: PgPool,
    mut head: watch::Receiver<i64>,
    mut state: watch::Receiver<RelayState>,
    lease: watch::Receiver<Option<i64>>,
) {
    let shown = sqlx::query_scalar("SELECT position FROM milepost.checkpoints WHERE name = $1").bind(CHECKPOINT).fetch_optional(&pool);
    let shown: i64 = shown.await.ok().flatten().unwrap_or(0);
    loop {
        let position = state.borrow_and_update().position.unwrap_or(shown);
        let lag = if lease.borrow().is_some() { (*head.borrow_and_update() - position).max(0) } else { 0 };
        metrics::gauge!("milepost_relay_lag_events").set(lag as f64);
        let changed = tokio::time::timeout(SHOW_EVERY, async {
            tokio::select! {
                changed = state.changed() => changed,
                changed = head.changed() => changed,
            }
        });
        if let Ok(Err(_)) = changed.await {
            return;
        }
    }
}

/// Puts a record into the producer's queue, and waits while the queue is full.
fn put(producer: &RelayProducer, mut record: BaseRecord<'_, str, [u8]>) -> Result<(), RelayError> {
    let begun = Instant::now();
    let deliveries = producer.context();
    loop {
        deliveries.under_way.fetch_add(1, Ordering::AcqRel);
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if begun.elapsed() < BROKERS_TIMEOUT => {
                deliveries.left();
                record = back;
                deliveries.wait();
            }
            Err((error, _)) => {
                deliveries.left();
                return Err(error.into());
            }
        }
    }
}

/// Commits. An error other than `Aborted` leaves the outcome unknown.
fn commit(producer: &RelayProducer) -> Result<(), RelayError> {
    let begun = Instant::now();
    loop {
        match producer.commit_transaction(BROKERS_TIMEOUT) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) if error.is_retriable() && begun.elapsed() < BROKERS_TIMEOUT => {}
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                return Err(RelayError::Aborted(refusal(producer).unwrap_or_else(|| error.to_string())));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What brokers had against a record of the transaction, if they said so.
fn refusal(producer: &RelayProducer) -> Option<String> {
    producer.context().refused().take()
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
