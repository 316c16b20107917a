//! Lists by GraphQL: every filter and every order does what its description says.

use super::commands::key;
use serde_json::{Value, json};
use tests::app::{Client, TestApp};
use tests::wait::until;
use uuid::Uuid;

const LONG_AGO: &str = "2001-01-01T00:00:00Z";
const FAR: &str = "2999-01-01T00:00:00Z";

/// Four tasks, called a, b, c and d, in two projects.
struct Tasks {
    client: Client,
    person: Uuid,
    here: Value,
}

async fn tasks(app: &TestApp) -> Tasks {
    let (client, person) = (app.client.clone(), Uuid::now_v7());
    let (here, there) = (json!(client.project().await), json!(client.project().await));
    for input in [
        json!({ "projectId": here, "title": "a", "description": "needle in hay", "category": "docs", "tags": ["x"], "assigneeIds": [person],
            "priority": "LOW" }),
        json!({ "projectId": here, "title": "b", "category": "code", "due": { "at": LONG_AGO } }),
        json!({ "projectId": there, "title": "c", "tags": ["x", "y"], "due": { "at": FAR }, "priority": "CRITICAL" }),
        json!({ "projectId": there, "title": "d", "priority": "HIGH" }),
    ] {
        client.must("taskCreate", "id", input).await;
    }
    app.settled().await;
    Tasks { client, person, here }
}

