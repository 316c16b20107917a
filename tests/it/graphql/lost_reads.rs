//! A connection that is lost while a list is read: every row that it was to be read for says the same.

use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use std::collections::BTreeSet;
use tests::app::TestApp;
use tests::wait::until;

/// The table that holds the comments.
async fn table(connection: &mut PgConnection) -> String {
    sqlx::query_scalar("SELECT name || '_v' || version FROM milepost.projections WHERE name = 'task_comments' AND state = 'live'")
        .fetch_one(connection)
        .await
        .expect("it is live")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_a_lost_read_has_the_same_error() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    for number in 0..5 {
        app.client.task(&project, &format!("Task {number}")).await;
    }
    app.settled().await;
    let mut admin = PgConnection::connect(&app.database.url).await.expect("a connection");
    let mut locking = PgConnection::connect(&app.database.url).await.expect("a connection");
    let table = table(&mut admin).await;
    // What is nested is read after the list, and waits here.
    locking.execute(format!("BEGIN; LOCK TABLE milepost.{table} IN ACCESS EXCLUSIVE MODE").as_str()).await.expect("a lock");
    let client = app.client.clone();
    let asking = tokio::spawn(async move { client.ask("{ tasks(first: 5) { nodes { id comments { nodes { id } } } } }", json!({})).await });
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%task_comments%'";
    until("the nested read waits, and loses its connection", || {
        let admin = &mut admin;
        let found = futures::executor::block_on(sqlx::query_scalar::<_, bool>(ended).fetch_all(admin)).expect("backends can be ended");
        std::future::ready((!found.is_empty()).then_some(()))
    })
    .await;
    let answer = asking.await.expect("no panic");
    let errors = answer["errors"].as_array().expect("there are errors").clone();
    assert_eq!(errors.len(), 5, "one for each row: {answer:#}");
    let distinct: BTreeSet<String> = errors.iter().map(|error| json!([error["message"], error["extensions"]]).to_string()).collect();
    assert_eq!(distinct.len(), 1, "{distinct:?}");
    assert_eq!(errors[0]["extensions"], json!({ "code": "UNAVAILABLE" }), "{answer:#}");
    let places: BTreeSet<String> = errors.iter().map(|error: &Value| error["path"].to_string()).collect();
    assert_eq!(places.len(), 5, "{places:?}");
    locking.execute("ROLLBACK").await.expect("the lock goes");
    app.stop().await;
}
