//! Every text that a caller can send, in one table: a field that is missing here is found in the schema of the inputs.

use super::*;
use schemars::schema_for;
use std::collections::BTreeSet;

/// What a text may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// One line of something.
    Line,
    /// Many lines; whether they may show nothing.
    Long { may_be_blank: bool },
    /// A word with a grammar of its own.
    Word,
}
use Kind::{Line, Long, Word};

/// The command, where the text is in its input, and what it may be.
const TEXTS: &[(&str, &str, Kind)] = &[
    ("projectCreate", "key", Word),
    ("projectCreate", "name", Line),
    ("projectCreate", "description", Long { may_be_blank: true }),
    ("projectCreate", "timeZone", Word),
    ("projectUpdate", "name", Line),
    ("projectUpdate", "description", Long { may_be_blank: true }),
    ("projectUpdate", "timeZone", Word),
    ("taskCreate", "title", Line),
    ("taskCreate", "description", Long { may_be_blank: true }),
    ("taskCreate", "category", Line),
    ("taskCreate", "tags.0", Line),
    ("taskCreate", "due.timeZone", Word),
    ("taskUpdate", "title", Line),
    ("taskUpdate", "description", Long { may_be_blank: true }),
    ("taskUpdate", "category", Line),
    ("taskUpdate", "tags.0", Line),
    ("taskChangeStatus", "blockedReason", Line),
    ("taskSetDue", "due.timeZone", Word),
    ("taskComment", "body", Long { may_be_blank: false }),
    ("scheduleCreate", "title", Line),
    ("scheduleCreate", "due.timeZone", Word),
    ("scheduleUpdate", "title", Line),
    ("scheduleReschedule", "due.timeZone", Word),
];

/// The places of free texts in a schema.
fn free_texts(schema: &Value, root: &Value, place: &str, into: &mut BTreeSet<String>) {
    let of_type = |kind: &str| schema["type"] == kind || schema["type"].as_array().is_some_and(|types| types.contains(&json!(kind)));
    let step = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    if let Some(reference) = schema["$ref"].as_str() {
        free_texts(&root["$defs"][reference.trim_start_matches("#/$defs/")], root, place, into);
    }
    schema["anyOf"].as_array().into_iter().flatten().for_each(|one| free_texts(one, root, place, into));
    schema["properties"].as_object().into_iter().flatten().for_each(|(name, field)| free_texts(field, root, &step(name), into));
    if of_type("array") {
        free_texts(&schema["items"], root, &step("0"), into);
    }
    if of_type("string") && schema["format"].is_null() && schema["enum"].is_null() {
        into.insert(place.to_owned());
    }
}

#[test]
fn the_table_has_every_text_that_a_caller_can_send() {
    let schema = schema_for!(Command).to_value();
    let mut found = BTreeSet::new();
    for command in schema["oneOf"].as_array().expect("one of the commands") {
        let name = command["properties"]["command"]["const"].as_str().expect("a name");
        let mut places = BTreeSet::new();
        free_texts(&command["properties"]["input"], &schema, "", &mut places);
        found.extend(places.into_iter().map(|place| format!("{name} {place}")));
    }
    assert_eq!(found, TEXTS.iter().map(|(command, place, _)| format!("{command} {place}")).collect());
}

/// An input that is right but for the text at a place.
fn with(command: &str, place: &str, text: &str) -> Value {
    let due = json!({ "date": "2031-03-01" });
    let mut input = match command {
        "projectCreate" => json!({ "key": "KEY", "name": "A project" }),
        "taskCreate" => json!({ "projectId": TASK, "title": "A task" }),
        "taskChangeStatus" => json!({ "id": TASK, "status": "BLOCKED" }),
        "scheduleCreate" => json!({ "title": "A milestone", "due": due }),
        _ => json!({ "id": TASK }),
    };
    match place.split_once('.') {
        Some(("tags", _)) => input["tags"] = json!([text]),
        Some((due_field, field)) => {
            input[due_field] = due;
            input[due_field][field] = json!(text);
        }
        None => input[place] = json!(text),
    }
    input
}

/// What is wrong with a text at a place: code, path and message.
fn refusal(command: &str, place: &str, text: &str) -> Option<(&'static str, String, String)> {
    let refusals = read(command, with(command, place, text)).expect("it reads").check(&Counting::from(1)).err()?;
    let [refusal] = &refusals[..] else { panic!("one refusal: {refusals:?}") };
    Some((refusal.code, refusal.path.join("."), refusal.message.clone()))
}

#[test]
fn every_text_is_refused_by_the_same_rules_and_the_refusal_names_the_field_and_the_character() {
    let all = ['\0', '\u{7}', '\u{1b}', '\u{7f}', '\u{84}', '\u{9f}'];
    let in_lines = ['\n', '\t', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'];
    for &(command, place, kind) in TEXTS {
        let refused = |text: &str| {
            let (code, path, message) = refusal(command, place, text).unwrap_or_else(|| panic!("{command} {place} took {text:?}"));
            assert_eq!((code, path.as_str()), ("INVALID_VALUE", place), "{command} {text:?}");
            message
        };
        let names = |bad: char| assert!(refused(&format!("a{bad}b")).contains(&format!("U+{:04X}", u32::from(bad))), "{command} {place}");
        match kind {
            Line => all.into_iter().chain(in_lines).for_each(names),
            Long { .. } => all.into_iter().for_each(names),
            Word => all.into_iter().chain(in_lines).for_each(|bad| drop(refused(&format!("a{bad}b")))),
        }
        if kind != (Long { may_be_blank: true }) {
            for blank in ["", " ", "\u{200b}", "\u{feff}", "\u{ad}", "\u{2060}", "\u{2800}", "\u{3164}", "\u{301}"] {
                refused(blank);
            }
        }
        if matches!(kind, Long { .. }) {
            assert_eq!(refusal(command, place, "a\r\nb\n\tc\u{2028}d\u{202e}e"), None, "{command} {place}");
        }
        if kind != Word {
            assert_eq!(refusal(command, place, "Cafe\u{301} \u{200f}שלום 👩\u{200d}💻"), None, "{command} {place}");
        }
    }
}
