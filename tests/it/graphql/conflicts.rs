//! `expectedVersion`: a stale command fails only where what it sets has changed since.

use super::commands::{SampleCommand, sample};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::app::{Client, TestApp, input_type};
use uuid::Uuid;

/// For every mutation with `expectedVersion`: a change that meets it, and one that does not.
fn changes(client: &Client, sample: &SampleCommand) -> Option<(Vec<Change>, Vec<Change>)> {
    let (person, me) = (Uuid::now_v7(), client.caller.actor.0);
    let title = || change("taskUpdate", json!({ "title": "Meanwhile" }));
    let description = || change("taskUpdate", json!({ "description": "Meanwhile" }));
    let due = || change("taskSetDue", json!({ "due": { "date": "2033-03-03" } }));
    let moved = json!({ "due": { "at": "2033-03-03T00:00:00Z" } });
    let assign = || change("taskAssign", json!({ "userId": person }));
    let status = || change("taskChangeStatus", json!({ "status": "IN_REVIEW" }));
    let add = || change("projectCollaboratorAdd", json!({ "userId": person, "role": "VIEWER" }));
    let archive = || vec![change("projectArchive", json!({})), change("projectUnarchive", json!({}))];
    let rename = || change("projectUpdate", json!({ "name": "Meanwhile" }));
    let describe = || change("projectUpdate", json!({ "description": "Meanwhile" }));
    let _ = me;
    Some(match sample.name.as_str() {
        "projectUpdate" => (vec![rename()], vec![describe(), add()]),
        "projectArchive" => (archive(), vec![rename(), add()]),
        "projectUnarchive" => (vec![change("projectUnarchive", json!({})), change("projectArchive", json!({}))], vec![]),
        "projectDelete" => (vec![describe()], vec![]),
        "projectCollaboratorAdd" | "projectCollaboratorChangeRole" | "projectCollaboratorRemove" => (vec![add()], vec![rename()]),
        "taskUpdate" => (vec![title()], vec![description(), due(), status(), assign()]),
        "taskAssign" | "taskUnassign" => (vec![assign()], vec![title(), status(), due()]),
        "taskChangeStatus" | "taskComplete" => (vec![status()], vec![title(), assign(), due()]),
        "taskReopen" => (vec![change("taskReopen", json!({})), change("taskComplete", json!({}))], vec![title()]),
        "taskChangePriority" => (vec![change("taskChangePriority", json!({ "priority": "LOW" }))], vec![title(), status()]),
        "taskSetDue" | "taskClearDue" => (vec![due()], vec![title(), status(), assign()]),
        "taskMove" => (vec![], vec![title(), status(), due()]),
        "taskDelete" => (vec![title()], vec![]),
        "scheduleUpdate" => (vec![change("scheduleUpdate", json!({ "title": "Meanwhile" }))], vec![change("scheduleReschedule", moved)]),
        "scheduleReschedule" => {
            (vec![change("scheduleReschedule", moved)], vec![change("scheduleUpdate", json!({ "title": "Meanwhile" }))])
        }
        "scheduleMeet" => (vec![], vec![change("scheduleUpdate", json!({ "title": "Meanwhile" }))]),
        "scheduleDelete" => (vec![change("scheduleUpdate", json!({ "title": "Meanwhile" }))], vec![]),
        _ => return None,
    })
}

struct Change {
    name: &'static str,
    input: Value,
}

fn change(name: &'static str, input: Value) -> Change {
    Change { name, input }
}

/// The mutations whose input has `expectedVersion`.
async fn versioned(client: &Client) -> Vec<String> {
    let query = "{ __schema { mutationType { fields { name args { type { ofType { inputFields { name } } } } } } } }";
    let schema = client.data(query, json!({})).await;
    let mutations = schema["__schema"]["mutationType"]["fields"].as_array().expect("there are mutations");
    let has = |mutation: &&Value| {
        let fields = mutation["args"][0]["type"]["ofType"]["inputFields"].as_array().expect("an input object");
        fields.iter().any(|field| field["name"] == "expectedVersion")
    };
    mutations.iter().filter(has).map(|mutation| mutation["name"].as_str().expect("a name").to_owned()).collect()
}

/// Sends a stale command after changes and returns the answer and the version then.
async fn after(client: &Client, name: &str, pick: impl Fn((Vec<Change>, Vec<Change>)) -> Vec<Change>) -> Option<(Value, Value)> {
    let mut sample = sample(client, name).await;
    let both = changes(client, &sample).unwrap_or_else(|| panic!("nobody knows what meets {name}: say it here"));
    let changes = pick(both);
    sample.input["expectedVersion"] = json!(sample.version - 1);
    let mut version = None;
    for change in changes {
        let mut input = change.input;
        input["id"] = sample.input["id"].clone();
        let done = client.must(change.name, "id", input).await;
        version = Some(done["version"].clone());
    }
    let query = format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code }} }} }}", input_type(name));
    Some((client.ask(&query, json!({ "i": sample.input })).await, version?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_command_conflicts_if_the_same_fields_have_changed() {
    let app = TestApp::start().await;
    for name in versioned(&app.client).await {
        let Some((answer, version)) = after(&app.client, &name, |(meeting, _)| meeting).await else { continue };
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "VERSION_CONFLICT", "{name}: {answer}");
        assert_eq!(error["extensions"]["currentVersion"], version, "{name}: {answer}");
        let fields = error["extensions"]["conflictingFields"].as_array().expect("a list of fields");
        assert!(!fields.is_empty() && fields.iter().all(Value::is_string), "{name}: {answer}");
        assert_eq!(error["path"], json!(["r"]), "{name}: {answer}");
        assert_eq!(answer["data"], json!({ "r": null }), "{name}: {answer}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_command_passes_if_other_fields_have_changed() {
    let app = TestApp::start().await;
    for name in versioned(&app.client).await {
        let Some((answer, version)) = after(&app.client, &name, |(_, passing)| passing).await else { continue };
        let expected = json!({ "data": { "r": { "version": version.as_i64().expect("a version") + 1, "userErrors": [] } } });
        assert_eq!(answer, expected, "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_names_the_fields() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "One").await;
    app.client.must("taskUpdate", "id", json!({ "id": task, "title": "Two", "tags": ["a"], "category": "b" })).await;
    let stale = json!({ "id": task, "expectedVersion": 1, "title": "Three", "tags": [], "description": "d" });
    let query = "mutation($i: TaskUpdateInput!) { taskUpdate(input: $i) { version } }";
    let answer = app.client.ask(query, json!({ "i": stale })).await;
    let expected = json!({ "code": "VERSION_CONFLICT", "currentVersion": 2, "conflictingFields": ["tags", "title"] });
    let mut found = answer["errors"][0]["extensions"].clone();
    found["conflictingFields"].as_array_mut().expect("a list").sort_by_key(ToString::to_string);
    assert_eq!(found, expected, "{answer}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_not_yet_there_is_told_apart() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "One").await;
    let mut codes = BTreeMap::new();
    for expected in [-1, 0, 2, i64::from(i32::MAX)] {
        let input = json!({ "id": task, "expectedVersion": expected, "title": format!("At {expected}") });
        let query = "mutation($i: TaskUpdateInput!) { taskUpdate(input: $i) { version } }";
        let answer = app.client.ask(query, json!({ "i": input })).await;
        codes.insert(expected, answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned());
    }
    assert!(codes.values().all(|code| code == "VERSION_CONFLICT"), "{codes:?}");
    app.stop().await;
}
