//! A question that outlasts its request leaves nothing behind in the database.

use projections::querying::error::QueryError;
use sqlx::{Connection, Executor, PgConnection};
use std::time::Duration;
use tests::app::{How, TestApp};
use tests::wait::until;

const TIMEOUT: Duration = Duration::from_secs(2);

async fn app() -> TestApp {
    let settings = |settings: &mut infrastructure::config::Settings| settings.limits.timeout_ms = TIMEOUT.as_millis() as u64;
    TestApp::start_with(How { settings: Some(Box::new(settings)), ..How::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_waits_is_ended_after_its_request() {
    let app = app().await;
    let tasks = "{ tasks { totalCount } }";
    app.client.data(tasks, serde_json::json!({})).await;
    let mut holder = PgConnection::connect(&app.database.url).await.expect("the database is there");
    holder.execute("BEGIN; LOCK TABLE milepost.task_list IN ACCESS EXCLUSIVE MODE").await.expect("the table can be held");
    assert_eq!(app.client.error(tasks, serde_json::json!({})).await, "UNAVAILABLE");
    let (pool, waiting) = (
        app.database.pool().await,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    until("nobody waits for the table any more", || async {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&pool).await.ok()?;
        (waiting == 0).then_some(())
    })
    .await;
    holder.execute("ROLLBACK").await.expect("the table can be let go");
    until("the question is answered", || async {
        app.client.ask(tasks, serde_json::json!({})).await.get("errors").is_none().then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_was_ended_is_not_an_internal_error() {
    let app = app().await;
    let slow = sqlx::query("SELECT pg_sleep(300)").execute(&app.core().database.service).await.expect_err("it takes too long");
    let error = QueryError::from(slow);
    assert!(matches!(error, QueryError::TooSlow(_)), "{error:?}");
    let unlimited: String = sqlx::query_scalar("SHOW statement_timeout").fetch_one(&app.core().database.worker).await.expect("a setting");
    assert_eq!(unlimited, "0", "who builds read models takes as long as it takes");
    app.stop().await;
}
