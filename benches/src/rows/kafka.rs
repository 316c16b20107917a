//! From the commit of a command to a Kafka consumer, at a steady 200 events a second.

use super::http::Side;
use crate::http::Connection;
use crate::numbers::{percentile, short};
use crate::process::Serving;
use crate::report::Row;
use crate::stand::{OwnTopics, Stand};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use infrastructure::kafka::consumer_config;
use infrastructure::kafka::topics::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PER_SECOND: usize = 200;
const CLIENTS: usize = 8;

#[derive(Deserialize)]
struct Envelope {
    event_type: String,
    recorded_at: DateTime<Utc>,
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let url = stand.database("kafka").await?;
    let topics = stand.topics().await?;
    Topics::new(&topics.kafka, &topics.catalogue)?.create_missing().await?;
    let side = Side::begin(stand, Serving::milepost(stand, &url, Some(&topics)).await?).await?;
    let count = PER_SECOND * stand.sizes.steady_s as usize;
    // As long again for warming up: a broker that has run for a moment only is still being compiled.
    steady(&side, count).await?;
    stand.settle().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let reading = {
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let stop = Arc::clone(&stop);
        let reading = tokio::task::spawn_blocking(move || read(&topics, count, ready, &stop));
        is_ready.await.context("the consumer began")?;
        reading
    };
    steady(&side, count).await?;
    let latencies = tokio::time::timeout(Duration::from_secs(60), reading).await;
    stop.store(true, Ordering::Relaxed);
    let latencies = latencies.context("the records came")???;
    side.stop().await?;
    stand.drop_database("kafka").await?;
    let measured = &latencies[latencies.len() - count..];
    let (p50, p99) = (percentile(measured, 0.5), percentile(measured, 0.99));
    let note = "from `recorded_at`, which is given before the commit's fsync, to a read_committed consumer";
    Ok(vec![
        Row::of(format!("commit to Kafka consumer at {PER_SECOND} events/s"), format!("p50 {} ms, p99 {} ms", short(p50), short(p99)))
            .target("p50 ≤ 10 ms", p50 <= 10.0)
            .target("p99 ≤ 50 ms", p99 <= 50.0)
            .note(note),
    ])
}

/// Sends so many commands at the steady rate, whether or not earlier ones are answered.
async fn steady(side: &Side, count: usize) -> Result<()> {
    let started = Instant::now();
    let mut clients = vec![];
    for client in 0..CLIENTS {
        let (body, mut connection) = (side.create_task(), Connection::open(&side.to.address, &side.to.token).await?);
        clients.push(tokio::spawn(async move {
            for number in (client..count).step_by(CLIENTS) {
                let at = started + Duration::from_secs_f64(number as f64 / PER_SECOND as f64);
                tokio::time::sleep_until(at.into()).await;
                connection.post(&body(number)).await?;
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    for client in clients {
        client.await??;
    }
    Ok(())
}

/// Reads records of created tasks as they come, those of the warming up first, and how many milliseconds each had been
/// recorded before. As many of either.
fn read(topics: &OwnTopics, count: usize, ready: tokio::sync::oneshot::Sender<()>, stop: &AtomicBool) -> Result<Vec<f64>> {
    let consumer: BaseConsumer = consumer_config(&topics.kafka).create()?;
    let mut assignment = TopicPartitionList::new();
    for topic in &topics.catalogue.topics {
        for partition in 0..topic.partitions {
            assignment.add_partition_offset(&topics.catalogue.full_name(&topic.name), partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&assignment)?;
    let (mut latencies, mut ready) = (vec![], Some(ready));
    while latencies.len() < 2 * count && !stop.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let now = Utc::now();
        let envelope: Envelope = serde_json::from_slice(message.payload().unwrap_or_default())?;
        if envelope.event_type == "task_created" {
            // It has caught up with what was there before it came.
            if latencies.len() + 1 == count
                && let Some(ready) = ready.take()
            {
                let _ = ready.send(());
            }
            latencies.push((now - envelope.recorded_at).num_microseconds().unwrap_or(i64::MAX) as f64 / 1_000.0);
        }
    }
    Ok(latencies)
}
