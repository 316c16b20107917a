//! One command goes all the way.

use serde_json::json;
use tests::app::{How, TestApp};
use tests::kafka::TestTopics;
use tests::wait::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_becomes_an_event_a_row_and_a_record() {
    let topics = TestTopics::new();
    let (kafka, catalogue) = (topics.kafka.clone(), topics.catalogue.clone());
    let app = TestApp::start_with(How { topics: Some(topics), ..How::default() }).await;
    let project = app.client.project().await;
    let made = app.client.must("taskCreate", "id key", json!({ "projectId": project, "title": "All the way" })).await;
    let seen = app
        .client
        .data(
            "query($id: ID!, $p: Position) { task(id: $id, minPosition: $p) { title key } }",
            json!({ "id": made["task"]["id"], "p": made["position"] }),
        )
        .await;
    assert_eq!(seen["task"], json!({ "title": "All the way", "key": made["task"]["key"] }));
    let topics = TestTopics { kafka, catalogue, toml: String::new() };
    let positions = until("both events are on Kafka", || async {
        let positions = topics.positions().await;
        (positions.len() >= 2).then_some(positions)
    })
    .await;
    assert_eq!(positions, [1, 2]);
    app.stop().await;
}
