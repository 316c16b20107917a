//! The greatest filters that are allowed are answered, and soon.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::app::TestApp;

/// Far below the time that a request may take, and far above what these take on a busy machine.
const SOON: Duration = Duration::from_secs(5);
const TASKS: &str = "query($f: TaskFilter) { tasks(filter: $f) { totalCount nodes { id } } }";
const PROJECTS: &str = "query($f: ProjectFilter) { projects(filter: $f) { totalCount nodes { id } } }";

async fn counted(app: &TestApp, query: &str, filter: Value) -> Value {
    let begun = Instant::now();
    let answer = app.client.ask(query, json!({ "f": filter })).await;
    let took = begun.elapsed();
    assert!(answer.get("errors").is_none(), "{query}: {}", answer["errors"]);
    assert!(took < SOON, "{query} took {took:?}");
    let data = &answer["data"];
    if data["tasks"].is_null() { data["projects"]["totalCount"].clone() } else { data["tasks"]["totalCount"].clone() }
}

/// A filter that uses everything there is, and holds for every task.
fn everything() -> Value {
    let (id, now) = ("3f2b6f0e-0000-7000-8000-000000000001", "2999-01-01T00:00:00Z");
    let ids = json!({ "ne": id, "notIn": [id] });
    let texts = json!({ "ne": "\u{1F600}", "notIn": ["x"] });
    let times = json!({ "lt": now, "lte": now, "gt": "1900-01-01T00:00:00Z", "gte": "1900-01-01T00:00:00Z", "isNull": false });
    json!({
        "projectId": ids, "assigneeId": ids, "category": texts, "tag": texts, "title": { "ne": "z", "contains": "a", "startsWith": "a" },
        "status": { "ne": "BLOCKED", "notIn": ["BLOCKED"] }, "priority": { "ne": "LOW" },
        "createdAt": times, "updatedAt": times, "dueAt": { "isNull": true }, "isOverdue": false,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_parts_as_are_allowed_are_answered() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    for number in 0..20 {
        app.client.task(&project, &format!("a task, number {number}, of a_b%c\\d")).await;
    }
    app.settled().await;
    let nested = |around: &dyn Fn(Value) -> Value, depth: usize| {
        (0..depth).fold(json!({ "title": { "startsWith": "a" } }), |inner, _| around(inner))
    };
    for (what, query, filter, expected) in [
        ("words that are there", TASKS, json!({ "text": "task ".repeat(199) }), 20),
        ("words that are not", TASKS, json!({ "text": "%_\\ ".repeat(199) }), 0),
        ("long words", TASKS, json!({ "text": format!("{} ", "x".repeat(1_000)).repeat(199) }), 0),
        ("words of projects", PROJECTS, json!({ "text": "project ".repeat(199) }), 1),
        ("this or that", TASKS, json!({ "or": vec![json!({ "title": { "eq": "b" } }); 199] }), 0),
        ("everything of everything", TASKS, json!({ "or": vec![json!({ "not": everything() }); 99], "and": [everything()] }), 0),
        ("all of everything", TASKS, json!({ "and": vec![everything(); 199] }), 20),
        ("or in or", TASKS, nested(&|inner| json!({ "or": [inner, {"title": { "eq": "b" }}] }), 45), 20),
        ("or, and, not", TASKS, nested(&|inner| json!({ "or": [{ "and": [{ "not": { "not": inner } }] }] }), 18), 20),
        ("long lists", TASKS, json!({ "title": { "notIn": vec!["x"; 500] }, "projectId": { "in": vec![&project; 500] } }), 20),
    ] {
        assert_eq!(counted(&app, query, filter).await, json!(expected), "{what}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lists_of_a_filter_are_counted_together() {
    let app = TestApp::start().await;
    let id = "3f2b6f0e-0000-7000-8000-000000000001";
    let (ids, words) = (|count| json!({ "in": vec![id; count] }), |count| json!({ "notIn": vec!["x"; count] }));
    for (query, filter) in [
        (TASKS, json!({ "projectId": ids(500), "and": [{ "assigneeId": ids(500) }, { "not": { "tag": words(1) } }] })),
        (TASKS, json!({ "status": { "in": vec!["DONE"; 500] }, "or": [{ "priority": { "notIn": vec!["LOW"; 501] } }] })),
        (TASKS, json!({ "category": words(1_001) })),
        (PROJECTS, json!({ "status": vec!["ACTIVE"; 300], "key": words(300), "name": words(300), "collaboratorId": ids(101) })),
        (
            "query($f: ScheduleFilter) { schedules(filter: $f) { totalCount } }",
            json!({ "state": vec!["MET"; 1], "projectId": ids(500), "taskId": ids(500) }),
        ),
        ("query($f: DeadlineFilter) { deadlines(filter: $f) { totalCount } }", json!({ "scheduleId": ids(1_001) })),
        (
            "query($f: EventFilter) { events(filter: $f) { nodes { id } } }",
            json!({ "type": vec!["x"; 501], "aggregateType": vec!["task"; 500] }),
        ),
    ] {
        let refused = app.client.ask(query, json!({ "f": filter })).await;
        let expected = json!({ "code": "LIMIT_EXCEEDED", "limit": "filterItems", "value": 1_001, "allowed": 1_000 });
        assert_eq!(refused["errors"][0]["extensions"], expected, "{query}: {refused}");
    }
    app.stop().await;
}
