//! Pages: forward and backward by cursors, right while rows come and go.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::app::{Client, TestApp};
use tests::wait::until;

/// A list: its field, what of a row is its name, and the order that is asked for.
struct List {
    field: &'static str,
    name: &'static str,
    arguments: String,
}

impl List {
    /// A page after or before a cursor: the names, and where it is.
    async fn page(&self, client: &Client, size: (&str, i32), cursor: (&str, &Value)) -> (Vec<String>, Value) {
        let ((by, rows), (from, cursor), List { field, name, arguments }) = (size, cursor, self);
        let cursor = if cursor.is_null() { String::new() } else { format!("{from}: {cursor}") };
        let info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
        let query = format!("{{ r: {field}({arguments} {by}: {rows} {cursor}) {{ edges {{ cursor node {{ {name} }} }} {info} }} }}");
        let seen = client.data(&query, json!({})).await;
        let edges = seen["r"]["edges"].as_array().expect("a list");
        if let (Some(first), Some(last)) = (edges.first(), edges.last()) {
            assert_eq!((&first["cursor"], &last["cursor"]), (&seen["r"]["pageInfo"]["startCursor"], &seen["r"]["pageInfo"]["endCursor"]));
        }
        (edges.iter().map(|edge| edge["node"][name].to_string()).collect(), seen["r"]["pageInfo"].clone())
    }

    async fn forward(&self, client: &Client, rows: i32) -> Vec<String> {
        let (mut all, mut cursor) = (vec![], json!(null));
        loop {
            let (names, info) = self.page(client, ("first", rows), ("after", &cursor)).await;
            assert_eq!(info["hasPreviousPage"], json!(!all.is_empty()), "{}: after {} rows", self.field, all.len());
            all.extend(names);
            if info["hasNextPage"] == json!(false) {
                return all;
            }
            cursor = info["endCursor"].clone();
        }
    }

    async fn backward(&self, client: &Client, rows: i32) -> Vec<String> {
        let (mut all, mut cursor) = (vec![], json!(null));
        loop {
            let (names, info) = self.page(client, ("last", rows), ("before", &cursor)).await;
            assert_eq!(info["hasNextPage"], json!(!all.is_empty()), "{}: before {} rows", self.field, all.len());
            all = names.into_iter().chain(all).collect();
            if info["hasPreviousPage"] == json!(false) {
                return all;
            }
            cursor = info["startCursor"].clone();
        }
    }
}

fn list(field: &'static str, name: &'static str, arguments: impl Into<String>) -> List {
    List { field, name, arguments: arguments.into() }
}

