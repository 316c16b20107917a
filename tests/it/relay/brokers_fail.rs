//! Three brokers, one of which is killed or frozen, alone or together with the node that relays, while events are
//! written: with three copies nothing needs help; with one copy the relay may stop, and says what to do. Brokers may lose records
//! of one copy: then it says that, and what is sent again.

use super::Scene;
use chrono::{DateTime, Utc};
use infrastructure::leases::LEASE_LASTS;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::dice::Dice;
use tests::kafka::TestTopics;
use tests::own_kafka::OwnKafka;
use tests::process::Process;
use tests::wait::{until, until_true};

const TASKS: usize = 40;
const EVENTS_PER_FAULT: usize = 600;
/// Longest that everything may take to be sent once all is mended.
const RELAYED_WITHIN: Duration = Duration::from_secs(180);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Node,
    Broker,
    NodeAndBroker,
    NodeFrozen,
    BrokerFrozen,
    NodeAndBrokerFrozen,
}

impl Fault {
    fn of_node(self) -> bool {
        !matches!(self, Self::Broker | Self::BrokerFrozen)
    }

    fn of_broker(self) -> bool {
        !matches!(self, Self::Node | Self::NodeFrozen)
    }
}

impl Scene {
    /// Returns once others do the work of a node, or of a broker, that does nothing any more.
    async fn missed(&self, node: bool, broker: Option<i32>) {
        if node {
            // Renewed since, so by one that lives: the other one, or the one that takes over.
            let sql = self.sql().await;
            let until_now = "SELECT clock_timestamp() + $1";
            let expires: DateTime<Utc> = sqlx::query_scalar(until_now).bind(LEASE_LASTS).fetch_one(&sql).await.expect("the time");
            let renewed = "SELECT count(*) = 1 FROM milepost.leases WHERE name = 'relay' AND expires_at > $1";
            until("the lease is renewed", || async {
                sqlx::query_scalar(renewed).bind(expires).fetch_one(&sql).await.ok().filter(|renewed| *renewed)
            })
            .await;
            sql.close().await;
        }
        if let Some(broker) = broker {
            let topics = &self.topics.catalogue;
            let mut names: Vec<String> = topics.topics.iter().map(|topic| topics.full_name(&topic.name)).collect();
            names.push(topics.relay_topic());
            let leads = |name: &String| self.topics.leaders(name).values().any(|leader| *leader == Some(broker));
            until_true("the broker leads nothing", || !names.iter().any(leads)).await;
        }
    }
}

const FAULTS: [Fault; 6] =
    [Fault::Node, Fault::Broker, Fault::NodeAndBroker, Fault::NodeFrozen, Fault::BrokerFrozen, Fault::NodeAndBrokerFrozen];

