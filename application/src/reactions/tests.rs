//! What one event meets never stops another's, and each command of a reaction is carried out once.

use super::attempt::Patience;
use super::runner::{Figures, Worker};
use super::*;
use crate::ports::{Checkpoints, Failed, FirstParked, LogError, Parked};
use crate::testing::{MemoryLog, node, project, send, task};
use domain::ids::TaskId;
use futures::future::{Either, select};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait for something that happens at once, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps everything in memory. What is parked is due again at once.
#[derive(Default)]
struct Notes {
    position: Mutex<i64>,
    parked: Mutex<BTreeMap<i64, Parked>>,
    loads: watch::Sender<usize>,
    changes: watch::Sender<()>,
}

impl Notes {
    fn first(&self, aggregate_id: Uuid) -> Option<FirstParked> {
        let parked = self.parked.lock().expect("no panic");
        let of_it: Vec<_> = parked.values().filter(|one| one.aggregate_id == aggregate_id).collect();
        let first = of_it.first()?;
        let tries = first.failed.as_ref().map_or(0, |failed| failed.tries);
        Some(FirstParked { position: first.position, aggregate_id, tries, is_due: true, events: of_it.len() as i64 })
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
impl Checkpoints for Notes {
    async fn load(&self, _: &str) -> Result<i64, LogError> {
        self.loads.send_modify(|loads| *loads += 1);
        Ok(*self.position.lock().expect("no panic"))
    }

    async fn advance(&self, _: &str, _: i64, to: i64, parked: &[Parked]) -> Result<bool, LogError> {
        *self.position.lock().expect("no panic") = to;
        self.parked.lock().expect("no panic").extend(parked.iter().map(|one| (one.position, one.clone())));
        self.changes.send_replace(());
        Ok(true)
    }

    async fn parked(&self, _: &str) -> Result<Vec<FirstParked>, LogError> {
        let aggregates: Vec<Uuid> = self.parked.lock().expect("no panic").values().map(|one| one.aggregate_id).collect();
        let mut first: Vec<_> = aggregates.into_iter().filter_map(|id| self.first(id)).collect();
        first.dedup();
        Ok(first)
    }

    async fn release(&self, _: &str, first: &FirstParked) -> Result<Option<FirstParked>, LogError> {
        self.parked.lock().expect("no panic").remove(&first.position);
        self.changes.send_replace(());
        Ok(self.first(first.aggregate_id))
    }

    async fn failed_again(&self, _: &str, position: i64, failed: &Failed) -> Result<(), LogError> {
        if let Some(parked) = self.parked.lock().expect("no panic").get_mut(&position) {
            parked.failed = Some(failed.clone());
        }
        self.changes.send_replace(());
        Ok(())
    }
}

/// Answers the creations of tasks, and fails as it is told to.
#[derive(Default)]
struct Scripted {
    /// What the next tries of an aggregate's events come to; when there is nothing left, they succeed.
    failures: Mutex<HashMap<Uuid, Vec<Told>>>,
    answered: Mutex<Vec<Uuid>>,
}

enum Told {
    Fail(CommandError),
    Panic,
    Hang,
}

impl Scripted {
    fn tell(&self, aggregate: Uuid, times: usize, error: impl Fn() -> Told) {
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
        let told = self.failures.lock().expect("no panic").get_mut(&about).and_then(Vec::pop);
        match told {
            Some(Told::Fail(error)) => return Err(error),
            Some(Told::Panic) => panic!("a broken rule"),
            Some(Told::Hang) => std::future::pending().await,
            None => {}
        }
        self.answered.lock().expect("no panic").push(about);
        Ok(())
    }
}

fn unreachable() -> Told {
    Told::Fail(LogError::Unreachable(Arc::new(std::io::Error::other("a read takes too long"))).into())
}

/// A node with two tasks, positions 2 and 3; of the first one a later event, position 4.
struct Scene {
    log: Arc<MemoryLog>,
    node: Application,
    sick: Uuid,
    well: Uuid,
    notes: Notes,
    reaction: Scripted,
    trouble: watch::Sender<Trouble>,
}

impl Scene {
    async fn new() -> Self {
        let log = Arc::new(MemoryLog::default());
        let node = node(&log, 1);
        let project = project(&node, "APOLLO").await;
        let (sick, well) = (task(&node, project, "Sick").await, task(&node, project, "Well").await);
        send(&node, "taskUpdate", json!({ "id": sick, "title": "Still sick" })).await.expect("another title");
        let (notes, reaction, trouble) = (Notes::default(), Scripted::default(), watch::Sender::new(None));
        Self { log, node, sick, well, notes, reaction, trouble }
    }

    /// Reacts until something else is done.
    async fn react_until(&self, what: &str, holds: impl Fn(&Notes) -> bool) {
        self.react_with(Patience::default(), what, holds).await;
    }

    async fn react_with(&self, patience: Patience, what: &str, holds: impl Fn(&Notes) -> bool) {
        let (_held, lease) = watch::channel(Some(1));
        let figures = Figures::of("scripted");
        let (application, checkpoints, reaction, trouble) = (&self.node, &self.notes, &self.reaction, &self.trouble);
        let worker = Worker { application, checkpoints, reaction, trouble, figures, patience };
        let reacting = pin!(worker.run(lease));
        let waiting = pin!(self.notes.until(what, holds));
        assert!(matches!(select(waiting, reacting).await, Either::Left(_)), "{what}: it stopped reacting");
    }
}

#[tokio::test]
async fn an_event_that_stays_broken_parks_its_aggregate_at_once_and_no_other() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Told::Fail(CommandError::Forbidden("no".to_owned())));
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
        scene.reaction.tell(scene.sick, failures as usize, || Told::Fail(CommandError::Contended));
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
    let overloaded = || Told::Fail(CommandError::Overloaded { retry_after: Duration::ZERO });
    scene.reaction.tell(scene.well, TRIES_MAX as usize + 1, overloaded);
    // The log does not answer the first task, nor anybody else.
    scene.reaction.tell(scene.sick, TRIES_MAX as usize + 1, unreachable);
    let away = || Err(LogError::Unreachable(Arc::new(std::io::Error::other("it is away"))));
    scene.log.plan((0..=TRIES_MAX).map(|_| away()));
    let mut told = scene.trouble.subscribe();
    let told = tokio::spawn(async move { told.wait_for(Option::is_some).await.map(|trouble| trouble.clone()) });
    scene.react_until("all is answered", |notes| *notes.position.lock().expect("no panic") == 4).await;
    assert_eq!((scene.notes.tries(), scene.reaction.answered().len()), (vec![], 3));
    let told = told.await.expect("no panic").expect("it was told").expect("a trouble");
    assert!(told.contains("too many commands") || told.contains("a read takes too long"), "{told}");
    assert_eq!(*scene.trouble.borrow(), None, "it is over");
}

