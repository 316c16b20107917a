//! Rebuilds die at every stage and are begun again, while people ask and write.

use super::deployments::{command, copies, projections, wait_at_gate};
use super::runner::closed_gate;
use super::{content, core, live, plant, projection};
use application::ports::EventLog;
use nix::sys::signal::Signal;
use projections::registry::{VersionState, versions};
use projections::runner::all;
use projections::versions::builder::{BUILD_BATCH_EVENTS_MAX, Built};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tests::app::{Client, TestApp};
use tests::builders::{self, somebody};
use tests::database::TestDatabase;
use tests::process::Process;
use tests::wait::{until, until_true};
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");
/// Where rebuilds die: between rows and position, and in the moment that lets the new version answer.
const STAGES: [&str; 2] = ["NEW.state = 'building'", "OLD.state = 'building' AND NEW.state = 'live'"];

/// One number from every read model, which only grows.
const COUNTS: &str = "query($task: ID!) {
  projects { nodes { taskCounts { total } } }
  tasks(first: 1) { totalCount }
  task(id: $task) { comments(first: 1) { totalCount } }
  schedules(first: 1) { totalCount }
  deadlines(first: 1) { totalCount }
  history(subjectId: $task, first: 200) { nodes { id } }
}";

fn counts(data: &Value) -> [Option<i64>; 6] {
    let history = data["history"]["nodes"].as_array().map(|events| events.len() as i64);
    let totals = [&data["tasks"], &data["task"]["comments"], &data["schedules"], &data["deadlines"]];
    let [tasks, comments, schedules, deadlines] = totals.map(|list| list["totalCount"].as_i64());
    [data["projects"]["nodes"][0]["taskCounts"]["total"].as_i64(), tasks, comments, schedules, deadlines, history]
}

/// People at work until they are told to stop. They meet no error.
struct People {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    all: Vec<JoinHandle<()>>,
}

