//! One producer from its beginning until the lease is lost or something goes wrong.

use super::Relay;
use super::batch::Batch;
use super::checkpoint::confirm;
use super::dead_letters::{self, DeadLetter};
use super::error::{EventFault, RelayError};
use super::limits::{BATCH_EVENTS_MAX, COMMIT_GAP};
use super::partitions::Partitions;
use super::record::RelayRecord;
use super::refusal::Sent;
use super::sides::LogSide;
use super::state::{PLACE, SHOW_EVERY, Teller};
use super::transaction::{Home, send};
use crate::kafka::topics::Topics;
use chrono::{DateTime, Utc};
use domain::event::Fact;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use uuid::Uuid;

/// From so many events behind the log on, the next batch is made ready while one is sent.
const AHEAD_FROM_EVENTS: i64 = 500;
/// Longest read meanwhile: what was sent is not seen before it is committed.
const AHEAD_WITHIN: Duration = Duration::from_secs(1);
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// How often a relay with nothing to send looks whether the log still has what was sent, and nobody has moved it.
const PROVE_EVERY: Duration = Duration::from_secs(2);

/// How often a relay that sends looks whether consumers see it,
const LOOK_WHAT_IS_VISIBLE_EVERY: Duration = Duration::from_secs(10);
/// and after how many events it looks sooner: whoever takes over reads back what was not seen to be visible.
const LOOK_WHAT_IS_VISIBLE_EVENTS: i64 = 50_000;

/// Where a session is.
pub(super) struct Place {
    pub sent: Sent,
    pub log_id: Uuid,
    /// When the database's row of the relay was last changed by us.
    pub changed_at: Option<DateTime<Utc>>,
    /// Events that an admin has left out.
    pub skipped: HashMap<i64, DeadLetter>,
    /// Everything up to here was seen to be visible to consumers; none before that was looked at, or where nothing is expected.
    pub visible: Option<i64>,
    /// Up to where events are sent again, as an admin has asked.
    pub repeats_to: Option<i64>,
    pub looked: Instant,
    pub looked_at: i64,
    pub shown: Instant,
    pub proved: Instant,
    /// Something was sent, or there is nothing to send, and the database no longer says that the relay stands before an event.
    pub stop_forgotten: bool,
}

impl Relay {
    /// `most` is how many events are tried at once: fewer after a failure that may be due to one of them.
    ///
    /// A producer that failed is not used again, not even to abort: after records were refused, librdkafka may leave
    /// those of its next transaction unsent. Whoever begins next with the transactional id aborts what was left open.
    pub(super) fn session(&self, runtime: &Handle, epoch: i64, teller: &Teller, most: &mut usize) -> Result<(), RelayError> {
        self.unless_stopped(runtime, self.create_topics())?;
        let partitions = Arc::new(Partitions::of(&self.kafka, &self.catalogue)?);
        let generation = self.log.generation();
        let unless_lost = || if self.may_continue(epoch, &generation) { Ok(()) } else { Err(RelayError::LookAgain) };
        let (producer, mut place) = self.take_over(runtime, epoch, teller, &partitions, &unless_lost)?;
        if teller.is_news(PLACE, format!("{epoch} {}", place.sent.position)) {
            tracing::info!(position = place.sent.position, "the relay to Kafka continues");
        }
        self.confirm(runtime, &mut place)?;
        let servers = &self.kafka.bootstrap_servers;
        let home = Home { topic: self.catalogue.relay_topic(), transactional_id: &self.kafka.transactional_id, servers };
        let mut head = self.log.head();
        let (mut following, mut committed) = (None, None::<Instant>);
        while self.may_continue(epoch, &generation) {
            teller.at(place.sent.position);
            if let (None, Some(gap)) = (&following, committed.and_then(|at| COMMIT_GAP.checked_sub(at.elapsed()))) {
                self.pause(runtime, gap);
            }
            let prepared = following.take().unwrap_or_else(|| self.prepare(runtime, &place, place.sent, *most, None));
            let Some(batch) = prepared? else {
                self.sound(runtime, teller, &mut place);
                self.prove(runtime, &mut place)?;
                self.signs.send_replace(());
                place.look_what_is_visible(&partitions, PROVE_EVERY);
                let (mut stop, position) = (self.stop.clone(), place.sent.position);
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
                let left = *head.borrow() - last.position;
                (left >= AHEAD_FROM_EVENTS).then(|| self.prepare(runtime, &place, last, *most, Some(AHEAD_WITHIN)))
            };
            let record = place.record(last);
            let begun = Instant::now();
            following = send(&producer, batch.records, &record, &home, teller, meanwhile).map_err(|error| narrowed(&facts, error, most))?;
            (place.sent, committed) = (last, Some(Instant::now()));
            self.signs.send_replace(());
            partitions.led_after(begun)?;
            place.look_what_is_visible(&partitions, LOOK_WHAT_IS_VISIBLE_EVERY);
            *most = BATCH_EVENTS_MAX.min(*most * 2);
            self.sound(runtime, teller, &mut place);
            if place.shown.elapsed() > SHOW_EVERY || *head.borrow() <= last.position {
                self.confirm(runtime, &mut place)?;
            }
        }
        Ok(())
    }