/// How often every fault strikes: once, or as often as `MILEPOST_TEST_FAULT_ROUNDS` says.
fn rounds() -> u32 {
    std::env::var("MILEPOST_TEST_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// Three brokers, and two nodes of which one relays.
struct Stage {
    kafka: OwnKafka,
    nodes: [Process; 2],
    /// Ways out that were taken: each once.
    taken: BTreeSet<String>,
    /// What was sent again, because brokers had lost some of it.
    repeated: Vec<RangeInclusive<i64>>,
}

impl Stage {
    async fn strike(&mut self, scene: &Scene, fault: Fault, dice: &mut Dice) {
        let broker = 1 + dice.below(3) as i32;
        // Which of the two relays is not told apart: over the rounds both are hit.
        let node = dice.below(2);
        eprintln!("fault: {fault:?} of node {node} and broker {broker}");
        match fault {
            Fault::Node => self.nodes[node].signal(Signal::SIGKILL),
            Fault::Broker => self.kafka.kill_node(broker).await,
            Fault::NodeAndBroker => {
                self.kafka.signal_node(broker, Signal::SIGKILL);
                self.nodes[node].signal(Signal::SIGKILL);
            }
            Fault::NodeFrozen => self.nodes[node].signal(Signal::SIGSTOP),
            Fault::BrokerFrozen => self.kafka.signal_node(broker, Signal::SIGSTOP),
            Fault::NodeAndBrokerFrozen => {
                self.nodes[node].signal(Signal::SIGSTOP);
                self.kafka.signal_node(broker, Signal::SIGSTOP);
            }
        }
        scene.missed(fault.of_node(), fault.of_broker().then_some(broker)).await;
        match fault {
            Fault::NodeFrozen | Fault::BrokerFrozen | Fault::NodeAndBrokerFrozen => {
                for node in &self.nodes {
                    node.signal(Signal::SIGCONT);
                }
                if fault != Fault::NodeFrozen {
                    self.kafka.signal_node(broker, Signal::SIGCONT);
                }
            }
            Fault::Node | Fault::Broker | Fault::NodeAndBroker => {}
        }
        for node in &mut self.nodes {
            if !node.runs() {
                *node = scene.node("");
            }
        }
        self.kafka.start_again();
    }

    /// Waits until everything is sent, and does what a node says must be done.
    async fn relayed(&mut self, scene: &Scene) {
        let (head, begun) = (scene.head(), Instant::now());
        while scene.position().await.is_none_or(|position| position < head) {
            let logs = self.nodes.iter().map(Process::log).collect::<Vec<_>>().join("\n");
            assert!(begun.elapsed() < RELAYED_WITHIN, "not all is sent:\n{logs}");
            for line in logs.lines() {
                self.take_way_out(scene, line).await;
            }
        }
    }

    /// Does what a line of a log, or the answer of a command, says must be done.
    async fn take_way_out(&mut self, scene: &Scene, said: &str) {
        let after = |words: &str| said.split_once(words).map(|(_, after)| after);
        // Aborted first: only then it can be told what is lost.
        if let Some(command) = after("kafka-transactions.sh --bootstrap-server ") {
            let arguments: Vec<&str> =
                command.split_whitespace().skip(1).take(7).map(|word| word.trim_matches(['"', ')', ',', ';'])).collect();
            if self.is_news(arguments.join(" ")) {
                self.kafka.command("transactions", &arguments);
            }
        } else if let Some(refusal) = after("the relay's record on ").filter(|refusal| refusal.contains("`milepost relay adopt`")) {
            if self.is_news(format!("adopt: {refusal}")) {
                let adopted = scene.milepost(&["relay", "adopt"]).await;
                if adopted.status != 0 {
                    Box::pin(self.take_way_out(scene, &adopted.stderr)).await;
                }
            }
        } else if let Some(command) = after("`milepost relay resume --from ") {
            let digits = command.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(command.len());
            let from = &command[..digits];
            if self.is_news(format!("resume --from {from}")) {
                if command[digits..].starts_with("` sends everything") {
                    self.repeated.push(from.parse::<i64>().expect("a position") + 1..=scene.head());
                }
                let resumed = scene.milepost(&["relay", "resume", "--from", from]).await;
                assert_eq!(resumed.status, 0, "{}{}", resumed.stdout, resumed.stderr);
            }
        }
    }

    fn is_news(&mut self, way_out: String) -> bool {
        let is_news = !self.taken.contains(&way_out);
        if is_news {
            eprintln!("as the relay says: {way_out}");
            self.taken.insert(way_out);
        }
        is_news
    }

    /// Asserts that everything is on Kafka once, except what was said to be sent again.
    async fn assert_as_said(&self, scene: &Scene) {
        if self.repeated.is_empty() {
            scene.assert_exactly_once().await;
            return;
        }
        let is_repeated = |position: i64| self.repeated.iter().any(|range| range.contains(&position));
        let mut positions = scene.topics.positions().await;
        let doubled = positions.chunk_by(|one, next| one == next).filter(|chunk| chunk.len() > 1).map(|chunk| chunk[0]);
        assert_eq!(doubled.filter(|position| !is_repeated(*position)).collect::<Vec<i64>>(), Vec::<i64>::new(), "doubled without a word");
        positions.dedup();
        assert_eq!(positions, (1..=scene.head()).collect::<Vec<_>>(), "positions on Kafka");
    }
}

async fn faults_strike(name: &'static str, copies: i32) -> usize {
    let mut dice = Dice::thrown();
    let kafka = OwnKafka::start_three(name);
    let scene = Scene::on(TestTopics::on(&kafka.bootstrap_servers).with_copies(copies), TASKS).await;
    let mut stage = Stage { kafka, nodes: [scene.node(""), scene.node("")], taken: BTreeSet::new(), repeated: vec![] };
    stage.relayed(&scene).await;
    for round in 0..rounds() {
        let mut left = FAULTS.to_vec();
        while !left.is_empty() {
            let fault = left.swap_remove(dice.below(left.len()));
            let (written, strikes_after) = (AtomicUsize::new(0), dice.below(EVENTS_PER_FAULT / 2));
            let strikes = async {
                until_true("events are written", || written.load(Ordering::Relaxed) >= strikes_after).await;
                stage.strike(&scene, fault, &mut dice).await;
            };
            tokio::join!(scene.write(EVENTS_PER_FAULT, &written), strikes);
            stage.relayed(&scene).await;
        }
        stage.assert_as_said(&scene).await;
        eprintln!("round {round}: {} events, {} ways out taken, repeated {:?}", scene.head(), stage.taken.len(), stage.repeated);
    }
    let taken = stage.taken.len();
    for node in stage.nodes {
        node.kill().await;
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_three_copies_nothing_is_lost_or_doubled_and_nobody_has_to_help() {
    assert_eq!(faults_strike("relay-three-copies", 3).await, 0, "the relay needed help");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_copy_nothing_is_lost_or_doubled_without_a_word_if_what_the_relay_says_is_done() {
    faults_strike("relay-one-copy", 1).await;
}
