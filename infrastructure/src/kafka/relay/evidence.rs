//! What Kafka and the database say of the relay's place, read anew each time.

use super::error::RelayError;
use super::leftovers;
use super::limits::{CHECKPOINT, CLEANUP_POLICY};
use super::partitions::{Partitions, highest_of_log};
use super::record::{RelayRecord, Stored};
use super::refusal::{Refusal, Sent, agree};
use super::sides::{LogSide, Seen};
use crate::config::Kafka;
use crate::kafka::catalogue::Catalogue;
use crate::kafka::client::BROKERS_TIMEOUT;
use crate::kafka::client::{client_config, is_demo};
use crate::postgres::within;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use sqlx::{PgPool, Row};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for a record of which consumers see the events: markers are written one after the other.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Both sides of the relay's place.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub log: LogSide,
    pub stored: Stored,
    /// The last event of the log that consumers see, if it was looked for.
    seen: Option<Seen>,
    topic: String,
    transactional_id: String,
}

/// What brokers say of a setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    Is(String),
    /// They did not tell, and why.
    Unknown(String),
    /// The broker inside `milepost dev`, which is new at each start.
    Demo,
}

impl LogSide {
    /// Reads it in one statement.
    pub async fn read(pool: &PgPool, position: i64) -> Result<Self, sqlx::Error> {
        let sides = sqlx::query(
            "SELECT (SELECT id FROM milepost.log_identity), coalesce((SELECT max(position) FROM milepost.events), 0), \
               (SELECT event_id FROM milepost.events WHERE position = $1), coalesce(c.position, 0), c.updated_at \
             FROM (VALUES ($2)) relay (name) LEFT JOIN milepost.checkpoints c USING (name)",
        );
        let row = within(sides.bind(position).bind(CHECKPOINT).fetch_one(pool)).await?;
        Ok(Self {
            id: row.try_get(0)?,
            head: row.try_get(1)?,
            event_id: row.try_get(2)?,
            confirmed: row.try_get(3)?,
            changed_at: row.try_get(4)?,
        })
    }
}

impl Evidence {
    /// Reads the record, then the log: what was sent is in the log by then.
    pub async fn read(kafka: &Kafka, catalogue: &Catalogue, pool: &PgPool) -> Result<Self, RelayError> {
        let partitions = Arc::new(Partitions::of(kafka, catalogue)?);
        Self::read_by(&partitions, kafka, catalogue, pool).await
    }

    async fn read_by(partitions: &Arc<Partitions>, kafka: &Kafka, catalogue: &Catalogue, pool: &PgPool) -> Result<Self, RelayError> {
        let (topic, transactional_id) = (catalogue.relay_topic(), kafka.transactional_id.clone());
        let (partitions, id) = (Arc::clone(partitions), transactional_id.clone());
        let stored = tokio::task::spawn_blocking(move || partitions.record(&id)).await.map_err(|_| RelayError::Slow)??;
        let log = LogSide::read(pool, stored.position().unwrap_or(0)).await?;
        Ok(Self { log, stored, seen: None, topic, transactional_id })
    }

