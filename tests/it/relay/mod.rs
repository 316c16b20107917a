//! Every event reaches Kafka once and in order for its key, whatever dies meanwhile; and what is said there is what was promised.

mod brokers_fail;
mod clients;
mod disagreement;
mod kills;
mod login;
mod one_shape;
mod orphans;
mod outages;
mod partitions;
mod poison;
mod quiet_database;
mod records;
mod settings;
mod topics;
mod two_nodes;
mod verify;

use application::caller::{Caller, Role};
use application::command::Command;
use application::inputs::TaskCommentInput;
use application::ports::EventLog;
use domain::event::AggregateType;
use futures::{StreamExt, stream};
use infrastructure::kafka::{consumer_config, read_record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use server::wire::Core;
use sqlx::PgPool;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tests::app::{Client, settings};
use tests::builders::{project, send, somebody, task};
use tests::database::TestDatabase;
use tests::kafka::{Record, TestTopics};
use tests::process::{Output, Process, Run, run};
use tests::wait::{PATIENCE, until};
use uuid::Uuid;

const MILEPOST: &str = env!("CARGO_BIN_EXE_milepost-under-test");
/// What a relay says once it has a producer and its position.
const GOES_ON: &str = "the relay to Kafka continues";
/// What it says when it cannot send, and tries again.
const IS_STUCK: &str = "the relay to Kafka is stuck";

/// A database and topics of the test's own, and a writer that is no node: relays are processes beside it.
struct Scene {
    database: TestDatabase,
    topics: TestTopics,
    core: Core,
    caller: Caller,
    tasks: Vec<Uuid>,
    catalogue: PathBuf,
}

/// Stands in a catalogue for the events of an aggregate.
fn all_events(of: AggregateType) -> String {
    format!("aggregates = [\"{}\"]", of.word())
}

/// The same, each by its name.
fn each_event(of: AggregateType) -> String {
    format!("events = [\"{}\"]", of.event_names().join("\", \""))
}

impl Scene {
    /// With one project and some tasks in it, on the shared Kafka.
    async fn new(tasks: usize) -> Self {
        Self::on(TestTopics::new(), tasks).await
    }

    async fn on(topics: TestTopics, tasks: usize) -> Self {
        Self::made(topics, TestDatabase::new().await, tasks).await
    }

    async fn made(topics: TestTopics, database: TestDatabase, tasks: usize) -> Self {
        let core = Core::open(&settings(&database.url)).await.expect("the database is there");
        let caller = somebody();
        let project = project(&core.application, caller).await;
        let mut made = vec![];
        for number in 0..tasks {
            made.push(task(&core.application, caller, project, &format!("Task {number}")).await);
        }
        let scene = Self { database, topics, core, caller, tasks: made, catalogue: catalogue_path() };
        scene.write_catalogue(&scene.topics.toml);
        scene
    }

    /// The same topics and tasks, with a copy of the database.
    async fn restored(&self, database: TestDatabase) -> Self {
        let core = Core::open(&settings(&database.url)).await.expect("the database is there");
        let (topics, caller, tasks) = (self.topics.clone(), self.caller, self.tasks.clone());
        let scene = Self { database, topics, core, caller, tasks, catalogue: catalogue_path() };
        scene.write_catalogue(&scene.topics.toml);
        scene
    }

    /// Gives the binary another catalogue.
    fn write_catalogue(&self, toml: &str) {
        std::fs::write(&self.catalogue, toml).expect("the temporary folder can be written");
    }

    /// What tells the binary where everything is.
    fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment_on(&self.database)
    }

    /// The same topics beside another database.
    fn environment_on(&self, database: &TestDatabase) -> Vec<(&'static str, String)> {
        let kafka = &self.topics.kafka;
        vec![
            ("DATABASE_URL", database.url.clone()),
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers.clone()),
            ("KAFKA_TRANSACTIONAL_ID", kafka.transactional_id.clone()),
            ("KAFKA_GROUP_ID", kafka.group_id.clone()),
            ("MILEPOST_TOPICS", self.catalogue.display().to_string()),
        ]
    }

    /// Starts a node, which relays if nobody else does.
    fn node(&self, failpoint: &str) -> Process {
        self.node_with(self.environment(), failpoint)
    }

    fn node_with(&self, environment: Vec<(&'static str, String)>, failpoint: &str) -> Process {
        let mut run = Run::serve(&self.database.url);
        run.environment = environment;
        run.environment.push(("FAILPOINTS", failpoint.to_owned()));
        Process::start(MILEPOST, run)
    }

    /// Runs the binary to its end.
    async fn milepost(&self, arguments: &[&str]) -> Output {
        self.milepost_on(&self.database, arguments).await
    }

    async fn milepost_on(&self, database: &TestDatabase, arguments: &[&str]) -> Output {
        let mut command = Run::of(arguments);
        command.environment = self.environment_on(database);
        run(MILEPOST, command, None).await
    }

    /// Appends this many events, spread over the tasks; `written` counts them as they are taken.
    async fn write(&self, events: usize, written: &AtomicUsize) {
        let rounds = stream::iter(0..events);
        rounds
            .for_each_concurrent(16, |number| async move {
                self.comment(self.tasks[number % self.tasks.len()], number).await;
                written.fetch_add(1, Ordering::Relaxed);
            })
            .await;
    }

    /// Appends an event to a task.
    async fn comment(&self, task: Uuid, number: usize) {
        let comment = TaskCommentInput { command_id: None, id: task, body: format!("Remark {number}") };
        let sent = send(&self.core.application, self.caller, Command::TaskComment(comment)).await;
        sent.expect("a comment is taken");
    }

    /// Appends an event to every project.
    async fn rename_projects(&self) {
        let sql = self.sql().await;
        let ids = sqlx::query_scalar("SELECT DISTINCT aggregate_id FROM milepost.events WHERE aggregate_type = 'project'");
        let ids: Vec<String> = ids.fetch_all(&sql).await.expect("projects");
        sql.close().await;
        for id in ids {
            let update = serde_json::json!({ "command": "projectUpdate", "input": { "id": id, "name": "Renamed" } });
            let update = serde_json::from_value(update).expect("a command");
            send(&self.core.application, self.caller, update).await.expect("a project is renamed");
        }
    }

    /// A dead node's lease runs out after some seconds; that others wait for it is tested elsewhere.
    async fn end_leases(&self) {
        let sql = self.sql().await;
        sqlx::query("DELETE FROM milepost.leases").execute(&sql).await.expect("leases can be deleted");
        sql.close().await;
    }

    async fn sql(&self) -> PgPool {
        self.database.pool().await
    }

    fn head(&self) -> i64 {
        *self.core.log.head().borrow()
    }

    /// The head, once nodes have brought it to a position at least.
    async fn head_of_all(&self, position: i64) -> i64 {
        let mut head = self.core.log.head();
        *tokio::time::timeout(PATIENCE, head.wait_for(|&head| head >= position)).await.expect("the log grows").expect("it is there")
    }

    /// The position that Kafka holds.
    async fn position(&self) -> Option<i64> {
        let (kafka, catalogue) = (self.topics.kafka.clone(), self.topics.catalogue.clone());
        let stored = tokio::task::spawn_blocking(move || read_record(&kafka, &catalogue)).await.ok()?.ok()?;
        Some(stored.position().unwrap_or(0))
    }

    /// Returns once everything that is in the log now is on Kafka.
    async fn relayed(&self) {
        let head = self.head();
        until("the relay reaches the head of the log", || async { self.position().await.filter(|&position| position >= head) }).await;
    }

    /// Returns once brokers have the records of a transaction, up to its position, that is not committed.
    async fn in_transaction(&self) {
        let (kafka, topic) = (self.topics.kafka.clone(), self.topics.catalogue.relay_topic());
        let watching = tokio::task::spawn_blocking(move || {
            let end = |isolation: &str| {
                let consumer: BaseConsumer =
                    consumer_config(&kafka).set("isolation.level", isolation).create().expect("a consumer can be made");
                move |topic: &str| consumer.fetch_watermarks(topic, 0, PATIENCE).expect("the topic is there").1
            };
            let (committed, all) = (end("read_committed"), end("read_uncommitted"));
            let begun = Instant::now();
            while all(&topic) <= committed(&topic) {
                assert!(begun.elapsed() < PATIENCE, "no transaction is open");
            }
        });
        watching.await.expect("a transaction is open");
    }

    /// Asserts that the topics hold every position of the log once, in order for each key, also by the program's own word.
    async fn assert_exactly_once(&self) -> Vec<Record> {
        let records = self.topics.records().await;
        assert_exactly_once(&records, self.head());
        let verdict = self.milepost(&["verify", "kafka"]).await;
        assert_eq!(verdict.status, 0, "{}{}", verdict.stdout, verdict.stderr);
        records
    }
}

/// Somebody who asks a node.
async fn client(node: &mut Process) -> Client {
    Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner)
}

fn catalogue_path() -> PathBuf {
    std::env::temp_dir().join(format!("milepost-relay-{}.toml", Uuid::now_v7()))
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.catalogue);
    }
}

/// Each position from 1 to `head` once; and along each partition the positions and the versions of a key only rise.
fn assert_exactly_once(records: &[Record], head: i64) {
    let mut positions: Vec<i64> = records.iter().map(Record::position).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=head).collect::<Vec<_>>(), "positions on Kafka");
    let (mut last, mut partitions) = (HashMap::new(), HashMap::new());
    for record in records {
        let place = (record.topic.clone(), record.partition);
        assert_eq!(partitions.entry(record.key.clone()).or_insert_with(|| place.clone()), &place, "a key has one partition");
        let version = record.value["aggregate_version"].as_i64().expect("a version");
        let before = last.insert(record.key.clone(), version).unwrap_or(0);
        assert_eq!(version, before + 1, "the order of {} at {place:?} offset {}", record.key, record.offset);
    }
}
