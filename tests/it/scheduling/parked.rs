//! What a reaction cannot deal with waits, and is not lost.

use super::Scene;
use application::ports::{Checkpoints, Failed, FirstParked, Parked, Waiting};
use application::reactions::PARKED_AT_ONCE;
use infrastructure::checkpoints::{PostgresCheckpoints, retry_now, skip};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use std::time::Duration;
use tests::app::TestApp;
use tests::wait::until;
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

/// Two projects, and no node any more.
async fn with_two_projects() -> Scene {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    scene.project(&app, "UTC").await;
    scene.project(&app, "UTC").await;
    app.stop().await;
    scene
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
    until("what waited is dealt with", || async { parked(&scene.pool).await.is_empty().then_some(()) }).await;
    scene.at_rest().await;
    assert_eq!(follower(&app, sick).await, "2031-07-09");
    let begun: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.events WHERE event_type = 'schedule_created'")
        .fetch_one(&scene.pool)
        .await
        .expect("events can be read");
    assert_eq!(begun, 2, "each schedule was begun once");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_each_aggregate_the_first_parked_event_is_due_whoever_takes_out_the_one_before() {
    const READER: &str = "a_reader";
    let scene = with_two_projects().await;
    let pool = scene.pool.clone();
    let checkpoints = PostgresCheckpoints::new(pool.clone());
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let failed = |again_after| Some(Failed { error: "no".to_owned(), tries: 1, again_after });
    let parked = |position, aggregate_id, failed| Parked { position, aggregate_id, event_type: "task_created".to_owned(), failed };
    let later = Duration::from_secs(60 * 60);
    let first = [parked(1, one, failed(Duration::ZERO)), parked(2, one, None), parked(3, other, failed(later)), parked(4, one, None)];
    assert!(checkpoints.advance(READER, 0, 1, &first).await.expect("it is parked"));
    let due = async |but: &[Uuid]| -> Vec<i64> {
        checkpoints.due(READER, but, 9).await.expect("it can be read").into_iter().map(|first| first.position).collect()
    };
    assert_eq!((due(&[]).await, due(&[one]).await), (vec![1], vec![]), "what waits is not due");
    let waiting = checkpoints.waiting(READER, &[one, Uuid::from_u128(3)]).await.expect("it can be read");
    assert_eq!(waiting, Waiting { aggregates: [one].into(), any: true });
    assert_eq!(checkpoints.count_parked(READER).await.expect("it can be read"), 4);
    checkpoints.make_all_due(READER).await.expect("another node reacts");
    assert_eq!(due(&[]).await, [1, 3], "the longest due first, and still nothing that waits");
    let of = |position, tries| FirstParked { position, aggregate_id: one, tries };
    checkpoints.release(READER, &of(1, 1)).await.expect("it is dealt with");
    assert_eq!(due(&[]).await, [2, 3], "the next one has its place in the line");
    assert!(skip(&pool, READER, 2, "a test", "Anna").await.expect("it is skipped"));
    assert_eq!(due(&[other]).await, [4]);

    // The last one of an aggregate is taken out while another one is put behind it.
    let mut release = pool.begin().await.expect("a transaction");
    release.execute("SELECT FROM milepost.checkpoints WHERE name = 'a_reader' FOR UPDATE").await.expect("a lock");
    release.execute("DELETE FROM milepost.parked_events WHERE name = 'a_reader' AND position = 4").await.expect("it is taken out");
    let behind = [parked(5, one, None)];
    let advance = checkpoints.advance(READER, 1, 2, &behind);
    let commit = async {
        let waits = "SELECT true FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("it waits", || async { sqlx::query_scalar::<_, bool>(waits).fetch_optional(&pool).await.expect("it can be asked") }).await;
        release.commit().await.expect("it is dealt with");
    };
    let (advanced, ()) = tokio::join!(advance, commit);
    assert!(advanced.expect("it is parked"));
    assert_eq!(due(&[other]).await, [5], "nothing is left that it could wait for");
    checkpoints.release(READER, &of(5, 0)).await.expect("it is dealt with");
    assert_eq!(checkpoints.waiting(READER, &[one]).await.expect("it can be read"), Waiting { aggregates: [].into(), any: true });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_admin_wants_tried_comes_before_everything_that_is_due() {
    const READER: &str = "a_reader";
    const MANY: i64 = 2 * PARKED_AT_ONCE as i64;
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    scene.project(&app, "UTC").await;
    app.stop().await;
    let (pool, checkpoints) = (scene.pool.clone(), PostgresCheckpoints::new(scene.pool.clone()));
    let failed = || Some(Failed { error: "no".to_owned(), tries: 1, again_after: Duration::ZERO });
    let one = |position, aggregate, failed| Parked {
        position,
        aggregate_id: Uuid::from_u128(aggregate),
        event_type: "task_created".to_owned(),
        failed,
    };
    let mut parked: Vec<Parked> = (1..=MANY).map(|position| one(position, position as u128, failed())).collect();
    // Of the last one, something waits.
    parked.push(one(MANY + 1, MANY as u128, None));
    assert!(checkpoints.advance(READER, 0, 1, &parked).await.expect("it is parked"));
    let first = async || -> FirstParked { checkpoints.due(READER, &[], 1).await.expect("it can be read").remove(0) };
    assert_eq!(first().await.position, 1, "the longest due");
    retry_now(&pool, READER, MANY).await.expect("an admin may");
    assert_eq!(first().await.position, MANY);
    checkpoints.release(READER, &first().await).await.expect("it is dealt with");
    assert_eq!(first().await.position, MANY + 1, "what waited behind it");
    retry_now(&pool, READER, 7).await.expect("an admin may");
    assert_eq!(first().await.position, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_parked_of_another_log_is_forgotten_and_nothing_waits_for_it() {
    const READER: &str = "a_reader";
    let scene = with_two_projects().await;
    let (pool, checkpoints) = (scene.pool.clone(), PostgresCheckpoints::new(scene.pool.clone()));
    let events: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT position, aggregate_id, event_type FROM milepost.events ORDER BY position LIMIT 2")
            .fetch_all(&pool)
            .await
            .expect("the log can be read");
    let head: i64 = sqlx::query_scalar("SELECT max(position) FROM milepost.events").fetch_one(&pool).await.expect("the log can be read");
    let of = |number: usize| {
        let (position, aggregate_id, event_type) = events[number].clone();
        (position, aggregate_id.parse::<Uuid>().expect("a UUID"), event_type)
    };
    let ((one_at, one, created), (other_at, other, _)) = (of(0), of(1));
    assert_ne!(one, other);
    let failed = || Some(Failed { error: "no".to_owned(), tries: 1, again_after: Duration::ZERO });
    let parked =
        |position, aggregate_id, event_type: &str, failed| Parked { position, aggregate_id, event_type: event_type.to_owned(), failed };
    let of_both = [
        parked(one_at, one, &created, failed()),
        // At its position the log has an event of another aggregate.
        parked(other_at, one, "task_created", None),
        // The log ends before these; the first keeps the second waiting.
        parked(head + 1, other, "task_updated", failed()),
        parked(head + 2, other, "task_updated", None),
    ];
    assert!(checkpoints.advance(READER, 0, head, &of_both).await.expect("it is parked"));
    sqlx::query("UPDATE milepost.checkpoints SET position = $2 WHERE name = $1")
        .bind(READER)
        .bind(head + 2)
        .execute(&pool)
        .await
        .expect("a superuser may");
    assert_eq!(checkpoints.load(READER).await.expect("it can be read"), head, "where the log ends");
    let left: Vec<i64> = sqlx::query_scalar("SELECT position FROM milepost.parked_events").fetch_all(&pool).await.expect("it can be read");
    assert_eq!(left, [one_at], "what is of this log");
    let waiting = checkpoints.waiting(READER, &[one, other]).await.expect("it can be read");
    assert_eq!(waiting, Waiting { aggregates: [one].into(), any: true });

    // What waited behind one that is lost is tried.
    assert!(checkpoints.advance(READER, head, one_at, &[parked(one_at - 1, one, "lost", failed())]).await.expect("it is parked"));
    sqlx::query("UPDATE milepost.parked_events SET next_try_at = NULL WHERE position = $1")
        .bind(one_at)
        .execute(&pool)
        .await
        .expect("a superuser may");
    checkpoints.load(READER).await.expect("it can be read");
    let due: Vec<i64> = checkpoints.due(READER, &[], 9).await.expect("it can be read").into_iter().map(|first| first.position).collect();
    assert_eq!(due, [one_at]);
}
