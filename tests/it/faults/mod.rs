//! Everything that can die or freeze does, alone and two at once, while people work: what was acknowledged is there once.

mod disk_full;
mod leases;
mod lost_memory;
mod no_progress;
mod older_log;
mod quiet_connections;
mod read_only;
mod stopped_holders;
mod takeover;
mod writers;

use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use std::net::TcpListener;
use std::time::Duration;
use tests::app::Client;
use tests::dice::Dice;
use tests::kafka::TestTopics;
use tests::own_kafka::OwnKafka;
use tests::own_postgres::OwnPostgres;
use tests::process::{Process, Run};
use tests::wait::{until, until_true};
use uuid::Uuid;
use writers::Writers;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");
/// Acknowledged commands between two faults.
const COMMANDS_BETWEEN: usize = 200;
/// How long things are frozen. The broker's is longer than a transaction of the relay may take to be given up.
const BROKER_FROZEN: Duration = Duration::from_secs(30);
const POSTGRES_FROZEN: Duration = Duration::from_secs(10);
/// Longest that a round may take. Something that is stuck ends there.
const ROUND_MAX: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Service,
    Postgres,
    Broker,
    ServiceAndPostgres,
    PostgresAndBroker,
    ServiceAndBroker,
    BrokerFrozen,
    PostgresFrozen,
}

impl Fault {
    /// Whether the service lives on, so that everybody has an answer.
    fn spares_the_service(self) -> bool {
        !matches!(self, Self::Service | Self::ServiceAndPostgres | Self::ServiceAndBroker)
    }
}