    async fn create_topics(&self) -> Result<(), RelayError> {
        if self.kafka.create_topics {
            let created = Topics::new(&self.kafka, &self.catalogue)?.create_missing().await?;
            if !created.is_empty() {
                tracing::info!(topics = created.join(", "), "topics were created");
            }
        }
        Ok(())
    }

    pub(super) fn unless_stopped<T>(&self, runtime: &Handle, work: impl Future<Output = Result<T, RelayError>>) -> Result<T, RelayError> {
        let mut stop = self.stop.clone();
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Err(RelayError::LookAgain),
                done = work => done,
            }
        })
    }

    /// Reads what follows an event and writes it out as records; nothing if there is nothing, or if reading takes longer
    /// than there is patience.
    fn prepare(
        &self,
        runtime: &Handle,
        place: &Place,
        after: Sent,
        most: usize,
        patience: Option<Duration>,
    ) -> Result<Option<Batch>, RelayError> {
        let patience = patience.unwrap_or(Duration::MAX);
        match runtime.block_on(async { tokio::time::timeout(patience, self.facts_after(after, most)).await }) {
            Ok(facts) => Batch::of(facts?, &self.catalogue, &place.skipped),
            Err(_) => Ok(None),
        }
    }

    /// What follows an event that was sent. It is read again with them: they follow it, or they are of another log.
    async fn facts_after(&self, sent: Sent, most: usize) -> Result<Vec<Arc<Fact>>, RelayError> {
        if sent.position == 0 {
            return Ok(self.log.after(0, most).await?);
        }
        let mut facts = self.log.after(sent.position - 1, most + 1).await?;
        let Some(first) = facts.first() else { return Ok(facts) };
        let is_other = first.recorded.as_ref().is_ok_and(|recorded| Some(recorded.event_id) != sent.event_id);
        if first.position != sent.position || is_other {
            return Err(RelayError::LookAgain);
        }
        facts.remove(0);
        // A large one fills a read alone.
        Ok(if facts.is_empty() { self.log.after(sent.position, most).await? } else { facts })
    }

    /// Tells that something was sent, or that there is nothing to send.
    fn sound(&self, runtime: &Handle, teller: &Teller, place: &mut Place) {
        teller.sound();
        if !place.stop_forgotten {
            match runtime.block_on(dead_letters::forget_stop(&self.pool)) {
                Ok(()) => place.stop_forgotten = true,
                Err(error) => tracing::debug!(%error, "failed to clear the event at which the relay had stopped"),
            }
        }
    }

    /// Shows other nodes and people how far the relay is. An error if somebody has moved it.
    fn confirm(&self, runtime: &Handle, place: &mut Place) -> Result<(), RelayError> {
        place.shown = Instant::now();
        match runtime.block_on(confirm(&self.pool, place.sent.position, place.changed_at)) {
            Ok(Some(changed_at)) => place.changed_at = Some(changed_at),
            Ok(None) => return Err(RelayError::LookAgain),
            Err(error) => tracing::debug!(%error, "failed to publish the relay's position"),
        }
        Ok(())
    }

    /// Looks now and then whether the log still has what was sent, and whether somebody has moved the relay.
    fn prove(&self, runtime: &Handle, place: &mut Place) -> Result<(), RelayError> {
        if place.proved.elapsed() < PROVE_EVERY {
            return Ok(());
        }
        place.proved = Instant::now();
        let log = runtime.block_on(LogSide::read(&self.pool, place.sent.position))?;
        let same = log.id == place.log_id && log.event_id == place.sent.event_id && log.changed_at == place.changed_at;
        if same { Ok(()) } else { Err(RelayError::LookAgain) }
    }
}

impl Place {
    /// What is written in the transaction of the events up to this one.
    fn record(&self, last: Sent) -> RelayRecord {
        let Sent { position, event_id } = last;
        let repeats_to = self.repeats_to.filter(|repeats_to| *repeats_to > position);
        RelayRecord { position, log_id: self.log_id, event_id, visible: self.visible, repeats_to }
    }

    /// Looks now and then up to where everything is visible, so that whoever takes over has little to look at.
    fn look_what_is_visible(&mut self, partitions: &Partitions, every: Duration) {
        let (position, visible) = (self.sent.position, self.visible.unwrap_or(0));
        let due = self.looked.elapsed() >= every || position - self.looked_at >= LOOK_WHAT_IS_VISIBLE_EVENTS;
        if visible < position && due {
            self.visible = Some(partitions.visible_up_to(position, visible));
            (self.looked, self.looked_at) = (Instant::now(), position);
        }
    }
}

/// After facts could not be sent together: lowers the number to be tried next, until what stands in the way is alone and
/// can be named, and everything before it is sent. Brokers refuse a whole batch for one record in it.
fn narrowed(facts: &[Arc<Fact>], error: RelayError, most: &mut usize) -> RelayError {
    let first = facts.first().map_or(0, |fact| fact.position);
    match error {
        RelayError::Event { position, .. } if position > first => *most = usize::try_from(position - first).unwrap_or(1),
        RelayError::SomeRecord { code, .. } if facts.len() == 1 => {
            return RelayError::Event { position: first, cause: EventFault::NotTaken(code) };
        }
        RelayError::SomeRecord { .. } => *most = facts.len() / 2,
        _ => {}
    }
    error
}
