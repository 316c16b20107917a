//! The relay before an event that it cannot send: what is told of it.

use super::batch::EventRecord;
use super::dead_letters;
use super::error::EventFault;
use super::evidence::{Setting, topic_setting};
use super::state::Trouble;
use super::{Relay, RelayError};

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
                format!(
                    "its record of {bytes} bytes is not taken by the topic {topic}, whose max.message.bytes is {limit}: {code}; raise that limit"
                )
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
