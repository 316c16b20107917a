//! A task's due date has a schedule that keeps in step with the task.

use super::audit::audit;
use super::{Scene, instant};
use application::ports::Clock;
use chrono::TimeDelta;
use domain::ids::system;
use serde_json::{Value, json};
use sqlx::Row;
use std::sync::Arc;
use tests::app::{Client, TestApp, settings};
use uuid::Uuid;

const BEGUN: &str = "2031-06-02T08:00:00Z";
const TASK: &str = "id isOverdue schedule { id title state dueRevision due { date } thresholds { amount unit } nextFireAt }";

async fn task(client: &Client, id: &Value) -> Value {
    let query = format!("query($id: ID!) {{ task(id: $id) {{ {TASK} }} }}");
    client.data(&query, json!({ "id": id })).await["task"].clone()
}

async fn dated(client: &Client, project: &Value, title: &str, date: &str) -> Value {
    let input = json!({ "projectId": project, "title": title, "due": { "date": date } });
    client.must("taskCreate", "id", input).await["task"]["id"].clone()
}

async fn firings(client: &Client, filter: Value) -> Vec<Value> {
    let query = "query($f: DeadlineFilter) { deadlines(filter: $f) { nodes { kind firedAt lateByMs schedule { id } } } }";
    client.data(query, json!({ "f": filter })).await["deadlines"]["nodes"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_goes_along_with_all_that_becomes_of_its_task() {
    let scene = Scene::at(BEGUN).await;
    let app = scene.node().await;
    let client = &app.client;
    let project = json!(scene.project(&app, "Europe/Berlin").await);
    let id = client.must("taskCreate", "id", json!({ "projectId": project, "title": "Paint the hall" })).await["task"]["id"].clone();
    scene.at_rest().await;
    assert_eq!(task(client, &id).await["schedule"], Value::Null, "without a due date there is nothing to follow");
    let due = |date: &str| json!({ "id": id, "due": { "date": date } });
    let only = json!({ "id": id });
    let cancelled = json!({ "id": id, "status": "CANCELLED" });
    for (mutation, input, follows) in [
        ("taskSetDue", due("2031-07-01"), Some(("Paint the hall", "PENDING", 1, "2031-07-01"))),
        ("taskSetDue", due("2031-07-09"), Some(("Paint the hall", "PENDING", 2, "2031-07-09"))),
        ("taskUpdate", json!({ "id": id, "title": "Paint all" }), Some(("Paint all", "PENDING", 2, "2031-07-09"))),
        ("taskAssign", json!({ "id": id, "userId": Uuid::new_v4() }), Some(("Paint all", "PENDING", 2, "2031-07-09"))),
        ("taskClearDue", only.clone(), None),
        ("taskUpdate", json!({ "id": id, "title": "Paint it" }), None),
        ("taskSetDue", due("2031-07-09"), Some(("Paint it", "PENDING", 3, "2031-07-09"))),
        ("taskComplete", only.clone(), Some(("Paint it", "MET", 3, "2031-07-09"))),
        ("taskReopen", only.clone(), Some(("Paint it", "PENDING", 4, "2031-07-09"))),
        ("taskChangeStatus", cancelled, None),
        ("taskReopen", only.clone(), Some(("Paint it", "PENDING", 5, "2031-07-09"))),
    ] {
        client.must(mutation, "id", input).await;
        scene.at_rest().await;
        let seen = task(client, &id).await["schedule"].clone();
        let expected = follows.map(|(title, state, revision, date)| (json!(title), json!(state), json!(revision), json!(date)));
        let seen = (!seen.is_null())
            .then(|| (seen["title"].clone(), seen["state"].clone(), seen["dueRevision"].clone(), seen["due"]["date"].clone()));
        assert_eq!(seen, expected, "after {mutation}");
    }
    let schedule = task(client, &id).await["schedule"].clone();
    assert_eq!(schedule["thresholds"], json!([{ "amount": 3, "unit": "DAYS" }]));
    assert_eq!(schedule["nextFireAt"], "2031-07-06T22:00:00.000Z", "three days before the end of the day in the project's zone");
    for mutation in ["scheduleMeet", "scheduleDelete"] {
        assert_eq!(client.refused(mutation, json!({ "id": schedule["id"] })).await, "FOLLOWS_TASK");
    }
    client.must("taskDelete", "id", only).await;
    scene.at_rest().await;
    let gone = client.data("query($id: ID!) { schedule(id: $id) { state } }", json!({ "id": schedule["id"] })).await;
    assert_eq!(gone["schedule"], Value::Null, "it is gone with its task");
    scene.moved_to(instant("2031-09-01T00:00:00Z")).await;
    assert_eq!(audit(&scene.pool, scene.now()).await, [], "it was in time, and then gone");
    each_event_names_its_cause(&scene, schedule["id"].as_str().expect("an id")).await;
    app.stop().await;
}

async fn each_event_names_its_cause(scene: &Scene, schedule: &str) {
    let rows = sqlx::query(
        "SELECT e.event_type, (e.metadata ->> 'actor')::uuid, c.event_type, \
           e.metadata ->> 'correlation_id' IS NOT DISTINCT FROM c.metadata ->> 'correlation_id' \
         FROM milepost.events e LEFT JOIN milepost.events c ON c.event_id = (e.metadata ->> 'causation_id')::uuid \
         WHERE e.aggregate_id = $1 ORDER BY e.sequence",
    );
    let rows = rows.bind(schedule).fetch_all(&scene.pool).await.expect("the log can be read");
    let seen: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get::<Option<String>, _>(2).unwrap_or_default())).collect();
    let expected = [
        ("schedule_created", "task_due_date_changed"),
        ("schedule_rescheduled", "task_due_date_changed"),
        ("schedule_updated", "task_updated"),
        ("schedule_deleted", "task_due_date_changed"),
        ("schedule_reopened", "task_due_date_changed"),
        ("deadline_met", "task_completed"),
        ("schedule_reopened", "task_reopened"),
        ("schedule_deleted", "task_status_changed"),
        ("schedule_reopened", "task_reopened"),
        ("schedule_deleted", "task_deleted"),
    ];
    assert_eq!(seen, expected.map(|(event, cause)| (event.to_owned(), cause.to_owned())));
    assert!(rows.iter().all(|row| row.get::<Uuid, _>(1) == system::REACTIONS.0 && row.get(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_at_rest_silences_the_schedules_of_its_tasks_and_of_no_other() {
    let scene = Scene::at(BEGUN).await;
    let app = scene.node().await;
    let client = &app.client;
    let mut projects = vec![];
    for _ in 0..3 {
        projects.push(json!(scene.project(&app, "UTC").await));
    }
    let [kept, resting, doomed] = &projects[..] else { panic!("three projects") };
    let mut followers = vec![];
    for (title, project) in [("Stays", kept), ("Rests", resting), ("Leaves in time", resting), ("Is doomed", doomed)] {
        let id = dated(client, project, title, "2031-06-10").await;
        scene.at_rest().await;
        followers.push((task(client, &id).await["schedule"]["id"].clone(), id));
    }
    client.must("taskMove", "id", json!({ "id": followers[2].1, "projectId": kept })).await;
    client.must("projectArchive", "id", json!({ "id": resting })).await;
    client.must("projectDelete", "id", json!({ "id": doomed })).await;
    scene.moved_to(instant("2031-06-20T06:00:00Z")).await;
    let late = 9 * 86_400_000 + 6 * 3_600_000;
    let fired = |place: usize, late: i64| json!({ "kind": "OVERDUE", "firedAt": "2031-06-20T06:00:00.000Z", "lateByMs": late, "schedule": { "id": followers[place].0 } });
    let mut seen = firings(client, json!({})).await;
    seen.sort_by_key(|firing| firing["schedule"]["id"] != followers[0].0);
    assert_eq!(seen, [fired(0, late), fired(2, late)]);

    scene.moved_to(instant("2031-06-21T06:00:00Z")).await;
    client.must("projectUnarchive", "id", json!({ "id": resting })).await;
    scene.at_rest().await;
    let caught_up = firings(client, json!({ "scheduleId": { "eq": followers[1].0 } })).await;
    assert_eq!(caught_up.len(), 1, "only the most severe");
    assert_eq!(caught_up[0]["lateByMs"], late + 86_400_000);
    scene.moved_to(instant("2032-06-21T06:00:00Z")).await;
    assert_eq!(audit(&scene.pool, scene.now()).await.len(), 3, "a deleted project stays silent for ever");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_begins_when_its_project_rests_already_is_silent_until_the_project_goes_on() {
    let scene = Scene::at(BEGUN).await;
    let clock: Arc<dyn Clock> = scene.clock.clone();
    let core = server::wire::Core::open_with(&settings(&scene.database.url), clock).await.expect("the database is there");
    // No node runs, so no reaction does.
    let project = super::must(&core.application, scene.caller, "projectCreate", json!({ "key": "RESTS", "name": "Rests" })).await;
    let input = json!({ "projectId": project, "title": "Waits", "due": { "date": "2031-06-02" } });
    super::must(&core.application, scene.caller, "taskCreate", input).await;
    super::must(&core.application, scene.caller, "projectArchive", json!({ "id": project })).await;
    core.close().await;
    let app = scene.node().await;
    scene.moved_to(scene.now() + TimeDelta::days(2)).await;
    assert_eq!(audit(&scene.pool, scene.now()).await, []);
    scene.must(&app, "projectUnarchive", json!({ "id": project })).await;
    scene.at_rest().await;
    assert_eq!(audit(&scene.pool, scene.now()).await.len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_overdue_by_the_clock_and_schedules_by_their_events() {
    let scene = Scene::at(BEGUN).await;
    let app = scene.node().await;
    let project = json!(scene.project(&app, "UTC").await);
    let id = dated(&app.client, &project, "Paint the hall", "2031-06-10").await;
    let mut seen = vec![];
    for moment in ["2031-06-07T23:59:59.999Z", "2031-06-08T00:00:00Z", "2031-06-10T23:59:59.999Z", "2031-06-11T00:00:00Z"] {
        scene.moved_to(instant(moment)).await;
        seen.push(look(&app, &id, &project).await);
    }
    app.client.must("taskComplete", "id", json!({ "id": id })).await;
    scene.at_rest().await;
    seen.push(look(&app, &id, &project).await);
    let expected = [
        (false, "PENDING", 0, vec![]),
        (false, "APPROACHING", 0, vec!["APPROACHING"]),
        (false, "APPROACHING", 0, vec!["APPROACHING"]),
        (true, "OVERDUE", 1, vec!["APPROACHING", "OVERDUE"]),
        (false, "MET", 0, vec!["APPROACHING", "OVERDUE"]),
    ];
    let told = expected.map(|(overdue, state, overdues, firings)| json!([overdue, state, overdues, overdues, firings]));
    assert_eq!(seen, told);
    assert_eq!(firings(&app.client, json!({ "kind": "OVERDUE" })).await.len(), 1);
    app.stop().await;
}

/// Whether the task is overdue, the state of its schedule, how many overdue tasks are counted and found, and what has fired.
async fn look(app: &TestApp, id: &Value, project: &Value) -> Value {
    let query = "query($id: ID!, $p: ID!) { task(id: $id) { isOverdue schedule { state firings { kind } } } \
                   project(id: $p) { taskCounts { overdue } } tasks(filter: { isOverdue: true }) { totalCount } }";
    let seen = app.client.data(query, json!({ "id": id, "p": project })).await;
    let kinds: Value =
        seen["task"]["schedule"]["firings"].as_array().expect("a list").iter().map(|firing| firing["kind"].clone()).collect();
    json!([
        seen["task"]["isOverdue"],
        seen["task"]["schedule"]["state"],
        seen["project"]["taskCounts"]["overdue"],
        seen["tasks"]["totalCount"],
        kinds
    ])
}
