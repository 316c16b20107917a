//! What a relay finds out before it sends: whether its predecessor's transaction may be ended, where to continue, and
//! whether what was sent is there.

use super::Relay;
use super::batch::place_of;
use super::dead_letters::skipped_after;
use super::error::RelayError;
use super::evidence::{Evidence, Setting, examine_by};
use super::limits::{BATCH_EVENTS_MAX, BROKERS_TIMEOUT, CLEANUP_POLICY};
use super::partitions::{Partitions, PartitionsError, Unseen};
use super::refusal::Refusal;
use super::session::Place;
use super::state::{POLICY, Teller};
use super::transaction::{Deliveries, RelayProducer};
use crate::kafka::client::producer_config;
use rdkafka::producer::Producer;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// Whether to go on: an error once the relay is another node's, or is told to stop.
type GoOn<'a> = &'a dyn Fn() -> Result<(), RelayError>;

impl Relay {
    /// Ends the transactions of every other relay, and finds out where to continue.
    pub(super) fn take_over(
        &self,
        runtime: &Handle,
        epoch: i64,
        teller: &Teller,
        partitions: &Arc<Partitions>,
        unless_lost: GoOn<'_>,
    ) -> Result<(RelayProducer, Place), RelayError> {
        partitions.led()?;
        let before = self.unless_stopped(runtime, self.before_fencing(partitions, epoch, teller))?;
        // A transaction has one record. Of two that are open the first may be of a committed one, and would be aborted with
        // the second.
        partitions.record_is_shown(before.stored.position().unwrap_or(0), before.sent(), 2)?;
        let producer: RelayProducer = producer_config(&self.kafka).create_with_context(Deliveries::default())?;
        // What was looked at before took some time.
        partitions.led()?;
        unless_lost()?;
        producer.init_transactions(BROKERS_TIMEOUT)?;
        unless_lost()?;
        let mut place = match self.unless_stopped(runtime, self.place(partitions)) {
            Err(RelayError::Refused(refusal)) => return Err(unless_open(partitions, refusal)),
            place => place?,
        };
        let open = partitions.closed(place.sent.position)?;
        if let Some(visible) = place.visible.filter(|visible| *visible < place.sent.position) {
            let go_on = || {
                self.signs.send_replace(());
                unless_lost()
            };
            let unseen = partitions.unseen(visible, place.sent.position, &open, &go_on)?;
            self.unless_stopped(runtime, self.none_is_lost(&unseen, &place, &go_on))?;
        }
        place.visible = Some(open.iter().min().map_or(place.sent.position, |first| first - 1));
        Ok((producer, place))
    }

    /// What can be told without ending the transactions of another relay, which may be the right one.
    async fn before_fencing(&self, partitions: &Arc<Partitions>, epoch: i64, teller: &Teller) -> Result<Evidence, RelayError> {
        let examined = examine_by(partitions, &self.kafka, &self.catalogue, &self.pool).await?;
        if let Setting::Unknown(reason) = &examined.policy
            && teller.is_news(POLICY, format!("{epoch} {reason}"))
        {
            let ((name, wanted), topic) = (CLEANUP_POLICY, self.catalogue.relay_topic());
            tracing::warn!(reason, "cannot check whether {name} of {topic} is {wanted}; allow the login DESCRIBE_CONFIGS on it");
        }
        match examined.verdict {
            // Of these nothing changes by fencing.
            Err(refusal @ (Refusal::OtherLog { .. } | Refusal::CleanupPolicy { .. } | Refusal::TopicsNotEmpty { .. })) => {
                Err(refusal.into())
            }
            Err(refusal) if teller.refuses() => Err(refusal.into()),
            Ok(_) | Err(_) => Ok(examined.evidence),
        }
    }

    /// Where to continue. Other relays are fenced now, so nothing is about to be committed.
    async fn place(&self, partitions: &Arc<Partitions>) -> Result<Place, RelayError> {
        let evidence = Evidence::read_with_seen(partitions, &self.kafka, &self.catalogue, &self.pool).await?;
        let sent = evidence.verdict()?;
        let record = evidence.stored.record();
        let (visible, repeats_to) = (record.and_then(|record| record.visible), record.and_then(|record| record.repeats_to));
        let skipped = skipped_after(&self.pool, visible.unwrap_or(sent.position).min(sent.position)).await?;
        let (log_id, changed_at, now) = (evidence.log.id, evidence.log.changed_at, Instant::now());
        Ok(Place {
            sent,
            log_id,
            changed_at,
            skipped,
            visible,
            repeats_to,
            looked: now,
            looked_at: sent.position,
            shown: now,
            proved: now,
            stop_forgotten: false,
        })
    }

    /// Fails if consumers do not see an event that was sent, and brokers cannot have removed it for its age.
    async fn none_is_lost(&self, unseen: &Unseen, place: &Place, go_on: GoOn<'_>) -> Result<(), RelayError> {
        let (mut after, last) = match (unseen.positions().next(), unseen.positions().next_back()) {
            (Some(first), Some(last)) => (first - 1, last),
            _ => return Ok(()),
        };
        let (mut first, mut count) = (None, 0);
        while after < last {
            let facts = self.log.after(after, BATCH_EVENTS_MAX).await?;
            go_on()?;
            let Some(end) = facts.last() else { break };
            after = end.position;
            for fact in facts.iter().filter(|fact| fact.position <= last) {
                let Some((topic, partition)) = place_of(fact, &self.catalogue, &place.skipped) else { continue };
                if unseen.is_lost(fact.position, &topic, partition) {
                    count += 1;
                    first.get_or_insert((fact.position, topic, partition));
                }
            }
        }
        let position = place.sent.position;
        match first {
            None => Ok(()),
            Some((first, topic, partition)) => Err(PartitionsError::Lost { topic, partition, first, count, position }.into()),
        }
    }
}

/// Why nothing is sent: a record that seems to be lost, or behind, may be there and open.
fn unless_open(partitions: &Partitions, refusal: Refusal) -> RelayError {
    let (position, sent) = match refusal {
        Refusal::RecordBehind { position, confirmed, .. } => (position, confirmed),
        Refusal::RecordOvertaken { position, seen, .. } => (position, seen),
        Refusal::RecordLost { confirmed, .. } => (0, confirmed),
        _ => return refusal.into(),
    };
    match partitions.record_is_shown(position, sent, 1) {
        Ok(false) => refusal.into(),
        Ok(true) => RelayError::LookAgain,
        Err(error) => error,
    }
}
