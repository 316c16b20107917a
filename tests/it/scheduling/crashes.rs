//! Nodes that die without a word: nothing is lost, and nothing happens twice.

use super::audit::{audit, log};
use super::proxy::Proxy;
use super::{at_rest, must};
use application::caller::Caller;
use application::deadline_scheduler;
use application::ports::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use infrastructure::clock::SystemClock;
use infrastructure::leases::LEASE_LASTS;
use serde_json::{Value, json};
use server::wire::Core;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::app::{How, TestApp, settings};
use tests::builders;
use tests::clock::MovedClock;
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::until;
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");
const DEADLINES: [&str; 2] = ["deadline_overdue", "deadline_approaching"];

/// A database and somebody who sends commands without any node.
struct Site {
    database: Arc<TestDatabase>,
    pool: PgPool,
    core: Core,
    caller: Caller,
}

impl Site {
    async fn new() -> Self {
        let database = Arc::new(TestDatabase::new().await);
        let core = Core::open(&settings(&database.url)).await.expect("the database is there");
        Self { pool: database.pool().await, database, core, caller: builders::somebody() }
    }

    async fn must(&self, name: &str, input: Value) -> Uuid {
        must(&self.core.application, self.caller, name, input).await
    }

    async fn milestones(&self, due: impl Iterator<Item = DateTime<Utc>>, thresholds: Value) {
        let made =
            due.map(|due| self.must("scheduleCreate", json!({ "title": "A milestone", "due": { "at": due }, "thresholds": thresholds })));
        join_all(made).await;
    }