/// How often every fault strikes: once, or as often as `MILEPOST_TEST_FAULT_ROUNDS` says.
fn rounds() -> u32 {
    std::env::var("MILEPOST_TEST_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// Every fault in each round, in any order.
fn faults(dice: &mut Dice) -> Vec<Fault> {
    use Fault::{Broker, BrokerFrozen, Postgres, PostgresAndBroker, PostgresFrozen, Service, ServiceAndBroker, ServiceAndPostgres};
    let all = [Service, Postgres, Broker, ServiceAndPostgres, PostgresAndBroker, ServiceAndBroker, BrokerFrozen, PostgresFrozen];
    let mut order = vec![];
    for _ in 0..rounds() {
        let mut left = all.to_vec();
        while !left.is_empty() {
            order.push(left.swap_remove(dice.below(left.len())));
        }
    }
    order
}

/// One of everything.
struct Stage {
    postgres: OwnPostgres,
    kafka: OwnKafka,
    topics: TestTopics,
    node: Option<Process>,
    listen: String,
}

impl Stage {
    async fn set() -> Self {
        let postgres = OwnPostgres::start().await;
        let kafka = OwnKafka::start("faults");
        let topics = TestTopics::on(&kafka.bootstrap_servers);
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a free port");
        let mut stage = Self { postgres, kafka, topics, node: None, listen: free.to_string() };
        stage.serve().await;
        stage
    }

    /// Starts the service at the port where clients expect it, as often as its database is not there yet.
    async fn serve(&mut self) {
        loop {
            let mut run = Run::of(&["serve", "--listen", &self.listen]);
            run.environment.push(("DATABASE_URL", self.postgres.url.clone()));
            run.topics = Some(&self.topics);
            let mut node = Process::start(PROGRAM, run);
            until_true("it serves, or has given up", || node.log().contains("milepost serves") || !node.runs()).await;
            if node.runs() {
                self.node = Some(node);
                return;
            }
        }
    }

    async fn kill_service(&mut self) {
        if let Some(node) = self.node.take() {
            node.kill().await;
        }
    }

    async fn strike(&mut self, fault: Fault) {
        eprintln!("fault: {fault:?}");
        match fault {
            Fault::Service => self.kill_service().await,
            Fault::Postgres => self.postgres.crash().await,
            Fault::Broker => self.kafka.kill().await,
            Fault::ServiceAndPostgres => {
                self.kill_service().await;
                self.postgres.crash().await;
            }
            Fault::PostgresAndBroker => {
                self.kafka.signal(Signal::SIGKILL);
                self.postgres.crash().await;
            }
            Fault::ServiceAndBroker => {
                self.kafka.signal(Signal::SIGKILL);
                self.kill_service().await;
            }
            Fault::BrokerFrozen => {
                self.kafka.signal(Signal::SIGSTOP);
                tokio::time::sleep(BROKER_FROZEN).await;
                self.says("Kafka").await;
                self.kafka.signal(Signal::SIGCONT);
            }
            Fault::PostgresFrozen => {
                self.postgres.freeze();
                tokio::time::sleep(POSTGRES_FROZEN).await;
                self.says("database").await;
                self.postgres.thaw();
            }
        }
    }

    /// Whoever asks how the service is hears what it has trouble with.
    async fn says(&self, what: &str) {
        let health = reqwest::get(format!("http://{}/readyz", self.listen)).await.expect("the service answers");
        let said = health.text().await.expect("the answer is text");
        assert!(said.contains(what), "{said}");
    }

    async fn mend(&mut self, fault: Fault) {
        if matches!(fault, Fault::Postgres | Fault::ServiceAndPostgres | Fault::PostgresAndBroker) {
            self.postgres.start_again().await;
        }
        if matches!(fault, Fault::Broker | Fault::PostgresAndBroker | Fault::ServiceAndBroker) {
            self.kafka.start_again();
        }
        if self.node.is_none() {
            self.serve().await;
        }
    }

    /// Runs an admin command, which must say yes.
    async fn approves(&self, arguments: &[&str]) {
        let mut run = Run::of(arguments);
        run.environment.push(("DATABASE_URL", self.postgres.url.clone()));
        run.topics = Some(&self.topics);
        let mut process = Process::start(PROGRAM, run);
        assert_eq!(process.ended().await, 0, "{arguments:?}: {}\n{}", process.output(), process.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_or_freezes_what_was_acknowledged_is_there_once() {
    tokio::time::timeout(ROUND_MAX * rounds(), everything_strikes()).await.expect("the faults are over in time");
}

async fn people_work(writers: &Writers) {
    let before = writers.acknowledged();
    until_true("people work", || writers.acknowledged() >= before + COMMANDS_BETWEEN).await;
}

async fn everything_strikes() {
    let mut dice = Dice::thrown();
    let mut stage = Stage::set().await;
    let client = Client::new(&format!("http://{}", stage.listen), Uuid::now_v7(), Uuid::now_v7(), application::caller::Role::Owner);
    let project = client.project().await;
    let writers = Writers::start(&client, &project, &mut dice);
    people_work(&writers).await;
    for fault in faults(&mut dice) {
        let unanswered = writers.unanswered();
        stage.strike(fault).await;
        stage.mend(fault).await;
        people_work(&writers).await;
        if fault.spares_the_service() {
            assert_eq!(writers.unanswered(), unanswered, "{fault:?}: somebody was not even told to try again");
        }
    }
    let written = writers.stop().await;

    let pool = PgPoolOptions::new().connect(&stage.postgres.url).await.expect("the database answers");
    let (ids, positions): (Vec<Uuid>, Vec<i64>) = written.acknowledged.iter().copied().unzip();
    let once: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM unnest($1::uuid[], $2::bigint[]) AS sent(id, position) \
         WHERE 1 = (SELECT count(*) FROM milepost.events WHERE command_id = sent.id AND events.position = sent.position) \
         AND 1 = (SELECT count(*) FROM milepost.events WHERE command_id = sent.id)",
    )
    .bind(&ids)
    .bind(&positions)
    .fetch_one(&pool)
    .await
    .expect("the log can be read");
    assert_eq!(once, ids.len() as i64, "acknowledged commands are in the log once, where they were said to be");
    until("every due date has fired", || async {
        let late: i64 =
            sqlx::query_scalar("SELECT count(*) FROM milepost.schedules WHERE next_fire_at IS NOT NULL").fetch_one(&pool).await.ok()?;
        let behind: bool = sqlx::query_scalar(
            "SELECT (SELECT min(position) FROM milepost.projections WHERE state = 'live') < (SELECT max(position) FROM milepost.events)",
        )
        .fetch_one(&pool)
        .await
        .ok()?;
        (late == 0 && !behind).then_some(())
    })
    .await;
    let fired: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT (milepost.schedules.task_id), count(fired.position) FROM milepost.schedules LEFT JOIN milepost.events AS fired \
           ON fired.aggregate_id = milepost.schedules.id::text AND fired.event_type = 'deadline_overdue' GROUP BY 1",
    )
    .fetch_all(&pool)
    .await
    .expect("firings can be counted");
    assert_eq!(fired.len(), written.due, "every task with a due date has its schedule");
    assert!(fired.iter().all(|(_, times)| *times == 1), "deadlines fire once: {fired:?}");
    stage.approves(&["verify", "kafka", "--wait", "60s"]).await;
    stage.approves(&["projections", "verify"]).await;
    let ready = until("all is well", || async {
        let (status, body) = client.get("/readyz").await;
        (status == 200).then_some(body)
    })
    .await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ready).expect("JSON")["notices"], json!([]), "{ready}");
    stage.kill_service().await;
    pool.close().await;
    stage.postgres.end().await;
}