#[tokio::test]
async fn slow_failures_and_tries_without_an_end_hold_others_up_for_a_bounded_time() {
    let done = |notes: &Notes| *notes.position.lock().expect("no panic") == 4;
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, TRIES_MAX as usize, || Told::Fail(CommandError::Contended));
    let patience = Patience { try_for: Duration::from_millis(1), ..Patience::default() };
    scene.react_with(patience, "all is answered or parked", done).await;
    assert_eq!(scene.notes.tries(), [(2, Some(2)), (4, None)], "the failure after the time is the last one");

    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, TRIES_MAX as usize, || Told::Hang);
    let patience = Patience { attempt_within: Duration::from_millis(10), ..Patience::default() };
    scene.react_with(patience, "all is answered or parked", done).await;
    assert_eq!((scene.notes.tries(), scene.reaction.answered()), (vec![(2, Some(TRIES_MAX)), (4, None)], vec![scene.well]));
    let error = scene.notes.parked.lock().expect("no panic")[&2].failed.clone().expect("it failed").error;
    assert_eq!(error, "it took longer than 10ms");
    assert_eq!(Patience::default().try_for.min(Patience::default().attempt_within), TRY_FOR_MAX);
}

#[tokio::test]
async fn a_panic_parks_the_event_that_it_comes_of() {
    let scene = Scene::new().await;
    scene.reaction.tell(scene.sick, 1, || Told::Panic);
    scene.react_until("all is answered or parked", |notes| *notes.position.lock().expect("no panic") == 4).await;
    let error = scene.notes.parked.lock().expect("no panic")[&2].failed.clone().expect("it failed").error;
    assert_eq!(error, "the program failed: a broken rule");
    assert_eq!(scene.reaction.answered(), [scene.well]);
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
    let reacting = pin!(run(&scene.node, &scene.notes, &scene.reaction, lease, &scene.trouble));
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
            node.follow(&cause.circumstances(), Some(&cause.key("follow", task.0)), *task).await.expect("it is followed");
        }
    }
    assert_eq!(log.names().into_iter().filter(|name| *name == "schedule_created").count(), 2);
    let ids = ["follow", "remind"].map(|command| cause.key(command, tasks[0].0).id);
    assert_ne!(ids[0], ids[1], "two commands about the same thing are two as well");
}
