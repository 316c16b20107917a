//! Clients that ask one after the other, many at once, and how long each answer took.

use crate::http::Connection;
use crate::numbers::{ms, percentile};
use anyhow::Result;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What a run came to.
pub(crate) struct Run {
    pub per_second: f64,
    /// Times of answers, in milliseconds.
    pub latencies_ms: Vec<f64>,
}

impl Run {
    /// The time that this share of the answers took at most.
    pub(crate) fn percentile_ms(&self, share: f64) -> f64 {
        percentile(&self.latencies_ms, share)
    }
}

/// Where requests go, and by whom.
#[derive(Clone)]
pub(crate) struct To {
    pub address: String,
    pub token: String,
}

/// Sends as many requests as asked for, from so many connections, each waiting for its answer before it sends the next.
/// `body` makes the body of the request with a number.
pub(crate) async fn clients(
    to: &To,
    clients: usize,
    requests: usize,
    body: impl Fn(usize) -> String + Send + Sync + Clone + 'static,
) -> Result<Run> {
    let mut open = vec![];
    for _ in 0..clients {
        open.push(Connection::open(&to.address, &to.token).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut running = FuturesUnordered::new();
    for mut connection in open {
        let (next, body) = (Arc::clone(&next), body.clone());
        running.push(tokio::spawn(async move {
            let mut latencies = vec![];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return Ok::<_, anyhow::Error>(latencies);
                }
                let body = body(number);
                let sent = Instant::now();
                connection.post(&body).await?;
                latencies.push(ms(sent.elapsed()));
            }
        }));
    }
    let mut latencies_ms = Vec::with_capacity(requests);
    while let Some(done) = running.next().await {
        latencies_ms.extend(done??);
    }
    Ok(Run { per_second: requests as f64 / started.elapsed().as_secs_f64(), latencies_ms })
}

/// Does so many things with so many at once, and says how many were done a second.
pub(crate) async fn at_once<F>(at_once: usize, count: usize, work: impl Fn(usize) -> F) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let mut running = FuturesUnordered::new();
    for number in 0..count {
        if running.len() == at_once
            && let Some(done) = running.next().await
        {
            done??;
        }
        running.push(tokio::spawn(work(number)));
    }
    while let Some(done) = running.next().await {
        done??;
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms", self.per_second, self.percentile_ms(0.5), self.percentile_ms(0.99))
    }
}
