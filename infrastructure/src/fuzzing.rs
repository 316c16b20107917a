//! What a fuzzer drives: stored events on their way to a record, and records. `fuzz/` holds the fuzzers, and says how they are run.

use crate::kafka::catalogue::Catalogue;
use crate::kafka::verify;
use chrono::DateTime;
use domain::event::{AggregateType, Event, Metadata, Recorded};
use domain::ids::{UserId, WorkspaceId};
use std::sync::LazyLock;
use uuid::Uuid;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read("").expect("the built-in catalogue reads"));

/// As a stored payload the bytes cannot be read, or are an event that stays what it is when it is stored again, and becomes a
/// record in which an audit finds no fault. As a record, an audit judges them in peace.
pub fn envelope(bytes: &[u8]) {
    verify::faults_of(0, &bytes[..bytes.len().min(36)], bytes, &CATALOGUE);
    let Ok(payload) = std::str::from_utf8(bytes) else { return };
    let kinds = AggregateType::ALL.into_iter().flat_map(|kind| kind.event_names().iter().map(move |name| (kind.word(), *name)));
    let Some((kind, name)) = kinds.into_iter().find(|(_, name)| payload.contains(name)) else { return };
    let version = Event::newest_version(name).to_string();
    let Ok(event) = Event::decode(kind, name, &version, payload) else { return };
    assert_eq!(Event::decode(kind, name, &version, &event.encode()).as_ref(), Ok(&event), "it is another one when it is stored again");
    let at = DateTime::UNIX_EPOCH;
    let metadata = Metadata {
        occurred_at: at.into(),
        actor: UserId(Uuid::from_u128(1)),
        command_id: None,
        correlation_id: Uuid::from_u128(2),
        causation_id: None,
        traceparent: None,
        project_id: None,
    };
    let recorded = Recorded {
        position: 1,
        workspace_id: WorkspaceId(Uuid::from_u128(3)),
        aggregate_id: Uuid::from_u128(4),
        version: 1,
        event_id: Uuid::from_u128(5),
        recorded_at: at,
        metadata,
        event,
    };
    let value = serde_json::to_vec(&messages::envelope(&recorded)).expect("a message can be written down");
    let topic = CATALOGUE.topics.iter().position(|topic| topic.events.iter().any(|event| event == name)).expect("every event has a topic");
    let faults = verify::faults_of(topic, recorded.aggregate_id.to_string().as_bytes(), &value, &CATALOGUE);
    assert_eq!(faults, [], "an audit complains of what the relay writes");
}
