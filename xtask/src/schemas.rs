//! What outsiders rely on, written from the code, committed, and compared: the GraphQL schema, the messages on Kafka,
//! the lines of an import, and the lists of settings, metrics and error codes.

use anyhow::{Context, Result};
use application::command::Command;
use application::import::ImportLine;
use infrastructure::config::{Kind, SETTINGS};
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::postgres::CONNECTIONS_BESIDE_POOLS;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Files by their place in the workspace.
pub(crate) type Files = BTreeMap<String, String>;

/// Everything as the code has it.
pub(crate) fn generate(root: &Path) -> Result<Files> {
    let mut files = Files::new();
    files.insert("schemas/graphql/schema.graphql".to_owned(), api::graphql::sdl());
    let (envelope, data) = messages::schemas();
    files.insert("schemas/kafka/envelope.json".to_owned(), pretty(&envelope));
    for (event, schema) in &data {
        files.insert(format!("schemas/kafka/data/{event}.json"), pretty(schema));
    }
    files.insert("schemas/kafka/asyncapi.json".to_owned(), pretty(&asyncapi(&envelope, &data)?));
    files.insert("schemas/import/line.json".to_owned(), pretty(&Value::from(schemars::schema_for!(ImportLine))));
    files.insert("schemas/import/command.json".to_owned(), pretty(&Value::from(schemars::schema_for!(Command))));
    files.insert("docs/CONFIGURATION.md".to_owned(), configuration());
    files.insert("docs/EVENTS.md".to_owned(), crate::events::page(root, &data)?);
    files.insert("docs/METRICS.md".to_owned(), metrics(root)?);
    files.insert("docs/ERRORS.md".to_owned(), errors());
    Ok(files)
}

/// Files that differ from what is committed.
pub(crate) fn compare(root: &Path, files: &Files) -> Result<Vec<String>> {
    let mut found = vec![];
    for (name, text) in files {
        match std::fs::read_to_string(root.join(name)) {
            Ok(committed) if committed == *text => {}
            Ok(committed) => found.push(format!(
                "{name} is out of date ({}); run `cargo xtask schemas --write` and look at the difference",
                first_difference(&committed, text)
            )),
            Err(_) => found.push(format!("{name} is missing; run `cargo xtask schemas --write`")),
        }
    }
    for folder in ["schemas/kafka/data"] {
        for entry in std::fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
            let name = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if !files.contains_key(&name) {
                found.push(format!("{name} is of nothing; remove it"));
            }
        }
    }
    Ok(found)
}

/// Writes all files.
pub(crate) fn write(root: &Path, files: &Files) -> Result<()> {
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("files are in folders"))?;
        std::fs::write(&path, text).with_context(|| name.clone())?;
    }
    Ok(())
}

fn first_difference(committed: &str, generated: &str) -> String {
    let lines = committed.lines().zip(generated.lines()).enumerate();
    let different = lines.into_iter().find(|(_, (a, b))| a != b).map(|(number, _)| number + 1);
    format!("line {}", different.unwrap_or_else(|| committed.lines().count().min(generated.lines().count()) + 1))
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).expect("a value"))
}

/// The topics and their messages, in AsyncAPI 3.1.
fn asyncapi(envelope: &Value, data: &[(&'static str, Value)]) -> Result<Value> {
    let catalogue = Catalogue::read("")?;
    let (mut channels, mut operations, mut messages) = (json!({}), json!({}), json!({}));
    for (event, schema) in data {
        let mut payload = envelope.clone();
        payload["properties"]["event_type"] = json!({ "const": event });
        payload["properties"]["data"] = inlined(schema);
        messages[event] = json!({
            "name": event,
            "contentType": "application/json",
            "headers": headers(),
            "payload": payload,
            "bindings": { "kafka": { "key": { "type": "string", "format": "uuid", "description": "The id of the aggregate, as plain text." } } },
        });
    }
    for topic in &catalogue.topics {
        let of_topic: serde_json::Map<String, Value> =
            topic.events.iter().map(|event| (event.clone(), json!({ "$ref": format!("#/components/messages/{event}") }))).collect();
        channels[&topic.name] = json!({
            "address": topic.name,
            "description": "Ordered by key. Each event is here once, for consumers that read with isolation.level=read_committed; Java consumers default to read_uncommitted and would see records of aborted transactions too.",
            "messages": of_topic,
            "bindings": { "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": { "cleanup.policy": ["delete"], "retention.ms": topic.retention_ms },
            } },
        });
        let references: Vec<Value> =
            topic.events.iter().map(|event| json!({ "$ref": format!("#/channels/{}/messages/{event}", topic.name) })).collect();
        operations[format!("send-{}", topic.name)] =
            json!({ "action": "send", "channel": { "$ref": format!("#/channels/{}", topic.name) }, "messages": references });
    }
    Ok(json!({
        "asyncapi": "3.1.0",
        "info": { "title": "Milepost events", "version": "1", "description": "Everything that happens to projects, tasks and schedules, once and in order." },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    }))
}

/// A schema without references to definitions beside it, since it is to stand inside another one.
pub(crate) fn inlined(schema: &Value) -> Value {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    let mut inlined = schema.clone();
    if let Some(object) = inlined.as_object_mut() {
        object.remove("$defs");
        object.remove("$schema");
    }
    resolve(&mut inlined, &definitions);
    inlined
}

fn resolve(value: &mut Value, definitions: &Value) {
    if let Some(name) = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix("#/$defs/")) {
        *value = definitions[name].clone();
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(|value| resolve(value, definitions)),
        Value::Array(items) => items.iter_mut().for_each(|value| resolve(value, definitions)),
        _ => {}
    }
}

