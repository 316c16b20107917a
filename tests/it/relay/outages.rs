//! Kafka is away: at the start, for a while, or for just the moment that matters.

use super::{GOES_ON, IS_STUCK, Scene, client};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::app::Client;
use tests::kafka::TestTopics;
use tests::own_kafka::OwnKafka;
use tests::wait::{until, until_true};
use tokio::net::TcpListener;

const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// What a node says of itself once its read models are built: without Kafka it can do its work.
async fn health(client: &Client) -> Value {
    let ready = until("the node is ready", || async { Some(client.get("/readyz").await).filter(|(status, _)| *status == 200) }).await;
    serde_json::from_str(&ready.1).expect("health is JSON")
}

/// What the service says of its relay.
async fn relay(client: &Client) -> Value {
    client.data("{ serviceStatus { position relay { mode position lagEvents } } }", json!({})).await["serviceStatus"].clone()
}

async fn lag_metric(client: &Client) -> Option<f64> {
    client.metric("milepost_relay_lag_events").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_the_service_works_and_shows_its_lag_and_later_catches_up_in_order() {
    let kafka = OwnKafka::start("relay-outages");
    kafka.stop();
    let scene = Scene::on(TestTopics::on(&kafka.bootstrap_servers), 4).await;
    let mut node = scene.node("");
    let client = client(&mut node).await;
    let project = client.project().await;
    client.task(&project, "Planned while Kafka is away").await;
    scene.write(100, &AtomicUsize::new(0)).await;
    let head = scene.head_of_all(107).await;
    until("the figure shows the lag", || async { lag_metric(&client).await.filter(|&lag| lag == head as f64) }).await;
    let status = relay(&client).await;
    assert_eq!(
        status["relay"],
        json!({ "mode": "exactly_once", "position": "0", "lagEvents": status["position"].as_str().map(|p| p.parse::<i64>().ok()) })
    );
    node.said(IS_STUCK).await;
    let health = health(&client).await;
    assert!(health["notices"][0]["message"].as_str().is_some_and(|notice| notice.contains("Kafka")), "{health}");

    kafka.start_again();
    scene.relayed().await;
    scene.assert_exactly_once().await;
    until("the status tells that all is sent", || async { (relay(&client).await["relay"]["lagEvents"] == json!(0)).then_some(()) }).await;
    until("the figure goes down", || async { lag_metric(&client).await.filter(|&lag| lag == 0.0) }).await;
    until("the health is good again", || async { (self::health(&client).await["notices"] == json!([])).then_some(()) }).await;

    let written = AtomicUsize::new(0);
    let dies = async {
        until_true("the writing has begun", || written.load(Ordering::Relaxed) > 150).await;
        kafka.kill().await;
    };
    tokio::join!(scene.write(600, &written), dies);
    kafka.start_again();
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

/// The broker freezes with a commit on its way. The relay cannot know what becomes of it, begins anew, and finds out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_is_unknown_neither_loses_nor_doubles() {
    let kafka = OwnKafka::start("relay-unknown");
    let scene = Scene::on(TestTopics::on(&kafka.bootstrap_servers), 2).await;
    let mut node = scene.node("relay_before_commit=1*off->1*sleep(2000)->off");
    node.said(GOES_ON).await;
    scene.relayed().await;
    scene.write(40, &AtomicUsize::new(0)).await;
    scene.in_transaction().await;
    kafka.signal(Signal::SIGSTOP);
    scene.write(40, &AtomicUsize::new(0)).await;
    node.said(IS_STUCK).await;
    kafka.signal(Signal::SIGCONT);
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

/// The broker takes the connection and then says nothing, so that the relay waits for it when it is told to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_waits_for_kafka_still_stops_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let scene = Scene::on(TestTopics::on(&silent.local_addr().expect("it has an address").to_string()), 1).await;
    let mut node = scene.node("");
    node.said("milepost serves").await;
    let _connection = silent.accept().await.expect("the relay asks");
    let asked = Instant::now();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended().await, 0, "{}", node.log());
    assert!(asked.elapsed() < STOPS_WITHIN, "it took {:?}:\n{}", asked.elapsed(), node.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_brokers_in_the_settings_nothing_is_sent_and_nothing_complained_of() {
    let scene = Scene::on(TestTopics::on(""), 1).await;
    let mut node = scene.node("");
    let client = client(&mut node).await;
    scene.write(5, &AtomicUsize::new(0)).await;
    assert_eq!(relay(&client).await["relay"], json!({ "mode": "off", "position": null, "lagEvents": null }));
    assert_eq!(health(&client).await["notices"], json!([]));
    assert!(node.log().contains("kafka=\"off\""), "{}", node.log());
    let refused = scene.milepost(&["verify", "kafka"]).await;
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("KAFKA_BOOTSTRAP_SERVERS is not set"), "{}", refused.stderr);
    node.kill().await;
}

/// One event is on its way when the broker dies: it is the broker that is in the way, not the event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_down_is_named_and_no_event_is_blamed_for_it() {
    let kafka = OwnKafka::start("relay-blame");
    let scene = Scene::on(TestTopics::on(&kafka.bootstrap_servers), 2).await;
    let mut environment = scene.environment();
    // The client gives a record 3 s.
    environment.push(("KAFKA_TRANSACTION_TIMEOUT_MS", "5000".to_owned()));
    let mut node = scene.node_with(environment, "");
    node.said(GOES_ON).await;
    scene.relayed().await;
    let client = client(&mut node).await;
    kafka.signal(Signal::SIGSTOP);
    scene.write(1, &AtomicUsize::new(0)).await;
    let words = format!("brokers at {} do not answer", kafka.bootstrap_servers);
    node.said(&words).await;
    let health = health(&client).await;
    let notice = &health["notices"][0];
    assert_eq!(notice["name"], json!("relay_stuck"), "{health}");
    assert!(notice["message"].as_str().is_some_and(|message| message.contains(&words)), "{health}");
    assert!(!node.log().contains("event 4"), "{}", node.log());
    kafka.signal(Signal::SIGCONT);
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}
