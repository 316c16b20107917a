//! Every stored shape of every event, as files that must load for ever: `schemas/events/<aggregate>/<event>.<version>.json`.
//! Where fields may be absent or empty there is a second file, `….minimal.json`, and where a field has kinds one for each.
//!
//! A golden is never changed. A new shape gets a new version, an upcaster and a new file; the old file then loads as
//! the new event, and stands beside it here.

mod project;
mod schedule;
mod task;

use crate::event::{AggregateType, DecodeError, Event};
use crate::ids::{ProjectId, TaskId, UserId, WorkspaceId};
use crate::testing::{day, instant};
use crate::values::{Due, Instant, ResolvedThreshold, ThresholdUnit};
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::uuid;

const WORKSPACE: WorkspaceId = WorkspaceId(uuid!("5b0c6a0e-3d1f-4e7b-8a52-0f3c9d2e7b11"));
const PROJECT: ProjectId = ProjectId(uuid!("0196f1a2-7c3e-7d41-9b60-4a5e8c1d2f30"));
const OTHER_PROJECT: ProjectId = ProjectId(uuid!("0196f1a2-9d4f-7e52-8c71-5b6f9d2e3a41"));
const TASK: TaskId = TaskId(uuid!("0196f1a3-1a2b-7c3d-8e4f-5a6b7c8d9e0f"));
const PERSON: UserId = UserId(uuid!("c2a4e6f8-1b3d-4f5a-8c7e-9d0b2f4a6c8e"));
const OTHER_PERSON: UserId = UserId(uuid!("d3b5f709-2c4e-405b-9d8f-ae1c305b7d9f"));

/// What a file holds, by its name without `.json`.
type Golden = (&'static str, Event);

fn goldens(of: AggregateType) -> Vec<Golden> {
    match of {
        AggregateType::Project => project::goldens(),
        AggregateType::Task => task::goldens(),
        AggregateType::Schedule => schedule::goldens(),
    }
}

fn folder(of: AggregateType) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/events")).join(of.word())
}

/// The event and the version in a file's name.
fn event_and_version(name: &str) -> (&str, &str) {
    let mut parts = name.split('.');
    (parts.next().expect("a first part"), parts.next().expect("a version"))
}

