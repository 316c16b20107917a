//! A field says the same alone as beside all others: what is not asked for is not read.

use serde_json::{Value, json};
use tests::app::{Client, TestApp};

/// How to come to a thing of each type, with `FIELDS` for what is asked of it, and where it then is in the answer.
const WAYS: [(&str, &str, &str); 14] = [
    ("Task", "task(id: $task) { FIELDS }", "/task"),
    ("Task", "node(id: $task) { ... on Task { FIELDS } }", "/node"),
    ("Task", "tasks { nodes { FIELDS } }", "/tasks/nodes/0"),
    ("Task", "tasks { edges { node { FIELDS } } }", "/tasks/edges/0/node"),
    ("Task", "t: tasks { totalCount nodes { FIELDS } edges { node { id } } }", "/t/nodes/0"),
    ("Task", "project(id: $project) { tasks { nodes { FIELDS } } }", "/project/tasks/nodes/0"),
    ("Task", "schedules { nodes { task { FIELDS } } }", "/schedules/nodes/0/task"),
    ("Project", "project(id: $project) { FIELDS }", "/project"),
    ("Project", "node(id: $project) { ... on Project { FIELDS } }", "/node"),
    ("Project", "projects { nodes { FIELDS } }", "/projects/nodes/0"),
    ("Project", "p: projects { edges { node { ... { FIELDS } } } nodes { id } }", "/p/edges/0/node"),
    ("Project", "tasks { nodes { title } edges { node { project { FIELDS } } } }", "/tasks/edges/0/node/project"),
    ("Project", "task(id: $task) { p: project { FIELDS } }", "/task/p"),
    ("Project", "schedules { nodes { project { FIELDS } } }", "/schedules/nodes/0/project"),
];

/// The fields of a type that have no fields and take no arguments.
async fn plain_fields(client: &Client, of: &str) -> Vec<String> {
    let ask = "query($t: String!) { __type(name: $t) { fields { name args { name } type { kind ofType { kind ofType { kind ofType { kind } } } } } } }";
    let found = client.data(ask, json!({ "t": of })).await;
    let is_plain = |field: &&Value| {
        let mut inner = &field["type"];
        while !inner["ofType"].is_null() {
            inner = &inner["ofType"];
        }
        field["args"] == json!([]) && ["SCALAR", "ENUM"].contains(&inner["kind"].as_str().unwrap_or_default())
    };
    let fields = found["__type"]["fields"].as_array().expect("there are fields").iter().filter(is_plain);
    fields.map(|field| field["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_says_the_same_alone_as_beside_all_others() {
    let app = TestApp::start().await;
    let about = json!({ "key": "SAME", "name": "A project", "description": "What it is about.", "timeZone": "Europe/Zurich" });
    let project = app.client.must("projectCreate", "id", about).await["project"]["id"].clone();
    let task = json!({ "projectId": project, "title": "A task", "description": "What is to be done.", "category": "c", "tags": ["t"],
        "estimateMinutes": 5, "due": { "date": "2031-03-01" } });
    let task = app.client.must("taskCreate", "id", task).await["task"]["id"].clone();
    tests::wait::until("its schedule follows", || async {
        let found = app.client.data("{ schedules { totalCount } }", json!({})).await;
        (found["schedules"]["totalCount"] == json!(1)).then_some(())
    })
    .await;
    app.settled().await;
    for (of, way, place) in WAYS {
        let fields = plain_fields(&app.client, of).await;
        let ask = async |fields: &str| {
            let way = way.replace("$project", &project.to_string()).replace("$task", &task.to_string());
            let query = format!("{{ {} }}", way.replace("FIELDS", fields));
            app.client.data(&query, json!({})).await.pointer(place).unwrap_or_else(|| panic!("{query}")).clone()
        };
        let all = ask(&fields.join(" ")).await;
        assert!(all["description"].as_str().is_some_and(|text| text.starts_with("What i")), "{way}: {all}");
        for field in fields {
            assert_eq!(ask(&field).await[&field], all[&field], "{field} alone: {way}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_a_page_has_its_own_project_beside_it() {
    let app = TestApp::start().await;
    let projects = [app.client.project().await, app.client.project().await];
    for round in 0..3 {
        for project in &projects {
            let due = json!({ "date": "2031-03-01" });
            app.client.must("taskCreate", "id", json!({ "projectId": project, "title": format!("{project} {round}"), "due": due })).await;
            app.client
                .must("scheduleCreate", "id", json!({ "projectId": project, "title": format!("{project} {round}"), "due": due }))
                .await;
        }
    }
    app.client.must("scheduleCreate", "id", json!({ "title": "none", "due": { "date": "2031-03-01" } })).await;
    let ask = "{ tasks { nodes { title project { id } } } schedules { nodes { title project { id } } } }";
    let found = tests::wait::until("everything is there", || async {
        let found = app.client.data(ask, json!({})).await;
        (found["schedules"]["nodes"].as_array().map(Vec::len) == Some(13)).then_some(found)
    })
    .await;
    for row in ["tasks", "schedules"].iter().flat_map(|list| found[list]["nodes"].as_array().expect("a list")) {
        let title = row["title"].as_str().expect("a title");
        assert!(title.starts_with(row["project"]["id"].as_str().unwrap_or("none")), "{row}");
    }
    app.stop().await;
}