    async fn count(&self, events: &[&str]) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM milepost.events WHERE event_type = ANY($1)").bind(events);
        count.fetch_one(&self.pool).await.expect("the log can be read")
    }

    async fn more_than(&self, count: i64, events: &[&str]) {
        until("events are appended", || async { (self.count(events).await > count).then_some(()) }).await;
    }

    /// The leases of nodes that died run out at once, so that the next one need not wait for it.
    async fn leases_run_out(&self) {
        let out = "UPDATE milepost.leases SET expires_at = '-infinity' WHERE expires_at <> 'infinity'";
        sqlx::query(out).execute(&self.pool).await.expect("leases can be ended");
    }

    /// Who has the lease of the scheduler, and since when at the latest by the clock of the database.
    async fn holder(&self) -> Option<(Uuid, DateTime<Utc>)> {
        let sql = "SELECT holder, expires_at - $2::interval FROM milepost.leases WHERE name = $1 AND expires_at > clock_timestamp()";
        let held = sqlx::query_as(sql).bind(deadline_scheduler::LEASE).bind(LEASE_LASTS).fetch_optional(&self.pool);
        held.await.expect("leases can be read")
    }

    async fn database_clock(&self) -> DateTime<Utc> {
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await.expect("the database answers")
    }

    fn serve(&self) -> Process {
        Process::start(PROGRAM, Run::serve(&self.database.url))
    }

    /// No node may bring the read model of schedules up to date any more.
    async fn stop_the_read_model(&self) {
        let lease = "UPDATE milepost.leases SET holder = $1, expires_at = 'infinity' WHERE name LIKE 'projection/schedules/%'";
        let taken = sqlx::query(lease).bind(Uuid::new_v4()).execute(&self.pool).await.expect("leases can be taken");
        assert_eq!(taken.rows_affected(), 1);
    }

    /// Starts a node that dies between the commit of an event and the answer to it.
    async fn die_before_the_answer_to(&self, event: &'static str, others: &[&str]) {
        let before = self.count(others).await;
        let mut proxy = Proxy::keeping_back(&self.database.name, event).await;
        let node = Process::start(PROGRAM, Run::serve(&proxy.url));
        proxy.keeps_back().await;
        self.more_than(before, others).await;
        node.kill().await;
        self.leases_run_out().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_between_ticks_and_their_answers_fires_nothing_twice() {
    let site = Site::new().await;
    let now = SystemClock.now();
    let warn = json!([{ "amount": 30, "unit": "DAYS" }, { "amount": 3, "unit": "DAYS" }]);
    site.milestones((0..400).map(|n| now + TimeDelta::hours(n - 200)), warn).await;
    // Long before, a node learns of them. From then on the read model stays as it is, so every node sends all the ticks.
    let long_before = Some(Arc::new(MovedClock::at(now - TimeDelta::days(100))));
    let before = TestApp::start_with(How { database: Some(site.database.clone()), clock: long_before.clone(), ..How::default() }).await;
    at_rest(&site.pool, now - TimeDelta::days(100)).await;
    before.stop().await;
    site.stop_the_read_model().await;
    for _ in 0..3 {
        site.die_before_the_answer_to("deadline_", &DEADLINES).await;
    }
    let killed_at_any_time = site.serve();
    site.more_than(site.count(&DEADLINES).await, &DEADLINES).await;
    killed_at_any_time.kill().await;
    site.leases_run_out().await;
    let sends_the_rest = site.serve();
    site.more_than(399, &DEADLINES).await;
    sends_the_rest.kill().await;
    sqlx::query("UPDATE milepost.leases SET expires_at = '-infinity'").execute(&site.pool).await.expect("leases can be ended");
    let _last = site.serve();
    at_rest(&site.pool, SystemClock.now()).await;
    assert_eq!(audit(&site.pool, now).await.len(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_between_reactions_and_their_answers_begins_each_schedule_once() {
    let site = Site::new().await;
    let project = site.must("projectCreate", json!({ "key": "MANY", "name": "Many" })).await;
    let lives = (0..400).map(|n| {
        let site = &site;
        async move {
            let due = |day: i64| json!({ "at": SystemClock.now() + TimeDelta::days(day + n) });
            let input = json!({ "projectId": project, "title": format!("Task {n}"), "due": due(40) });
            let id = site.must("taskCreate", input).await;
            if n % 2 == 0 {
                site.must("taskSetDue", json!({ "id": id, "due": due(50) })).await;
            }
            if n % 10 == 0 {
                site.must("taskComplete", json!({ "id": id })).await;
            }
        }
    });
    join_all(lives).await;
    for _ in 0..3 {
        site.die_before_the_answer_to("schedule_created", &["schedule_created"]).await;
    }
    let killed_at_any_time = site.serve();
    site.more_than(site.count(&["schedule_created"]).await, &["schedule_created"]).await;
    killed_at_any_time.kill().await;
    site.leases_run_out().await;
    let _last = site.serve();
    at_rest(&site.pool, SystemClock.now()).await;
    audit(&site.pool, SystemClock.now()).await;
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    log(&site.pool).await.into_iter().for_each(|fact| *events.entry(fact.kind).or_default() += 1);
    let expected = [
        // What was done before a node came to it is met all the same.
        ("deadline_met", 40),
        ("project_created", 1),
        ("schedule_created", 400),
        ("task_completed", 40),
        ("task_created", 400),
        ("task_due_date_changed", 200),
    ];
    assert_eq!(events, expected.map(|(event, count)| (event.to_owned(), count)).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_did_before_it_noted_it_is_not_done_again() {
    let site = Site::new().await;
    let project = site.must("projectCreate", json!({ "key": "AGAIN", "name": "Again" })).await;
    let app = TestApp::start_with(How { database: Some(site.database.clone()), ..How::default() }).await;
    for n in 0..30 {
        let due = |day: i64| json!({ "date": (SystemClock.now() + TimeDelta::days(day + n)).date_naive() });
        let id = site.must("taskCreate", json!({ "projectId": project, "title": "Again", "due": due(-5) })).await;
        at_rest(&site.pool, SystemClock.now()).await;
        site.must("taskSetDue", json!({ "id": id, "due": due(5) })).await;
        match n % 4 {
            0 => site.must("taskComplete", json!({ "id": id })).await,
            1 => site.must("taskClearDue", json!({ "id": id })).await,
            2 => site.must("taskDelete", json!({ "id": id })).await,
            _ => site.must("taskUpdate", json!({ "id": id, "title": "Once more" })).await,
        };
    }
    at_rest(&site.pool, SystemClock.now()).await;
    app.stop().await;
    let before = log(&site.pool).await.len();
    for set_back in ["UPDATE milepost.checkpoints SET position = position / 2", "DELETE FROM milepost.checkpoints"] {
        sqlx::query(set_back).execute(&site.pool).await.expect("the checkpoint can be set back");
        let app = TestApp::start_with(How { database: Some(site.database.clone()), ..How::default() }).await;
        at_rest(&site.pool, SystemClock.now()).await;
        audit(&site.pool, SystemClock.now()).await;
        assert_eq!(log(&site.pool).await.len(), before, "after {set_back}");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_ten_seconds_of_the_death_of_the_node_that_ticks_another_one_does() {
    let site = Site::new().await;
    let mut first = site.serve();
    first.address().await;
    let (holder, _) = until("the first node has the lease", || site.holder()).await;
    let mut second = site.serve();
    second.address().await;
    let begin = SystemClock.now() + TimeDelta::seconds(1);
    site.milestones((0..40).map(|n| begin + TimeDelta::milliseconds(300 * n)), json!([])).await;
    site.more_than(4, &DEADLINES).await;
    assert_eq!(site.holder().await.map(|(holder, _)| holder), Some(holder), "the second node waits");
    first.kill().await;
    let killed_at = site.database_clock().await;
    let other = || async { site.holder().await.filter(|(now, _)| *now != holder) };
    let (_, taken_at) = until("the second node has the lease", other).await;
    assert!(taken_at - killed_at < TimeDelta::seconds(10), "killed at {killed_at}, taken over at {taken_at}");
    site.more_than(39, &DEADLINES).await;
    at_rest(&site.pool, SystemClock.now()).await;
    assert_eq!(audit(&site.pool, SystemClock.now()).await.len(), 40);
}
