//! What consumers get for every event in its newest version, as files: `schemas/kafka/records/<event>.<version>.json` is the
//! record for `schemas/events/<aggregate>/` of the same name. An event of an older version is published in the newest.
//!
//! Consumers hold us to these files, so they are not changed; a new shape gets a new version and a new file. To write
//! those that are missing, set MILEPOST_NEW_GOLDENS; a test of `infrastructure` puts in the topic.

use crate::from_domain::published;
use crate::{Envelope, Moment, envelope, schemas};
use chrono::{DateTime, TimeZone, Utc};
use domain::event::{AggregateType, Event, Metadata, Recorded};
use domain::ids::{ProjectId, UserId, WorkspaceId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::uuid;

fn schemas_folder() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas")).to_owned()
}

/// The stored shapes, by file name without `.json`.
fn stored() -> Vec<(String, Event)> {
    let mut found = vec![];
    for of in AggregateType::ALL {
        for file in fs::read_dir(schemas_folder().join("events").join(of.word())).expect("a folder for each aggregate") {
            let path = file.expect("a file").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in UTF-8").to_owned();
            let text = fs::read_to_string(&path).expect("files can be read");
            let mut parts = name.split('.');
            let (event_type, version) = (parts.next().expect("an event"), parts.next().expect("a version"));
            let event = Event::decode(of.word(), event_type, version, &text).expect("a stored shape loads");
            found.push((name, event));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn moment(millis: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2031, 3, 1, 9, 30, 0).single().expect("a moment") + chrono::TimeDelta::milliseconds(i64::from(millis))
}

/// The event under ids and circumstances that are always the same.
pub(super) fn recorded(event: Event) -> Recorded {
    Recorded {
        position: 42,
        workspace_id: WorkspaceId(uuid!("5b0c6a0e-3d1f-4e7b-8a52-0f3c9d2e7b11")),
        aggregate_id: uuid!("0196f1a3-1a2b-7c3d-8e4f-5a6b7c8d9e0f"),
        version: 7,
        event_id: uuid!("0196f1a4-0001-7000-8000-000000000001"),
        recorded_at: moment(789),
        metadata: Metadata {
            occurred_at: moment(5).into(),
            actor: UserId(uuid!("c2a4e6f8-1b3d-4f5a-8c7e-9d0b2f4a6c8e")),
            command_id: Some(uuid!("0196f1a4-0002-7000-8000-000000000002")),
            correlation_id: uuid!("0196f1a4-0003-7000-8000-000000000003"),
            causation_id: Some(uuid!("0196f1a4-0004-7000-8000-000000000004")),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            project_id: Some(ProjectId(uuid!("0196f1a2-7c3e-7d41-9b60-4a5e8c1d2f30"))),
        },
        event,
    }
}

/// All of a record but its topic, which the catalogue decides.
fn record(event: Event) -> Value {
    let recorded = recorded(event);
    let message = envelope(&recorded);
    let headers: serde_json::Map<String, Value> =
        message.headers().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({
        "key": recorded.aggregate_id,
        "headers": headers,
        "value": message,
    })
}

#[test]
fn every_stored_event_is_published_as_its_golden() {
    let folder = schemas_folder().join("kafka/records");
    let mut expected = BTreeSet::new();
    for (name, event) in stored().into_iter().filter(|(name, event)| name.split('.').nth(1) == Some(&event.version().to_string())) {
        let (file, record) = (folder.join(format!("{name}.json")), record(event));
        let text = format!("{}\n", serde_json::to_string_pretty(&record).expect("a record is JSON"));
        if std::env::var_os("MILEPOST_NEW_GOLDENS").is_some() && !file.exists() {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&file, &text).expect("the file can be written");
        }
        let golden = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; should it hold this?\n{text}", file.display()));
        let mut golden: Value = serde_json::from_str(&golden).expect("a golden is JSON");
        golden.as_object_mut().expect("a record").remove("topic");
        assert_eq!(golden, record, "{name}");
        expected.insert(format!("{name}.json"));
    }
    let files: BTreeSet<String> = fs::read_dir(folder)
        .expect("the folder of goldens")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, expected, "a record without a stored event");
}

#[test]
fn every_type_of_event_has_a_stored_shape_and_a_schema() {
    let all: BTreeSet<&str> = AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().collect();
    let stored = stored();
    assert_eq!(stored.iter().map(|(_, event)| event.name()).collect::<BTreeSet<_>>(), all);
    assert_eq!(schemas().1.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), all);
}

/// A consumer that has the types alone reads every message, and loses nothing of it.
#[test]
fn every_message_is_read_as_its_type() {
    for (name, event) in stored() {
        let published = published().find(|published| published.name == event.name()).expect("a type for each event");
        let recorded = recorded(event);
        let message = serde_json::to_value(envelope(&recorded)).expect("an envelope is JSON");
        assert_eq!((published.reread)(message["data"].clone()).expect("the type reads it"), message["data"], "{name}");
        let read: Envelope<Value> = serde_json::from_value(message.clone()).expect("the envelope reads");
        assert_eq!(serde_json::to_value(read).expect("an envelope is JSON"), message, "{name}");
    }
}

#[test]
fn every_message_names_its_own_thing() {
    for (name, event) in stored() {
        let kind = event.aggregate_type().word();
        let message = serde_json::to_value(envelope(&recorded(event))).expect("an envelope is JSON");
        assert_eq!(message["data"][format!("{kind}_id")], message["aggregate_id"], "{name}");
        assert_eq!(message["timestamp"], message["occurred_at"], "{name}");
    }
}

#[test]
fn without_a_trace_there_is_no_header_of_one() {
    let (_, event) = stored().remove(0);
    let mut recorded = recorded(event);
    recorded.metadata.traceparent = None;
    recorded.position = i64::MAX;
    let message = envelope(&recorded);
    let headers = message.headers();
    assert!(headers.iter().all(|(name, _)| *name != "traceparent"));
    assert!(headers.contains(&("ce_sequence", "09223372036854775807".to_owned())));
    let value = serde_json::to_value(&message).expect("an envelope is JSON");
    assert_eq!((&value["traceparent"], &value["position"]), (&Value::Null, &json!("9223372036854775807")));
}

#[test]
fn moments_are_written_with_milliseconds_and_in_utc() {
    let zoned = DateTime::parse_from_rfc3339("2031-03-01T10:30:00.0056+01:00").expect("a moment").with_timezone(&Utc);
    assert_eq!(Moment(zoned).text(), "2031-03-01T09:30:00.005Z");
    assert_eq!(Moment(moment(0)).text(), "2031-03-01T09:30:00.000Z");
}
