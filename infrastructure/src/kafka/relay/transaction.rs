//! One transaction of Kafka: filled, settled, committed.

use super::batch::EventRecord;
use super::error::{EventFault, RelayError, is_of_the_record};
use super::limits::BROKERS_TIMEOUT;
use super::record::RelayRecord;
use super::state::{Teller, Trouble};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often somebody who waits for deliveries looks around without news.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long records may be on their way before somebody is told.
const SLOW_AFTER: Duration = Duration::from_secs(2);

/// With a thread of its own that hears of deliveries: whoever polls rdkafka's plain producer waits in a busy loop.
pub(super) type RelayProducer = ThreadedProducer<Deliveries>;

/// What has become of records that were put into the queue.
#[derive(Default)]
pub(super) struct Deliveries {
    under_way: AtomicUsize,
    /// For which topic a record was not taken, and why: the transaction itself does not tell.
    refused: Mutex<Option<(String, RDKafkaErrorCode)>>,
    /// Nothing is under way any more, or something was refused.
    news: Condvar,
}

impl Deliveries {
    fn refused(&self) -> MutexGuard<'_, Option<(String, RDKafkaErrorCode)>> {
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
            && let Some(code) = error.rdkafka_error_code()
            && !matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
        {
            self.refused().get_or_insert_with(|| (record.topic().to_owned(), code));
            self.news.notify_all();
        }
        self.left();
    }
}

/// Where the relay's record goes after the events.
pub(super) struct Home<'a> {
    pub(super) topic: String,
    pub(super) transactional_id: &'a str,
    pub(super) servers: &'a str,
}

/// Sends records and the relay's record after them in one transaction. Does something else meanwhile, and gives what that
/// gave.
pub(super) fn send<T>(
    producer: &RelayProducer,
    records: Vec<EventRecord>,
    after: &RelayRecord,
    home: &Home<'_>,
    teller: &Teller,
    meanwhile: impl FnOnce() -> T,
) -> Result<T, RelayError> {
    let (started, count) = (Instant::now(), records.len());
    producer.begin_transaction()?;
    failpoint("relay_after_begin");
    fill(producer, records, after, home)?;
    let done = meanwhile();
    settle(producer, home, teller)?;
    failpoint("relay_before_commit");
    commit(producer)?;
    failpoint("relay_after_commit");
    metrics::counter!("milepost_relay_events_total").increment(count as u64);
    metrics::histogram!("milepost_relay_transaction_duration_seconds").record(started.elapsed());
    Ok(done)
}

/// Commits the relay's record alone, as an admin chose it.
pub(super) fn send_record(producer: &RelayProducer, record: &RelayRecord, home: &Home<'_>, teller: &Teller) -> Result<(), RelayError> {
    producer.begin_transaction()?;
    fill(producer, vec![], record, home)?;
    settle(producer, home, teller)?;
    commit(producer)
}

fn fill(producer: &RelayProducer, records: Vec<EventRecord>, after: &RelayRecord, home: &Home<'_>) -> Result<(), RelayError> {
    let half = records.len() / 2;
    for (index, EventRecord { position, topic, partition, key, value, headers, .. }) in records.into_iter().enumerate() {
        // Without a timestamp: a record bears the time of sending, or retention would treat imported history as old.
        let record = BaseRecord::to(&topic).partition(partition).key(key.as_str()).payload(value.as_slice()).headers(headers);
        put(producer, record).map_err(|error| match error {
            RelayError::Kafka(KafkaError::MessageProduction(code @ RDKafkaErrorCode::MessageSizeTooLarge)) => {
                RelayError::Event { position, cause: EventFault::NotTaken(code) }
            }
            // Brokers refused a record of this transaction while more were put into it.
            RelayError::Kafka(KafkaError::MessageProduction(RDKafkaErrorCode::State)) => awaited_refusal(producer).unwrap_or(error),
            error => error,
        })?;
        if index == half {
            failpoint("relay_after_half");
        }
    }
    let value = after.written();
    put(producer, BaseRecord::to(&home.topic).key(home.transactional_id).payload(value.as_bytes()).partition(0))
}

/// Waits until the brokers have all records: committing while some are on the way costs at least 100 ms.
fn settle(producer: &RelayProducer, home: &Home<'_>, teller: &Teller) -> Result<(), RelayError> {
    let begun = Instant::now();
    while producer.in_flight_count() > 0 {
        producer.context().wait();
        std::thread::yield_now();
        // What is behind a refused record stays where it is: the transaction has failed.
        if let Some(refusal) = refusal(producer) {
            return Err(refusal);
        }
        if begun.elapsed() > SLOW_AFTER {
            let (servers, seconds) = (home.servers, SLOW_AFTER.as_secs());
            teller.trouble(Trouble::Stuck(format!("brokers at {servers} have not confirmed records for more than {seconds} s")));
        }
        if begun.elapsed() > BROKERS_TIMEOUT {
            return Err(RelayError::Slow);
        }
    }
    Ok(())
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

/// Commits. An error may leave the outcome unknown.
fn commit(producer: &RelayProducer) -> Result<(), RelayError> {
    let begun = Instant::now();
    loop {
        match producer.commit_transaction(BROKERS_TIMEOUT) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) if error.is_retriable() && begun.elapsed() < BROKERS_TIMEOUT => {}
            Err(error) => return Err(refusal(producer).unwrap_or_else(|| error.into())),
        }
    }
}

/// Why a record of the transaction was not taken, if one was not.
fn refusal(producer: &RelayProducer) -> Option<RelayError> {
    let (topic, code) = producer.context().refused().take()?;
    Some(if is_of_the_record(code) { RelayError::SomeRecord { topic, code } } else { RelayError::Delivery { topic, code } })
}

/// The same where it is known that one was not: the reason comes a moment after.
fn awaited_refusal(producer: &RelayProducer) -> Option<RelayError> {
    let (begun, deliveries) = (Instant::now(), producer.context());
    loop {
        let last = deliveries.under_way.load(Ordering::Acquire) == 0 || begun.elapsed() > SLOW_AFTER;
        match refusal(producer) {
            None if !last => deliveries.wait(),
            refusal => return refusal,
        }
    }
}

/// What a test does at the named steps of a transaction, such as killing the process as a power cut would. Never set in the
/// released binary.
#[doc(hidden)]
pub static FAILPOINT: OnceLock<fn(&'static str)> = OnceLock::new();

fn failpoint(name: &'static str) {
    if let Some(reached) = FAILPOINT.get() {
        reached(name);
    }
}
