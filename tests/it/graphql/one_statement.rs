//! A page is one SQL statement, whatever is asked of its rows.

use super::proxy::Proxy;
use serde_json::{Value, json};
use std::sync::Arc;
use tests::app::{Change, How, TestApp};
use tests::database::TestDatabase;

/// A node behind a proxy that counts, with three projects of four tasks, of which half are due.
async fn counted() -> (TestApp, Proxy, Value) {
    let database = Arc::new(TestDatabase::new().await);
    let proxy = Proxy::before(&database).await;
    let url = proxy.url.clone();
    let settings: Change = Box::new(|settings| settings.database_url = url);
    let app = TestApp::start_with(How { database: Some(database), settings: Some(settings), ..How::default() }).await;
    let mut project = json!(null);
    for number in 0..12 {
        if number % 4 == 0 {
            project = json!(app.client.project().await);
        }
        let due = if number % 2 == 0 { json!({ "at": "2001-01-01T00:00:00Z" }) } else { json!(null) };
        app.client.must("taskCreate", "id", json!({ "projectId": project, "title": "Counted", "due": due })).await;
        app.client.must("scheduleCreate", "id", json!({ "projectId": project, "title": "Counted", "due": { "date": "2031-01-01" } })).await;
    }
    tests::wait::until("all due dates have fired", || async {
        let seen = app.client.data("{ deadlines { totalCount } }", json!({})).await;
        (seen["deadlines"]["totalCount"] == 6).then_some(())
    })
    .await;
    app.settled().await;
    (app, proxy, project)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_one_statement_with_all_that_is_beside_its_rows() {
    let (app, proxy, project) = counted().await;
    let of_project = "key name taskCounts { total todo overdue } collaborators { userId }";
    for page in [
        "tasks { nodes { title } }".to_owned(),
        "tasks { totalCount nodes { title } pageInfo { hasNextPage hasPreviousPage } }".to_owned(),
        "tasks(first: 5, sort: [{ field: DUE }, { field: TITLE }], filter: { text: \"counted\", isOverdue: true }) { nodes { title } }"
            .to_owned(),
        format!("tasks {{ nodes {{ title isOverdue project {{ {of_project} }} schedule {{ state nextFireAt }} }} }}"),
        format!("tasks(last: 7) {{ totalCount edges {{ node {{ title project {{ {of_project} }} schedule {{ state }} }} }} }}"),
        format!("projects {{ totalCount nodes {{ {of_project} }} }}"),
        format!("projects(last: 2) {{ edges {{ cursor node {{ {of_project} }} }} }}"),
        "schedules { totalCount nodes { title state project { name } task { title } } }".to_owned(),
        "deadlines { totalCount nodes { kind lateByMs schedule { title state } } }".to_owned(),
        "events(first: 20) { nodes { type summary data } pageInfo { hasNextPage } }".to_owned(),
        format!("history(subjectId: {project}) {{ nodes {{ type summary }} pageInfo {{ hasNextPage }} }}"),
        format!("project(id: {project}) {{ {of_project} }}"),
    ] {
        let before = proxy.executed();
        let answer = app.client.data(&format!("{{ r: {page} }}"), json!({})).await;
        assert!(answer["r"].is_object(), "{page}");
        assert_eq!(proxy.executed() - before, 1, "{page}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_nested_deeper_is_read_together() {
    let (app, proxy, _) = counted().await;
    for (query, at_most) in [
        // The firings of all schedules, the projects of all tasks.
        ("schedules { nodes { firings { kind } } }", 2),
        ("schedules { nodes { task { title project { key } } } }", 2),
        ("deadlines { nodes { schedule { task { title } project { key } } } }", 3),
        ("tasks(first: 12) { nodes { comments(first: 5) { totalCount nodes { body } } } }", 2),
        ("tasks { nodes { schedule { firings { kind schedule { title } } } } }", 2),
    ] {
        let before = proxy.executed();
        app.client.data(&format!("{{ {query} }}"), json!({})).await;
        let executed = proxy.executed() - before;
        assert!((1..=at_most).contains(&executed), "{query}: {executed} statements");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_no_rows_asks_no_database() {
    let (app, proxy, _) = counted().await;
    let before = proxy.executed();
    app.client.data("{ viewer { role } __schema { queryType { name } } }", json!({})).await;
    app.client.ask("{ tasks(first: 201) { totalCount } }", json!({})).await;
    app.client.ask("{ nothing }", json!({})).await;
    assert_eq!(proxy.executed(), before);
    app.stop().await;
}
