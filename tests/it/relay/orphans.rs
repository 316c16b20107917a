//! Records that brokers leave open: a transaction ends while the leader of one of its partitions is down, and gets no
//! marker there. Three brokers, one copy.

use super::{GOES_ON, MILEPOST, Scene, client};
use infrastructure::kafka::client_config;
use nix::sys::signal::Signal;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tests::kafka::TestTopics;
use tests::own_kafka::OwnKafka;
use tests::process::{Process, Run};
use tests::wait::{PATIENCE, until, until_true};
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
        self.scene.topics.leaders(topic)[&partition]
    }

    /// The broker that coordinates the relay's transactions.
    fn coordinator(&self) -> Option<i32> {
        let id = &self.scene.topics.kafka.transactional_id;
        // As Java hashes text.
        let hash = id.bytes().fold(0i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
        self.leader("__transaction_state", (hash & i32::MAX) % COORDINATORS)
    }

    /// A broker that neither coordinates the relay's transactions nor has its position, and the partition of the tasks
    /// that it leads.
    fn victim(&self) -> (i32, i32) {
        let coordinator = self.coordinator();
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

    async fn without_leader(&self, topic: &str, partition: i32) {
        until("the partition has no leader", || async { self.leader(topic, partition).is_none().then_some(()) }).await;
    }

    async fn start_again(&self, topic: &str, partition: i32) {
        self.kafka.start_again();
        until("the partition has its leader again", || async { self.leader(topic, partition) }).await;
    }

    /// Leaves records of a committed transaction open on a partition of the tasks, which it gives.
    async fn leave_committed_open(&self) -> i32 {
        let mut before = self.before_a_commit("15000").await;
        let (broker, partition) = self.victim();
        let sent = self.scene.position().await;
        self.kafka.kill_node(broker).await;
        self.without_leader(&self.tasks(), partition).await;
        until("it is committed", || async { self.scene.position().await.filter(|position| Some(*position) > sent) }).await;
        // It begins no other transaction, which the next relay would abort and these records with it.
        before.said("has no leader that answers").await;
        before.kill().await;
        self.start_again(&self.tasks(), partition).await;
        let (shown, sent) = (self.scene.topics.positions().await.len() as i64, self.scene.position().await);
        assert!(Some(shown) < sent, "brokers left no marker out");
        partition
    }

    /// Leaves the relay's record of a committed transaction open, of which the database does not know.
    async fn with_record_left_open(name: &'static str) -> Self {
        let mut stage = Self::set(name).await;
        let topic = |stage: &Self| stage.scene.topics.catalogue.relay_topic();
        loop {
            assert_eq!(stage.scene.milepost(&["topics", "apply"]).await.status, 0);
            // With the first of it Kafka makes its topic of transactions.
            stage.end_transaction();
            if stage.leader(&topic(&stage), 0) != stage.coordinator() {
                break;
            }
            stage.scene = Scene::on(TestTopics::on(&stage.kafka.bootstrap_servers).with_copies(1), TASKS).await;
        }
        let mut before = stage.scene.node("relay_before_commit=1*off->1*sleep(15000)->off");
        stage.scene.relayed().await;
        // On a partition that has its leader all the time.
        let broker = stage.leader(&topic(&stage), 0).expect("it has a leader");
        stage.write_away_from(broker).await;
        stage.scene.in_transaction().await;
        stage.kafka.kill_node(broker).await;
        stage.without_leader(&topic(&stage), 0).await;
        before.said("has no leader that answers").await;
        before.kill().await;
        stage.start_again(&topic(&stage), 0).await;
        stage
    }

    /// Writes an event that goes to a partition which another broker leads.
    async fn write_away_from(&self, broker: i32) {
        let records = self.scene.topics.records().await;
        let leaders = self.scene.topics.leaders(&self.tasks());
        let is_away = |task: &Uuid| {
            let mut of_task = records.iter().filter(|record| record.topic == self.tasks() && record.key == task.to_string());
            of_task.next().is_some_and(|record| leaders[&record.partition] != Some(broker))
        };
        let task = self.scene.tasks.iter().copied().find(is_away).expect("three brokers share three partitions");
        self.scene.comment(task, 0).await;
    }

    /// Sees that a node relays what is written from now on, and ends it.
    async fn goes_on(&self, mut node: Process) {
        node.said(GOES_ON).await;
        self.scene.write(TASKS, &AtomicUsize::new(0)).await;
        self.scene.relayed().await;
        self.scene.assert_exactly_once().await;
        node.kill().await;
    }

    /// Aborts a transaction of the transactional id that has a record on a partition, and with it what is open there.
    fn abort_on(&self, topic: &str, partition: i32) {
        let producer = self.end_transaction();
        producer.begin_transaction().expect("a transaction can be begun");
        let record = BaseRecord::<str, str>::to(topic).partition(partition).payload("{}");
        producer.send(record).map_err(|(error, _)| error).expect("a record can be sent");
        producer.flush(PATIENCE).expect("brokers take it");
        producer.abort_transaction(PATIENCE).expect("the transaction is aborted");
    }

    /// Lets whoever has the transactional id end the open transaction, as an older relay, or brokers after a while, do.
    fn end_transaction(&self) -> BaseProducer {
        let mut config = client_config(&self.scene.topics.kafka);
        config.set("transactional.id", &self.scene.topics.kafka.transactional_id);
        let producer: BaseProducer = config.create().expect("a producer can be made");
        producer.init_transactions(PATIENCE).expect("the transaction is ended");
        producer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_waits_for_every_leader_before_it_ends_the_transaction_of_the_one_before() {
    let stage = Stage::set("relay-leaders").await;
    let node = stage.before_a_commit("600000").await;
    let (broker, partition) = stage.victim();
    node.kill().await;
    stage.kafka.kill_node(broker).await;
    stage.without_leader(&stage.tasks(), partition).await;
    let mut other = stage.scene.node("");
    other.said("has no leader that answers").await;
    assert!(!other.log().contains(GOES_ON), "{}", other.log());
    stage.start_again(&stage.tasks(), partition).await;
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
    stage.without_leader(&stage.tasks(), partition).await;
    stage.end_transaction();
    stage.start_again(&stage.tasks(), partition).await;

    let mut other = stage.scene.node("");
    other.said("holds records of an aborted transaction").await;
    let notice = client(&mut other).await.notice("relay_stuck").await;
    assert!(notice.contains("holds records of an aborted transaction"), "{notice}");
    assert_eq!(stage.scene.position().await, sent, "nothing is sent:\n{}", other.log());
    let diff = stage.scene.milepost(&["topics", "diff"]).await;
    assert_eq!(diff.status, 0, "{}{}", diff.stdout, diff.stderr);
    assert_eq!(diff.stdout.matches("each partition has one copy although there are several brokers").count(), 5, "{}", diff.stdout);
    assert!(client(&mut other).await.notice("topic_one_copy").await.contains("one copy although there are several brokers"));

    // The way out, as it is said for each partition that the broker led: of other topics too, as chance has it.
    let mut taken = BTreeSet::new();
    until_true("the relay goes on", || {
        let log = other.log();
        let ways_out = log.lines().filter_map(|line| line.split_once("kafka-transactions.sh --bootstrap-server "));
        for (_, way_out) in ways_out {
            let arguments: Vec<&str> = way_out.split_whitespace().skip(1).map(|word| word.trim_matches('"')).collect();
            if taken.insert(arguments.join(" ")) {
                stage.kafka.command("transactions", &arguments);
            }
        }
        log.contains(GOES_ON)
    })
    .await;
    let of_tasks = format!("--topic {} --partition {partition} ", stage.tasks());
    assert!(taken.iter().any(|taken| taken.contains(&of_tasks)), "{of_tasks}: {taken:?}");
    stage.goes_on(other).await;
}

/// They are hidden from consumers, and must be shown, not aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_committed_transaction_that_were_left_open_are_shown_with_the_next_one() {
    let stage = Stage::set("relay-hidden").await;
    stage.leave_committed_open().await;
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

/// What hides them ends with the next transaction on their partition; if that one is aborted, they are aborted with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_committed_transaction_that_are_lost_with_an_aborted_one_are_named() {
    let stage = Stage::set("relay-lost").await;
    let partition = stage.leave_committed_open().await;
    let (shown, sent) = (stage.scene.topics.positions().await, stage.scene.position().await.expect("a position"));
    stage.abort_on(&stage.tasks(), partition);

    let mut node = stage.scene.node("");
    node.said("consumers do not see").await;
    let notice = client(&mut node).await.notice("relay_stuck").await;
    // The first event is of the project, on a partition of another topic: it may be hidden there, and nothing aborts it.
    let lost: Vec<i64> = (2..=sent).filter(|position| !shown.contains(position)).collect();
    let words = format!("{} events of committed transactions, the first at position {}", lost.len(), lost[0]);
    assert!(notice.contains(&words), "{words}: {notice}");
    let resume = ["relay", "resume", "--from", &(lost[0] - 1).to_string()];
    assert!(notice.contains(&format!("`milepost {}` sends everything", resume.join(" "))), "{notice}");
    assert_eq!(stage.scene.position().await, Some(sent), "nothing is sent");

    let resumed = stage.scene.milepost(&resume).await;
    assert_eq!(resumed.status, 0, "{}{}", resumed.stdout, resumed.stderr);
    stage.scene.write(TASKS, &AtomicUsize::new(0)).await;
    stage.scene.rename_projects().await;
    stage.scene.relayed().await;
    let mut positions = stage.scene.topics.positions().await;
    positions.dedup();
    assert_eq!(positions, (1..=stage.scene.head()).collect::<Vec<_>>(), "every event can be seen");
    node.kill().await;
}

/// To the one that asks for the record it is as if the topic had lost it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_the_relay_that_was_left_open_is_not_taken_for_lost() {
    let stage = Stage::with_record_left_open("relay-record-open").await;
    let head = stage.scene.head();
    let mut node = stage.scene.node("");
    node.said("was left open").await;
    let (notice, resume) = (client(&mut node).await.notice("relay_stuck").await, ["relay", "resume", "--from", &head.to_string()]);
    assert!(notice.ends_with(&format!("run `milepost {}`", resume.join(" "))), "{notice}");
    let resumed = stage.scene.milepost(&resume).await;
    assert_eq!(resumed.status, 0, "{}{}", resumed.stdout, resumed.stderr);
    stage.goes_on(node).await;
}

/// A later transaction that is aborted takes the record along; the database did not hear of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_the_relay_that_is_lost_with_an_aborted_one_doubles_nothing() {
    let stage = Stage::with_record_left_open("relay-record-lost").await;
    let head = stage.scene.head();
    stage.abort_on(&stage.scene.topics.catalogue.relay_topic(), 0);
    let mut node = stage.scene.node("");
    let line = node.said("the relay to Kafka refuses to send").await;
    assert!(line.contains(&format!("consumers see the event at position {head}")), "{line}");
    let adopted = stage.scene.milepost(&["relay", "adopt"]).await;
    assert_eq!(adopted.status, 0, "{}{}", adopted.stdout, adopted.stderr);
    stage.goes_on(node).await;
}
