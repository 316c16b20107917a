//! Records that brokers leave open: a transaction ends while the leader of one of its partitions is down, and gets no
//! marker there. Three brokers, one copy.

use super::{GOES_ON, MILEPOST, Scene};
use application::caller::Role;
use infrastructure::kafka::client_config;
use nix::sys::signal::Signal;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use serde_json::Value;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tests::app::Client;
use tests::kafka::TestTopics;
use tests::own_kafka::OwnKafka;
use tests::process::{Process, Run};
use tests::wait::{PATIENCE, until};
use uuid::Uuid;

/// Enough tasks to have some on each partition.
const TASKS: usize = 24;
/// Partitions of Kafka's own topic of transactions, as `deploy/kafka/server.properties` says.
const COORDINATORS: i32 = 3;

/// Three brokers, topics of one copy, and events on all partitions.
struct Stage {
    kafka: OwnKafka,
    scene: Scene,
}

impl Stage {
    async fn set(name: &'static str) -> Self {
        let kafka = OwnKafka::start_three(name);
        let scene = Scene::on(TestTopics::on(&kafka.bootstrap_servers).with_copies(1), TASKS).await;
        Self { kafka, scene }
    }

    /// Starts a node that stands before the commit of its first transaction, for a while or for good. The transaction has
    /// records on every partition.
    async fn before_a_commit(&self, stands: &str) -> Process {
        let applied = self.scene.milepost(&["topics", "apply"]).await;
        assert_eq!(applied.status, 0, "{}{}", applied.stdout, applied.stderr);
        self.scene.write(2 * TASKS, &AtomicUsize::new(0)).await;
        let mut node = self.scene.node(&format!("relay_before_commit=1*sleep({stands})->off"));
        node.said(GOES_ON).await;
        self.scene.in_transaction().await;
        node
    }

