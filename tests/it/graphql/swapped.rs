//! Ids of one workspace, sent from another, by chance and in great number: no answer tells them from ids of nothing.

use super::served_mutations;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::app::{Client, TestApp, input_type};
use tests::dice::Dice;
use tests::wait::until;
use uuid::Uuid;

/// Pairs of calls: one with an id of the other workspace, one with an id of nothing in its place.
const PAIRS: usize = 10_000;
/// How many are sent at once.
const AT_ONCE: usize = 4;

/// A call, with `ID` where the id of another workspace is put.
#[derive(Clone)]
struct Call {
    query: String,
    variables: Value,
}

/// The ids in a workspace, by kind.
struct Ids {
    all: Vec<String>,
    project: String,
    task: String,
    cursor: String,
}

async fn filled(client: &Client) -> Ids {
    let mut all = vec![client.caller.actor.0.to_string()];
    let (mut project, mut task) = (String::new(), String::new());
    for _ in 0..3 {
        project = client.project().await;
        let due = json!({ "at": "2001-01-01T00:00:00Z" });
        let input = json!({ "projectId": project, "title": "Here", "due": due });
        task = client.must("taskCreate", "id", input).await["task"]["id"].as_str().expect("an id").to_owned();
        client.must("taskComment", "id", json!({ "id": task, "body": "Here" })).await;
        let milestone = json!({ "title": "Soon", "due": { "at": "2100-01-01T00:00:00Z" } });
        let schedule = client.must("scheduleCreate", "id", milestone).await["schedule"]["id"].clone();
        let (command, person) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
        client.must("taskAssign", "id", json!({ "id": task, "userId": person, "commandId": command })).await;
        let collaborator = json!({ "id": project, "userId": person, "role": "EDITOR" });
        client.must("projectCollaboratorAdd", "id", collaborator).await;
        all.extend([command, person]);
        all.extend([project.clone(), task.clone(), schedule.as_str().expect("an id").to_owned()]);
    }
    let query = "query($t: ID!) { task(id: $t) { comments { nodes { id } } schedule { id firings { id } } }
        history(subjectId: $t) { nodes { id } } tasks(first: 1) { pageInfo { endCursor } } }";
    let seen = until("the due date has fired", || async {
        let seen = client.data(query, json!({ "t": task })).await;
        let there = [&seen["task"]["schedule"]["firings"][0], &seen["task"]["comments"]["nodes"][0], &seen["history"]["nodes"][0]];
        there.iter().all(|one| one.is_object()).then_some(seen)
    })
    .await;
    for found in [
        &seen["task"]["schedule"],
        &seen["task"]["schedule"]["firings"][0],
        &seen["task"]["comments"]["nodes"][0],
        &seen["history"]["nodes"][0],
    ] {
        all.push(found["id"].as_str().expect("an id").to_owned());
    }
    let cursor = seen["tasks"]["pageInfo"]["endCursor"].as_str().expect("a cursor").to_owned();
    Ids { all, project, task, cursor }
}

fn mutation(name: &str) -> String {
    format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code message path }} }} }}", input_type(name))
}

