//! What wakes a read model: the head of the log where it runs, and asking now and then for what nobody told of.

use super::runner::{a_project, grant, reached};
use super::{core, live, plant, projection};
use domain::event::Fact;
use projections::runner::BATCH_GAP;
use projections::running::log::{Log, ReadError, Stretch};
use projections::running::run_context::RunContext;
use server::wire::Core;
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tests::app::TestApp;
use tests::database::TestDatabase;
use tests::wait::{PATIENCE, until_true};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A log that says how often it was read, and whose head moves only when it is told to.
struct QuietLog {
    log: Arc<dyn Log>,
    head: watch::Sender<i64>,
    reads: AtomicUsize,
}

#[async_trait::async_trait]
impl Log for QuietLog {
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Fact>>, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut facts = self.log.after(position, limit).await?;
        facts.retain(|fact| fact.position <= *self.head.borrow());
        Ok(facts)
    }

    async fn after_of_types(&self, position: i64, until: i64, types: &[&'static str], limit: usize) -> Result<Stretch, ReadError> {
        self.log.after_of_types(position, until, types, limit).await
    }

    fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    fn generation(&self) -> watch::Receiver<u64> {
        self.log.generation()
    }
}

/// A read model that runs on such a log.
struct Scene {
    core: Core,
    log: Arc<QuietLog>,
    running: JoinHandle<()>,
    _lease: watch::Sender<Option<i64>>,
}

impl Scene {
    async fn of(database: &TestDatabase, name: &'static str) -> Self {
        let core = core(database).await;
        projection(name).prepare(&core.run_context).await.expect("it can be prepared");
        grant(&database.pool().await, name, 1).await;
        let log = Arc::new(QuietLog { log: Arc::clone(&core.run_context.log), head: watch::Sender::new(0), reads: AtomicUsize::new(0) });
        let run_context = RunContext { log: log.clone(), ..core.run_context.clone() };
        let (_lease, held) = watch::channel(Some(1));
        let running = tokio::spawn(async move { projection(name).run(&run_context, held).await });
        until_true("it looked once", || log.reads.load(Ordering::SeqCst) == 1).await;
        Self { core, log, running, _lease }
    }

    async fn stop(self) {
        self.running.abort();
        let _ = self.running.await;
        self.core.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_moving_head_wakes_a_read_model_and_nothing_else_does() {
    let (database, name) = (TestDatabase::new().await, "project_overview");
    let (pool, scene) = (database.pool().await, Scene::of(&database, name).await);
    for position in 1..=3 {
        a_project(&scene.core).await;
        assert_eq!(live(&pool, name).await.1, position - 1, "it looked without being woken");
        scene.log.head.send_replace(position);
        reached(&pool, name, position).await;
        // Once at first, and for each waking once for the event and once to see that there is no more.
        let looks = 1 + 2 * position as usize;
        until_true("it looked for more", || scene.log.reads.load(Ordering::SeqCst) == looks).await;
    }
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_begin_a_moment_apart_while_nobody_waits() {
    const BATCHES: u32 = 20;
    let database = TestDatabase::new().await;
    let scene = Scene::of(&database, "activity").await;
    for _ in 0..BATCHES {
        a_project(&scene.core).await;
    }
    let mut position = scene.core.run_context.progress.watch("activity").expect("it is there");
    let begun = Instant::now();
    for next in 1..=i64::from(BATCHES) {
        scene.log.head.send_replace(next);
        position.wait_for(|position| *position >= Some(next)).await.expect("it is told");
    }
    assert!(begun.elapsed() >= BATCH_GAP * (BATCHES - 1), "{:?}", begun.elapsed());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_other_read_models_are_passed_at_once_and_noted_a_moment_later() {
    let (database, name) = (TestDatabase::new().await, "task_list");
    let (pool, scene) = (database.pool().await, Scene::of(&database, name).await);
    let noted = counted_notes(&pool).await;
    for position in 1..=20 {
        a_project(&scene.core).await;
        scene.log.head.send_replace(position);
        scene.core.run_context.progress.reached(&[name], position, PATIENCE).await.expect("nothing is to be done, so it is done");
    }
    reached(&pool, name, 20).await;
    let notes: i64 = sqlx::query_scalar(noted).fetch_one(&pool).await.expect("they can be counted");
    assert!(notes < 20, "each of 20 events was noted by itself, {notes} times");
    scene.stop().await;
}

/// Lets the database count how often a position is written; gives what asks for the number.
async fn counted_notes(pool: &PgPool) -> &'static str {
    plant(
        pool,
        "CREATE TABLE milepost.noted (position bigint);
         GRANT INSERT ON milepost.noted TO PUBLIC;
         CREATE FUNCTION milepost.note() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO milepost.noted VALUES (NEW.position); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER UPDATE OF position ON milepost.projections FOR EACH ROW EXECUTE FUNCTION milepost.note()",
    )
    .await;
    "SELECT count(*) FROM milepost.noted"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_nobody_told_of_is_found_by_asking() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    app.client.project().await;
    app.settled().await;
    // Another writer that says nothing: no word to this process, no NOTIFY.
    plant(
        &pool,
        "INSERT INTO milepost.events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, \
           payload, metadata, recorded_at) \
         SELECT 2, workspace_id, aggregate_type, aggregate_id, 2, gen_random_uuid(), 'project_archived', '1', \
           json_build_object('project_archived', json_build_object('key', payload -> 'project_created' ->> 'key')), metadata, recorded_at \
         FROM milepost.events WHERE position = 1",
    )
    .await;
    reached(&pool, "project_overview", 2).await;
    let phase: String = sqlx::query_scalar("SELECT phase FROM milepost.project_overview").fetch_one(&pool).await.expect("a row");
    assert_eq!(phase, "archived");
    app.stop().await;
}