    /// The leader of a partition, if it has one.
    fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let consumer: BaseConsumer = client_config(&self.scene.topics.kafka).create().expect("a client can be made");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("Kafka answers");
        let found = metadata.topics()[0].partitions().iter().find(|found| found.id() == partition).expect("the partition is there");
        Some(found.leader()).filter(|leader| *leader > 0)
    }

    /// A broker that neither coordinates the relay's transactions nor has its position, and the partition of the tasks
    /// that it leads.
    fn victim(&self) -> (i32, i32) {
        let id = &self.scene.topics.kafka.transactional_id;
        // As Java hashes text.
        let hash = id.bytes().fold(0i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
        let coordinator = self.leader("__transaction_state", (hash & i32::MAX) % COORDINATORS);
        let position = self.leader(&self.scene.topics.catalogue.relay_topic(), 0);
        let tasks = self.tasks();
        let mut led = (0..3).map(|partition| (self.leader(&tasks, partition), partition));
        let (broker, partition) =
            led.find(|(leader, _)| *leader != coordinator && *leader != position).expect("three brokers share three partitions");
        (broker.expect("every partition has a leader"), partition)
    }

    fn tasks(&self) -> String {
        self.scene.topics.catalogue.full_name("task-events")
    }

    async fn without_leader(&self, partition: i32) {
        let tasks = self.tasks();
        until("the partition has no leader", || async { self.leader(&tasks, partition).is_none().then_some(()) }).await;
    }

    async fn start_again(&self, partition: i32) {
        self.kafka.start_again();
        let tasks = self.tasks();
        until("the partition has its leader again", || async { self.leader(&tasks, partition) }).await;
    }

    /// What `/readyz` has under a name.
    async fn notice(&self, node: &mut Process, name: &str) -> String {
        let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
        until("the notice is there", || async {
            let health: Value = serde_json::from_str(&client.get("/readyz").await.1).ok()?;
            let notices = health["notices"].as_array()?;
            Some(notices.iter().find(|notice| notice["name"] == name)?["message"].as_str()?.to_owned())
        })
        .await
    }

    /// Sees that a node relays what is written from now on, and ends it.
    async fn goes_on(&self, mut node: Process) {
        node.said(GOES_ON).await;
        self.scene.write(TASKS, &AtomicUsize::new(0)).await;
        self.scene.relayed().await;
        self.scene.assert_exactly_once().await;
        node.kill().await;
    }

    /// Lets whoever has the transactional id end the open transaction, as an older relay, or brokers after a while, do.
    fn end_transaction(&self) {
        let mut config = client_config(&self.scene.topics.kafka);
        config.set("transactional.id", &self.scene.topics.kafka.transactional_id);
        let producer: BaseProducer = config.create().expect("a producer can be made");
        producer.init_transactions(PATIENCE).expect("the transaction is ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_waits_for_every_leader_before_it_ends_the_transaction_of_the_one_before() {
    let stage = Stage::set("relay-leaders").await;
    let node = stage.before_a_commit("600000").await;
    let (broker, partition) = stage.victim();
    node.kill().await;
    stage.kafka.kill_node(broker).await;
    stage.without_leader(partition).await;
    let mut other = stage.scene.node("");
    other.said("has no leader that answers").await;
    assert!(!other.log().contains(GOES_ON), "{}", other.log());
    stage.start_again(partition).await;
    stage.goes_on(other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_an_aborted_transaction_that_were_left_open_stop_the_relay_until_they_are_aborted() {
    let stage = Stage::set("relay-orphans").await;
    let node = stage.before_a_commit("600000").await;
    let (broker, partition) = stage.victim();
    let sent = stage.scene.position().await;
    node.kill().await;
    stage.kafka.kill_node(broker).await;
    stage.without_leader(partition).await;
    stage.end_transaction();
    stage.start_again(partition).await;

    let mut other = stage.scene.node("");
    let place = format!("partition {partition} of the topic {}", stage.tasks());
    other.said(&format!("{place} holds records of an aborted transaction")).await;
    let notice = stage.notice(&mut other, "relay_stuck").await;
    assert!(notice.contains(&place), "{notice}");
    assert_eq!(stage.scene.position().await, sent, "nothing is sent:\n{}", other.log());
    let diff = stage.scene.milepost(&["topics", "diff"]).await;
    assert_eq!(diff.status, 0, "{}{}", diff.stdout, diff.stderr);
    assert_eq!(diff.stdout.matches("each partition has one copy although there are several brokers").count(), 5, "{}", diff.stdout);
    assert!(stage.notice(&mut other, "topic_one_copy").await.contains("one copy although there are several brokers"));

    // The way out, as the notice says it.
    let way_out = notice.split_once("kafka-transactions.sh --bootstrap-server ").expect("the notice names the tool").1;
    let arguments: Vec<&str> = way_out.split_whitespace().skip(1).collect();
    stage.kafka.command("transactions", &arguments);
    stage.goes_on(other).await;
}

/// They are hidden from consumers, and must be shown, not aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_committed_transaction_that_were_left_open_are_shown_with_the_next_one() {
    let stage = Stage::set("relay-hidden").await;
    let mut before = stage.before_a_commit("15000").await;
    let (broker, partition) = stage.victim();
    let sent = stage.scene.position().await;
    stage.kafka.kill_node(broker).await;
    stage.without_leader(partition).await;
    until("it is committed", || async { stage.scene.position().await.filter(|position| Some(*position) > sent) }).await;
    // It begins no other transaction, which the next relay would abort and these records with it.
    before.said("has no leader that answers").await;
    before.kill().await;
    stage.start_again(partition).await;
    let (shown, sent) = (stage.scene.topics.positions().await.len() as i64, stage.scene.position().await);
    assert!(Some(shown) < sent, "brokers left no marker out");

    let mut run = Run::serve(&stage.scene.database.url);
    run.environment = stage.scene.environment();
    let mut node = Process::start(MILEPOST, run);
    node.said("are hidden from consumers").await;
    node.said(GOES_ON).await;
    // Something new on every partition that has records, so that what is hidden there is shown with it.
    stage.scene.write(TASKS, &AtomicUsize::new(0)).await;
    stage.scene.rename_projects().await;
    stage.scene.relayed().await;
    stage.scene.assert_exactly_once().await;
    node.signal(Signal::SIGTERM);
    tokio::time::timeout(Duration::from_secs(20), node.ended()).await.expect("it stops");
}