fn stored(of: AggregateType, name: &str, event: &Event) -> String {
    let file = folder(of).join(format!("{name}.json"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; should it hold this?\n{}", file.display(), event.encode()))
}

#[test]
fn every_golden_loads_as_the_event_it_stands_for() {
    for of in AggregateType::ALL {
        for (name, event) in goldens(of) {
            let (event_type, event_version) = event_and_version(name);
            let text = stored(of, name, &event);
            let parsed = serde_json::from_str(&text).expect("a golden is JSON");
            assert_eq!(Event::decode_value(of.word(), event_type, event_version, parsed), Ok(event.clone()), "{name}");
            assert_eq!(Event::decode(of.word(), event_type, event_version, &text), Ok(event), "{name}");
        }
    }
}

#[test]
fn every_event_is_stored_as_its_golden() {
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("a golden is JSON");
    for of in AggregateType::ALL {
        for (name, event) in goldens(of) {
            if event_and_version(name).1 == event.version().to_string() {
                assert_eq!(json(&event.encode()), json(&stored(of, name, &event)), "{name}");
            }
        }
    }
}

#[test]
fn every_event_has_a_golden_and_every_golden_an_event() {
    for of in AggregateType::ALL {
        let expected = goldens(of);
        let newest = expected.iter().filter(|(name, event)| *name == format!("{}.{}", event.name(), event.version()));
        let covered = newest.map(|(_, event)| event.name()).collect::<BTreeSet<_>>();
        assert_eq!(covered, of.event_names().iter().copied().collect(), "goldens of {}", of.word());

        let files = fs::read_dir(folder(of)).expect("a folder for each aggregate").map(|file| file.expect("a file").file_name());
        let files = files.map(|name| name.into_string().expect("a name in UTF-8")).collect::<BTreeSet<_>>();
        assert_eq!(files, expected.iter().map(|(name, _)| format!("{name}.json")).collect(), "files of {}", of.word());
    }
    let beside = fs::read_dir(folder(AggregateType::Task).join("..")).expect("the folder of goldens").map(|file| file.expect("a file"));
    let folders = beside.filter(|file| file.path().is_dir()).count();
    assert_eq!(folders, AggregateType::ALL.len(), "a folder of goldens without an aggregate");
}

/// The log puts the drawn number right behind these words, without reading the rest.
#[test]
fn a_number_to_be_drawn_is_stored_first() {
    for (name, event) in AggregateType::ALL.into_iter().flat_map(goldens) {
        let begins = format!(r#"{{"{}":{{"number":"#, event.name());
        let undrawn = event.clone().with_drawn(0);
        match event.draw() {
            Some(_) => {
                let undrawn = undrawn.encode();
                assert!(undrawn.starts_with(&format!("{begins}0,")), "{undrawn}");
                let drawn = undrawn.replacen(&format!("{begins}0,"), &format!("{begins}4711,"), 1);
                assert_eq!(drawn, event.with_drawn(4_711).encode());
            }
            None => {
                assert_eq!(undrawn, event);
                assert!(!event.encode().starts_with(&begins), "{name}");
            }
        }
    }
}

#[test]
fn a_number_is_drawn_in_the_project_that_the_task_is_then_in() {
    for (name, event) in AggregateType::ALL.into_iter().flat_map(goldens) {
        let drawn_in = match event.name() {
            "task_created" => Some(PROJECT),
            "task_moved" => Some(OTHER_PROJECT),
            _ => None,
        };
        assert_eq!(event.draw(), drawn_in, "{name}");
    }
}

/// Every text inside a stored event, with `change` made to one of them at a time: the name of the golden, and the event.
fn with_each_text(change: impl Fn(&str) -> Option<String>) -> Vec<(AggregateType, &'static str, Value)> {
    fn places(value: &Value, place: String, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| places(value, format!("{place}/{name}"), into)),
            Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| places(value, format!("{place}/{n}"), into)),
            Value::String(_) => into.push(place),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut changed = vec![];
    for of in AggregateType::ALL {
        for (name, event) in goldens(of) {
            let golden: Value = serde_json::from_str(&stored(of, name, &event)).expect("a golden is JSON");
            let mut found = vec![];
            places(&golden, String::new(), &mut found);
            for place in found {
                let mut other = golden.clone();
                let text = other.pointer_mut(&place).expect("the place was found there");
                if let Some(new) = text.as_str().and_then(&change) {
                    *text = Value::String(new);
                    changed.push((of, name, other));
                }
            }
        }
    }
    changed
}

fn decoded(of: AggregateType, name: &str, payload: &Value) -> Result<Event, DecodeError> {
    let (event_type, event_version) = event_and_version(name);
    Event::decode(of.word(), event_type, event_version, &payload.to_string())
}

/// Also a field of an event to come, which has a golden.
#[test]
fn no_event_holds_a_second_60_whatever_was_stored() {
    let second_60 = |text: &str| text.parse::<Instant>().is_ok().then(|| format!("{}:60.5Z", &text[..16]));
    let changed = with_each_text(second_60);
    assert!(changed.len() > 20, "goldens have instants");
    for (of, name, payload) in changed {
        let event = decoded(of, name, &payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!event.encode().contains(":60"), "{name}: {payload}");
    }
}

/// Rules about texts get tighter; what was recorded under others must be read for ever.
#[test]
fn a_stored_text_is_read_whatever_it_holds() {
    let strange = format!(" \u{200b}\r\n\u{202e}\0{}", "x".repeat(100_000));
    let is_a_text = |(of, name, payload): &(AggregateType, &'static str, Value)| decoded(*of, name, payload).is_ok();
    let places = |change: &str| with_each_text(|_| Some(change.to_owned()));
    let texts: Vec<_> = places("some words").iter().map(is_a_text).zip(places(&strange)).filter(|(text, _)| *text).collect();
    assert!(texts.len() > 20, "goldens have texts");
    for (_, (of, name, payload)) in texts {
        decoded(of, name, &payload).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

// Values that several goldens show.

/// The end of a day in Zurich.
fn end_of_march() -> Due {
    Due { at: instant("2031-03-31T22:00:00Z"), date: Some(day("2031-03-31")), time_zone: Tz::Europe__Zurich }
}

/// An instant.
fn noon_in_april() -> Due {
    Due { at: instant("2031-04-15T10:00:00.500Z"), date: None, time_zone: Tz::UTC }
}

fn three_days_ahead() -> ResolvedThreshold {
    ResolvedThreshold { amount: 3, unit: ThresholdUnit::Days, at: instant("2031-03-28T23:00:00Z") }
}

fn six_hours_ahead() -> ResolvedThreshold {
    ResolvedThreshold { amount: 6, unit: ThresholdUnit::Hours, at: instant("2031-03-31T16:00:00Z") }
}

fn half_an_hour_ahead() -> ResolvedThreshold {
    ResolvedThreshold { amount: 30, unit: ThresholdUnit::Minutes, at: instant("2031-03-31T21:30:00Z") }
}