fn headers() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({ "type": "object", "properties": {
        "content-type": text("`application/json`."),
        "ce_specversion": text("CloudEvents 1.0."),
        "ce_id": text("The event's id."),
        "ce_source": text("`milepost`."),
        "ce_type": text("What happened, such as `task_created`."),
        "ce_subject": text("The id of the aggregate."),
        "ce_time": text("When it happened, RFC 3339."),
        "ce_sequence": text("The position, in twenty digits."),
        "traceparent": text("The W3C trace context of the command, if it had one."),
    } })
}

pub(crate) fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(headings.iter().map(|&heading| heading.to_owned()).collect());
    text.push_str(&format!("|{}\n", "---|".repeat(headings.len())));
    rows.for_each(|row| text.push_str(&line(row)));
    text
}

fn configuration() -> String {
    let rows = SETTINGS.iter().map(|setting| {
        let default = match (setting.default, setting.kind) {
            ("", _) => "–".to_owned(),
            (default, _) => format!("`{default}`"),
        };
        let secret = if setting.kind == Kind::Secret {
            format!(" Secret: `{}_FILE` names a file to read it from.", setting.env)
        } else {
            String::new()
        };
        vec![format!("`{}`", setting.env), format!("`{}`", setting.key), default, format!("{}{secret}", setting.about)]
    });
    format!(
        "# Settings\n\n\
         Made by `cargo xtask schemas --write` from `infrastructure/src/config.rs`; do not edit.\n\n\
         The value of a setting is that of its flag, else of its environment variable, else of the TOML file that\n\
         `MILEPOST_CONFIG` names, else the default. `milepost config show` prints every value and its source;\n\
         `milepost config check` checks them. A dot in a key separates tables of the file: `kafka.acks` is `acks` under\n\
         `[kafka]`.\n\n{}\n\
         A node opens at most {CONNECTIONS_BESIDE_POOLS} connections to PostgreSQL besides those of `pools.worker` and `pools.service`: for read\n\
         models, leases, health checks, appends, notifications, and trial appends. `max_connections` of PostgreSQL must allow\n\
         those of all nodes, and those of admin commands, each of which opens at most as many.\n",
        table(&["Variable", "Key in the file", "Default", "What it is"], rows)
    )
}

fn metrics(root: &Path) -> Result<String> {
    let used = crate::tidy::metric_names(root)?;
    let rows = server::telemetry::METRICS
        .iter()
        .map(|metric| vec![format!("`{}`", metric.name), metric.kind.to_owned(), metric.labels.to_owned(), metric.help.to_owned()]);
    let listed: Vec<&str> = server::telemetry::METRICS.iter().map(|metric| metric.name).collect();
    for name in &used {
        anyhow::ensure!(listed.contains(&name.as_str()), "the metric {name} is not in server/src/telemetry.rs");
    }
    for name in listed {
        anyhow::ensure!(used.contains(name), "the metric {name} of server/src/telemetry.rs is emitted nowhere");
    }
    Ok(format!(
        "# Metrics\n\n\
         Made by `cargo xtask schemas --write` from `server/src/telemetry.rs`; do not edit.\n\
         `/metrics` serves them in the format of Prometheus.\n\n{}",
        table(&["Name", "Kind", "Labels", "What it says"], rows)
    ))
}

fn errors() -> String {
    let row = |(code, about): &(&str, &str)| vec![format!("`{code}`"), (*about).to_owned()];
    format!(
        "# Codes of errors and refusals\n\n\
         Made by `cargo xtask schemas --write`; do not edit.\n\n\
         ## Refusals by rules: `userErrors`\n\n\
         The mutation was valid and was refused. `path` points into `input`. The list is closed: a new code is a new version of\n\
         this page.\n\n{}\n\
         ## Errors: `errors[].extensions.code`\n\n{}",
        table(&["Code", "Meaning"], domain::rule::CODES.iter().map(row)),
        table(&["Code", "Meaning"], api::graphql::CODES.iter().map(row)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_the_code_has() {
        let root = crate::root();
        assert_eq!(compare(&root, &generate(&root).expect("generated")).expect("compared"), Vec::<String>::new());
    }

    #[test]
    fn a_changed_a_missing_and_a_left_over_file_are_found() {
        let root = crate::root();
        let mut files = generate(&root).expect("generated");
        files.get_mut("schemas/graphql/schema.graphql").expect("the schema").push_str("type Planted { field: Int }\n");
        files.insert("schemas/planted.json".to_owned(), String::new());
        files.remove("schemas/kafka/data/task_created.json");
        let found = compare(&root, &files).expect("compared");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("schemas/graphql/schema.graphql is out of date"), "{found:?}");
        assert!(found[1].starts_with("schemas/planted.json is missing"), "{found:?}");
        assert!(found[2].starts_with("schemas/kafka/data/task_created.json is of nothing"), "{found:?}");
    }

    #[test]
    fn the_messages_of_asyncapi_refer_to_nothing_outside() {
        let (envelope, data) = messages::schemas();
        let text = asyncapi(&envelope, &data).expect("made").to_string();
        assert!(!text.contains("$defs"), "a definition was left behind");
    }

    #[test]
    fn every_file_can_be_read_again() {
        for (name, text) in generate(&crate::root()).expect("generated") {
            if name.ends_with(".json") {
                serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            assert!(text.ends_with('\n'), "{name} ends without a line break");
        }
    }
}
