//! What one event meets never stops another's, and each command of a reaction is carried out once.

use super::worker::{Gauges, TryLimits, Worker};
use super::*;
use crate::Application;
use crate::error::CommandError;
use crate::ports::{Checkpoints, Failed, FirstParked, LogError, Parked, Waiting};
use crate::testing::{MemoryLog, node, project, send, task};
use async_trait::async_trait;
use domain::event::Event;
use domain::ids::TaskId;
use futures::future::{Either, select};
use metrics::{Gauge, GaugeFn};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Longest wait for something that happens at once, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps everything in memory. What is parked is due again when a node takes over, and when a test says so.
#[derive(Default)]
struct MemoryCheckpoints {
    position: Mutex<i64>,
    parked: Mutex<BTreeMap<i64, Parked>>,
    due: Mutex<HashSet<i64>>,
    /// What cannot be taken out, whether the position cannot be moved, and how often that was tried.
    sealed: Mutex<HashSet<i64>>,
    stands: AtomicBool,
    in_vain: watch::Sender<usize>,
    loads: watch::Sender<usize>,
    changes: watch::Sender<()>,
}

impl MemoryCheckpoints {
    fn first(&self, aggregate_id: Uuid) -> Option<FirstParked> {
        let parked = self.parked.lock().expect("no panic");
        let first = parked.values().find(|one| one.aggregate_id == aggregate_id)?;
        let tries = first.failed.as_ref().map_or(0, |failed| failed.tries);
        Some(FirstParked { position: first.position, aggregate_id, tries })
    }

    /// The tries of each parked event; none for one that waits.
    fn tries(&self) -> Vec<(i64, Option<u32>)> {
        let parked = self.parked.lock().expect("no panic");
        parked.iter().map(|(position, one)| (*position, one.failed.as_ref().map(|failed| failed.tries))).collect()
    }

    /// Waits until what is kept is so.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            while !holds(self) {
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
    }
}

#[async_trait]
impl Checkpoints for MemoryCheckpoints {
    async fn load(&self, _: &str) -> Result<i64, LogError> {
        self.loads.send_modify(|loads| *loads += 1);
        Ok(*self.position.lock().expect("no panic"))
    }

    async fn advance(&self, _: &str, _: i64, to: i64, parked: &[Parked]) -> Result<bool, LogError> {
        if self.stands.load(Ordering::SeqCst) {
            self.in_vain.send_modify(|in_vain| *in_vain += 1);
            return Err(LogError::OutcomeUnknown);
        }
        *self.position.lock().expect("no panic") = to;
        self.parked.lock().expect("no panic").extend(parked.iter().map(|one| (one.position, one.clone())));
        self.changes.send_replace(());
        Ok(true)
    }

    async fn waiting(&self, _: &str, aggregates: &[Uuid]) -> Result<Waiting, LogError> {
        let aggregates = aggregates.iter().copied().filter(|id| self.first(*id).is_some()).collect();
        Ok(Waiting { aggregates, any: !self.parked.lock().expect("no panic").is_empty() })
    }

    async fn count_parked(&self, _: &str) -> Result<i64, LogError> {
        Ok(self.parked.lock().expect("no panic").len() as i64)
    }

    async fn due(&self, _: &str, but: &[Uuid], limit: usize) -> Result<Vec<FirstParked>, LogError> {
        let aggregates: BTreeSet<Uuid> = self.parked.lock().expect("no panic").values().map(|one| one.aggregate_id).collect();
        let due = self.due.lock().expect("no panic").clone();
        let first = aggregates.into_iter().filter(|id| !but.contains(id)).filter_map(|id| self.first(id));
        Ok(first.filter(|first| due.contains(&first.position)).take(limit).collect())
    }

    async fn make_all_due(&self, _: &str) -> Result<(), LogError> {
        self.due.lock().expect("no panic").extend(self.parked.lock().expect("no panic").keys());
        Ok(())
    }

