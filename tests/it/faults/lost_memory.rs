//! PostgreSQL crashes and loses what it had not yet written to its disk. The log is on the disk, read models may go back: the
//! service lives on, reads again where they are, and brings them up to date without a new event.

use super::PROGRAM;
use application::caller::Role;
use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tests::app::Client;
use tests::own_postgres::OwnPostgres;
use tests::process::{Process, Run};
use tests::wait::until;
use uuid::Uuid;

/// When what was created is due: after PostgreSQL has recovered.
const DUE_IN: TimeDelta = TimeDelta::seconds(25);
const READ_MODELS_BEHIND: &str = "SELECT (SELECT min(position) FROM milepost.projections WHERE state = 'live') \
                                  < (SELECT max(position) FROM milepost.events)";

/// A service on a PostgreSQL that writes to its disk what it must, and not a byte more.
struct Scene {
    postgres: OwnPostgres,
    node: Process,
    client: Client,
    sql: PgConnection,
}

impl Scene {
    async fn set() -> Self {
        let postgres = OwnPostgres::start().await;
        infrastructure::postgres::migrate(&postgres.url).await.expect("the migrations run");
        let mut sql = PgConnection::connect(&postgres.url).await.expect("PostgreSQL answers");
        // Appends wait for the disk all the same.
        for setting in ["synchronous_commit = off", "full_page_writes = off", "autovacuum = off"] {
            sqlx::query(&format!("ALTER SYSTEM SET {setting}")).execute(&mut sql).await.expect("a superuser may");
        }
        sqlx::query("SELECT pg_reload_conf()").execute(&mut sql).await.expect("a superuser may");
        let mut node = Process::start(PROGRAM, Run::serve(&postgres.url));
        let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
        Self { postgres, node, client, sql }
    }

    /// A task that is due soon, seen by every read model, and nothing of those on the disk but the log.
    async fn task_in_memory(&mut self) -> (String, Value) {
        let project = self.client.project().await;
        let writers: Vec<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE backend_type IN ('walwriter', 'background writer', 'checkpointer')")
                .fetch_all(&mut self.sql)
                .await
                .expect("activity can be read");
        assert_eq!(writers.len(), 3);
        for writer in writers {
            kill(Pid::from_raw(writer), Signal::SIGSTOP).expect("it can be halted");
        }
        let input = json!({ "projectId": project, "title": "In memory", "due": { "at": Utc::now() + DUE_IN } });
        let made = self.client.must("taskCreate", "id", input).await;
        until("the schedule is there, and every read model has seen it", || async {
            let mut sql = PgConnection::connect(&self.postgres.url).await.ok()?;
            let approaching = "SELECT EXISTS (SELECT FROM milepost.events WHERE event_type = 'deadline_approaching')";
            let approaching: bool = sqlx::query_scalar(approaching).fetch_one(&mut sql).await.ok()?;
            let behind: bool = sqlx::query_scalar(READ_MODELS_BEHIND).fetch_one(&mut sql).await.ok()?;
            (approaching && !behind).then_some(())
        })
        .await;
        (made["task"]["id"].as_str().expect("an id").to_owned(), made["position"].clone())
    }

    /// After a crash: nobody is told of what is not so, and all becomes as it was without anything new.
    async fn becomes_as_before(mut self, crashed: DateTime<Utc>, task: &str, position: &Value) {
        let query = "query($t: ID!, $p: Position) { task(id: $t, minPosition: $p) { title } serviceStatus { position } }";
        until("the task can be read again", || async {
            let answer = self.client.ask(query, json!({ "t": task, "p": position })).await;
            if let Some(error) = answer["errors"].get(0) {
                let code = error["extensions"]["code"].as_str().unwrap_or_default();
                assert!(["UNAVAILABLE", "POSITION_NOT_REACHED"].contains(&code), "{answer}");
                return None;
            }
            assert_eq!(answer["data"]["task"]["title"], "In memory", "what was reached before the crash was said to be reached: {answer}");
            Some(())
        })
        .await;
        let mut sql = PgConnection::connect(&self.postgres.url).await.expect("PostgreSQL answers");
        until("read models have seen everything", || async {
            let mut sql = PgConnection::connect(&self.postgres.url).await.ok()?;
            let behind: bool = sqlx::query_scalar(READ_MODELS_BEHIND).fetch_one(&mut sql).await.ok()?;
            (!behind).then_some(())
        })
        .await;
        let written_again: i64 =
            sqlx::query_scalar("SELECT count(*) FROM milepost.projections WHERE name IN ('task_list', 'schedules') AND updated_at > $1")
                .bind(crashed)
                .fetch_one(&mut sql)
                .await
                .expect("read models can be listed");
        assert_eq!(written_again, 2, "nothing was lost, so nothing is proved");
        until("the deadline has fired", || async {
            let mut sql = PgConnection::connect(&self.postgres.url).await.ok()?;
            let fired = "SELECT EXISTS (SELECT FROM milepost.events WHERE event_type = 'deadline_overdue')";
            sqlx::query_scalar::<_, bool>(fired).fetch_one(&mut sql).await.ok()?.then_some(())
        })
        .await;
        let status = "{ serviceStatus { position projections { lagEvents } } }";
        until("the status says that all have caught up", || async {
            let status = self.client.ask(status, json!({})).await["data"]["serviceStatus"].clone();
            let all = status["projections"].as_array()?.clone();
            (all.len() == projections::runner::all().len() && all.iter().all(|one| one["lagEvents"] == 0)).then_some(())
        })
        .await;
        let (ready, body) = self.client.get("/readyz").await;
        assert_eq!(ready, 200, "{body}");
        let said = self.node.said("PostgreSQL was restarted or replaced").await;
        assert!(!self.node.log().contains("the log went back"), "the log is on the disk: {said}");
        self.node.kill().await;
        self.postgres.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_server_processes_are_killed_read_models_are_right_again_without_a_new_event() {
    let mut scene = Scene::set().await;
    let (task, position) = scene.task_in_memory().await;
    let crashed = Utc::now();
    scene.postgres.kill_children();
    scene.becomes_as_before(crashed, &task, &position).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_is_killed_read_models_are_right_again_without_a_new_event() {
    let mut scene = Scene::set().await;
    let (task, position) = scene.task_in_memory().await;
    let crashed = Utc::now();
    scene.postgres.kill().await;
    scene.postgres.start_again().await;
    scene.becomes_as_before(crashed, &task, &position).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_another_machine_takes_over_the_disk_read_models_are_right_again_without_a_new_event() {
    let mut scene = Scene::set().await;
    let (task, position) = scene.task_in_memory().await;
    let crashed = Utc::now();
    scene.postgres.move_to_another_machine().await;
    scene.becomes_as_before(crashed, &task, &position).await;
}
