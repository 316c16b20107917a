//! More than one node at a time: each deadline still fires once.

use super::audit::audit;
use super::{Scene, command, instant};
use application::Application;
use application::deadline_scheduler;
use application::error::CommandError;
use application::ports::{Deadlines, DueSchedule, LogError};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{join, join_all};
use serde_json::json;
use server::adapters::ScheduleDeadlines;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::app::TestApp;
use tests::builders;
use tests::dice::Dice;
use tests::wait::until_true;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// A scheduler that ticks whether or not another one does, as a node would that slept through the end of its lease.
fn tick_without_asking(workers: &mut JoinSet<()>, app: &TestApp) {
    let application = Arc::clone(&app.core().application);
    let deadlines = ScheduleDeadlines { pool: app.core().database.worker.clone(), progress: Arc::clone(&app.core().run_context.progress) };
    workers.spawn(async move {
        let (_held, lease) = watch::channel(Some(1));
        deadline_scheduler::run(&application, &deadlines, lease, &watch::Sender::new(())).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_all_tick_while_schedules_change_fire_each_deadline_once() {
    let scene = Scene::at("2031-10-01T00:00:00Z").await;
    let nodes = [scene.node().await, scene.node().await];
    let mut workers = JoinSet::new();
    nodes.iter().for_each(|node| tick_without_asking(&mut workers, node));
    let mut dice = Dice::thrown();
    let projects = [scene.project(&nodes[0], "Europe/Berlin").await, scene.project(&nodes[1], "America/New_York").await];
    let mut schedules = vec![];
    for n in 0..40 {
        let due = scene.now() + TimeDelta::hours(40 + 7 * n);
        let thresholds = json!([{ "amount": 1, "unit": "DAYS" }, { "amount": 5, "unit": "HOURS" }, { "amount": 30, "unit": "MINUTES" }]);
        let input = json!({ "projectId": dice.one_of(&projects), "title": "A deadline", "due": { "at": due }, "thresholds": thresholds });
        schedules.push(scene.must(&nodes[n as usize % 2], "scheduleCreate", input).await);
    }
    for _ in 0..40 {
        let moment = scene.now() + TimeDelta::minutes(dice.below(900) as i64);
        let mut commands = vec![];
        for _ in 0..6 {
            let (node, id) = (dice.below(2), *dice.one_of(&schedules));
            let due = json!({ "at": scene.now() + TimeDelta::minutes(dice.below(6_000) as i64) });
            commands.push(match dice.below(30) {
                0 => (node, "scheduleMeet", json!({ "id": id })),
                1 => (node, "scheduleDelete", json!({ "id": id })),
                2 => (node, "projectArchive", json!({ "id": dice.one_of(&projects) })),
                3..8 => (node, "projectUnarchive", json!({ "id": dice.one_of(&projects) })),
                8..14 => (node, "scheduleUpdate", json!({ "id": id, "thresholds": [{ "amount": 1 + dice.below(40), "unit": "HOURS" }] })),
                _ => (node, "scheduleReschedule", json!({ "id": id, "due": due })),
            });
        }
        let commands = join_all(commands.into_iter().map(|(node, name, input)| try_to(&scene, &nodes[node], name, input)));
        join(commands, async { scene.clock.set(moment) }).await;
        if dice.percent(30) {
            scene.at_rest().await;
        }
    }
    scene.at_rest().await;
    assert!(audit(&scene.pool, scene.now()).await.len() > 40, "there was something to see");
    workers.shutdown().await;
    for node in nodes {
        node.stop().await;
    }
}

/// Sends what may well be refused by now.
async fn try_to(scene: &Scene, node: &TestApp, name: &str, input: serde_json::Value) {
    let sent = builders::send(&node.core().application, scene.caller, command(name, input)).await;
    if let Err(error) = sent {
        assert!(matches!(error, CommandError::Refused(_)) || error.is_passing(), "{name}: {error}");
    }
}

/// A read model that never learns what has fired.
struct Stale {
    due: Vec<DueSchedule>,
    looks: AtomicUsize,
    position: watch::Sender<Option<i64>>,
}

#[async_trait]
impl Deadlines for Stale {
    async fn next_fire_after(&self, _: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError> {
        Ok(None)
    }

    async fn due(&self, _: DateTime<Utc>, _: Option<DueSchedule>, _: i64) -> Result<Vec<DueSchedule>, LogError> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        // Something happens all the time, so there is always a reason to look again.
        self.position.send_modify(|position| *position = position.map(|position| position + 1));
        // Each time the rows look as if they had changed, or they would be left alone.
        Ok(self.due.iter().map(|due| DueSchedule { version: look as i64, ..due.clone() }).collect())
    }

    fn position(&self) -> watch::Receiver<Option<i64>> {
        self.position.subscribe()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_tick_sent_by_two_nodes_again_and_again_fires_once() {
    let scene = Scene::at("2031-10-01T00:00:00Z").await;
    let nodes = [scene.node().await, scene.node().await];
    let mut due = vec![];
    for n in 0..20 {
        // Half of them have a threshold that passed; its tick finds the due moment passed as well, or still ahead.
        let fire_at = scene.now() - TimeDelta::hours(1);
        let due_at = if n % 2 == 0 { fire_at } else { scene.now() + TimeDelta::hours(2) };
        let input = json!({ "title": "A deadline", "due": { "at": due_at }, "thresholds": [{ "amount": 3, "unit": "HOURS" }] });
        let id = scene.must(&nodes[0], "scheduleCreate", input).await;
        due.push(DueSchedule { id, workspace: scene.caller.workspace, version: 1, due_revision: 1, fire_at });
    }
    let mut workers = JoinSet::new();
    let stale: Vec<_> = nodes.iter().map(|node| stale_scheduler(&mut workers, &node.core().application, &due)).collect();
    until_true("both nodes have sent every tick several times", || stale.iter().all(|stale| stale.looks.load(Ordering::SeqCst) > 10)).await;
    scene.at_rest().await;
    assert_eq!(audit(&scene.pool, scene.now()).await.len(), 20);
    workers.shutdown().await;
    for node in nodes {
        node.stop().await;
    }
}

fn stale_scheduler(workers: &mut JoinSet<()>, application: &Arc<Application>, due: &[DueSchedule]) -> Arc<Stale> {
    let stale = Arc::new(Stale { due: due.to_vec(), looks: AtomicUsize::new(0), position: watch::Sender::new(Some(1_000_000)) });
    let (application, deadlines) = (Arc::clone(application), Arc::clone(&stale));
    workers.spawn(async move {
        let (_held, lease) = watch::channel(Some(1));
        deadline_scheduler::run(&application, &*deadlines, lease, &watch::Sender::new(())).await;
    });
    stale
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_with_the_lease_ticks_and_another_goes_on_where_it_lost_it() {
    let scene = Scene::at("2031-10-01T00:00:00Z").await;
    let nodes = [scene.node().await, scene.node().await];
    for n in 1..=20 {
        let due = json!({ "at": scene.now() + TimeDelta::hours(n) });
        scene.must(&nodes[0], "scheduleCreate", json!({ "title": "A deadline", "due": due, "thresholds": [] })).await;
    }
    for n in 1..=20 {
        if n % 5 == 0 {
            // As if the holder had not renewed it: somebody else has it for a moment.
            sqlx::query("UPDATE milepost.leases SET holder = $1, expires_at = clock_timestamp() + interval '20 ms' WHERE name = $2")
                .bind(Uuid::new_v4())
                .bind(deadline_scheduler::LEASE)
                .execute(&scene.pool)
                .await
                .expect("the lease is there");
        }
        scene.moved_to(instant("2031-10-01T00:00:00Z") + TimeDelta::hours(n)).await;
    }
    let firings = audit(&scene.pool, scene.now()).await;
    assert_eq!(firings.len(), 20);
    assert!(firings.iter().all(|firing| firing.late_by_ms == 0), "the clock stood until each had fired: {firings:?}");
    for node in nodes {
        node.stop().await;
    }
}
