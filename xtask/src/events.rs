//! `docs/EVENTS.md`: every event as it is published, from the schemas of messages and the records that their tests compare.

use crate::schemas::{inlined, table};
use anyhow::{Context, Result};
use domain::event::{AggregateType, Event};
use serde_json::Value;
use std::path::Path;

/// The page. `data` has the schema of each event's message.
pub(crate) fn page(root: &Path, data: &[(&'static str, Value)]) -> Result<String> {
    let mut page = "# Events\n\n\
        Made by `cargo xtask schemas --write` from `messages/` and `schemas/kafka/records/`; do not edit.\n\n\
        The data of each event: `data` of a record on Kafka ([CONSUMING](CONSUMING.md) describes the envelope), `Event.data` in\n\
        GraphQL, and `data` of `milepost events tail --json`. The three are the same. An instant is RFC 3339 in UTC with\n\
        milliseconds, a date is `YYYY-MM-DD`. Fields may be added without notice; any other change raises the version.\n"
        .to_owned();
    for aggregate in AggregateType::ALL {
        page.push_str(&format!("\n## Events of a {}\n", aggregate.word()));
        for name in aggregate.event_names() {
            let (_, schema) = data.iter().find(|(event, _)| event == name).with_context(|| format!("{name} has no message"))?;
            page.push_str(&section(root, name, &inlined(schema))?);
        }
    }
    Ok(page)
}

fn section(root: &Path, name: &str, schema: &Value) -> Result<String> {
    let version = Event::newest_version(name);
    let file = format!("schemas/kafka/records/{name}.{version}.json");
    let record = std::fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
    let record: Value = serde_json::from_str(&record).with_context(|| file.clone())?;
    let example = serde_json::to_string_pretty(&record["value"]["data"])?;
    let mut rows = vec![];
    fields(schema, "", &mut rows);
    // What is said of the type behind its name.
    let about = schema["description"].as_str().and_then(|about| about.split_once(": ")).map_or("", |(_, about)| about);
    let about = if about.is_empty() { String::new() } else { format!(" Published {about}") };
    Ok(format!(
        "\n### `{name}`\n\nVersion {version}, on `{}`.{about}\n\n{}\n```json\n{example}\n```\n",
        record["topic"].as_str().unwrap_or_default(),
        table(&["Field", "Type", "What it is"], rows.into_iter())
    ))
}

/// A row for each field of an object, and below it for each of an object in it.
fn fields(object: &Value, place: &str, rows: &mut Vec<Vec<String>>) {
    for (name, schema) in object["properties"].as_object().into_iter().flatten() {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let about = schema["description"].as_str().unwrap_or_default();
        rows.push(vec![format!("`{place}`"), type_of(schema), about.replace('\n', " ")]);
        let (schema, _) = without_null(schema);
        let inner = if is_change(schema) { &schema["properties"]["from"] } else { schema };
        let (inner, place) = if is_change(schema) { (inner, format!("{place}.from")) } else { (inner, place) };
        match inner.get("items") {
            Some(items) => fields(items, &format!("{place}[]"), rows),
            None => fields(inner, &place, rows),
        }
    }
}

/// What a value is, in words.
fn type_of(schema: &Value) -> String {
    let (schema, nullable) = without_null(schema);
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    if is_change(schema) {
        // Absent where it did not change, and never null.
        return format!("`from` and `to`, each {}", type_of(&schema["properties"]["from"]));
    }
    let words = match (kind, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", type_of(&schema["items"])),
        ("string", Some("uuid")) => "UUID".to_owned(),
        ("string", Some("date-time")) => "moment".to_owned(),
        ("string", Some("date")) => "day".to_owned(),
        ("string", _) => "text".to_owned(),
        (other, _) => other.to_owned(),
    };
    if nullable { format!("{words} or null") } else { words }
}

/// A schema without the choice of null, and whether it had that choice.
fn without_null(schema: &Value) -> (&Value, bool) {
    let null = Value::from("null");
    match (schema["anyOf"].as_array(), schema["type"].as_array()) {
        (Some(choices), _) => (choices.iter().find(|choice| choice["type"] != null).unwrap_or(schema), true),
        (None, Some(types)) => (schema, types.contains(&null)),
        (None, None) => (schema, false),
    }
}

/// Whether it is what a field was and became.
fn is_change(schema: &Value) -> bool {
    let names = |fields: &serde_json::Map<String, Value>| fields.keys().eq(["from", "to"]);
    schema["properties"].as_object().is_some_and(names) && schema["description"] == "What a field was and became."
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_type_is_said_in_words() {
        for (schema, words) in [
            (json!({ "type": "string", "format": "uuid" }), "UUID"),
            (json!({ "type": ["string", "null"] }), "text or null"),
            (json!({ "type": "array", "items": { "type": "string", "format": "date-time" } }), "list of moment"),
            (json!({ "anyOf": [{ "type": "object" }, { "type": "null" }] }), "object or null"),
        ] {
            assert_eq!(type_of(&schema), words, "{schema}");
        }
    }

    #[test]
    fn an_event_without_a_message_is_found() {
        let error = page(&crate::root(), &[]).expect_err("there are no messages");
        assert_eq!(error.to_string(), "project_created has no message");
    }
}
