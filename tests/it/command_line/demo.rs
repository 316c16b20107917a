//! `milepost dev`: what the first minute shows.

use super::{Folder, WRONG_USE, assert_calm, assert_refused, exists, json, milepost, number, started};
use application::caller::Role;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use tests::app::Client;
use tests::kafka::read_topic;
use tests::process::Process;
use tests::wait::until;
use tokio::net::TcpListener;
use uuid::Uuid;

/// A demo that runs.
pub(super) struct Demo {
    pub(super) process: Process,
    /// What it wrote to `dev.json`.
    pub(super) about: Value,
    pub(super) client: Client,
}

impl Demo {
    /// On a folder, which is made if it is not there.
    pub(super) async fn start(folder: &str, flags: &[&str]) -> Self {
        let mut process = started(&[&["dev", "--data-dir", folder], flags].concat(), &[("MILEPOST_AUTH_HS256_SECRET", "")]);
        process.printed("Press Ctrl-C to stop").await;
        let about = json(&std::fs::read_to_string(format!("{folder}/dev.json")).expect("dev.json is there once it is ready"));
        let text = |name: &str| about[name].as_str().unwrap_or_else(|| panic!("{name} is missing")).to_owned();
        let base = text("graphql").strip_suffix("/graphql").expect("a URL of the endpoint").to_owned();
        let mut client = Client::new(&base, text("workspace").parse().expect("a UUID"), Uuid::now_v7(), Role::Owner);
        client.token = text("token");
        Self { process, about, client }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.about[name].as_str().expect("a text")
    }

    pub(super) async fn pool(&self) -> PgPool {
        PgPool::connect(self.text("database_url")).await.expect("its PostgreSQL can be reached by the URL it names")
    }

    /// The process id of its PostgreSQL.
    pub(super) fn postgres(folder: &str) -> i32 {
        let file = std::fs::read_to_string(format!("{folder}/postgres/postmaster.pid")).expect("PostgreSQL runs");
        file.lines().next().and_then(|pid| pid.parse().ok()).expect("a process id")
    }