/// Every operation that takes an id, from a workspace that has a project and a task of its own.
async fn calls(client: &Client, own: &Ids) -> Vec<Call> {
    let due = json!({ "at": "2100-01-01T00:00:00Z" });
    let person = Uuid::nil();
    let mut calls = vec![];
    for name in served_mutations(client).await {
        let inputs = match name.as_str() {
            "projectCreate" => continue,
            "taskCreate" => vec![json!({ "projectId": "ID", "title": "Mine" })],
            "scheduleCreate" => {
                vec![json!({ "projectId": "ID", "title": "Mine", "due": due }), json!({ "taskId": "ID", "title": "Mine", "due": due })]
            }
            "taskMove" => vec![json!({ "id": own.task, "projectId": "ID" }), json!({ "id": "ID", "projectId": own.project })],
            "projectCollaboratorAdd" | "projectCollaboratorChangeRole" => vec![json!({ "id": "ID", "userId": person, "role": "EDITOR" })],
            "projectCollaboratorRemove" | "taskAssign" | "taskUnassign" => vec![json!({ "id": "ID", "userId": person })],
            "taskChangeStatus" => vec![json!({ "id": "ID", "status": "BLOCKED", "blockedReason": "rain" })],
            "taskChangePriority" => vec![json!({ "id": "ID", "priority": "LOW" })],
            "taskSetDue" | "scheduleReschedule" => vec![json!({ "id": "ID", "due": due })],
            "taskComment" => vec![json!({ "id": "ID", "body": "Mine" })],
            "projectUpdate" => vec![json!({ "id": "ID", "name": "Mine" })],
            "taskUpdate" | "scheduleUpdate" => vec![json!({ "id": "ID", "title": "Mine" })],
            _ => vec![json!({ "id": "ID" })],
        };
        let query = mutation(&name);
        for input in inputs {
            let mut stale = input.clone();
            stale["expectedVersion"] = json!(2);
            calls.push(Call { query: query.clone(), variables: json!({ "i": input }) });
            if stale.get("id").is_some() && name != "taskComment" {
                calls.push(Call { query: query.clone(), variables: json!({ "i": stale }) });
            }
        }
    }
    // On what is one's own, with a person or a command of theirs: there is nothing to do, or it is refused.
    let (task, project) = (json!({ "id": own.task }), json!({ "id": own.project }));
    for (name, on, more) in [
        ("taskUnassign", &task, json!({ "userId": "ID" })),
        ("projectCollaboratorRemove", &project, json!({ "userId": "ID" })),
        ("projectCollaboratorChangeRole", &project, json!({ "userId": "ID", "role": "VIEWER" })),
        ("taskUpdate", &task, json!({ "title": "Here", "commandId": "ID" })),
    ] {
        let mut input = on.clone();
        for (field, value) in more.as_object().expect("fields") {
            input[field] = value.clone();
        }
        calls.push(Call { query: mutation(name), variables: json!({ "i": input }) });
    }
    for query in [
        "query($i: ID!) { node(id: $i) { __typename id } }",
        "query($i: ID!) { project(id: $i) { id name tasks { totalCount } } }",
        "query($i: ID!) { task(id: $i) { id title comments { totalCount } project { id } } }",
        "query($i: ID!) { schedule(id: $i) { id title firings { id } } }",
        "query($i: ID!) { history(subjectId: $i) { nodes { id summary } pageInfo { hasNextPage endCursor } } }",
        "query($i: ID!) { events(filter: { aggregateId: $i }) { nodes { id } pageInfo { endCursor } } }",
        "query($i: ID!) { tasks(filter: { projectId: { eq: $i } }) { totalCount nodes { id } pageInfo { endCursor } } }",
        "query($i: ID!) { tasks(filter: { or: [{ projectId: { in: [$i] } }, { text: \"Here\" }] }) { totalCount nodes { id } } }",
        "query($i: ID!) { tasks(filter: { not: { projectId: { eq: $i } } }) { totalCount nodes { id } } }",
        "query($i: ID!) { tasks(filter: { assigneeId: { eq: $i } }) { totalCount nodes { id } pageInfo { endCursor } } }",
        "query($i: ID!) { tasks(filter: { assigneeId: { notIn: [$i] } }) { totalCount nodes { id } } }",
        "query($i: ID!) { events(filter: { actor: $i }) { nodes { id } pageInfo { endCursor } } }",
        "query($i: ID!) { projects(filter: { collaboratorId: { eq: $i } }) { totalCount nodes { id } } }",
        "query($i: ID!) { schedules(filter: { taskId: { in: [$i] } }) { totalCount nodes { id } } }",
        "query($i: ID!) { schedules(filter: { projectId: { ne: $i } }) { totalCount nodes { id } } }",
        "query($i: ID!) { deadlines(filter: { scheduleId: { eq: $i } }) { totalCount nodes { id } } }",
    ] {
        calls.push(Call { query: query.to_owned(), variables: json!({ "i": "ID" }) });
    }
    calls
}

/// The call with an id in its place.
fn with_id(call: &Call, id: &str) -> Value {
    fn put(value: &mut Value, id: &str) {
        match value {
            Value::String(text) if text == "ID" => *text = id.to_owned(),
            Value::Object(fields) => fields.values_mut().for_each(|field| put(field, id)),
            _ => {}
        }
    }
    let mut variables = call.variables.clone();
    put(&mut variables, id);
    variables
}

async fn ask_in_vain(client: Client, calls: Vec<Call>, theirs: Vec<String>, mut dice: Dice) {
    for _ in 0..PAIRS / AT_ONCE {
        let (call, id) = (dice.one_of(&calls), dice.another().one_of(&theirs).clone());
        let unknown = Uuid::now_v7().to_string();
        // What was sent may be in the answer.
        let nothing = client.ask(&call.query, with_id(call, &unknown)).await.to_string().replace(&unknown, "ID");
        let foreign = client.ask(&call.query, with_id(call, &id)).await.to_string().replace(&id, "ID");
        assert_eq!(foreign, nothing, "{} tells that {id} is there", call.query);
        assert!(!theirs.iter().any(|id| foreign.contains(id)), "{} shows an id: {foreign}", call.query);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_tells_an_id_of_another_workspace_from_an_id_of_nothing() {
    let app = TestApp::start().await;
    let stranger = app.client.elsewhere();
    let (theirs, own) = (filled(&app.client).await, filled(&stranger).await);
    app.settled().await;
    let calls = calls(&stranger, &own).await;
    let mut dice = Dice::thrown();
    let before = app.head();
    let asking: Vec<_> =
        (0..AT_ONCE).map(|_| tokio::spawn(ask_in_vain(stranger.clone(), calls.clone(), theirs.all.clone(), dice.another()))).collect();
    for asked in asking {
        asked.await.expect("no answer told anything");
    }
    assert_eq!(app.head(), before, "something was changed");

    // A cursor of theirs is a place in an order and nothing more.
    let page = "query($c: String!) { tasks(first: 50, after: $c) { totalCount nodes { id } } }";
    let found = stranger.data(page, json!({ "c": theirs.cursor })).await;
    assert_eq!(found["tasks"]["totalCount"], 3, "{found}");
    let own: BTreeSet<_> = own.all.into_iter().collect();
    let nodes = found["tasks"]["nodes"].as_array().expect("a list");
    assert!(nodes.iter().all(|node| own.contains(node["id"].as_str().unwrap_or_default())), "{found}");
    app.stop().await;
}