    async fn release(&self, _: &str, first: &FirstParked) -> Result<(), LogError> {
        if self.sealed.lock().expect("no panic").contains(&first.position) {
            self.in_vain.send_modify(|in_vain| *in_vain += 1);
            return Err(LogError::OutcomeUnknown);
        }
        self.parked.lock().expect("no panic").remove(&first.position);
        self.due.lock().expect("no panic").extend(self.first(first.aggregate_id).map(|next| next.position));
        self.changes.send_replace(());
        Ok(())
    }

    async fn failed_again(&self, _: &str, position: i64, failed: &Failed) -> Result<(), LogError> {
        self.due.lock().expect("no panic").remove(&position);
        if let Some(parked) = self.parked.lock().expect("no panic").get_mut(&position) {
            parked.failed = Some(failed.clone());
        }
        self.changes.send_replace(());
        Ok(())
    }
}

/// Answers the creations of tasks, and fails as a test plans.
#[derive(Default)]
struct Scripted {
    /// What the next tries of an aggregate's events come to; when there is nothing left, they succeed.
    failures: Mutex<HashMap<Uuid, Vec<Reports>>>,
    answered: Mutex<Vec<Uuid>>,
}

enum Reports {
    Fail(CommandError),
    Panic,
    Hang,
}

impl Scripted {
    fn tell(&self, aggregate: Uuid, times: usize, error: impl Fn() -> Reports) {
        self.failures.lock().expect("no panic").insert(aggregate, (0..times).map(|_| error()).collect());
    }

    fn answered(&self) -> Vec<Uuid> {
        self.answered.lock().expect("no panic").clone()
    }
}

#[async_trait]
impl Reaction for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn listens_to(&self, event: &Event) -> bool {
        matches!(event, Event::Task(_))
    }

    async fn react(&self, _: &Application, cause: &Cause<'_>) -> Result<(), CommandError> {
        let about = cause.event().aggregate_id;
        let planned = self.failures.lock().expect("no panic").get_mut(&about).and_then(Vec::pop);
        match planned {
            Some(Reports::Fail(error)) => return Err(error),
            Some(Reports::Panic) => panic!("a broken rule"),
            Some(Reports::Hang) => std::future::pending().await,
            None => {}
        }
        self.answered.lock().expect("no panic").push(about);
        Ok(())
    }
}

fn unreachable() -> Reports {
    Reports::Fail(LogError::Unreachable(Arc::new(std::io::Error::other("a read takes too long"))).into())
}

/// A node with two tasks, positions 2 and 3; of the first one a later event, position 4.
struct Scene {
    log: Arc<MemoryLog>,
    node: Application,
    sick: Uuid,
    well: Uuid,
    notes: MemoryCheckpoints,
    reaction: Scripted,
    reports: worker::Reports,
    /// What the metric of parked events shows.
    parked: Arc<Shown>,
}

/// A gauge that can be read.
#[derive(Default)]
struct Shown(watch::Sender<f64>);

impl GaugeFn for Shown {
    fn increment(&self, by: f64) {
        self.0.send_modify(|shown| *shown += by);
    }

    fn decrement(&self, by: f64) {
        self.0.send_modify(|shown| *shown -= by);
    }

    fn set(&self, value: f64) {
        self.0.send_replace(value);
    }
}

impl Scene {
    async fn new() -> Self {
        let log = Arc::new(MemoryLog::default());
        let node = node(&log, 1);
        let project = project(&node, "APOLLO").await;
        let (sick, well) = (task(&node, project, "Sick").await, task(&node, project, "Well").await);
        send(&node, "taskUpdate", json!({ "id": sick, "title": "Still sick" })).await.expect("another title");
        let (notes, reaction) = (MemoryCheckpoints::default(), Scripted::default());
        let reports = worker::Reports { problem: watch::Sender::new(None), progress: watch::Sender::new(()) };
        Self { log, node, sick, well, notes, reaction, reports, parked: Arc::default() }
    }

    /// Reacts until something else is done.
    async fn react_until(&self, what: &str, holds: impl Fn(&MemoryCheckpoints) -> bool) {
        self.react_with(TryLimits::default(), what, holds).await;
    }