/// Twelve tasks in as many projects, all overdue, so that every list has twelve rows.
async fn twelve(app: &TestApp) {
    for number in 0..12 {
        let project = app.client.project().await;
        let due = json!({ "at": format!("2001-01-{:02}T00:00:00Z", 12 - number / 2) });
        let priority = ["LOW", "HIGH", "MEDIUM"][number % 3];
        app.client
            .must("taskCreate", "id", json!({ "projectId": project, "title": format!("{}", number % 5), "due": due, "priority": priority }))
            .await;
    }
    until("all have fired", || async {
        let seen = app.client.data("{ deadlines { totalCount } }", json!({})).await;
        (seen["deadlines"]["totalCount"] == 12).then_some(())
    })
    .await;
    app.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_any_size_make_up_the_same_list_both_ways() {
    let app = TestApp::start().await;
    twelve(&app).await;
    let by = |sort: &str| list("tasks", "id", format!("sort: {sort}"));
    for list in [
        list("tasks", "id", ""),
        by("[{ field: PRIORITY }, { field: TITLE, direction: DESC }]"),
        by("[{ field: DUE, direction: DESC }]"),
        by("[{ field: UPDATED }]"),
        by("[{ field: NUMBER, direction: DESC }, { field: DUE }]"),
        list("projects", "id", ""),
        list("schedules", "id", ""),
        list("deadlines", "id", ""),
    ] {
        let whole = list.forward(&app.client, 100).await;
        assert_eq!((whole.len(), whole.iter().collect::<BTreeSet<_>>().len()), (12, 12), "{}", list.field);
        for rows in [1, 5, 12] {
            assert_eq!(list.forward(&app.client, rows).await, whole, "{} {}, {rows} rows", list.field, list.arguments);
            assert_eq!(list.backward(&app.client, rows).await, whole, "{} {}, {rows} rows backward", list.field, list.arguments);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_rows_come_and_go_none_is_skipped_and_none_repeated() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let mut made = vec![];
    for number in 0..24 {
        let priority = ["LOW", "HIGH", "MEDIUM", "CRITICAL"][number % 4];
        let input = json!({ "projectId": project, "title": format!("stays {number}"), "priority": priority });
        made.push(app.client.must("taskCreate", "id", input).await["task"]["id"].clone());
    }
    app.settled().await;
    let list =
        list("tasks", "id", "sort: [{ field: PRIORITY }, { field: NUMBER, direction: DESC }] filter: { title: { startsWith: \"stays\" } }");
    let (mut seen, mut gone, mut cursor) = (vec![], vec![], json!(null));
    loop {
        let (names, info) = list.page(&app.client, ("first", 4), ("after", &cursor)).await;
        seen.extend(names);
        cursor = info["endCursor"].clone();
        if info["hasNextPage"] == json!(false) {
            break;
        }
        // One that was seen goes, the one at the cursor too, and others come that are not of the list or before it.
        let last = seen.last().expect("a row").trim_matches('"').to_owned();
        for id in [seen[gone.len()].trim_matches('"').to_owned(), last] {
            if !gone.contains(&id) {
                app.client.must("taskDelete", "id", json!({ "id": id })).await;
                gone.push(id);
            }
        }
        for (title, priority) in [("stranger", "LOW"), ("stays out", "CRITICAL")] {
            let input = json!({ "projectId": project, "title": title, "priority": priority });
            let made = app.client.must("taskCreate", "id", input).await;
            if title == "stays out" {
                // It sorts before everything, so before the cursor.
                assert!(!seen.contains(&made["task"]["id"].to_string()));
            }
        }
        app.settled().await;
    }
    let expected: BTreeSet<String> = made.iter().map(ToString::to_string).collect();
    let found: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(found.len(), seen.len(), "a row came twice");
    assert!(found.is_superset(&expected), "{:?} were skipped", expected.difference(&found).collect::<Vec<_>>());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_what_it_cannot_do() {
    let app = TestApp::start().await;
    twelve(&app).await;
    for (arguments, path) in [
        ("first: -1", "first"),
        ("last: -1", "last"),
        ("first: 1, last: 1", "last"),
        ("after: \"forged\"", "after"),
        ("last: 1, before: \"\"", "before"),
        ("first: 1, after: \"\u{0}\"", "after"),
    ] {
        for field in ["tasks", "projects", "schedules", "deadlines"] {
            let refused = app.client.ask(&format!("{{ {field}({arguments}) {{ nodes {{ id }} }} }}"), json!({})).await;
            let extensions = &refused["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "BAD_USER_INPUT", "{field}({arguments}): {refused}");
            if !arguments.contains('\u{0}') {
                assert_eq!(extensions["path"], json!([path]), "{field}({arguments}): {refused}");
            }
        }
    }
    // A cursor of another list, or of another order.
    let other = app.client.data("{ projects(first: 1) { pageInfo { endCursor } } }", json!({})).await;
    let query = "query($a: String) { tasks(first: 1, after: $a) { nodes { id } } }";
    assert_eq!(app.client.error(query, json!({ "a": other["projects"]["pageInfo"]["endCursor"] })).await, "BAD_USER_INPUT");
    let other = app.client.data("{ tasks(first: 1, sort: [{ field: DUE }]) { pageInfo { endCursor } } }", json!({})).await;
    assert_eq!(app.client.error(query, json!({ "a": other["tasks"]["pageInfo"]["endCursor"] })).await, "BAD_USER_INPUT");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_none_still_tells_what_there_is() {
    let app = TestApp::start().await;
    twelve(&app).await;
    for field in ["tasks", "projects", "schedules", "deadlines"] {
        let page = app
            .client
            .data(&format!("{{ {field}(first: 0) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"), json!({}))
            .await;
        let expected = json!({ "totalCount": 12, "nodes": [], "pageInfo": { "hasNextPage": true, "endCursor": null } });
        assert_eq!(page[field], expected, "{field}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_pages_its_tasks_and_a_task_its_comments() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let task = app.client.task(&project, "0").await;
    for number in 1..5 {
        app.client.task(&project, &number.to_string()).await;
        app.client.must("taskComment", "id", json!({ "id": task, "body": number.to_string() })).await;
    }
    app.client.task(&app.client.project().await, "elsewhere").await;
    app.settled().await;
    let query = "query($p: ID!, $t: ID!, $a: String, $c: String) {
        project(id: $p) { tasks(first: 2, after: $a, sort: [{ field: NUMBER, direction: DESC }], filter: { title: { ne: \"3\" } }) {
            totalCount nodes { title } pageInfo { endCursor hasNextPage } } }
        task(id: $t) { comments(first: 3, after: $c) { totalCount nodes { body } pageInfo { endCursor hasNextPage } } } }";
    let first = app.client.data(query, json!({ "p": project, "t": task })).await;
    let (tasks, comments) = (&first["project"]["tasks"], &first["task"]["comments"]);
    assert_eq!((&tasks["totalCount"], &tasks["nodes"]), (&json!(4), &json!([{ "title": "4" }, { "title": "2" }])));
    assert_eq!((&comments["totalCount"], &comments["nodes"]), (&json!(4), &json!([{ "body": "1" }, { "body": "2" }, { "body": "3" }])));
    let cursors = json!({ "p": project, "t": task, "a": tasks["pageInfo"]["endCursor"], "c": comments["pageInfo"]["endCursor"] });
    let second = app.client.data(query, cursors).await;
    assert_eq!(second["project"]["tasks"]["nodes"], json!([{ "title": "1" }, { "title": "0" }]));
    assert_eq!(second["task"]["comments"]["nodes"], json!([{ "body": "4" }]));
    assert_eq!(second["task"]["comments"]["pageInfo"]["hasNextPage"], json!(false));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_only_ends_somewhere_has_the_rows_next_to_its_end() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let rows = api::graphql::PAGE_ROWS_DEFAULT + 3;
    for _ in 0..rows {
        app.client.task(&project, "Paged").await;
    }
    app.settled().await;
    let query =
        "query($a: String, $b: String) { tasks(after: $a, before: $b) { nodes { number } pageInfo { hasNextPage hasPreviousPage } } }";
    let ends = "{ first: tasks(first: 1) { pageInfo { endCursor } } last: tasks(last: 1) { pageInfo { startCursor } } }";
    let ends = app.client.data(ends, json!({})).await;
    let (first, last) = (&ends["first"]["pageInfo"]["endCursor"], &ends["last"]["pageInfo"]["startCursor"]);
    // Between both ends a page begins at the first, as it does everywhere else where nothing is said.
    for (variables, from) in [(json!({ "b": last }), rows - 50), (json!({ "a": first, "b": last }), 2)] {
        let page = app.client.data(query, variables.clone()).await["tasks"].clone();
        let numbers: Vec<_> = page["nodes"].as_array().expect("rows").iter().map(|row| row["number"].clone()).collect();
        assert_eq!(numbers, (from..from + 50).map(|number| json!(number)).collect::<Vec<_>>(), "{variables}");
        assert_eq!(page["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": true }), "{variables}");
    }
    app.stop().await;
}
