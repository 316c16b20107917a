//! Imported history: a schedule is met when its task was done, whenever the import is answered.

use super::Scene;
use application::Application;
use application::caller::{Caller, Role};
use application::import::{LineOutcome, Refused, import};
use futures::StreamExt;
use serde_json::{Value, json};
use server::wire::Core;
use sqlx::Row;
use tests::app::settings;
use uuid::Uuid;

const TODAY: &str = "2031-06-02T08:00:00Z";

/// A project and two tasks of long ago. One was done in time, then to do again under another due date, and done again; the
/// other is open to this day.
fn long_ago(done: Uuid, open: Uuid) -> Vec<Value> {
    let project = Uuid::now_v7();
    [
        ("2019-01-01T08:00:00Z", "projectCreate", json!({ "id": project, "key": "OLD", "name": "Long ago", "timeZone": "UTC" })),
        (
            "2019-01-02T08:00:00Z",
            "taskCreate",
            json!({ "id": done, "projectId": project, "title": "Paint", "due": { "date": "2019-03-01" } }),
        ),
        (
            "2019-01-03T08:00:00Z",
            "taskCreate",
            json!({ "id": open, "projectId": project, "title": "Clean", "due": { "date": "2019-03-01" } }),
        ),
        ("2019-02-01T08:00:00Z", "taskComplete", json!({ "id": done })),
        ("2019-02-02T08:00:00Z", "taskReopen", json!({ "id": done })),
        ("2019-02-03T08:00:00Z", "taskSetDue", json!({ "id": done, "due": { "date": "2019-04-01" } })),
        ("2019-03-20T09:30:00Z", "taskComplete", json!({ "id": done })),
    ]
    .into_iter()
    .map(|(at, command, input)| json!({ "command": command, "commandId": Uuid::now_v7(), "at": at, "input": input }))
    .collect()
}

async fn import_all(application: &Application, caller: Caller, lines: &[Value]) {
    let bytes: Vec<_> = lines.iter().map(|line| Ok(line.to_string().into_bytes())).collect();
    let outcomes: Vec<_> =
        import(application, Caller { role: Role::Owner, ..caller }, Refused::Again, futures::stream::iter(bytes)).collect().await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(LineOutcome::Done))), "{outcomes:?}");
}

/// What the schedule of a task came to: its state and due moment, when it was last met, and how often it was overdue.
async fn came_to(scene: &Scene, task: Uuid) -> (String, String, Option<String>, i64) {
    let row = sqlx::query(
        "SELECT s.state, s.due_at::text AS due, (SELECT (e.payload::jsonb #>> '{deadline_met,met_at}') FROM milepost.events e \
           WHERE e.aggregate_id = s.id::text AND e.event_type = 'deadline_met' ORDER BY e.position DESC LIMIT 1) AS met_at, \
         (SELECT count(*) FROM milepost.events e WHERE e.aggregate_id = s.id::text AND e.event_type = 'deadline_overdue') AS overdue \
         FROM milepost.schedules s WHERE s.task_id = $1",
    );
    let row = row.bind(task).fetch_one(&scene.pool).await.expect("the task has a schedule");
    (row.get("state"), row.get("due"), row.get("met_at"), row.get("overdue"))
}

/// What a node did about history happened when its cause did.
async fn assert_of_its_time(scene: &Scene) {
    let late: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT e.event_type, e.metadata ->> 'occurred_at', c.metadata ->> 'occurred_at' FROM milepost.events e \
         JOIN milepost.events c ON c.event_id = (e.metadata ->> 'causation_id')::uuid \
         WHERE e.metadata ->> 'occurred_at' <> c.metadata ->> 'occurred_at'",
    )
    .fetch_all(&scene.pool)
    .await
    .expect("the log can be read");
    assert_eq!(late, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_imported_before_a_node_runs_meets_its_schedules_and_fires_only_what_is_open() {
    let scene = Scene::at(TODAY).await;
    let (done, open) = (Uuid::now_v7(), Uuid::now_v7());
    let core = Core::open_with(&settings(&scene.database.url), scene.clock.clone()).await.expect("the database is there");
    import_all(&core.application, scene.caller, &long_ago(done, open)).await;
    core.close().await;
    let app = scene.node().await;
    scene.at_rest().await;
    assert_eq!(came_to(&scene, done).await, met(0));
    assert_eq!(came_to(&scene, open).await, overdue());
    assert_of_its_time(&scene).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_imported_step_by_step_meets_its_schedules_at_the_same_moment() {
    let scene = Scene::at(TODAY).await;
    let (done, open) = (Uuid::now_v7(), Uuid::now_v7());
    let app = scene.node().await;
    for line in long_ago(done, open) {
        import_all(&app.core().application, scene.caller, &[line]).await;
        scene.at_rest().await;
    }
    // The node saw the task overdue before it heard that it was done: when it was created, reopened, and given another date.
    assert_eq!(came_to(&scene, done).await, met(3));
    assert_eq!(came_to(&scene, open).await, overdue());
    assert_of_its_time(&scene).await;
    app.stop().await;
}

fn met(overdue: i64) -> (String, String, Option<String>, i64) {
    ("met".to_owned(), "2019-04-02 00:00:00+00".to_owned(), Some("2019-03-20T09:30:00Z".to_owned()), overdue)
}

fn overdue() -> (String, String, Option<String>, i64) {
    ("overdue".to_owned(), "2019-03-02 00:00:00+00".to_owned(), None, 1)
}
