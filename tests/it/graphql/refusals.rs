//! Every refusal that the schema promises, met through the mutation that promises it.

use super::command_ids::own_events;
use super::commands::{SampleCommand, entity, key, sample};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tests::app::{Client, TestApp};
use tests::wait::until;
use uuid::Uuid;

/// Refusals that no mutation meets: the scheduler's own, and one that is given as an error.
const NOT_OF_MUTATIONS: [&str; 3] = ["NOT_YET_DUE", "TASK_CLOSED", "NOT_FOUND"];

/// What the descriptions of the mutations promise, by mutation, and the fields of their inputs.
async fn promised(client: &Client) -> BTreeMap<String, (Vec<String>, BTreeSet<String>)> {
    let query = "{ __schema { mutationType { fields { name description args { type { ofType { inputFields { name } } } } } } } }";
    let schema = client.data(query, json!({})).await;
    let mutations = schema["__schema"]["mutationType"]["fields"].as_array().expect("there are mutations");
    let of = |mutation: &Value| {
        let text = mutation["description"].as_str().unwrap_or_default();
        let codes = text.split_once("Refusals: ").map_or("", |(_, codes)| codes).trim_end_matches('.');
        let codes = codes.split(',').map(|code| code.trim().to_owned()).filter(|code| !code.is_empty()).collect();
        let inputs = mutation["args"][0]["type"]["ofType"]["inputFields"].as_array().expect("an input object");
        let inputs = inputs.iter().map(|field| field["name"].as_str().expect("a name").to_owned()).collect();
        (mutation["name"].as_str().expect("a name").to_owned(), (codes, inputs))
    };
    mutations.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promised_refusal_is_met_and_explained() {
    let app = TestApp::start().await;
    let mut met = BTreeSet::new();
    for (name, (codes, inputs)) in promised(&app.client).await {
        for code in codes {
            let input = offence(&app.client, &name, &code).await;
            let before = app.head();
            let payload = app.client.mutate(&name, "id", input.clone()).await;
            let errors = payload["userErrors"].as_array().expect("a list").clone();
            assert_eq!(errors.len(), 1, "{name} {input}: expected {code}: {payload:#}");
            assert_eq!(errors[0]["code"], json!(code), "{name} {input}: {payload:#}");
            let message = errors[0]["message"].as_str().unwrap_or_default();
            assert!(message.len() > 10 && !message.ends_with('.'), "{name}: {code}: the message is {message:?}");
            let path = errors[0]["path"][0].as_str().unwrap_or_default();
            assert!(inputs.contains(path), "{name}: {code}: the path {} does not point into the input", errors[0]["path"]);
            let nothing = json!({ entity(&name): null, "userErrors": errors, "position": null, "version": null, "replayed": false });
            assert_eq!(payload, nothing, "{name}: {code}");
            assert_eq!(own_events(&app, before).await, json!([]), "{name}: {code}: something was stored");
            met.insert(code);
        }
    }
    let known: BTreeSet<String> = domain::rule::CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
    let unmet: Vec<&String> = known.difference(&met).filter(|code| !NOT_OF_MUTATIONS.contains(&code.as_str())).collect();
    assert!(unmet.is_empty(), "no mutation promises {unmet:?}");
    assert!(met.is_subset(&known), "{met:?}");
    app.stop().await;
}

/// An input that a mutation must refuse with a code.
async fn offence(client: &Client, name: &str, code: &str) -> Value {
    let mut sample = sample(client, name).await;
    match code {
        "PROJECT_ARCHIVED" => at_rest(client, &sample, "projectArchive").await,
        "PROJECT_DELETED" => at_rest(client, &sample, "projectDelete").await,
        "TASK_DELETED" => {
            if name == "scheduleCreate" {
                sample.task = Some(client.task(&sample.project, "Gone").await);
                sample.input["taskId"] = json!(sample.task);
            }
            client.must("taskDelete", "id", json!({ "id": sample.task })).await;
        }
        "TASK_DONE" => drop(client.must("taskComplete", "id", json!({ "id": sample.task })).await),
        "SCHEDULE_DELETED" => drop(client.must("scheduleDelete", "id", json!({ "id": sample.input["id"] })).await),
        "SCHEDULE_MET" => drop(client.must("scheduleMeet", "id", json!({ "id": sample.input["id"] })).await),
        "FOLLOWS_TASK" => sample.input["id"] = follower(client, &sample.project).await,
        "TRANSITION_NOT_ALLOWED" => {
            client.must("taskChangeStatus", "id", json!({ "id": sample.task, "status": "CANCELLED" })).await;
        }
        "ID_TAKEN" => sample.input["id"] = json!(client.project().await),
        "KEY_TAKEN" => {
            sample.input["key"] = json!(key());
            client.must("projectCreate", "id", json!({ "key": sample.input["key"], "name": "First" })).await;
        }
        "DATE_RANGE" => {
            sample.input["startOn"] = json!("2031-02-02");
            sample.input["dueOn"] = json!("2031-02-01");
        }
        "LAST_OWNER" => sample.input["userId"] = json!(client.caller.actor.0),
        "NOT_A_COLLABORATOR" => sample.input["userId"] = json!(Uuid::now_v7()),
        "ALREADY_A_COLLABORATOR" => sample.input["userId"] = json!(client.caller.actor.0),
        "TOO_MANY_COLLABORATORS" => collaborators(client, &sample.project, 999).await,
        "TOO_MANY_TAGS" => sample.input["tags"] = (0..51).map(|number| format!("tag {number}")).collect(),
        "TOO_MANY_THRESHOLDS" => sample.input["thresholds"] = (1..=21).map(|days| json!({ "amount": days, "unit": "DAYS" })).collect(),
        "TOO_MANY_ASSIGNEES" => too_many_assignees(client, &mut sample).await,
        "INVALID_VALUE" => invalid(&mut sample),
        other => panic!("nobody knows how to be refused {other}: say it here"),
    }
    sample.input
}

async fn at_rest(client: &Client, sample: &SampleCommand, how: &str) {
    if sample.name != "projectCreate" {
        client.must(how, "id", json!({ "id": sample.project })).await;
    }
}

/// The schedule that follows a new task.
async fn follower(client: &Client, project: &str) -> Value {
    let due = json!({ "at": "2031-01-01T00:00:00Z" });
    let made = client.must("taskCreate", "id", json!({ "projectId": project, "title": "Followed", "due": due })).await;
    let query = "query($i: ID!) { task(id: $i) { schedule { id } } }";
    until("a schedule follows the task", || async {
        let seen = client.data(query, json!({ "i": made["task"]["id"] })).await;
        seen["task"]["schedule"]["id"].as_str().map(|id| json!(id))
    })
    .await
}

async fn collaborators(client: &Client, project: &str, count: usize) {
    let add = |number: usize| {
        let person = Uuid::now_v7();
        format!("m{number}: projectCollaboratorAdd(input: {{ id: \"{project}\", userId: \"{person}\", role: VIEWER }}) {{ version }} ")
    };
    for numbers in (0..count).collect::<Vec<_>>().chunks(15) {
        let fields: String = numbers.iter().map(|number| add(*number)).collect();
        client.data(&format!("mutation {{ {fields} }}"), json!({})).await;
    }
}

async fn too_many_assignees(client: &Client, sample: &mut SampleCommand) {
    let people = |count: usize| (0..count).map(|_| json!(Uuid::now_v7())).collect::<Value>();
    if sample.name == "taskCreate" {
        sample.input["assigneeIds"] = people(51);
        return;
    }
    let full = json!({ "projectId": sample.project, "title": "Full", "assigneeIds": people(50) });
    sample.input["id"] = client.must("taskCreate", "id", full).await["task"]["id"].clone();
}

fn invalid(sample: &mut SampleCommand) {
    match sample.name.as_str() {
        "projectCreate" | "projectUpdate" => sample.input["name"] = json!(" "),
        "taskCreate" | "taskUpdate" | "scheduleCreate" | "scheduleUpdate" => sample.input["title"] = json!(" "),
        "taskChangeStatus" => sample.input["blockedReason"] = json!(null),
        "taskSetDue" | "scheduleReschedule" => sample.input["due"] = json!({}),
        "taskComment" => sample.input["body"] = json!(" "),
        other => panic!("{other} promises INVALID_VALUE: say with what"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transition_that_is_not_allowed_names_from_to_and_what_is() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "Stuck").await;
    app.client.must("taskComplete", "id", json!({ "id": task })).await;
    let payload = app.client.mutate("taskChangeStatus", "id", json!({ "id": task, "status": "IN_REVIEW" })).await;
    let expected = json!([{ "code": "TRANSITION_NOT_ALLOWED", "path": ["status"],
        "message": "a task with status done cannot change to in_review; it can only be reopened" }]);
    assert_eq!(payload["userErrors"], expected);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_an_error_with_its_path() {
    let app = TestApp::start().await;
    for (name, _) in promised(&app.client).await {
        if name == "projectCreate" {
            continue;
        }
        let mut sample = sample(&app.client, &name).await;
        let field = if ["taskCreate", "scheduleCreate"].contains(&name.as_str()) { "projectId" } else { "id" };
        sample.input[field] = json!(Uuid::now_v7());
        let query = format!("mutation($i: {}!) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}", tests::app::input_type(&name));
        let answer = app.client.ask(&query, json!({ "i": sample.input })).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"], json!({ "code": "NOT_FOUND", "path": [field] }), "{name}: {answer}");
        assert_eq!(error["path"], json!([name]), "{answer}");
    }
    for (name, field) in [("taskMove", "projectId"), ("scheduleCreate", "taskId")] {
        let mut sample = sample(&app.client, name).await;
        sample.input[field] = json!(Uuid::now_v7());
        let query = format!("mutation($i: {}!) {{ {name}(input: $i) {{ version }} }}", tests::app::input_type(name));
        let answer = app.client.ask(&query, json!({ "i": sample.input })).await;
        assert_eq!(answer["errors"][0]["extensions"], json!({ "code": "NOT_FOUND", "path": [field] }), "{answer}");
    }
    app.stop().await;
}
