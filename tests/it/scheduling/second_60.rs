//! Deadlines that are written with a second 60 fire once, and the scheduler is done with them.

use super::audit::audit;
use super::{Scene, instant};
use chrono::{DateTime, TimeDelta, Utc};
use projections::runner;
use serde_json::json;
use sqlx::PgPool;
use tests::wait::until;

/// Lets the append function count its calls. Units without events leave no trace in the log, and each is one.
async fn count_appends(pool: &PgPool) {
    let text: String = sqlx::query_scalar("SELECT pg_get_functiondef('milepost.append'::regproc)").fetch_one(pool).await.expect("its text");
    let (begins, counts) = ("perform from log_head for update;", "perform nextval('appends'); perform from log_head for update;");
    assert!(text.contains(begins));
    let planted = format!(
        "CREATE SEQUENCE milepost.appends MINVALUE 0; GRANT USAGE ON SEQUENCE milepost.appends TO milepost_worker; {}",
        text.replace(begins, counts)
    );
    sqlx::raw_sql(&planted).execute(pool).await.expect("a count can be planted");
}

/// How often it was called since.
async fn appends(pool: &PgPool) -> i64 {
    let calls = "SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM milepost.appends";
    sqlx::query_scalar(calls).fetch_one(pool).await.expect("the count can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_with_a_second_60_fires_once_and_is_not_looked_at_again() {
    let scene = Scene::at("2031-12-31T20:00:00Z").await;
    let app = scene.node().await;
    for n in 0..60 {
        let due = json!({ "at": format!("2031-12-31T23:{:02}:60Z", n % 60) });
        let thresholds = json!([{ "amount": 1, "unit": "HOURS" }, { "amount": 1, "unit": "DAYS" }]);
        scene.must(&app, "scheduleCreate", json!({ "title": "A milestone", "due": due, "thresholds": thresholds })).await;
    }
    scene.at_rest().await;
    for hours in [3, 4, 5, 100] {
        scene.moved_to(instant("2031-12-31T20:00:00Z") + TimeDelta::hours(hours)).await;
    }
    let firings = audit(&scene.pool, scene.now()).await;
    assert!(firings.len() >= 120, "{}", firings.len());
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.schedules WHERE next_fire_at IS NOT NULL OR state <> 'overdue'")
        .fetch_one(&scene.pool)
        .await
        .expect("the read model can be read");
    assert_eq!(open, 0, "the next moment moved on with the firing");
    // The scheduler looks again whenever something happens, and finds nothing to do but what is late: that it does shows that
    // it has looked.
    count_appends(&scene.pool).await;
    for n in 0..20 {
        let late = json!({ "title": format!("Late {n}"), "due": { "at": "2032-01-01T12:00:00Z" }, "thresholds": [] });
        scene.must(&app, "scheduleCreate", late).await;
        scene.at_rest().await;
    }
    assert_eq!(appends(&scene.pool).await, 20 + 20, "each is created and fires, and nothing else is sent");
    until("nobody says that anything is wrong", || async {
        let (_, ready) = app.client.get("/readyz").await;
        (!ready.contains("schedules_disagree")).then_some(())
    })
    .await;
    for projection in runner::all() {
        let compared = projection.verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal, "{}", projection.name());
    }
    app.stop().await;
}

/// A row that is wrong is named, and is right again once the read model is built anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_is_due_in_the_read_model_alone_is_named_to_the_admin() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let due = json!({ "at": "2031-06-02T09:00:00Z" });
    let id = scene.must(&app, "scheduleCreate", json!({ "title": "A milestone", "due": due, "thresholds": [] })).await;
    scene.moved_to(instant("2031-06-02T10:00:00Z")).await;
    count_appends(&scene.pool).await;
    let wrong = "UPDATE milepost.schedules_v1 SET next_fire_at = due_at WHERE id = $1";
    sqlx::query(wrong).bind(id).execute(&scene.pool).await.expect("the read model can be made wrong");
    // The scheduler hears of it when anything else happens.
    scene.must(&app, "scheduleCreate", json!({ "title": "Later", "due": { "at": "2033-01-01T00:00:00Z" } })).await;
    let named = |ready: &str| ready.contains("schedules_disagree") && ready.contains(&id.to_string());
    until("it is named", || async { named(&app.client.get("/readyz").await.1).then_some(()) }).await;
    let (head, calls) = (app.head(), appends(&scene.pool).await);
    assert_eq!(calls, 2, "one schedule is created, and the other is ticked once for nothing");
    let mends = "UPDATE milepost.schedules_v1 SET next_fire_at = NULL WHERE id = $1";
    sqlx::query(mends).bind(id).execute(&scene.pool).await.expect("the read model can be mended");
    scene.must(&app, "scheduleCreate", json!({ "title": "Later still", "due": { "at": "2033-01-01T00:00:00Z" } })).await;
    until("it is not named any more", || async { (!named(&app.client.get("/readyz").await.1)).then_some(()) }).await;
    assert_eq!(app.head(), head + 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rebuilt_read_model_lists_as_due_fires_although_nothing_else_happens() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let due = json!({ "at": "2031-06-02T09:00:00Z" });
    scene.must(&app, "scheduleCreate", json!({ "title": "A milestone", "due": due, "thresholds": [] })).await;
    scene.at_rest().await;
    let wrong = "UPDATE milepost.schedules_v1 SET next_fire_at = NULL";
    sqlx::query(wrong).execute(&scene.pool).await.expect("the read model can be made wrong");
    // The scheduler waits for the moment that it has read, looks then, and finds nothing.
    let before: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&scene.pool).await.expect("a time");
    scene.clock.set(instant("2031-06-02T10:00:00Z"));
    until("it has looked for the next moment", || async {
        let looked = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query_start > $1 \
                      AND query LIKE 'SELECT s.next_fire_at FROM milepost.schedules s%')";
        sqlx::query_scalar::<_, bool>(looked).bind(before).fetch_one(&scene.pool).await.expect("activity can be read").then_some(())
    })
    .await;
    let schedules = runner::all().into_iter().find(|projection| projection.name() == "schedules").expect("it is there");
    schedules.rebuild(&app.core().run_context, &|_| {}).await.expect("it is built anew");
    until("it fires", || async {
        let fired = "SELECT EXISTS (SELECT FROM milepost.events WHERE event_type = 'deadline_overdue')";
        sqlx::query_scalar::<_, bool>(fired).fetch_one(&scene.pool).await.expect("the log can be read").then_some(())
    })
    .await;
    app.stop().await;
}