    /// The same, and before it what consumers see of the log.
    pub(super) async fn read_with_seen(
        partitions: &Arc<Partitions>,
        kafka: &Kafka,
        catalogue: &Catalogue,
        pool: &PgPool,
    ) -> Result<Self, RelayError> {
        let first = Self::read_by(partitions, kafka, catalogue, pool).await?;
        if first.stored.record().is_none() {
            return Ok(first);
        }
        let look = Arc::clone(partitions);
        let seen = tokio::task::spawn_blocking(move || if look.is_demo() { Ok(vec![]) } else { look.last_seen() });
        let seen = seen.await.map_err(|_| RelayError::Slow)??;
        let (seen, begun) = (highest_of_log(seen, pool).await?, Instant::now());
        loop {
            let evidence = Self { seen: seen.clone(), ..Self::read_by(partitions, kafka, catalogue, pool).await? };
            let is_overtaken = matches!(evidence.verdict(), Err(Refusal::RecordOvertaken { .. }));
            if !is_overtaken || begun.elapsed() >= RECORD_TIMEOUT {
                return Ok(evidence);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Up to where everything is known to be sent, whatever the record says.
    pub fn sent(&self) -> i64 {
        let repeats_to = self.stored.record().map_or(0, RelayRecord::sent_to);
        let seen = self.seen.as_ref().map(|seen| seen.position).filter(|seen| *seen > repeats_to);
        self.log.confirmed.max(seen.unwrap_or(0))
    }

    /// Whether nothing is known of any relay before.
    fn is_first_start(&self) -> bool {
        self.stored == Stored::Nothing && self.log.confirmed == 0
    }

    /// Where the relay continues, or why it does not.
    pub fn verdict(&self) -> Result<Sent, Refusal> {
        agree(&self.log, &self.stored, self.seen.as_ref(), &self.topic, &self.transactional_id)
    }
}

/// Everything that is known of the relay's place, and what follows from it.
#[derive(Debug, Clone)]
pub struct Examined {
    pub evidence: Evidence,
    /// `cleanup.policy` of the relay's topic.
    pub policy: Setting,
    pub verdict: Result<Sent, Refusal>,
}

/// Examines the relay's place. It only reads: relays that run are not disturbed, and may be about to commit.
pub async fn examine(kafka: &Kafka, catalogue: &Catalogue, pool: &PgPool) -> Result<Examined, RelayError> {
    examine_by(&Arc::new(Partitions::of(kafka, catalogue)?), kafka, catalogue, pool).await
}

/// The same by a client that is there.
pub(super) async fn examine_by(
    partitions: &Arc<Partitions>,
    kafka: &Kafka,
    catalogue: &Catalogue,
    pool: &PgPool,
) -> Result<Examined, RelayError> {
    let (name, wanted) = CLEANUP_POLICY;
    let topic = catalogue.relay_topic();
    let evidence = Evidence::read_with_seen(partitions, kafka, catalogue, pool);
    let (policy, evidence) = tokio::try_join!(topic_setting(kafka, &topic, name), evidence)?;
    let verdict = match (&policy, evidence.verdict()) {
        (Setting::Is(found), _) if found != wanted => Err(Refusal::CleanupPolicy { topic, found: found.clone() }),
        // The demo's broker was empty when it started, and shows records that were never committed.
        (Setting::Is(_) | Setting::Unknown(_), Ok(sent)) if evidence.is_first_start() => match leftovers::find(kafka, catalogue).await? {
            None => Ok(sent),
            Some(place) => Err(Refusal::TopicsNotEmpty { topic, transactional_id: kafka.transactional_id.clone(), place }),
        },
        (Setting::Is(_) | Setting::Unknown(_) | Setting::Demo, verdict) => verdict,
    };
    Ok(Examined { evidence, policy, verdict })
}

/// A setting of a topic, as brokers have it.
pub async fn topic_setting(kafka: &Kafka, topic: &str, name: &str) -> Result<Setting, RelayError> {
    let admin: AdminClient<DefaultClientContext> = client_config(kafka).create()?;
    // It takes the question and never answers it.
    if is_demo(admin.inner(), BROKERS_TIMEOUT) {
        return Ok(Setting::Demo);
    }
    let options = AdminOptions::new().request_timeout(Some(BROKERS_TIMEOUT));
    match admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options).await?.pop() {
        Some(Ok(config)) => match config.get(name).and_then(|entry| entry.value.clone()) {
            Some(value) => Ok(Setting::Is(value)),
            None => Ok(Setting::Unknown("brokers leave it out of their answer".to_owned())),
        },
        Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) => Err(RelayError::TopicMissing(topic.to_owned())),
        Some(Err(code)) => Ok(Setting::Unknown(code.to_string())),
        None => Ok(Setting::Unknown("brokers do not answer for this topic".to_owned())),
    }
}
