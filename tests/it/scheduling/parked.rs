//! What a reaction cannot deal with waits, and is not lost.

use super::Scene;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::app::TestApp;
use uuid::Uuid;

async fn follower(app: &TestApp, task: Uuid) -> Value {
    let found = app.client.data("query($id: ID!) { task(id: $id) { schedule { due { date } } } }", json!({ "id": task })).await;
    found["task"]["schedule"]["due"]["date"].clone()
}

async fn parked(pool: &PgPool) -> Vec<(Uuid, bool)> {
    sqlx::query_as("SELECT aggregate_id, error IS NOT NULL FROM milepost.parked_events ORDER BY position")
        .fetch_all(pool)
        .await
        .expect("parked events can be read")
}

/// Gives a task the due dates that another one has been given, in a version that this program does not know.
async fn due_by_a_newer_program(pool: &PgPool, task: Uuid, like: Uuid) {
    sqlx::query(
        "INSERT INTO milepost.events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, \
           payload, metadata, recorded_at) \
         SELECT (SELECT max(position) FROM milepost.events) + sequence - 1, workspace_id, aggregate_type, $1, sequence, \
           gen_random_uuid(), event_type, '7', payload, metadata, recorded_at \
         FROM milepost.events WHERE aggregate_id = $2 AND event_type = 'task_due_date_changed'",
    )
    .bind(task.to_string())
    .bind(like.to_string())
    .execute(pool)
    .await
    .expect("events can be put there");
}

/// As if this program were the newer one.
async fn learn_to_read(pool: &PgPool) {
    let learn = "ALTER TABLE milepost.events DISABLE TRIGGER USER; UPDATE milepost.events SET event_version = '1'; \
                 ALTER TABLE milepost.events ENABLE TRIGGER USER";
    sqlx::raw_sql(learn).execute(pool).await.expect("a superuser may");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_program_cannot_read_waits_in_its_aggregate_for_one_that_can() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let project = scene.project(&app, "UTC").await;
    let (mut sick, mut well) = (Uuid::nil(), Uuid::nil());
    for task in [&mut sick, &mut well] {
        *task = scene.must(&app, "taskCreate", json!({ "projectId": project, "title": "A task" })).await;
    }
    for date in ["2031-07-01", "2031-07-09"] {
        scene.must(&app, "taskSetDue", json!({ "id": well, "due": { "date": date } })).await;
    }
    scene.at_rest().await;
    app.stop().await;
    due_by_a_newer_program(&scene.pool, sick, well).await;

    let app = scene.node().await;
    scene.must(&app, "taskSetDue", json!({ "id": well, "due": { "date": "2031-08-01" } })).await;
    scene.at_rest().await;
    assert_eq!(follower(&app, well).await, "2031-08-01", "others have to wait");
    assert_eq!(follower(&app, sick).await, Value::Null);
    assert_eq!(parked(&scene.pool).await, [(sick, true), (sick, false)]);
    app.stop().await;

    learn_to_read(&scene.pool).await;
    let app = scene.node().await;
    tests::wait::until("what waited is dealt with", || async { parked(&scene.pool).await.is_empty().then_some(()) }).await;
    scene.at_rest().await;
    assert_eq!(follower(&app, sick).await, "2031-07-09");
    let begun: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.events WHERE event_type = 'schedule_created'")
        .fetch_one(&scene.pool)
        .await
        .expect("events can be read");
    assert_eq!(begun, 2, "each schedule was begun once");
    app.stop().await;
}
