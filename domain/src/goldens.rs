//! Every stored shape of every event, as files that must load for ever: `schemas/events/<aggregate>/<event>.<version>.json`.
//! Where fields may be absent or empty there is a second file, `….minimal.json`, and where a field has kinds one for each.
//!
//! A golden is only its file: to add an event is to add a file, and nothing here. A golden is never changed. A new shape gets
//! a new version, an upcaster and new files: its own, and for each older file `<event>.<older version>[.<kind>].json` one that
//! says what is made of it, `<event>.<version>.from_<older version>[.<kind>].json`.

use crate::event::{AggregateType, DecodeError, Event};
use crate::values::Instant;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Debug)]
struct Golden {
    of: AggregateType,
    /// Its name without `.json`.
    name: String,
    text: String,
}

fn folder() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/events")).to_owned()
}

fn goldens() -> Vec<Golden> {
    let files = |of: AggregateType| fs::read_dir(folder().join(of.word())).expect("a folder for each aggregate");
    let files = AggregateType::ALL.into_iter().flat_map(|of| files(of).map(move |file| (of, file.expect("a file").path())));
    let goldens = files.map(|(of, path)| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in UTF-8").to_owned();
        Golden { of, name, text: fs::read_to_string(&path).expect("files can be read") }
    });
    goldens.collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a golden is JSON")
}

impl Golden {
    /// The event, its version, and what makes this file differ from others of both.
    fn parts(&self) -> (&str, &str, Option<&str>) {
        let mut parts = self.name.splitn(3, '.');
        (parts.next().expect("an event"), parts.next().expect("a version"), parts.next())
    }

    fn decode(&self, payload: &str) -> Result<Event, DecodeError> {
        let (event_type, event_version, _) = self.parts();
        Event::decode(self.of.word(), event_type, event_version, payload)
    }

    fn event(&self) -> Event {
        self.decode(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn is_newest(&self) -> bool {
        let (event_type, event_version, _) = self.parts();
        Event::newest_version(event_type).to_string() == event_version
    }
}

#[test]
fn every_golden_is_stored_again_as_it_is() {
    for golden in goldens().iter().filter(|golden| golden.is_newest()) {
        assert_eq!(json(&golden.event().encode()), json(&golden.text), "{}", golden.name);
    }
}

#[test]
fn every_older_golden_becomes_what_a_file_says() {
    let all = goldens();
    for golden in all.iter().filter(|golden| !golden.is_newest()) {
        let (event_type, event_version, kind) = golden.parts();
        let kind = kind.map_or_else(String::new, |kind| format!(".{kind}"));
        let name = format!("{event_type}.{}.from_{event_version}{kind}", Event::newest_version(event_type));
        let becomes = golden.event().encode();
        let file =
            all.iter().find(|golden| golden.name == name).unwrap_or_else(|| panic!("no file {name}; should it hold this?\n{becomes}"));
        assert_eq!(json(&becomes), json(&file.text), "{} as {name}", golden.name);
    }
}

/// The stock loader reads by a parsed value, everything else by the text.
#[test]
fn every_golden_is_read_the_same_from_text_and_from_a_value() {
    for golden in goldens() {
        let (event_type, event_version, _) = golden.parts();
        let read = Event::decode_value(golden.of.word(), event_type, event_version, json(&golden.text));
        assert_eq!(read, Ok(golden.event()), "{}", golden.name);
    }
}

#[test]
fn every_event_has_a_golden_in_its_newest_version() {
    let all = goldens();
    for of in AggregateType::ALL {
        for name in of.event_names() {
            let file = format!("{name}.{}", Event::newest_version(name));
            let found = all.iter().any(|golden| golden.of == of && golden.name == file);
            assert!(found, "schemas/events/{}/{file}.json is missing: the event as `encode` writes it", of.word());
        }
    }
    let folders = fs::read_dir(folder()).expect("the folder of goldens").map(|file| file.expect("a file").path());
    let folders: BTreeSet<_> = folders.filter(|path| path.is_dir()).filter_map(|path| Some(path.file_name()?.to_owned())).collect();
    assert_eq!(folders, AggregateType::ALL.into_iter().map(|of| of.word().into()).collect(), "a folder of goldens without an aggregate");
}

/// The log puts the drawn number right behind these words, without reading the rest.
#[test]
fn a_number_to_be_drawn_is_stored_first() {
    for golden in goldens() {
        let event = golden.event();
        let starts = format!(r#"{{"{}":{{"number":"#, event.name());
        let undrawn = event.clone().with_drawn(0);
        match event.draw() {
            Some(_) => {
                let undrawn = undrawn.encode();
                assert!(undrawn.starts_with(&format!("{starts}0,")), "{undrawn}");
                let drawn = undrawn.replacen(&format!("{starts}0,"), &format!("{starts}4711,"), 1);
                assert_eq!(drawn, event.with_drawn(4_711).encode());
            }
            None => {
                assert_eq!(undrawn, event);
                assert!(!event.encode().starts_with(&starts), "{}", golden.name);
            }
        }
    }
}

#[test]
fn a_number_is_drawn_in_the_project_that_the_task_is_then_in() {
    for golden in goldens() {
        let (event, draws) = (golden.event(), ["task_created", "task_moved"].contains(&golden.parts().0));
        let project = &json(&golden.text)[event.name()]["project_id"];
        let drawn_in = draws.then(|| project.as_str().expect("the project of the task").to_owned());
        assert_eq!(event.draw().map(|project| project.to_string()), drawn_in, "{}", golden.name);
    }
}

/// Every golden with `change` made to one of its texts at a time.
fn with_each_text(change: impl Fn(&str) -> Option<String>) -> Vec<Golden> {
    fn places(value: &Value, place: String, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| places(value, format!("{place}/{name}"), into)),
            Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| places(value, format!("{place}/{n}"), into)),
            Value::String(_) => into.push(place),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut changed = vec![];
    for golden in goldens() {
        let (value, mut found) = (json(&golden.text), vec![]);
        places(&value, String::new(), &mut found);
        for place in found {
            let mut other = value.clone();
            let text = other.pointer_mut(&place).expect("the place was found there");
            if let Some(new) = text.as_str().and_then(&change) {
                *text = Value::String(new);
                changed.push(Golden { of: golden.of, name: golden.name.clone(), text: other.to_string() });
            }
        }
    }
    changed
}

/// Also a field of an event to come, which has a golden.
#[test]
fn no_event_holds_a_second_60_whatever_was_stored() {
    let second_60 = |text: &str| text.parse::<Instant>().is_ok().then(|| format!("{}:60.5Z", &text[..16]));
    let changed = with_each_text(second_60);
    assert!(changed.len() > 20, "goldens have instants");
    for golden in changed {
        assert!(!golden.event().encode().contains(":60"), "{}: {}", golden.name, golden.text);
    }
}

/// Rules about texts get tighter; what was recorded under others must be read for ever.
#[test]
fn a_stored_text_is_read_whatever_it_holds() {
    let strange = format!(" \u{200b}\r\n\u{202e}\0{}", "x".repeat(100_000));
    let places = |change: &str| with_each_text(|_| Some(change.to_owned()));
    let is_a_text = |golden: Golden| golden.decode(&golden.text).is_ok();
    let texts: Vec<_> = places("some words").into_iter().map(is_a_text).zip(places(&strange)).filter(|(text, _)| *text).collect();
    assert!(texts.len() > 20, "goldens have texts");
    for (_, golden) in texts {
        golden.event();
    }
}