    fn worker(&self, limits: TryLimits) -> Worker<'_> {
        let gauges = Gauges { lag: Gauge::noop(), parked: Gauge::from_arc(Arc::clone(&self.parked)) };
        let (application, checkpoints, reaction, reports) = (&self.node, &self.notes, &self.reaction, &self.reports);
        Worker { application, checkpoints, reaction, reports, gauges, limits, parks: Notify::new(), settled: Mutex::default() }
    }

    async fn react_with(&self, limits: TryLimits, what: &str, holds: impl Fn(&MemoryCheckpoints) -> bool) {
        let (_held, lease) = watch::channel(Some(1));
        let worker = self.worker(limits);
        let reacting = pin!(worker.run(lease));
        let waiting = pin!(self.notes.until(what, holds));
        assert!(matches!(select(waiting, reacting).await, Either::Left(_)), "{what}: it stopped reacting");
    }
}

#[tokio::test]
async fn an_event_that_stays_broken_parks_its_aggregate_at_once_and_no_other() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Reports::Fail(CommandError::Forbidden("no".to_owned())));
    scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    assert_eq!(scene.reaction.answered(), [scene.well]);
    assert_eq!(scene.notes.tries(), [(2, Some(1)), (4, None)], "what follows in the aggregate waits");
    let first = scene.notes.parked.lock().expect("no panic")[&2].clone();
    assert_eq!((first.event_type.as_str(), first.failed.map(|failed| failed.error).as_deref()), ("task_created", Some("no")));
    // It can be dealt with now: in order.
    scene.react_until("what waited is dealt with", |notes| notes.tries().is_empty()).await;
    assert_eq!(scene.reaction.answered(), [scene.well, scene.sick, scene.sick]);
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_a_bounded_number_of_times() {
    let scene = Scene::new().await;
    for (failures, expected) in [(TRIES_MAX - 1, vec![]), (TRIES_MAX, vec![(2, Some(TRIES_MAX)), (4, None)])] {
        *scene.notes.position.lock().expect("no panic") = 0;
        scene.reaction.tell(scene.sick, failures as usize, || Reports::Fail(CommandError::Contended));
        scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
        assert_eq!(scene.notes.tries(), expected, "after {failures} failures");
    }
}

#[tokio::test]
async fn an_event_that_only_the_log_does_not_answer_for_is_stuck_while_the_log_takes_commands() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, TRIES_MAX as usize, unreachable);
    scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    assert_eq!(scene.notes.tries(), [(2, Some(TRIES_MAX)), (4, None)]);
    assert_eq!(scene.reaction.answered(), [scene.well]);
}

#[tokio::test]
async fn what_says_nothing_about_an_event_is_waited_for_and_told() {
    let scene = Scene::new().await;
    let overloaded = || Reports::Fail(CommandError::Overloaded { retry_after: Duration::ZERO });
    scene.reaction.tell(scene.well, TRIES_MAX as usize + 1, overloaded);
    // The log does not answer the first task, nor anybody else.
    scene.reaction.tell(scene.sick, TRIES_MAX as usize + 1, unreachable);
    let away = || Err(LogError::Unreachable(Arc::new(std::io::Error::other("it is away"))));
    scene.log.plan((0..=TRIES_MAX).map(|_| away()));
    let mut problem = scene.reports.problem.subscribe();
    let reported = tokio::spawn(async move { problem.wait_for(Option::is_some).await.map(|problem| problem.clone()) });
    scene.react_until("all is answered", |notes| *notes.position.lock().expect("no panic") == 4).await;
    assert_eq!((scene.notes.tries(), scene.reaction.answered().len()), (vec![], 3));
    let reported = reported.await.expect("no panic").expect("it was reported").expect("a problem");
    assert!(reported.contains("too many commands") || reported.contains("a read takes too long"), "{reported}");
    assert_eq!(*scene.reports.problem.borrow(), None, "it is over");
}

