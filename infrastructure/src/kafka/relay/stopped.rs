//! The relay before an event that it cannot send: what is told of it.

use super::Relay;
use super::batch::EventRecord;
use super::dead_letters;
use super::error::{EventFault, RelayError};
use super::evidence::{Setting, topic_setting};
use super::state::Trouble;
use rdkafka::error::RDKafkaErrorCode;

impl Relay {
    /// Notes the event for admins, and says what it is, why it is not sent, and what to do.
    pub(super) async fn stopped_before(&self, position: i64, cause: EventFault) -> Result<Trouble, RelayError> {
        let fact = self.log.after(position - 1, 1).await?.into_iter().next().ok_or(RelayError::LookAgain)?;
        let topic =
            self.catalogue.topic_of(&fact.event_type).map_or_else(|| "none".to_owned(), |topic| self.catalogue.full_name(&topic.name));
        let reason = match (cause, &fact.recorded) {
            (EventFault::NotTaken(code), Ok(recorded)) => {
                let bytes = EventRecord::of(recorded, &self.catalogue)?.bytes;
                let limit = match topic_setting(&self.kafka, &topic, "max.message.bytes").await {
                    Ok(Setting::Is(limit)) => limit,
                    Ok(Setting::Unknown(_) | Setting::Demo) | Err(_) => "unknown".to_owned(),
                };
                not_taken(code, bytes, &topic, &limit)
            }
            (cause, _) => format!("{cause}; run a version of Milepost that can read it"),
        };
        dead_letters::stop_before(&self.pool, position, &topic, &reason).await?;
        let sentence = format!(
            "event {position} ({}) is not sent, nor is anything behind it: {reason}, or leave it out for consumers with `{} {position} --reason TEXT`",
            fact.event_type,
            dead_letters::SKIP
        );
        Ok(Trouble::StoppedBefore { position, sentence })
    }
}

/// Why brokers do not take a record, and what would help. `limit` is the topic's `max.message.bytes`.
fn not_taken(code: RDKafkaErrorCode, bytes: usize, topic: &str, limit: &str) -> String {
    let refused = format!("its record of {bytes} bytes is not taken by the topic {topic}");
    match code {
        RDKafkaErrorCode::PolicyViolation => {
            format!("{refused}: a policy of the brokers forbids it ({code}); change that policy, which the brokers' logs name")
        }
        RDKafkaErrorCode::InvalidRecord => {
            format!(
                "{refused}: the brokers call it invalid ({code}); change the setting of the topic that it breaks, which their logs name"
            )
        }
        code => format!("{refused}, whose max.message.bytes is {limit}: {code}; raise that limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_size_is_blamed_on_the_limit_of_size() {
        let told = |code| not_taken(code, 812, "task-events", "4000");
        for code in [RDKafkaErrorCode::MessageSizeTooLarge, RDKafkaErrorCode::MessageBatchTooLarge] {
            assert!(told(code).contains("whose max.message.bytes is 4000"), "{code:?}");
        }
        for (code, words) in [(RDKafkaErrorCode::PolicyViolation, "a policy"), (RDKafkaErrorCode::InvalidRecord, "invalid")] {
            let told = told(code);
            assert!(told.contains(words) && told.contains("task-events") && !told.contains("max.message.bytes"), "{told}");
        }
    }
}