    /// Stops it, and sees that it ends in order and takes everything with it.
    pub(super) async fn stop(mut self, folder: &str, signal: Signal) {
        let postgres = Self::postgres(folder);
        self.process.signal(signal);
        assert_eq!(self.process.ended().await, 0, "{}", self.process.log());
        assert_calm(&self.process.log());
        assert!(!exists(&format!("/proc/{postgres}")), "its PostgreSQL outlives it");
        assert!(!exists(&format!("{folder}/dev.json")), "dev.json speaks of what is gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_shows_everything_there_is_and_ends_without_a_trace() {
    let home = Folder::new();
    let folder = home.at("data");
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = taken.local_addr().expect("an address").to_string();
    let mut demo = Demo::start(&folder, &["--listen", &address]).await;
    demo.process.printed(&format!("{address} is in use; using 127.0.0.1:")).await;
    assert_told(&demo, &folder);
    assert_unprivileged(&folder);
    let refused = milepost(&["dev", "--data-dir", &folder, "--listen", "127.0.0.1:0"], &[]).await;
    assert_refused(&refused, WRONG_USE, &["another `milepost dev` is using", &folder, "--data-dir"]);
    assert_seeded(&demo).await;
    assert_published(&demo).await;

    let (pool, client) = (demo.pool().await, demo.client.clone());
    let commands = "SELECT count(*) FROM milepost.events WHERE event_type IN ('project_created', 'task_created', 'schedule_created')";
    let before = number(&pool, commands).await;
    pool.close().await;
    demo.stop(&folder, Signal::SIGINT).await;
    let gone = reqwest::get(format!("{}/livez", client.base)).await;
    assert!(gone.is_err_and(|error| error.is_connect()), "its port is open");

    let again = Demo::start(&folder, &["--listen", "127.0.0.1:0"]).await;
    assert_eq!(number(&again.pool().await, commands).await, before, "seeding again changes nothing");
    // Its broker is new, and gets everything.
    assert_published(&again).await;
    again.stop(&folder, Signal::SIGTERM).await;
}

/// `dev.json` has what the contract says, and the banner says the same.
fn assert_told(demo: &Demo, folder: &str) {
    let names: BTreeSet<_> = demo.about.as_object().expect("an object").keys().map(String::as_str).collect();
    let wanted = ["graphql", "graphiql", "database_url", "kafka_bootstrap_servers", "token", "workspace", "pid", "version"];
    assert_eq!(names, BTreeSet::from(wanted));
    assert_eq!((&demo.about["pid"], &demo.about["version"]), (&json!(demo.process.pid()), &json!(env!("CARGO_PKG_VERSION"))));
    let mode = std::fs::metadata(format!("{folder}/dev.json")).expect("dev.json is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read the token");
    let banner = demo.process.output();
    for name in ["graphql", "graphiql", "database_url", "kafka_bootstrap_servers", "workspace", "version"] {
        assert!(banner.contains(demo.text(name)), "{name} is not in:\n{banner}");
    }
    let texts =
        [&format!("#token={}", demo.text("token")), &format!("{folder}/dev.json"), "Three things to try", "  1. ", "  2. ", "  3. "];
    for text in texts {
        assert!(banner.contains(text), "{text:?} is not in:\n{banner}");
    }
}

fn assert_unprivileged(folder: &str) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", Demo::postgres(folder))).expect("PostgreSQL runs");
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("a user").split_whitespace().next();
    assert_ne!(user, Some("0"), "PostgreSQL runs as root");
}

async fn assert_seeded(demo: &Demo) {
    let client = &demo.client;
    let me = client.data("{ viewer { role workspaceId } }", json!({})).await;
    assert_eq!(me["viewer"]["workspaceId"], demo.text("workspace"));
    assert_eq!(me["viewer"]["role"].as_str().map(str::to_lowercase).as_deref(), Some("owner"));
    let (status, page) = client.get("/graphiql").await;
    assert!(status == 200 && page.contains("graphiql"), "{status}");
    // Deadlines are fired by a scheduler that starts when everything else does.
    until("what is overdue and what is near has shown", || async {
        let found = client
            .data(
                "{ projects { totalCount nodes { collaborators { userId } taskCounts { total overdue } } } tasks { totalCount } \
                 near: schedules(filter: { state: [APPROACHING] }) { totalCount } \
                 overdue: schedules(filter: { state: [OVERDUE] }) { totalCount } \
                 tasksWithPeople: tasks(first: 200) { nodes { assigneeIds } } }",
                json!({}),
            )
            .await;
        let count = |pointer: &str| found.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        let people: BTreeSet<String> = found["tasksWithPeople"]["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|task| task["assigneeIds"].as_array().cloned().unwrap_or_default())
            .map(|id| id.to_string())
            .collect();
        let seeded = count("/projects/totalCount") >= 3 && count("/tasks/totalCount") >= 60 && people.len() >= 3;
        (seeded && count("/near/totalCount") >= 2 && count("/overdue/totalCount") >= 2).then_some(())
    })
    .await;
}

/// Another Kafka client sees every event on the topics.
async fn assert_published(demo: &Demo) {
    let pool = demo.pool().await;
    let mut kafka = infrastructure::config::Configuration::defaults().kafka;
    kafka.bootstrap_servers = demo.text("kafka_bootstrap_servers").to_owned();
    until("every event is on the topics", || async {
        let kafka = kafka.clone();
        let reading = tokio::task::spawn_blocking(move || {
            ["project-events", "task-events", "schedule-events"].map(|topic| read_topic(&kafka, topic)).concat()
        });
        let mut positions: Vec<i64> = reading.await.expect("reading does not panic").iter().map(|record| record.position()).collect();
        positions.sort_unstable();
        let events: Vec<i64> = sqlx::query_scalar("SELECT position FROM milepost.events ORDER BY position").fetch_all(&pool).await.ok()?;
        (positions == events && events.len() > 60).then_some(())
    })
    .await;
}