#[tokio::test]
async fn slow_failures_and_tries_without_an_end_hold_others_up_for_a_bounded_time() {
    let done = |notes: &MemoryCheckpoints| *notes.position.lock().expect("no panic") == 4;
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, TRIES_MAX as usize, || Reports::Fail(CommandError::Contended));
    let limits = TryLimits { try_for: Duration::from_millis(1), ..TryLimits::default() };
    scene.react_with(limits, "all is answered or parked", done).await;
    assert_eq!(scene.notes.tries(), [(2, Some(2)), (4, None)], "the failure after the time is the last one");

    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, TRIES_MAX as usize, || Reports::Hang);
    let limits = TryLimits { attempt_within: Duration::from_millis(10), ..TryLimits::default() };
    scene.react_with(limits, "all is answered or parked", done).await;
    assert_eq!((scene.notes.tries(), scene.reaction.answered()), (vec![(2, Some(TRIES_MAX)), (4, None)], vec![scene.well]));
    let error = scene.notes.parked.lock().expect("no panic")[&2].failed.clone().expect("it failed").error;
    assert_eq!(error, "it took longer than 10ms");
}

#[tokio::test]
async fn an_event_that_is_settled_is_a_sign_of_progress_while_others_of_its_batch_are_slow() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Reports::Hang);
    let (_held, lease) = watch::channel(Some(1));
    let worker = scene.worker(TryLimits { attempt_within: 2 * PATIENCE, ..TryLimits::default() });
    let mut progress = scene.reports.progress.subscribe();
    let steps = pin!(tokio::time::timeout(PATIENCE, progress.changed()));
    let Either::Left((done, _)) = select(steps, pin!(worker.run(lease))).await else { panic!("it stopped reacting") };
    done.expect("a sign is given").expect("it lives");
    assert_eq!((scene.reaction.answered(), *scene.notes.position.lock().expect("no panic")), (vec![scene.well], 0));
}

#[tokio::test]
async fn an_event_that_is_settled_again_since_the_position_does_not_move_is_no_progress() {
    let scene = Scene::new().await;
    scene.notes.stands.store(true, Ordering::SeqCst);
    let (_held, lease) = watch::channel(Some(1));
    let worker = scene.worker(TryLimits::default());
    let (mut progress, mut in_vain) = (scene.reports.progress.subscribe(), scene.notes.in_vain.subscribe());
    let steps = async {
        in_vain.wait_for(|in_vain| *in_vain == 1).await.expect("it lives");
        assert!(progress.has_changed().expect("it lives"), "the first time it is");
        progress.mark_unchanged();
        in_vain.wait_for(|in_vain| *in_vain == 3).await.expect("it lives");
        assert!(!progress.has_changed().expect("it lives"));
        scene.notes.stands.store(false, Ordering::SeqCst);
        scene.notes.until("it goes on", |notes| *notes.position.lock().expect("no panic") == 4).await;
        send(&scene.node, "taskUpdate", json!({ "id": scene.well, "title": "Still well" })).await.expect("another title");
        progress.changed().await.expect("it lives");
    };
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, pin!(worker.run(lease))).await else { panic!("it stopped reacting") };
    done.expect("there is progress again");
}

#[tokio::test]
async fn a_panic_parks_the_event_that_it_comes_of() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Reports::Panic);
    scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    let error = scene.notes.parked.lock().expect("no panic")[&2].failed.clone().expect("it failed").error;
    assert_eq!(error, "the program failed: a broken rule");
    assert_eq!(scene.reaction.answered(), [scene.well]);
}

#[tokio::test]
async fn the_metric_of_parked_events_shows_what_is_parked_also_when_nothing_is_any_more() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Reports::Fail(CommandError::Forbidden("no".to_owned())));
    let (_held, lease) = watch::channel(Some(1));
    let worker = scene.worker(TryLimits::default());
    let mut shown = scene.parked.0.subscribe();
    let steps = async {
        shown.wait_for(|shown| *shown == 2.0).await.expect("two events are parked");
        scene.notes.make_all_due("scripted").await.expect("it is in memory");
        shown.wait_for(|shown| *shown == 0.0).await.expect("nothing is parked");
    };
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, pin!(worker.run(lease))).await else { panic!("it stopped reacting") };
    done.expect("the metric follows");
    assert_eq!(scene.reaction.answered().len(), 3);
}

