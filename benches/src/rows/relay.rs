//! The relay with a long log before it. Against a bare producer that sends the same bytes.

use super::Pairs;
use crate::filling;
use crate::report::Row;
use crate::stand::{OwnTopics, Stand};
use anyhow::{Context, Result};
use application::ports::EventLog;
use infrastructure::event_store::PostgresEventLog;
use infrastructure::kafka::client_config;
use infrastructure::kafka::relay::Relay;
use infrastructure::kafka::topics::Topics;
use infrastructure::postgres::{Database, Pools};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Pause of the bare producer while there is nothing to do but wait.
const STEP: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_secs(300);

/// A record as the relay sends it.
struct Record {
    topic: String,
    key: String,
    value: Vec<u8>,
    headers: OwnedHeaders,
    bytes: usize,
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let url = stand.database("relay").await?;
    let events = filling::tasks(&url, stand.sizes.drain_events).await?.events;
    let database = Database::connect(&url, Pools { worker: 8, service: 2, request_timeout: Duration::from_secs(30) }).await?;
    let mut pairs = Pairs::default();
    let mut bytes = 0;
    for _ in 0..stand.sizes.pairs {
        let topics = stand.topics().await?;
        Topics::new(&topics.kafka, &topics.catalogue)?.create_missing().await?;
        let drained = drain(&database, &topics, events).await?;
        let topics = stand.topics().await?;
        Topics::new(&topics.kafka, &topics.catalogue)?.create_missing().await?;
        let records = records(&database, &topics, events).await?;
        bytes = records.iter().map(|record| record.bytes).sum();
        let sent = tokio::task::spawn_blocking(move || send(&topics, &records)).await??;
        pairs.add(drained, sent);
    }
    database.close().await;
    stand.drop_database("relay").await?;
    let (ratio, rate) = (pairs.ratio(), crate::numbers::median(&pairs.ours));
    let row = pairs.row(&format!("relay drain of {} events", crate::numbers::thousands(events)), "events/s");
    let note = format!("{} bytes a record; the relay reads and encodes them, and commits every 4,000", bytes as i64 / events.max(1));
    Ok(vec![row.target("≥ 0.5 x", ratio >= 0.5).target("≥ 50,000/s", rate >= 50_000.0).note(note)])
}

/// Events a second that a relay brings to Kafka.
async fn drain(database: &Database, topics: &OwnTopics, events: i64) -> Result<f64> {
    let log = Arc::new(PostgresEventLog::open(database.clone()).await?);
    let (_lease, held) = watch::channel(Some(1));
    let (stop, stopping) = watch::channel(false);
    let relay = Relay {
        kafka: topics.kafka.clone(),
        catalogue: Arc::new(topics.catalogue.clone()),
        log: log.clone(),
        pool: database.worker.clone(),
        lease: held,
        signs: watch::Sender::new(()),
        stop: stopping,
    };
    let running = relay.start()?;
    let mut state = running.state.clone();
    tokio::time::timeout(PATIENCE, state.wait_for(|state| state.position.is_some())).await??;
    let started = Instant::now();
    tokio::time::timeout(PATIENCE, state.wait_for(|state| state.position.is_some_and(|position| position >= events))).await??;
    let rate = events as f64 / started.elapsed().as_secs_f64();
    stop.send(true)?;
    running.stopped().await;
    log.close().await;
    Ok(rate)
}

/// What the relay sends for the whole log.
async fn records(database: &Database, topics: &OwnTopics, events: i64) -> Result<Vec<Record>> {
    let log = PostgresEventLog::open(database.clone()).await?;
    let mut records = vec![];
    while (records.len() as i64) < events {
        for fact in log.after(records.len() as i64, 5_000).await? {
            let recorded = fact.recorded.clone()?;
            let envelope = messages::envelope(&recorded);
            let topic = topics.catalogue.topic_of(recorded.event.name()).context("every event has a topic")?;
            let (key, value, names) = (recorded.aggregate_id.to_string(), serde_json::to_vec(&envelope)?, envelope.headers());
            let bytes = key.len() + value.len() + names.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            let headers =
                names.iter().fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            records.push(Record { topic: topics.catalogue.full_name(&topic.name), key, value, headers, bytes });
        }
    }
    log.close().await;
    Ok(records)
}

/// Records a second that a bare producer sends: the same settings, without transactions.
fn send(topics: &OwnTopics, records: &[Record]) -> Result<f64> {
    let kafka = &topics.kafka;
    let mut config = client_config(kafka);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("batch.size", kafka.batch_size.to_string())
        .set("compression.type", &kafka.compression_type)
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "200000");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    // Connections and what the brokers have are known before it begins, as to the relay.
    producer.client().fetch_metadata(None, Duration::from_secs(15))?;
    let started = Instant::now();
    for record in records {
        let mut next = BaseRecord::to(&record.topic).key(&record.key).payload(&record.value).headers(record.headers.clone());
        while let Err((error, again)) = producer.send(next) {
            match error {
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => rest(),
                error => return Err(error.into()),
            }
            next = again;
        }
    }
    // Not by `flush`, which looks only every 100 ms, nor by polling, which is a busy loop beside the thread that polls.
    while producer.in_flight_count() > 0 {
        rest();
    }
    Ok(records.len() as f64 / started.elapsed().as_secs_f64())
}

/// Waits a moment for librdkafka, which tells nobody when there is room again. No test depends on it.
#[allow(clippy::disallowed_methods)]
fn rest() {
    std::thread::sleep(STEP);
}
