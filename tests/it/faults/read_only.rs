//! A PostgreSQL that takes no writes: a node on it is not ready, also while nobody writes.

use super::PROGRAM;
use application::caller::Role;
use serde_json::Value;
use sqlx::Executor;
use std::fs;
use tests::app::Client;
use tests::database::{TestDatabase, admin};
use tests::own_postgres::OwnPostgres;
use tests::process::{Process, Run};
use tests::wait::until;
use uuid::Uuid;

async fn node(url: &str) -> (Process, Client) {
    let mut node = Process::start(PROGRAM, Run::serve(url));
    let client = Client::new(&node.address().await, Uuid::nil(), Uuid::nil(), Role::Owner);
    (node, client)
}

/// Waits until a node is not ready because of what it is about, and gives the sentence.
async fn says(client: &Client, name: &str) -> String {
    until("it says that it is not ready", || async {
        let (status, body) = client.get("/readyz").await;
        let body: Value = serde_json::from_str(&body).ok()?;
        let problem = body["problems"].as_array()?.iter().find(|problem| problem["name"] == name)?;
        (status == 503).then(|| problem["message"].as_str().map(str::to_owned))?
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_a_database_that_is_read_only_by_a_setting_is_not_ready() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let (node, client) = node(&database.url).await;
    until("it is ready", || async { (client.get("/readyz").await.0 == 200).then_some(()) }).await;
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name LIKE 'milepost%'";
    admin()
        .await
        .execute(format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name).as_str())
        .await
        .expect("a setting");
    pool.execute(end_all).await.expect("a superuser may");
    let said = says(&client, "database_read_only").await;
    assert!(said.contains("default_transaction_read_only"), "{said}");
    admin()
        .await
        .execute(format!("ALTER DATABASE {} RESET default_transaction_read_only", database.name).as_str())
        .await
        .expect("a setting");
    pool.execute(end_all).await.expect("a superuser may");
    until("it is ready again", || async { (client.get("/readyz").await.0 == 200).then_some(()) }).await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_a_standby_is_not_ready() {
    let mut postgres = OwnPostgres::start().await;
    let (node, client) = node(&postgres.url).await;
    client.project().await;
    until("it is ready", || async { (client.get("/readyz").await.0 == 200).then_some(()) }).await;
    // As after a failover in which this server became the standby.
    postgres.crash().await;
    let signal = postgres.folder().join("postgres/standby.signal");
    fs::write(&signal, "").expect("the folder can be written");
    postgres.start_again().await;
    let said = says(&client, "database_read_only").await;
    assert!(said.contains("standby"), "{said}");
    // What is stored can be read all the same.
    client.data("{ projects { totalCount } }", serde_json::json!({})).await;
    fs::remove_file(&signal).expect("it is there");
    postgres.crash().await;
    postgres.start_again().await;
    until("it is ready again", || async { (client.get("/readyz").await.0 == 200).then_some(()) }).await;
    node.kill().await;
    postgres.end().await;
}