#[tokio::test]
async fn a_parked_event_that_hangs_when_it_is_tried_again_keeps_no_other_aggregate_waiting() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Reports::Fail(CommandError::Forbidden("no".to_owned())));
    scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    send(&scene.node, "taskUpdate", json!({ "id": scene.well, "title": "Still well" })).await.expect("another title");
    send(&scene.node, "taskUpdate", json!({ "id": scene.sick, "title": "Sick again" })).await.expect("another title");
    scene.reaction.tell(scene.sick, 1, || Reports::Hang);
    let limits = TryLimits { attempt_within: 2 * PATIENCE, ..TryLimits::default() };
    scene.react_with(limits, "others go on", |notes| *notes.position.lock().expect("no panic") == 6).await;
    assert_eq!(scene.reaction.answered(), [scene.well, scene.well]);
    assert_eq!(scene.notes.tries(), [(2, Some(1)), (4, None), (6, None)], "it is still being tried");
}

#[tokio::test]
async fn a_statement_that_fails_ends_no_try_of_another_aggregate() {
    let scene = Scene::new().await;
    for one in [scene.sick, scene.well] {
        scene.reaction.tell(one, 1, || Reports::Fail(CommandError::Forbidden("no".to_owned())));
    }
    scene.react_until("all is parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    assert_eq!(scene.notes.tries(), [(2, Some(1)), (3, Some(1)), (4, None)]);
    // That the one is dealt with cannot be noted, again and again, while the other is tried.
    scene.notes.sealed.lock().expect("no panic").insert(2);
    scene.reaction.tell(scene.well, 1, || Reports::Hang);
    let (_held, lease) = watch::channel(Some(1));
    let worker = scene.worker(TryLimits { attempt_within: 2 * PATIENCE, ..TryLimits::default() });
    let mut in_vain = scene.notes.in_vain.subscribe();
    let steps = pin!(tokio::time::timeout(PATIENCE, in_vain.wait_for(|in_vain| *in_vain == 3)));
    let Either::Left((done, _)) = select(steps, pin!(worker.run(lease))).await else { panic!("it stopped reacting") };
    drop(done.expect("it is tried again").expect("it lives"));
    assert!(scene.reaction.failures.lock().expect("no panic")[&scene.well].is_empty(), "the other try was never begun");
    assert_eq!(scene.reaction.answered(), [scene.sick; 3], "the other try was ended, and begun anew");
}

#[tokio::test]
async fn no_more_than_a_number_of_parked_aggregates_are_tried_at_the_same_time() {
    let scene = Scene::new().await;
    let aggregates = (1..=2 * PARKED_AT_ONCE as i64).map(|id| (id, Uuid::from_u128(id as u128)));
    for (position, aggregate_id) in aggregates {
        let failed = Some(Failed::new("no", 1, Duration::ZERO));
        let parked = Parked { position: 2, aggregate_id, event_type: "task_created".to_owned(), failed };
        scene.notes.parked.lock().expect("no panic").insert(position, parked);
        scene.notes.due.lock().expect("no panic").insert(position);
    }
    let worker = scene.worker(TryLimits::default());
    let mut under_way = HashSet::new();
    let due = worker.next_due(&under_way).await.expect("it is in memory");
    assert_eq!(due.len(), PARKED_AT_ONCE);
    under_way.extend(due.iter().skip(1).map(|first| first.aggregate_id));
    let more = worker.next_due(&under_way).await.expect("it is in memory");
    assert!(more.len() == 1 && !under_way.contains(&more[0].aggregate_id), "{more:?}");
    under_way.insert(more[0].aggregate_id);
    assert_eq!(worker.next_due(&under_way).await.expect("it is in memory"), []);
}

#[tokio::test]
async fn a_try_of_a_parked_event_counts_only_where_the_failure_is_about_the_event() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Reports::Fail(CommandError::Forbidden("no".to_owned())));
    scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    // The database is away for everybody, then too busy for everybody, and then the event itself fails.
    let again = Reports::Fail(CommandError::Forbidden("no again".to_owned()));
    let overloaded = Reports::Fail(CommandError::Overloaded { retry_after: Duration::ZERO });
    scene.reaction.failures.lock().expect("no panic").insert(scene.sick, vec![again, overloaded, unreachable()]);
    scene.log.plan([Err(LogError::Unreachable(Arc::new(std::io::Error::other("it is away"))))]);
    let failed = |notes: &MemoryCheckpoints| {
        notes.parked.lock().expect("no panic")[&2].failed.clone().is_some_and(|failed| failed.error == "no again")
    };
    scene.react_until("the event fails again", failed).await;
    assert_eq!(scene.notes.tries(), [(2, Some(2)), (4, None)]);
}

