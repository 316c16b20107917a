//! The JSON Schema of a line says what the binary takes: no more, no less.

use super::story::{WORKSPACE, every_command, file_of, line};
use super::{Folder, done, json, milepost};
use application::command::Command;
use chrono::DateTime;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::database::TestDatabase;
use tests::servers::workspace;
use uuid::Uuid;

fn schema(name: &str) -> Value {
    json(&std::fs::read_to_string(workspace().join("schemas/import").join(name)).expect("the schema is committed"))
}

/// Whether a value is valid by as much of JSON Schema as our schemas use. Anything else in a schema is a panic.
fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Some(rules) = schema.as_object() else { return schema == &json!(true) };
    rules.iter().all(|(rule, what)| match rule.as_str() {
        "$schema" | "$defs" | "title" | "description" | "writeOnly" | "default" => true,
        "$ref" => {
            let name = what.as_str().and_then(|path| path.strip_prefix("#/$defs/")).expect("a definition of the same file");
            valid(root, &root["$defs"][name], value)
        }
        "const" => value == what,
        "enum" => what.as_array().expect("values").contains(value),
        "oneOf" => what.as_array().expect("schemas").iter().filter(|one| valid(root, one, value)).count() == 1,
        "anyOf" => what.as_array().expect("schemas").iter().any(|one| valid(root, one, value)),
        "type" => match what.as_array() {
            Some(types) => types.iter().any(|one| is_of(one, value)),
            None => is_of(what, value),
        },
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| valid(root, what, item))),
        "required" => value.as_object().is_none_or(|object| {
            let names = what.as_array().expect("names").iter();
            names.map(|name| name.as_str().expect("a name")).all(|name| object.contains_key(name))
        }),
        "properties" => value.as_object().is_none_or(|object| {
            let known = object.iter().filter_map(|(name, value)| Some((what.get(name)?, value)));
            known.into_iter().all(|(schema, value)| valid(root, schema, value))
        }),
        "additionalProperties" => {
            assert_eq!(what, &json!(false));
            value.as_object().is_none_or(|object| object.keys().all(|name| schema["properties"].get(name).is_some()))
        }
        "format" => value.as_str().is_none_or(|text| match what.as_str().expect("a format") {
            "uuid" => text.parse::<Uuid>().is_ok(),
            "date" => text.parse::<chrono::NaiveDate>().is_ok(),
            // Of numbers, which a text is not.
            "int64" => true,
            "date-time" => DateTime::parse_from_rfc3339(text).is_ok(),
            other => panic!("no format {other} is known here"),
        }),
        other => panic!("the rule {other} is not known here"),
    })
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type {other} is known here"),
    }
}

/// By both schemas: that of the line, and that of the command in it.
fn by_schema(line: &Value) -> bool {
    let (envelope, command) = (schema("line.json"), schema("command.json"));
    valid(&envelope, &envelope, line) && valid(&command, &command, &json!({ "command": line["command"], "input": line["input"] }))
}

#[test]
fn the_schema_and_the_story_know_every_command() {
    let command = schema("command.json");
    let variants = command["oneOf"].as_array().expect("one of the commands").iter();
    let in_schema: BTreeSet<_> = variants.map(|variant| variant["properties"]["command"]["const"].as_str().expect("a name")).collect();
    assert_eq!(in_schema, Command::NAMES.iter().copied().collect());
    let story = every_command();
    let told: BTreeSet<_> = story.iter().map(|line| line["command"].as_str().expect("a name")).collect();
    assert_eq!(told, in_schema);
    for line in &story {
        assert!(by_schema(line), "{line}");
    }
}

/// Lines, each wrong in one way that a schema can tell.
fn wrong() -> Vec<Value> {
    let (id, due) = (Uuid::now_v7(), json!({ "date": "2031-05-01" }));
    let task = |more: Value| {
        let mut input = json!({ "projectId": id, "title": "A task" });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        line("taskCreate", input)
    };
    let mut lines = vec![
        line("taskCreat", json!({ "projectId": id, "title": "A task" })),
        line("taskCreate", json!({ "projectId": id })),
        task(json!({ "titel": "x" })),
        task(json!({ "priority": "URGENT" })),
        task(json!({ "tags": "one" })),
        task(json!({ "assigneeIds": ["me"] })),
        task(json!({ "estimateMinutes": "90" })),
        task(json!({ "estimateMinutes": 1.5 })),
        task(json!({ "due": { "day": "2031-05-01" } })),
        task(json!({ "due": { "date": "2031-13-01" } })),
        task(json!({ "due": { "at": "tomorrow" } })),
        line("scheduleCreate", json!({ "title": "A schedule", "due": due, "thresholds": [{ "amount": 1 }] })),
        line("scheduleCreate", json!({ "title": "A schedule", "due": due, "thresholds": [{ "amount": 1, "unit": "WEEKS" }] })),
    ];
    for (name, value) in [("commandId", json!("mine")), ("actor", json!("me")), ("at", json!("2024-05-01")), ("note", json!("x"))] {
        let mut bad = task(json!({}));
        bad[name] = value;
        lines.push(bad);
    }
    lines
}

#[tokio::test]
async fn what_the_schema_refuses_the_binary_refuses() {
    let lines = wrong();
    for line in &lines {
        assert!(!by_schema(line), "{line}");
    }
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("wrong.ndjson", file_of(&lines));
    let arguments = ["import", &file, "--workspace", WORKSPACE, "--json"];
    milepost(&arguments, &[("DATABASE_URL", &database.url)]).await;
    let written = std::fs::read_to_string(folder.at("wrong.ndjson.rejects.ndjson")).expect("there are rejects");
    let rejects: Vec<Value> = written.lines().map(json).collect();
    let codes: BTreeSet<_> = rejects.iter().map(|reject| reject["code"].as_str().expect("a code")).collect();
    assert_eq!((rejects.len(), codes), (lines.len(), BTreeSet::from(["BAD_USER_INPUT"])), "{written}");
}

#[tokio::test]
async fn null_stands_for_left_out_where_the_schema_says_so() {
    let (database, folder, project) = (TestDatabase::new().await, Folder::new(), Uuid::now_v7());
    let mut create = line("projectCreate", json!({ "id": project, "key": "NULL", "name": "Null", "description": null, "dueOn": null }));
    (create["actor"], create["at"]) = (Value::Null, Value::Null);
    let task =
        json!({ "id": null, "projectId": project, "title": "A task", "due": null, "priority": null, "tags": null, "assigneeIds": null });
    let lines = [create, line("taskCreate", task)];
    for line in &lines {
        assert!(by_schema(line), "{line}");
    }
    let file = folder.file("null.ndjson", file_of(&lines));
    done(milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await);
}
