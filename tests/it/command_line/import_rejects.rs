//! Lines that cannot be carried out: each is written down with its number and the reason, and the others go on.

use super::story::{WORKSPACE, file_of, line, project_with_tasks};
use super::{Folder, NO, head, json, milepost};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::database::TestDatabase;
use uuid::Uuid;

/// Imports a file in which some lines are rejected, and gives them by their number.
async fn rejects(content: impl AsRef<[u8]>) -> BTreeMap<u64, Value> {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("story.ndjson", content);
    let output = milepost(&["import", &file, "--workspace", WORKSPACE, "--json"], &[("DATABASE_URL", &database.url)]).await;
    let written = std::fs::read_to_string(folder.at("story.ndjson.rejects.ndjson")).expect("there is a file of rejects");
    let all: Vec<Value> = written.lines().map(json).collect();
    let (summary, count) = (json(&output.stdout), all.len());
    assert_eq!((output.status, &summary["rejected"]), (NO, &json!(count)), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("{count} lines were rejected; see {file}.rejects.ndjson")), "{}", output.stderr);
    assert_eq!(json!(head(&database.pool().await).await), summary["done"], "the other lines were carried out");
    all.into_iter().map(|reject| (reject["line"].as_u64().expect("a line number"), reject)).collect()
}

/// A project, a line that is rejected, and a task: gives what was written about the line.
async fn rejected(bad: &Value) -> Value {
    let mut lines = project_with_tasks("BAD", 1);
    lines.insert(1, bad.clone());
    let mut rejects = rejects(file_of(&lines)).await;
    assert_eq!(rejects.keys().copied().collect::<Vec<_>>(), [2]);
    let reject = rejects.remove(&2).expect("the second line");
    assert_eq!(reject["record"], *bad);
    reject
}

fn assert_says(reject: &Value, code: &str, texts: &[&str]) {
    assert_eq!(reject["code"], code, "{reject}");
    for text in texts {
        assert!(reject["message"].as_str().is_some_and(|message| message.contains(text)), "{text:?} is not in {reject}");
    }
}

#[tokio::test]
async fn a_rejected_line_keeps_its_number_its_id_and_its_record() {
    let project = project_with_tasks("KEY", 0);
    let taken = line("projectCreate", json!({ "key": "KEY", "name": "Another" }));
    let blank = line("taskCreate", json!({ "projectId": project[0]["input"]["id"], "title": "  " }));
    let lost = line("taskComplete", json!({ "id": Uuid::now_v7() }));
    let good = line("taskCreate", json!({ "projectId": project[0]["input"]["id"], "title": "Good" }));
    let rejects = rejects(format!("{}\n\n{taken}\n{blank}\n\n{good}\n{lost}", project[0])).await;
    assert_eq!(rejects.keys().copied().collect::<Vec<_>>(), [3, 4, 7], "empty lines count");
    assert_says(&rejects[&3], "KEY_TAKEN", &["KEY"]);
    assert_says(&rejects[&4], "INVALID_VALUE", &["1 to 200 characters"]);
    assert_says(&rejects[&7], "NOT_FOUND", &[]);
    for (number, sent) in [(3, &taken), (4, &blank), (7, &lost)] {
        assert_eq!((&rejects[&number]["record"], &rejects[&number]["commandId"]), (sent, &sent["commandId"]));
        let names: Vec<_> = rejects[&number].as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, ["code", "commandId", "line", "message", "path", "record", "replayed"]);
    }
}

#[tokio::test]
async fn a_misspelt_name_is_refused_with_the_name_that_was_meant() {
    let id = Uuid::now_v7();
    let task = |input| line("taskUpdate", input);
    let mut plural = task(json!({ "id": id }));
    plural["inputs"] = plural["input"].take();
    plural.as_object_mut().expect("an object").remove("input");
    for (bad, texts) in [
        (line("taskCreat", json!({})), ["unknown variant `taskCreat`", "did you mean `taskCreate`?"]),
        (task(json!({ "id": id, "titel": "x" })), ["unknown field `titel`", "did you mean `title`?"]),
        (plural, ["unknown field `inputs`", "did you mean `input`?"]),
    ] {
        assert_says(&rejected(&bad).await, "BAD_USER_INPUT", &texts);
    }
}

#[tokio::test]
async fn what_is_missing_or_of_the_wrong_kind_is_named() {
    let id = Uuid::now_v7();
    let without = |name: &str| {
        let mut bad = line("taskComplete", json!({ "id": id }));
        bad.as_object_mut().expect("an object").remove(name);
        bad
    };
    for (bad, text) in [
        (without("commandId"), "missing field `commandId`"),
        (without("command"), "missing field `command`"),
        (without("input"), "missing field `input`"),
        (line("taskComplete", json!({})), "missing field `id`"),
        (line("taskComplete", json!({ "id": "mine" })), "UUID"),
        (line("taskChangePriority", json!({ "id": id, "priority": "URGENT" })), "\"URGENT\" is not one of CRITICAL, HIGH, MEDIUM, LOW"),
        (line("taskComplete", json!(7)), "invalid type: integer `7`"),
        (line("taskComplete", json!({ "id": id, "commandId": Uuid::now_v7() })), "differs from commandId"),
        (json!([]), "ImportLine"),
        (json!("taskComplete"), "ImportLine"),
    ] {
        assert_says(&rejected(&bad).await, "BAD_USER_INPUT", &[text]);
    }
}

