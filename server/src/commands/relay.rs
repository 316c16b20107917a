//! `milepost relay`: where the relay to Kafka is, and an admin's word on where it continues.

use super::topics::{failed, require_kafka};
use crate::cli::{Relay, RelayCommand};
use crate::exit::Failure;
use crate::wire::Core;
use infrastructure::config::{Configuration, Kafka};
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::relay::dead_letters;
use infrastructure::kafka::relay::{
    Evidence, Examined, Fence, Hold, LogSide, OpenRecords, Refusal, RelayError, Sent, Setting, examine, last_of_log_seen, open_records,
    resume,
};
use infrastructure::kafka::topics::Topics;
use infrastructure::kafka::verify::{NoProof, Proof, TopicsRead, read_topics};
use infrastructure::kafka::{RelayRecord, Stored};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

/// The dependencies of each relay command.
struct RelayAdmin {
    core: Core,
    kafka: Kafka,
    catalogue: Arc<Catalogue>,
}

/// The result of adopting.
enum Adopted {
    /// The record is right, at this position.
    Nothing(i64),
    Proved(i64, Proof),
}

/// How often adopting is restarted because a relay took the transactional id back.
const ADOPT_TRIES: usize = 3;

/// Shows the position of the relay, or sets where it continues.
pub async fn run(arguments: Relay, configuration: &Configuration) -> Result<(), Failure> {
    require_kafka(configuration)?;
    let settings = &configuration.settings;
    let catalogue = Catalogue::read(&settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    Topics::new(&settings.kafka, &catalogue).and_then(|topics| topics.check_reachable()).map_err(failed)?;
    let core = Core::open(settings).await?;
    let relay_admin = RelayAdmin { core, kafka: settings.kafka.clone(), catalogue: Arc::new(catalogue) };
    let done = match arguments.what {
        RelayCommand::Status { json } => relay_admin.status(json).await,
        RelayCommand::Resume { from, from_start: _, json } => relay_admin.resume(from.unwrap_or(0), json).await,
        RelayCommand::Adopt { json } => relay_admin.adopt(json).await,
    };
    relay_admin.core.close().await;
    done
}

fn printed(json: &Value) {
    crate::output::json(json);
}

/// Logs the command.
fn log_position_set(position: i64, event_id: Option<Uuid>) {
    tracing::warn!(position, event.id = event_id.map(tracing::field::display), "an admin has set the position of the relay");
}

/// The advice if events before the last published one are missing and records of open transactions may contain them.
/// The database records that everything up to `confirmed` was sent.
fn open_sentence(open: &[OpenRecords], missing: &[i64], last: i64, confirmed: i64) -> Option<String> {
    let OpenRecords { topic, partition, positions, abort } = open.first()?;
    let place = format!("partition {partition} of the topic {topic}");
    let hidden: HashSet<i64> = open.iter().flat_map(|open| open.positions.iter().copied()).collect();
    let end = hidden.iter().copied().max().unwrap_or(last).max(last);
    let (count, first) = (missing.len(), missing.first()?);
    // Those behind the last are of a committed transaction only if it is known that they were sent.
    if missing.iter().all(|position| hidden.contains(position)) && end <= confirmed.max(last) {
        return Some(format!(
            "the events that consumers do not see, the first at position {first}, are not lost: their records are open ({place}), and the next \
             transaction shows them; `milepost relay resume --from {end}` continues after them"
        ));
    }
    let (lowest, highest) = (positions.iter().min()?, positions.iter().max()?);
    Some(format!(
        "{count} events are on no topic as consumers see it, the first at position {first}, and {place} holds open records (positions {lowest} to \
         {highest}), so it is not known yet what was sent; end them with {abort}, then run `milepost relay adopt` again"
    ))
}

impl RelayAdmin {
    fn failed(&self, error: &RelayError) -> Failure {
        match error {
            RelayError::Database(error) => Failure::of_database("the log cannot be read", error),
            error => Failure::not_there(error.sentence(&self.kafka)),
        }
    }

    async fn examined(&self) -> Result<Examined, Failure> {
        examine(&self.kafka, &self.catalogue, &self.core.database.worker).await.map_err(|error| self.failed(&error))
    }

    async fn status(&self, json: bool) -> Result<(), Failure> {
        let (topic, Examined { evidence, policy, verdict }) = (self.catalogue.relay_topic(), self.examined().await?);
        let letters = dead_letters::list(&self.core.database.worker).await;
        let letters = letters.map_err(|error| Failure::of_database("the relay's dead letters cannot be read", &error))?;
        let stopped = letters.iter().find(|letter| letter.skipped_at.is_none());
        let (log, record) = (&evidence.log, evidence.stored.record());
        let policy = match policy {
            Setting::Is(policy) => policy,
            Setting::Unknown(reason) => format!("unknown: {reason}"),
            Setting::Demo => "unknown: the demo broker does not report it".to_owned(),
        };
        if json {
            printed(&json!({
                "logId": log.id, "head": log.head.to_string(), "confirmed": log.confirmed.to_string(),
                "record": record.map(|record| json!({ "position": record.position.to_string(), "logId": record.log_id, "eventId": record.event_id })),
                "topic": topic, "cleanupPolicy": policy,
                "continuesAfter": verdict.as_ref().ok().map(|sent| sent.position.to_string()),
                "lagEvents": verdict.as_ref().ok().map(|sent| log.head - sent.position),
                "refusal": verdict.as_ref().err().map(|refusal| json!({ "reason": refusal.reason(), "message": refusal.to_string() })),
                "stoppedBefore": stopped,
            }));
        } else {
            let record = match &evidence.stored {
                Stored::Record(record) => format!("position {} of the log {}", record.position, record.log_id),
                Stored::Nothing => "none".to_owned(),
                Stored::Unreadable(reason) => format!("unreadable: {reason}"),
            };
            say!("log        {}, up to position {}", log.id, log.head);
            say!("record     {record}");
            say!("topic      {topic}, cleanup.policy {policy}");
            say!("confirmed  position {}", log.confirmed);
            if let Some(letter) = stopped {
                say!("stopped    before event {} ({}): {}", letter.position, letter.event_type, letter.error);
            }
            if let Ok(sent) = &verdict {
                say!("lag        {} events: the relay continues after position {}", log.head - sent.position, sent.position);
            }
        }
        match verdict {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Failure::no(format!("the relay has stopped: {refusal}"))),
        }
    }

    /// Sets the position after which the relay continues, and prints what that repeats and leaves out.
    async fn resume(&self, position: i64, json: bool) -> Result<(), Failure> {
        let Examined { evidence, verdict, .. } = self.examined().await?;
        let log = LogSide::read(&self.core.database.worker, position).await;
        let log = log.map_err(|error| Failure::of_database("the log cannot be read", &error))?;
        if position > log.head {
            return Err(Failure::wrong_use(format!(
                "--from is {position}, and the log ends at position {}; give 0 to {}",
                log.head, log.head
            )));
        }
        if let Err(refusal @ Refusal::CleanupPolicy { .. }) = verdict {
            return Err(Failure::no(refusal.to_string()));
        }
        let sent = match verdict {
            // Consumers have already seen all events that are sent again.
            Ok(sent) => sent.position.max(evidence.stored.record().and_then(|record| record.repeats_to).unwrap_or(0)),
            // Consumers may have seen more than the record and the database show.
            Err(_) => {
                let seen = last_of_log_seen(&self.kafka, &self.catalogue, &self.core.database.worker).await;
                evidence.sent().max(seen.map_err(|error| self.failed(&error))?.unwrap_or(0))
            }
        };
        let record = RelayRecord::chosen(log.id, position, log.event_id);
        resume(&self.kafka, &self.catalogue, &self.core.database.worker, record).await.map_err(|error| self.failed(&error))?;
        log_position_set(position, log.event_id);
        let (head, again, left_out) = (log.head, (sent - position).max(0), (position - sent).max(0));
        if json {
            printed(&json!({
                "position": position.to_string(), "head": head.to_string(), "toSend": head - position,
                "sentBefore": sent.to_string(), "again": again, "leftOut": left_out,
            }));
            return Ok(());
        }
        say!("the relay continues after position {position}: {} events are to be sent", head - position);
        if again > 0 {
            say!("{again} of them are sent again, up to position {sent}; consumers recognise them by event_id");
        }
        if left_out > 0 {
            say!(
                "{left_out} events, after position {sent} and up to {position}, are skipped: as far as is known, no consumer has seen them"
            );
        }
        Ok(())
    }

    /// Sets the position to what the topics prove. No node relays in the meantime.
    async fn adopt(&self, json: bool) -> Result<(), Failure> {
        let Examined { evidence, verdict, .. } = self.examined().await?;
        if let Err(refusal @ Refusal::CleanupPolicy { .. }) = verdict {
            return Err(Failure::no(refusal.to_string()));
        }
        let lease = Hold::take(&self.core.database.worker).await;
        let lease = lease.map_err(|error| Failure::of_database("the relay's lease cannot be taken", &error))?;
        let adopted = self.adopt_alone(&evidence, verdict.ok()).await;
        lease.release().await;
        let (position, proof) = match adopted? {
            Adopted::Nothing(position) => {
                let agrees = format!(
                    "the relay's record agrees with the log: it continues after position {position}, and there is nothing to adopt"
                );
                if json {
                    printed(&json!({ "position": position.to_string(), "adopted": false }))
                } else {
                    say!("{agrees}")
                }
                return Ok(());
            }
            Adopted::Proved(position, proof) => (position, proof),
        };
        let (head, behind) = (evidence.log.head, &proof.behind);
        if json {
            printed(&json!({
                "position": position.to_string(), "adopted": true, "head": head.to_string(), "toSend": head - position, "records": proof.records,
                "expired": proof.expired, "unchecked": proof.unchecked, "strangers": behind.count,
            }));
            return Ok(());
        }
        say!(
            "the topics hold this log up to position {position}: the relay continues after it, and {} events are to be sent",
            head - position
        );
        if proof.expired + proof.unchecked > 0 {
            say!("{} events before it were removed by retention and count as sent", proof.expired + proof.unchecked);
        }
        if let Some((first, place)) = &behind.first {
            say!(
                "{} records are of events that this log does not have any more, the first at {place} with position {first}: consumers have seen them, and will see other events at these positions",
                behind.count
            );
        }
        if position < evidence.log.confirmed {
            say!("everything up to position {} was sent before: what is not on the topics any more is sent again", evidence.log.confirmed);
        }
        Ok(())
    }

    async fn adopt_alone(&self, evidence: &Evidence, sent: Option<Sent>) -> Result<Adopted, Failure> {
        let mut tries = 1;
        loop {
            let fence = Fence::raise(&self.kafka, &self.catalogue).await.map_err(|error| self.failed(&error))?;
            let proof = self.proof().await?;
            let (position, event_id) = match (proof.verdict(), sent) {
                (Ok((position, _)), Some(sent)) if position <= sent.position => return Ok(Adopted::Nothing(sent.position)),
                (Err(_), Some(sent)) => return Ok(Adopted::Nothing(sent.position)),
                (Ok(proved), _) => proved,
                (Err(no_proof), None) => {
                    if let NoProof::Missing { missing, first: _, last } = &no_proof {
                        let open = open_records(&self.kafka, &self.catalogue).await.map_err(|error| self.failed(&error))?;
                        if let Some(open) = open_sentence(&open, missing, *last, evidence.log.confirmed) {
                            return Err(Failure::no(format!("nothing is adopted: {open}")));
                        }
                    }
                    let known = match evidence.log.confirmed {
                        0 => String::new(),
                        confirmed => format!("; the database knows that everything up to position {confirmed} was sent"),
                    };
                    return Err(Failure::no(format!("nothing is adopted: {no_proof}{known}")));
                }
            };
            let record = RelayRecord::chosen(evidence.log.id, position, Some(event_id));
            match fence.commit(&self.core.database.worker, record).await {
                // A relay that had not noticed yet took the transactional id back: it may have sent more.
                Err(error) if error.is_fenced() && tries < ADOPT_TRIES => tries += 1,
                Err(error) => return Err(self.failed(&error)),
                Ok(()) => {
                    log_position_set(position, Some(event_id));
                    return Ok(Adopted::Proved(position, proof));
                }
            }
        }
    }

    async fn proof(&self) -> Result<Proof, Failure> {
        let (kafka, catalogue) = (self.kafka.clone(), Arc::clone(&self.catalogue));
        let read: Result<TopicsRead, _> = tokio::task::spawn_blocking(move || read_topics(&kafka, &catalogue, &|_| {}))
            .await
            .map_err(|error| Failure::not_there(error.to_string()))?;
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::not_there(format!("Kafka at {} cannot be read: {error}", self.kafka.bootstrap_servers))
        };
        let proof = read.map_err(|error| unreadable(&error))?.prove(&self.core.database.worker, &self.catalogue).await;
        proof.map_err(|error| Failure::of_database("the topics cannot be compared", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_are_open_are_not_called_lost() {
        let open = |positions: &[i64]| OpenRecords {
            topic: "task-events".to_owned(),
            partition: 1,
            positions: positions.to_vec(),
            abort: "kafka-transactions.sh abort".to_owned(),
        };
        assert_eq!(open_sentence(&[], &[7, 8], 9, 0), None);
        for (positions, confirmed, end) in [(&[7, 8][..], 0, 9), (&[6, 7, 8], 0, 9), (&[7, 8, 11], 11, 11), (&[7, 8, 11], 12, 11)] {
            let shown = open_sentence(&[open(positions)], &[7, 8], 9, confirmed).unwrap_or_default();
            assert!(shown.contains(&format!("`milepost relay resume --from {end}`")) && !shown.contains("abort"), "{positions:?}: {shown}");
        }
        let as_many_and_others: &[i64] = &[7, 9];
        for (positions, confirmed) in [(&[8][..], 0), (&[7], 0), (&[11], 0), (as_many_and_others, 0), (&[7, 8, 11], 10)] {
            let others = open_sentence(&[open(positions)], &[7, 8], 9, confirmed).unwrap_or_default();
            assert!(others.contains("kafka-transactions.sh abort") && !others.contains("resume"), "{positions:?}: {others}");
        }
    }
}