impl People {
    fn begin(client: &Client, project: &str, task: &str) -> Self {
        let (stop, asked, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let ask = |_| tokio::spawn(keep_asking(client.clone(), task.to_owned(), Arc::clone(&stop), Arc::clone(&asked)));
        let mut all: Vec<_> = (0..2).map(ask).collect();
        all.push(tokio::spawn(keep_writing(client.clone(), project.to_owned(), task.to_owned(), Arc::clone(&stop), Arc::clone(&written))));
        Self { stop, asked, written, all }
    }

    /// Returns when each kind has had another answer, or somebody has met an error.
    async fn go_on(&self) {
        let (asked, written) = (self.asked.load(Ordering::SeqCst) + 4, self.written.load(Ordering::SeqCst) + 4);
        until_true("people go on", || {
            let went_on = self.asked.load(Ordering::SeqCst) >= asked && self.written.load(Ordering::SeqCst) >= written;
            went_on || self.all.iter().any(JoinHandle::is_finished)
        })
        .await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for one in self.all {
            one.await.expect("nobody met an error");
        }
    }
}

/// Every answer holds at least what the one before did.
async fn keep_asking(client: Client, task: String, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    let mut before = [Some(1); 6];
    while !stop.load(Ordering::SeqCst) {
        let now = counts(&client.data(COUNTS, json!({ "task": task })).await);
        assert!(now.iter().zip(&before).all(|(now, before)| now >= before), "there is less than before: {before:?}, then {now:?}");
        before = now;
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

/// A late task, a comment and a new title, over and over.
async fn keep_writing(client: Client, project: String, task: String, stop: Arc<AtomicBool>, written: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        let late = json!({ "projectId": project, "title": "Late", "due": { "at": "2031-02-01T00:00:00Z" } });
        client.must("taskCreate", "id", late).await;
        client.must("taskComment", "id", json!({ "id": task, "body": "Still at it." })).await;
        client.must("taskUpdate", "id", json!({ "id": task, "title": format!("Title {}", written.load(Ordering::SeqCst)) })).await;
        written.fetch_add(1, Ordering::SeqCst);
    }
}

/// Somebody finds what they have written.
async fn one_finds_what_one_wrote(client: &Client, project: &str) {
    let made = client.must("taskCreate", "id", json!({ "projectId": project, "title": "Mine" })).await;
    let ask = "query($id: ID!, $at: Position) { task(id: $id, minPosition: $at) { title } }";
    let found = client.data(ask, json!({ "id": made["task"]["id"], "at": made["position"] })).await;
    assert_eq!(found["task"]["title"], json!("Mine"));
}

/// Rebuilds of every read model that wait at a gate.
struct HeldUp {
    gate: PgConnection,
    rebuilds: Vec<Process>,
}

impl HeldUp {
    /// Starts them, lets them come to the gate, and people go on meanwhile.
    async fn at(stage: &str, database: &TestDatabase, pool: &PgPool, people: &People) -> Self {
        let gate = closed_gate(database).await;
        plant(pool, &wait_at_gate(stage)).await;
        let rebuilds: Vec<_> = all().iter().map(|one| Process::start(PROGRAM, command(database, &["rebuild", one.name()]))).collect();
        until("each has come to the gate", || async {
            let there: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .fetch_one(pool)
            .await
            .expect("locks can be read");
            (there == rebuilds.len() as i64).then_some(())
        })
        .await;
        people.go_on().await;
        Self { gate, rebuilds }
    }

    /// Lets them go on, those that are still alive.
    async fn go(self, pool: &PgPool) -> Vec<Process> {
        self.gate.close().await.expect("the gate opens");
        plant(pool, "DROP TRIGGER gate ON milepost.projections; DROP FUNCTION milepost.wait_at_gate").await;
        self.rebuilds
    }

    async fn die(mut self, pool: &PgPool) {
        for rebuild in &mut self.rebuilds {
            rebuild.signal(Signal::SIGKILL);
            rebuild.ended().await;
        }
        self.go(pool).await;
        // Their leases would run out by themselves.
        plant(pool, "UPDATE milepost.leases SET expires_at = now() WHERE name LIKE 'projection/%/build'").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilds_of_every_read_model_die_and_go_on_while_people_ask_and_write() {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let (pool, database) = (app.database.pool().await, Arc::clone(&app.database));
    let project = app.client.project().await;
    let task = app.client.task(&project, "The first").await;
    app.client.must("taskComment", "id", json!({ "id": task, "body": "Here I am." })).await;
    app.client.must("scheduleCreate", "id", json!({ "title": "Late", "due": { "at": "2031-02-01T00:00:00Z" } })).await;
    until("every read model has something", || async {
        let now = counts(&app.client.data(COUNTS, json!({ "task": task })).await);
        now.iter().all(|count| *count >= Some(1)).then_some(())
    })
    .await;
    let people = People::begin(&app.client, &project, &task);
    let state = async |name: &str| {
        let all = versions(&pool).await.expect("versions can be listed");
        all.into_iter().filter(|one| one.name == name).map(|one| (one.version, one.state)).collect::<Vec<_>>()
    };
    for stage in STAGES {
        HeldUp::at(stage, &database, &pool, &people).await.die(&pool).await;
        people.go_on().await;
        for one in all() {
            assert_eq!(state(one.name()).await, [(1, VersionState::Live), (2, VersionState::Building)], "{} after {stage}", one.name());
        }
    }
    // What the live versions have seen meanwhile is in the new ones when they begin to answer.
    for mut rebuild in HeldUp::at(STAGES[0], &database, &pool, &people).await.go(&pool).await {
        assert_eq!(rebuild.ended().await, 0, "{}", rebuild.log());
    }
    one_finds_what_one_wrote(&app.client, &project).await;
    people.go_on().await;
    for one in all() {
        assert_eq!(state(one.name()).await, [(1, VersionState::Old), (2, VersionState::Live)], "{}", one.name());
        let out = projections(&database, &["rollback", one.name()]).await;
        assert_eq!(out.status, 0, "{}", out.stderr);
        one_finds_what_one_wrote(&app.client, &project).await;
        people.go_on().await;
        assert_eq!(live(&pool, one.name()).await.0, 1, "{}", one.name());
    }
    let out = projections(&database, &["rebuild", "--all"]).await;
    assert_eq!(out.status, 0, "{}", out.stderr);
    people.go_on().await;
    people.end().await;
    app.settled().await;
    for one in all() {
        let compared = one.verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal && compared.live_rows > 0, "{} is wrong after its rebuilds: {compared:?}", one.name());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_gives_way_while_the_live_version_is_behind_and_kept_and_only_then() {
    let database = TestDatabase::new().await;
    let (pool, before) = (database.pool().await, core(&database).await);
    let caller = somebody();
    let project = builders::project(&before.application, caller).await;
    builders::task(&before.application, caller, project, "A task").await;
    projection("task_list").catch_up(&before.run_context, 2).await.expect("a batch is taken in");
    before.close().await;
    copies(&pool, 2 * BUILD_BATCH_EVENTS_MAX as i64).await;
    let core = core(&database).await;
    // Nobody moves the live version, so it stays behind until the new one is live in its place.
    let mut gave_way = vec![];
    for kept in [false, true, true] {
        if kept && gave_way.len() == 1 {
            plant(&pool, "UPDATE milepost.projections SET position = 2, event_id = (SELECT event_id FROM milepost.events WHERE events.position = 2) WHERE name = 'task_list' AND state = 'live'").await;
            sqlx::query("INSERT INTO milepost.leases (name, holder, epoch, expires_at) VALUES ($1, gen_random_uuid(), 1, 'infinity')")
                .bind(projection("task_list").lease())
                .execute(&pool)
                .await
                .expect("a lease can be put there");
        }
        let told = Mutex::new(vec![]);
        let tell = |built: Built| told.lock().expect("nobody panicked").push(built);
        projection("task_list").rebuild(&core.run_context, &tell).await.expect("a version is built");
        let told = told.into_inner().expect("nobody panicked");
        assert!(told.len() > 2, "{told:?}");
        gave_way.push(told.iter().any(|built| built.gives_way));
    }
    assert_eq!(gave_way, [false, true, false]);
    core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_live_version_has_seen_is_in_the_new_one_from_its_first_moment() {
    let database = TestDatabase::new().await;
    let (pool, core) = (database.pool().await, core(&database).await);
    let (caller, tasks) = (somebody(), projection("task_list"));
    let project = builders::project(&core.application, caller).await;
    let another = async || {
        builders::task(&core.application, caller, project, "Another").await;
        let head = *core.log.head().borrow();
        tasks.catch_up(&core.run_context, head).await.expect("the live version follows");
    };
    another().await;
    // At the end of each part of the build the live version gets ahead: of the comparison, of what follows it, of the last
    // before it is held still.
    let parts = AtomicUsize::new(0);
    let tell = |built: Built| {
        if built.position == built.head && parts.fetch_add(1, Ordering::SeqCst) < 3 {
            // On a thread of its own: on this one it would swallow what wakes the build.
            let runtime = tokio::runtime::Handle::current();
            std::thread::scope(|scope| scope.spawn(|| runtime.block_on(another())).join().expect("the live version gets ahead"));
        }
    };
    tasks.rebuild(&core.run_context, &tell).await.expect("a version is built");
    assert!(parts.load(Ordering::SeqCst) > 3, "the live version was never ahead");
    assert_eq!((live(&pool, "task_list").await, content(&pool, "task_list").await.0), ((2, 5), 4));
    core.close().await;
}
