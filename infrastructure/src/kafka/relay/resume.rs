//! An admin's word on where the relay continues.

use super::checkpoint::choose;
use super::error::RelayError;
use super::limits::BROKERS_TIMEOUT;
use super::partitions::{Partitions, highest_of_log};
use super::position::read_record;
use super::record::RelayRecord;
use super::state::Teller;
use super::transaction::{Deliveries, Home, RelayProducer, send_record};
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::client::producer_config;
use rdkafka::producer::Producer;
use sqlx::PgPool;
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// How often it is tried while running relays take the transactional id back.
const TRIES: usize = 5;

/// The transactional id of the relay in the hands of an admin's command. No relay can commit before one takes it back.
pub struct Fence {
    producer: RelayProducer,
    partitions: Arc<Partitions>,
    kafka: Kafka,
    topic: String,
}

impl Fence {
    /// Ends the transactions of every relay with this transactional id.
    pub async fn raise(kafka: &Kafka, catalogue: &Catalogue) -> Result<Self, RelayError> {
        let (kafka, topic) = (kafka.clone(), catalogue.relay_topic());
        // A transaction that is ended while a partition has no leader stays open there.
        let partitions = Arc::new(Partitions::of(&kafka, catalogue)?);
        let raised = tokio::task::spawn_blocking(move || {
            partitions.led()?;
            let producer: RelayProducer = producer_config(&kafka).create_with_context(Deliveries::default())?;
            producer.init_transactions(BROKERS_TIMEOUT)?;
            Ok(Self { producer, partitions, kafka, topic })
        });
        raised.await.map_err(|_| RelayError::Slow)?
    }

    /// The last event of this log that is on the topics, also if it is one of those that are being sent again.
    async fn repeats_to(&self, catalogue: &Catalogue, pool: &PgPool, log_id: Uuid) -> Result<Option<i64>, RelayError> {
        let (kafka, catalogue, partitions) = (self.kafka.clone(), catalogue.clone(), Arc::clone(&self.partitions));
        let read = tokio::task::spawn_blocking(move || {
            let before = read_record(&kafka, &catalogue)?;
            let there = if partitions.is_demo() { vec![] } else { partitions.last_there()? };
            Ok::<_, RelayError>((before, there))
        });
        let (before, there) = read.await.map_err(|_| RelayError::Slow)??;
        let of_log = highest_of_log(there, pool).await?.map(|seen| seen.position);
        let before = before.record().filter(|before| before.log_id == log_id);
        Ok(of_log.max(before.and_then(|before| before.repeats_to)))
    }

    /// Makes the relay continue after a record, whatever Kafka and the database knew before. The record is of an event of
    /// this log: whoever calls has seen to that. An error that is fenced changed nothing.
    pub async fn commit(self, pool: &PgPool, record: RelayRecord) -> Result<(), RelayError> {
        let position = record.position;
        let written = tokio::task::spawn_blocking(move || {
            let Self { producer, kafka, topic, partitions: _ } = self;
            let home = Home { topic, transactional_id: &kafka.transactional_id, servers: &kafka.bootstrap_servers };
            // Nobody listens: this is not a relay.
            send_record(&producer, &record, &home, &Teller::new(watch::channel(None).1))
        });
        written.await.map_err(|_| RelayError::Slow)??;
        // Kafka first: between the two a relay finds its record behind what was confirmed, and waits.
        Ok(choose(pool, position).await?)
    }
}

/// Makes the relay continue after an event of this log. Relays that run are fenced, and look again.
pub async fn resume(kafka: &Kafka, catalogue: &Catalogue, pool: &PgPool, record: RelayRecord) -> Result<(), RelayError> {
    let mut tries = 1;
    loop {
        let fence = Fence::raise(kafka, catalogue).await?;
        let repeats_to = fence.repeats_to(catalogue, pool, record.log_id).await?.filter(|repeats_to| *repeats_to > record.position);
        match fence.commit(pool, RelayRecord { repeats_to, ..record.clone() }).await {
            Err(error) if error.is_fenced() && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}
