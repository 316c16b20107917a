//! Overdue is a matter of the clock at the moment of asking, and of nothing that is stored.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::TestApp;

const ASK: &str = "query($id: ID!) {
  task(id: $id) { isOverdue project { taskCounts { total overdue } } }
  tasks(filter: { isOverdue: true }) { totalCount nodes { id isOverdue } }
  others: tasks(filter: { isOverdue: false }) { totalCount }
  projects { nodes { taskCounts { overdue } } }
}";

/// Whether a task is overdue, by everything that says so: they must agree.
async fn overdue(app: &TestApp, task: &str) -> bool {
    app.settled().await;
    let found = app.client.data(ASK, json!({ "id": task })).await;
    let is = found["task"]["isOverdue"].as_bool().expect("true or false");
    let count = i64::from(is);
    let nodes = if is { json!([{ "id": task, "isOverdue": true }]) } else { json!([]) };
    assert_eq!(found["tasks"], json!({ "totalCount": count, "nodes": nodes }), "the filter");
    assert_eq!(found["others"]["totalCount"], json!(1 - count), "the other filter");
    assert_eq!(found["task"]["project"]["taskCounts"], json!({ "total": 1, "overdue": count }), "the count beside the task");
    assert_eq!(found["projects"]["nodes"][0]["taskCounts"]["overdue"], json!(count), "the count in the list");
    is
}

async fn started() -> (TestApp, String, String) {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let project = app.client.project().await;
    let input = json!({ "projectId": project, "title": "A task", "due": { "at": "2031-03-01T13:00:00Z" } });
    let made = app.client.must("taskCreate", "id", input).await;
    let task = made["task"]["id"].as_str().expect("an id").to_owned();
    (app, project, task)
}

fn pass(app: &TestApp, time: TimeDelta) {
    app.clock.as_ref().expect("time is moved").pass(time);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_becomes_overdue_at_its_due_moment_without_any_event() {
    let (app, _, task) = started().await;
    assert!(!overdue(&app, &task).await);
    pass(&app, TimeDelta::hours(1) - TimeDelta::milliseconds(1));
    assert!(!overdue(&app, &task).await, "a millisecond before");
    pass(&app, TimeDelta::milliseconds(1));
    assert!(overdue(&app, &task).await, "at the moment");
    // Time that goes back takes it back: nothing was stored.
    pass(&app, TimeDelta::hours(-1));
    assert!(!overdue(&app, &task).await);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_open_tasks_with_a_due_moment_are_overdue() {
    let (app, project, task) = started().await;
    pass(&app, TimeDelta::days(2));
    assert!(overdue(&app, &task).await);
    let steps: [(&str, Value, bool); 12] = [
        ("taskComplete", json!({}), false),
        ("taskReopen", json!({}), true),
        ("taskChangeStatus", json!({ "status": "CANCELLED" }), false),
        ("taskReopen", json!({}), true),
        ("taskChangeStatus", json!({ "status": "BLOCKED", "blockedReason": "no paint" }), true),
        ("taskSetDue", json!({ "due": { "date": "2031-03-03", "timeZone": "Europe/Zurich" } }), false),
        ("taskSetDue", json!({ "due": { "date": "2031-03-02", "timeZone": "Pacific/Kiritimati" } }), true),
        // There the day ends at this very moment, and the next one in a day.
        ("taskSetDue", json!({ "due": { "date": "2031-03-02", "timeZone": "Etc/GMT+12" } }), true),
        ("taskSetDue", json!({ "due": { "date": "2031-03-03", "timeZone": "Etc/GMT+12" } }), false),
        ("taskClearDue", json!({}), false),
        ("taskSetDue", json!({ "due": { "at": "2031-03-01T00:00:00Z" } }), true),
        ("taskChangePriority", json!({ "priority": "LOW" }), true),
    ];
    for (mutation, mut input, expected) in steps {
        input["id"] = json!(task);
        app.client.must(mutation, "id", input.clone()).await;
        assert_eq!(overdue(&app, &task).await, expected, "after {mutation} {input}");
    }
    // Resting silences the project's deadlines. What is late stays late.
    app.client.must("projectArchive", "id", json!({ "id": project })).await;
    assert!(overdue(&app, &task).await);
    app.client.must("projectUnarchive", "id", json!({ "id": project })).await;
    assert!(overdue(&app, &task).await);
    app.client.must("taskDelete", "id", json!({ "id": task })).await;
    app.settled().await;
    let found = app.client.data("{ tasks { totalCount } projects { nodes { taskCounts { total overdue } } } }", json!({})).await;
    assert_eq!(found, json!({ "tasks": { "totalCount": 0 }, "projects": { "nodes": [{ "taskCounts": { "total": 0, "overdue": 0 } }] } }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_task_is_overdue_where_it_is_and_in_a_deleted_project_nowhere() {
    let (app, from, task) = started().await;
    let to = app.client.project().await;
    pass(&app, TimeDelta::hours(2));
    let counts = |id: String| {
        let client = app.client.clone();
        async move {
            let found = client.data("query($id: ID!) { project(id: $id) { taskCounts { total overdue } } }", json!({ "id": id })).await;
            found["project"]["taskCounts"].clone()
        }
    };
    app.client.must("taskMove", "id", json!({ "id": task, "projectId": to })).await;
    app.settled().await;
    assert_eq!(counts(from).await, json!({ "total": 0, "overdue": 0 }));
    assert_eq!(counts(to.clone()).await, json!({ "total": 1, "overdue": 1 }));
    app.client.must("projectDelete", "id", json!({ "id": to })).await;
    app.settled().await;
    assert_eq!(counts(to).await["overdue"], json!(0));
    let late = app.client.data("{ tasks(filter: { isOverdue: true }) { totalCount } }", json!({})).await;
    assert_eq!(late["tasks"]["totalCount"], json!(0));
    app.stop().await;
}