#[tokio::test]
async fn what_is_no_line_of_json_costs_that_line_only() {
    let lines = project_with_tasks("BYTES", 2);
    let mut content = format!("{}\n{{\"command\": \n", lines[0]).into_bytes();
    content.extend_from_slice(b"\xff\xfe{}\n");
    content.extend_from_slice(format!("{}\n", lines[1]).as_bytes());
    content.extend(std::iter::repeat_n(b'x', 3 * 1024 * 1024));
    content.extend_from_slice(format!("\n{}\n{}", lines[2], "\u{feff}{}").as_bytes());
    let rejects = rejects(content).await;
    assert_eq!(rejects.keys().copied().collect::<Vec<_>>(), [2, 3, 5, 7]);
    assert_says(&rejects[&2], "BAD_USER_INPUT", &["the line is not JSON", "column"]);
    assert_eq!(rejects[&2]["record"], json!("{\"command\": "));
    assert_says(&rejects[&3], "BAD_USER_INPUT", &["the line is not UTF-8"]);
    assert_says(&rejects[&5], "BAD_USER_INPUT", &["at most 1048576 bytes"]);
    assert_says(&rejects[&7], "BAD_USER_INPUT", &["missing field"]);
    assert!(rejects.values().all(|reject| reject["commandId"].is_null()));
}

#[tokio::test]
async fn a_command_id_with_another_command_is_refused() {
    let lines = project_with_tasks("REUSE", 1);
    let mut other = lines[1].clone();
    other["input"]["title"] = json!("Another task");
    let mut all = lines;
    all.push(other);
    let rejects = rejects(file_of(&all)).await;
    assert_eq!(rejects.len(), 1);
    let (_, reject) = rejects.first_key_value().expect("one");
    assert_says(reject, "COMMAND_ID_REUSED", &[]);
}

#[tokio::test]
async fn a_title_of_ten_megabytes_or_with_half_a_character_costs_its_line_only() {
    let mut lines = project_with_tasks("TITLE", 2);
    let task = lines.remove(1).to_string();
    let titled = |title: &str| task.replacen("\"title\":\"", &format!("\"title\":\"{title}"), 1);
    let content = format!("{}\n{}\n{}\n{}", lines[0], titled(&"x".repeat(10 * 1024 * 1024)), titled("\\ud83d"), lines[1]);
    let rejects = rejects(content).await;
    assert_eq!(rejects.keys().copied().collect::<Vec<_>>(), [2, 3]);
    assert_says(&rejects[&2], "BAD_USER_INPUT", &["at most 1048576 bytes"]);
    assert_says(&rejects[&3], "BAD_USER_INPUT", &["the line is not JSON", "hex escape"]);
}

#[tokio::test]
async fn what_is_in_another_workspace_is_refused_like_what_is_not_there() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let environment = [("DATABASE_URL", database.url.as_str())];
    let mut theirs = project_with_tasks("THEIRS", 1);
    theirs[1]["input"]["id"] = json!(Uuid::now_v7());
    let file = folder.file("theirs.ndjson", file_of(&theirs));
    assert_eq!(milepost(&["import", &file, "--workspace", WORKSPACE], &environment).await.status, 0);
    let about = |project: &Value, task: &Value| {
        [
            line("projectUpdate", json!({ "id": project, "name": "Mine" })),
            line("taskCreate", json!({ "projectId": project, "title": "Mine" })),
            line("scheduleCreate", json!({ "taskId": task, "title": "Mine", "due": { "date": "2031-05-01" } })),
            line("taskComplete", json!({ "id": task })),
            line("taskComment", json!({ "id": task, "body": "Mine" })),
            line("taskMove", json!({ "id": task, "projectId": project })),
        ]
    };
    let (project, task) = (&theirs[0]["input"]["id"], &theirs[1]["input"]["id"]);
    let there = about(project, task);
    let nowhere = about(&json!(Uuid::now_v7()), &json!(Uuid::now_v7()));
    let (other, file) = (Uuid::now_v7().to_string(), folder.file("mine.ndjson", file_of(&[there.as_slice(), &nowhere].concat())));
    let output = milepost(&["import", &file, "--workspace", &other], &environment).await;
    assert_eq!(output.status, NO, "{}", output.stderr);
    let written = std::fs::read_to_string(folder.at("mine.ndjson.rejects.ndjson")).expect("there is a file of rejects");
    let mut rejects: Vec<Value> = written.lines().map(json).collect();
    rejects.sort_by_key(|reject| reject["line"].as_u64());
    let said = |reject: &Value| (reject["code"].clone(), reject["message"].clone(), reject["path"].clone());
    let (theirs, nothing) = rejects.split_at(there.len());
    assert_eq!(theirs.iter().map(said).collect::<Vec<_>>(), nothing.iter().map(said).collect::<Vec<_>>());
    assert!(rejects.iter().all(|reject| reject["code"] == "NOT_FOUND"), "{rejects:?}");
}
