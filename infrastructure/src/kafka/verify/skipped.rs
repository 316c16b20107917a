//! Events that an admin has left out: each is expected on the dead-letter topic, and on no other.

use super::reader::{Place, Reader};
use super::report::Fault;
use serde::Deserialize;
use sqlx::PgPool;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

/// The parts of a dead letter's value that are compared.
#[derive(Deserialize)]
struct Value {
    position: String,
    event_id: Uuid,
}

/// The events that were left out, by position.
pub(super) async fn skipped(pool: &PgPool) -> Result<HashMap<i64, Uuid>, sqlx::Error> {
    let rows: Vec<(i64, Uuid)> =
        sqlx::query_as("SELECT position, event_id FROM milepost.relay_dead_letters WHERE skipped_at IS NOT NULL").fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}

impl Reader {
    /// Takes in a record of the dead-letter topic and gives its position.
    pub(super) fn read_letter(&mut self, place: Place, payload: &[u8]) -> Option<i64> {
        self.report.records += 1;
        let words = self.words_for(place);
        let value: Option<Value> = serde_json::from_slice(payload).ok();
        let Some((position, event_id)) = value.and_then(|value| Some((value.position.parse().ok()?, value.event_id))) else {
            self.report.fault(Fault::Stranger { place: words, reason: "the value is not a dead letter of the relay".to_owned() });
            return None;
        };
        match self.letters.entry(position) {
            Entry::Vacant(letter) => {
                letter.insert((event_id, place));
            }
            Entry::Occupied(_) => self.report.fault(Fault::Twice { position, place: words }),
        }
        Some(position)
    }

    /// Compares an event that was left out with the dead letter that should stand for it.
    pub(super) fn compare_skipped(&mut self, position: i64, event_id: Uuid, event_type: &str) {
        if let Some(seen) = self.seen.remove(&position) {
            let reason = format!("position {position} was skipped by an admin, but is here");
            let fault = Fault::Stranger { place: self.words_for(seen.place), reason };
            self.report.fault(fault);
        }
        match self.letters.remove(&position) {
            Some((found, _)) if found == event_id => self.report.skipped += 1,
            Some((_, place)) => {
                let fault = Fault::Different { position, place: self.words_for(place), field: "event_id" };
                self.report.fault(fault);
            }
            None if position > self.report.until => {}
            None => self.report.fault(Fault::Missing { position, event_type: event_type.to_owned() }),
        }
    }

    /// Dead letters of events that nobody has left out.
    pub(super) fn stray_letters(&mut self) {
        let mut stray: Vec<(i64, Place)> = self.letters.drain().map(|(position, (_, place))| (position, place)).collect();
        stray.sort_unstable_by_key(|(position, _)| *position);
        for (position, place) in stray {
            let fault =
                Fault::Stranger { place: self.words_for(place), reason: format!("position {position} was not skipped by an admin") };
            self.report.fault(fault);
        }
    }
}
