//! What wakes a read model: the head of the log where it runs, and asking now and then for what nobody told of.

use super::runner::{a_project, grant, reached};
use super::{core, live, plant, projection};
use domain::event::Fact;
use projections::log::{Log, ReadError, Stretch};
use projections::runner::Works;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::app::TestApp;
use tests::database::TestDatabase;
use tests::wait::until_true;
use tokio::sync::watch;

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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_moving_head_wakes_a_read_model_and_nothing_else_does() {
    let database = TestDatabase::new().await;
    let (pool, core) = (database.pool().await, core(&database).await);
    let name = "task_list";
    projection(name).prepare(&core.works).await.expect("it can be prepared");
    grant(&pool, name, 1).await;
    let log = Arc::new(QuietLog { log: Arc::clone(&core.works.log), head: watch::Sender::new(0), reads: AtomicUsize::new(0) });
    let works = Works { log: log.clone(), ..core.works.clone() };
    let (_holds, lease) = watch::channel(Some(1));
    let running = tokio::spawn(async move { projection(name).run(&works, lease).await });
    until_true("it looked once", || log.reads.load(Ordering::SeqCst) == 1).await;
    for position in 1..=3 {
        a_project(&core).await;
        assert_eq!(live(&pool, name).await.1, position - 1, "it looked without being woken");
        log.head.send_replace(position);
        reached(&pool, name, position).await;
    }
    // Once at first, and for each waking once for the event and once to see that there is no more.
    until_true("it looked for more", || log.reads.load(Ordering::SeqCst) == 7).await;
    running.abort();
    let _ = running.await;
    core.close().await;
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