#[tokio::test]
async fn an_event_that_calls_for_nothing_is_not_answered_when_it_is_parked() {
    let scene = Scene::new().await;
    // It could not be read by the program that parked it, and may have been anything.
    let failed = Some(Failed::new("unknown", 1, Duration::ZERO));
    let aggregate_id = scene.log.events()[0].aggregate_id;
    let parked = Parked { position: 1, aggregate_id, event_type: "project_created".to_owned(), failed };
    scene.notes.advance("scripted", 0, 1, &[parked]).await.expect("it is in memory");
    scene.react_until("it is dealt with", |notes| notes.tries().is_empty()).await;
    assert!(!scene.reaction.answered().contains(&aggregate_id), "it was answered");
}

#[tokio::test]
async fn on_another_log_a_reaction_reads_its_position_again() {
    let scene = Scene::new().await;
    let (_held, lease) = watch::channel(Some(1));
    let mut loads = scene.notes.loads.subscribe();
    let steps = async {
        loads.wait_for(|loads| *loads == 1).await.expect("it reacts");
        scene.notes.until("all is answered", |notes| *notes.position.lock().expect("no panic") == 4).await;
        // PostgreSQL was replaced by an older copy: what is done after position 2 is lost with it.
        *scene.notes.position.lock().expect("no panic") = 2;
        scene.log.generation.send_modify(|generation| *generation += 1);
        loads.wait_for(|loads| *loads == 2).await.expect("it reacts");
        scene.notes.until("it goes on from there", |notes| *notes.position.lock().expect("no panic") == 4).await;
    };
    let reacting = pin!(run(&scene.node, &scene.notes, &scene.reaction, lease, &scene.reports));
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, reacting).await else { panic!("it stopped reacting") };
    done.expect("the position is read again");
    assert_eq!(scene.reaction.answered().len(), 5, "positions 3 and 4 are answered again");
}

#[tokio::test]
async fn under_a_new_epoch_a_reaction_reads_its_position_again() {
    let scene = Scene::new().await;
    let (held, lease) = watch::channel(Some(1));
    let mut loads = scene.notes.loads.subscribe();
    let steps = async {
        loads.wait_for(|loads| *loads == 1).await.expect("it reacts");
        // Another node had the lease for a moment, and nobody looked meanwhile.
        held.send_replace(None);
        held.send_replace(Some(3));
        loads.wait_for(|loads| *loads == 2).await.expect("it reacts");
    };
    let reacting = pin!(run(&scene.node, &scene.notes, &scene.reaction, lease, &scene.reports));
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, reacting).await else { panic!("it stopped reacting") };
    done.expect("the position is read again");
}

#[tokio::test]
async fn each_command_that_answers_an_event_is_carried_out_once() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let mut tasks = vec![];
    for title in ["One", "Other"] {
        let input = json!({ "projectId": project, "title": title, "due": { "at": "2031-03-10T12:00:00Z" } });
        tasks.push(TaskId(send(&node, "taskCreate", input).await.expect("a task").aggregate_id));
    }
    let event = log.events().remove(0);
    let cause = Cause { reaction: "fan_out", event: &event };
    // A crash in between repeats the whole answer.
    for _ in 0..2 {
        for task in &tasks {
            node.executor.follow(&cause.circumstances(), Some(&cause.key("follow", task.0)), *task).await.expect("it is followed");
        }
    }
    assert_eq!(log.names().into_iter().filter(|name| *name == "schedule_created").count(), 2);
    let ids = ["follow", "remind"].map(|command| cause.key(command, tasks[0].0).id);
    assert_ne!(ids[0], ids[1], "two commands about the same thing are two as well");
}

#[test]
fn an_error_that_quotes_what_cannot_be_stored_is_stored_all_the_same() {
    assert_eq!(Failed::new("the title \"a\0b\"", 1, Duration::ZERO).error, "the title \"a\u{fffd}b\"");
}