impl Tasks {
    /// The titles that a filter and an order give.
    async fn titles(&self, filter: &Value, sort: &Value) -> String {
        let query = "query($f: TaskFilter, $s: [TaskSort!]) { tasks(filter: $f, sort: $s) { totalCount nodes { title } } }";
        let seen = self.client.data(query, json!({ "f": filter, "s": sort })).await;
        let nodes = seen["tasks"]["nodes"].as_array().expect("a list");
        assert_eq!(seen["tasks"]["totalCount"], json!(nodes.len()), "{filter}");
        nodes.iter().filter_map(|node| node["title"].as_str()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_of_tasks_chooses_what_it_says() {
    let app = TestApp::start().await;
    let tasks = tasks(&app).await;
    let done = tasks.client.data("{ tasks(filter: { title: { eq: \"d\" } }) { nodes { id } } }", json!({})).await;
    tasks.client.must("taskComplete", "id", json!({ "id": done["tasks"]["nodes"][0]["id"] })).await;
    app.settled().await;
    let (here, person) = (&tasks.here, tasks.person);
    for (filter, expected) in [
        (json!({}), "abcd"),
        (json!({ "projectId": { "eq": here } }), "ab"),
        (json!({ "projectId": { "ne": here } }), "cd"),
        (json!({ "status": { "eq": "DONE" } }), "d"),
        (json!({ "status": { "ne": "DONE" } }), "abc"),
        (json!({ "status": { "in": ["DONE", "BLOCKED"] } }), "d"),
        (json!({ "status": { "notIn": ["TODO"] } }), "d"),
        (json!({ "priority": { "in": ["LOW", "CRITICAL"] } }), "ac"),
        (json!({ "priority": { "ne": "MEDIUM" } }), "acd"),
        (json!({ "assigneeId": { "eq": person } }), "a"),
        (json!({ "assigneeId": { "ne": person } }), "bcd"),
        (json!({ "assigneeId": { "isNull": true } }), "bcd"),
        (json!({ "assigneeId": { "in": [person, Uuid::nil()] } }), "a"),
        (json!({ "category": { "eq": "docs" } }), "a"),
        (json!({ "category": { "ne": "docs" } }), "bcd"),
        (json!({ "category": { "notIn": ["docs", "code"] } }), "cd"),
        (json!({ "category": { "isNull": false } }), "ab"),
        (json!({ "category": { "startsWith": "co" } }), "b"),
        (json!({ "category": { "contains": "OC" } }), ""),
        (json!({ "tag": { "eq": "x" } }), "ac"),
        (json!({ "tag": { "in": ["y", "z"] } }), "c"),
        (json!({ "tag": { "notIn": ["y"] } }), "abd"),
        (json!({ "title": { "in": ["a", "d"] } }), "ad"),
        (json!({ "dueAt": { "lt": FAR } }), "b"),
        (json!({ "dueAt": { "lte": FAR, "gt": LONG_AGO } }), "c"),
        (json!({ "dueAt": { "gte": LONG_AGO } }), "bc"),
        (json!({ "dueAt": { "isNull": true } }), "ad"),
        (json!({ "createdAt": { "gt": LONG_AGO } }), "abcd"),
        (json!({ "createdAt": { "lt": LONG_AGO } }), ""),
        (json!({ "updatedAt": { "gt": FAR } }), ""),
        (json!({ "isOverdue": true }), "b"),
        (json!({ "isOverdue": false }), "acd"),
        (json!({ "text": "NEEDLE hay" }), "a"),
        (json!({ "text": "needle wood" }), ""),
        (json!({ "and": [{ "tag": { "eq": "x" } }, { "projectId": { "eq": here } }] }), "a"),
        (json!({ "or": [{ "title": { "eq": "b" } }, { "title": { "eq": "d" } }] }), "bd"),
        (json!({ "or": [] }), ""),
        (json!({ "and": [] }), "abcd"),
        (json!({ "not": { "tag": { "eq": "x" } } }), "bd"),
        (json!({ "not": { "category": { "eq": "docs" } } }), "bcd"),
        (json!({ "not": { "or": [{ "title": { "eq": "a" } }, { "isOverdue": true }] }, "tag": { "isNull": true } }), "d"),
    ] {
        assert_eq!(tasks.titles(&filter, &json!([{ "field": "TITLE" }])).await, expected, "{filter}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_tasks_is_the_one_asked_for() {
    let app = TestApp::start().await;
    let tasks = tasks(&app).await;
    let sorted = |field: &str, direction: &str| json!([{ "field": field, "direction": direction }, { "field": "TITLE" }]);
    for (sort, expected) in [
        (json!(null), "abcd"),
        (json!([]), "abcd"),
        (json!([{ "field": "TITLE" }]), "abcd"),
        (sorted("TITLE", "DESC"), "dcba"),
        (sorted("CREATED", "ASC"), "abcd"),
        (sorted("CREATED", "DESC"), "dcba"),
        (sorted("UPDATED", "DESC"), "dcba"),
        (sorted("NUMBER", "ASC"), "acbd"),
        (sorted("NUMBER", "DESC"), "bdac"),
        // Most urgent first.
        (sorted("PRIORITY", "ASC"), "cdba"),
        (sorted("PRIORITY", "DESC"), "abdc"),
        // Without a due moment comes last, either way.
        (sorted("DUE", "ASC"), "bcad"),
        (sorted("DUE", "DESC"), "cbad"),
    ] {
        assert_eq!(tasks.titles(&json!({}), &sort).await, expected, "{sort}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_of_projects_chooses_what_it_says() {
    let app = TestApp::start().await;
    let (client, person) = (&app.client, Uuid::now_v7());
    let mut ids = vec![];
    for (key, name) in [("AAA", "Red house"), ("BBB", "Blue house"), ("CCC", "Red boat"), ("DDD", "Gone")] {
        let made = client.must("projectCreate", "id", json!({ "key": key, "name": name })).await;
        ids.push(made["project"]["id"].clone());
    }
    client.must("projectArchive", "id", json!({ "id": ids[1] })).await;
    client.must("projectDelete", "id", json!({ "id": ids[3] })).await;
    client.must("projectCollaboratorAdd", "id", json!({ "id": ids[2], "userId": person, "role": "EDITOR" })).await;
    app.settled().await;
    for (filter, expected) in [
        (json!(null), vec!["AAA", "BBB", "CCC"]),
        (json!({ "status": ["ARCHIVED"] }), vec!["BBB"]),
        (json!({ "status": ["ACTIVE", "DELETED"] }), vec!["AAA", "CCC", "DDD"]),
        (json!({ "collaboratorId": { "eq": person } }), vec!["CCC"]),
        (json!({ "collaboratorId": { "ne": person } }), vec!["AAA", "BBB"]),
        (json!({ "key": { "in": ["AAA", "CCC"] } }), vec!["AAA", "CCC"]),
        (json!({ "name": { "startsWith": "Red" } }), vec!["AAA", "CCC"]),
        (json!({ "name": { "contains": "house" }, "key": { "ne": "AAA" } }), vec!["BBB"]),
        (json!({ "text": "HOUSE red" }), vec!["AAA"]),
        (json!({ "text": "ccc" }), vec!["CCC"]),
    ] {
        let seen =
            client.data("query($f: ProjectFilter) { projects(filter: $f) { totalCount nodes { key } } }", json!({ "f": filter })).await;
        let nodes: Vec<Value> = expected.iter().map(|key| json!({ "key": key })).collect();
        assert_eq!(seen["projects"], json!({ "totalCount": expected.len(), "nodes": nodes }), "{filter}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_of_schedules_and_firings_chooses_what_it_says() {
    let app = TestApp::start().await;
    let client = &app.client;
    let made = client.must("projectCreate", "id", json!({ "key": key(), "name": "Here" })).await;
    let project = &made["project"]["id"];
    let task = client.task(project.as_str().expect("an id"), "Here").await;
    let mut ids = vec![];
    for (title, about, due) in
        [("late", json!({}), LONG_AGO), ("far", json!({ "projectId": project }), FAR), ("of a task", json!({ "taskId": task }), FAR)]
    {
        let mut input = about;
        input["title"] = json!(title);
        input["due"] = json!({ "at": due });
        ids.push(client.must("scheduleCreate", "id", input).await["schedule"]["id"].clone());
    }
    until("what is late has fired", || async {
        let seen = client.data("{ deadlines { totalCount } }", json!({})).await;
        (seen["deadlines"]["totalCount"] == 1).then_some(())
    })
    .await;
    app.settled().await;
    for (filter, expected) in [
        (json!(null), vec!["late", "far", "of a task"]),
        (json!({ "state": ["OVERDUE"] }), vec!["late"]),
        (json!({ "state": ["PENDING", "MET"] }), vec!["far", "of a task"]),
        (json!({ "projectId": { "eq": project } }), vec!["far", "of a task"]),
        (json!({ "projectId": { "isNull": true } }), vec!["late"]),
        (json!({ "taskId": { "eq": task } }), vec!["of a task"]),
        (json!({ "taskId": { "ne": task } }), vec!["late", "far"]),
        (json!({ "dueAt": { "lt": FAR } }), vec!["late"]),
    ] {
        let query = "query($f: ScheduleFilter) { schedules(filter: $f) { totalCount nodes { title } } }";
        let seen = client.data(query, json!({ "f": filter })).await;
        let mut found: Vec<&str> =
            seen["schedules"]["nodes"].as_array().expect("a list").iter().filter_map(|one| one["title"].as_str()).collect();
        let mut expected = expected;
        assert_eq!(seen["schedules"]["totalCount"], json!(expected.len()), "{filter}");
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }
    for (filter, expected) in [
        (json!(null), 1),
        (json!({ "scheduleId": { "eq": ids[0] } }), 1),
        (json!({ "scheduleId": { "in": [ids[1], ids[2]] } }), 0),
        (json!({ "kind": "OVERDUE" }), 1),
        (json!({ "kind": "APPROACHING" }), 0),
        (json!({ "firedAt": { "gt": LONG_AGO, "lt": FAR } }), 1),
        (json!({ "firedAt": { "gt": FAR } }), 0),
    ] {
        let query = "query($f: DeadlineFilter) { deadlines(filter: $f) { totalCount nodes { schedule { title } } } }";
        let seen = client.data(query, json!({ "f": filter })).await;
        assert_eq!(seen["deadlines"]["totalCount"], json!(expected), "{filter}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_holds_no_id_or_time_is_refused_with_its_path() {
    let app = TestApp::start().await;
    for (field, type_, filter, path) in [
        ("tasks", "TaskFilter", json!({ "assigneeId": { "in": ["me"] } }), json!(["filter", "assigneeId", "in"])),
        ("tasks", "TaskFilter", json!({ "or": [{ "not": { "projectId": { "eq": "PRJ" } } }] }), json!(["filter", "projectId", "eq"])),
        ("projects", "ProjectFilter", json!({ "collaboratorId": { "ne": "me" } }), json!(["filter", "collaboratorId", "ne"])),
        ("schedules", "ScheduleFilter", json!({ "taskId": { "notIn": ["PRJ-1"] } }), json!(["filter", "taskId", "notIn"])),
        ("deadlines", "DeadlineFilter", json!({ "scheduleId": { "eq": "" } }), json!(["filter", "scheduleId", "eq"])),
    ] {
        let query = format!("query($f: {type_}) {{ {field}(filter: $f) {{ totalCount }} }}");
        let refused = app.client.ask(&query, json!({ "f": filter })).await;
        assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "BAD_USER_INPUT", "path": path }), "{filter}: {refused}");
    }
    let query = "query($f: TaskFilter) { tasks(filter: $f) { totalCount } }";
    for filter in [
        json!({ "dueAt": { "lt": "tomorrow" } }),
        json!({ "status": { "eq": "OPEN" } }),
        json!({ "nothing": true }),
        json!([]),
        json!("all"),
    ] {
        assert_eq!(app.client.error(query, json!({ "f": filter })).await, "BAD_USER_INPUT", "{filter}");
    }
    app.stop().await;
}
