//! A schedule that cannot fire is not ticked again and again, and a tick that fails holds up no other.

use super::*;
use crate::ports::EventLog;
use crate::testing::{MemoryLog, NOW, caller, node, project, send};
use async_trait::async_trait;
use domain::ids::WorkspaceId;
use futures::future::{Either, select};
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch::Sender;

const MANY: usize = 600;

fn noon() -> DateTime<Utc> {
    NOW.parse().expect("a moment")
}

/// A read model that follows the log and yet lists schedules as due that have fired.
struct Wrong {
    log: Arc<MemoryLog>,
    ids: Vec<Uuid>,
    workspace: WorkspaceId,
    looks: watch::Sender<usize>,
    position: watch::Sender<Option<i64>>,
}

#[async_trait]
impl Deadlines for Wrong {
    async fn next_fire_after(&self, _: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError> {
        Ok(None)
    }

    async fn due(&self, _: DateTime<Utc>, after: Option<DueSchedule>, limit: i64) -> Result<Vec<DueSchedule>, LogError> {
        if after.is_none() {
            self.looks.send_modify(|looks| *looks += 1);
            // Something happens all the time, so there is always a reason to look again.
            self.position.send_modify(|position| *position = position.map(|position| position + 1));
        }
        let ids: Vec<_> =
            self.ids.iter().copied().filter(|id| after.as_ref().is_none_or(|after| *id > after.id)).take(limit as usize).collect();
        let versions = self.log.versions(&ids).await?;
        let row = |(id, version)| DueSchedule {
            id,
            workspace: self.workspace,
            version,
            due_revision: 1,
            fire_at: noon() - chrono::TimeDelta::hours(1),
        };
        Ok(ids.into_iter().zip(versions).map(row).collect())
    }

    fn position(&self) -> watch::Receiver<Option<i64>> {
        self.position.subscribe()
    }
}

/// Lets the scheduler look that often, and gives what it had to say.
async fn looked(application: &Application, wrong: &Wrong, looks: usize) -> Option<Notice> {
    let ((_held, lease), progress) = (watch::channel(Some(1)), Sender::new(()));
    let mut seen = wrong.looks.subscribe();
    tokio::select! {
        () = run(application, wrong, lease, &progress) => {}
        enough = seen.wait_for(|seen| *seen > looks) => drop(enough.expect("it looks on")),
    }
    application.scheduler_notice().borrow().clone()
}

async fn wrong(log: &Arc<MemoryLog>, ids: Vec<Uuid>) -> Wrong {
    let mut ids = ids;
    ids.sort_unstable();
    let workspace = caller(Role::Owner).workspace;
    Wrong { log: Arc::clone(log), ids, workspace, looks: watch::Sender::new(0), position: watch::Sender::new(Some(1_000_000)) }
}

#[tokio::test]
async fn what_fired_and_is_still_listed_is_ticked_once_more_and_then_left_alone_and_named() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let mut ids = vec![];
    for _ in 0..MANY {
        let input = json!({ "title": "A milestone", "due": { "at": noon() - chrono::TimeDelta::hours(1) }, "thresholds": [] });
        ids.push(send(&node, "scheduleCreate", input).await.expect("a schedule").aggregate_id);
    }
    let wrong = wrong(&log, ids).await;
    let notice = looked(&node, &wrong, 30).await.expect("it says that something is wrong");
    assert_eq!(notice.name, NoticeName::SchedulesDisagree);
    assert!(notice.message.starts_with("600 schedules, such as "), "{}", notice.message);
    let units = log.asked();
    let empty = units.iter().filter(|unit| unit.events.is_empty()).count();
    assert_eq!((units.len(), empty), (3 * MANY, MANY), "created, fired, and once for nothing");
    let fired = log.names().iter().filter(|name| **name == "deadline_overdue").count();
    assert_eq!(fired, MANY);
}

#[tokio::test]
async fn a_tick_that_is_refused_appends_nothing_and_is_not_called_a_disagreement() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let due = json!({ "at": noon() - chrono::TimeDelta::hours(1) });
    let resting = json!({ "projectId": project, "title": "A milestone", "due": due, "thresholds": [] });
    let resting = send(&node, "scheduleCreate", resting).await.expect("a schedule").aggregate_id;
    send(&node, "projectArchive", json!({ "id": project })).await.expect("it rests");
    let before = log.asked().len();
    assert_eq!(looked(&node, &wrong(&log, vec![resting]).await, 30).await, None);
    assert_eq!(log.asked().len(), before);
}

fn row(version: i64) -> DueSchedule {
    DueSchedule { id: Uuid::from_u128(1), workspace: caller(Role::Owner).workspace, version, due_revision: 1, fire_at: noon() }
}

#[test]
fn a_row_is_left_alone_until_it_changes_or_is_not_listed() {
    let mut set_aside = SetAside::default();
    for result in [TickResult::Fired(7), TickResult::Nothing(7), TickResult::Refused, TickResult::NotNow, TickResult::Failed] {
        assert!(set_aside.lets_pass(&row(1)));
        set_aside.put(&row(1), result, Some(0));
        set_aside.end_pass();
        assert!(!set_aside.lets_pass(&row(1)), "{result:?}");
        assert!(set_aside.lets_pass(&row(2)), "{result:?}");
        set_aside.end_pass();
        assert!(!set_aside.lets_pass(&row(1)), "it was listed");
        set_aside.end_pass();
        // A pass that does not list it.
        set_aside.end_pass();
    }
}

#[test]
fn a_tick_that_was_refused_is_tried_again_after_pauses_that_double() {
    let mut set_aside = SetAside::default();
    assert_eq!(set_aside.next_try(), None);
    let mut pause = ASIDE_FOR;
    for _ in 0..20 {
        set_aside.put(&row(1), TickResult::Refused, Some(0));
        let next = set_aside.next_try().expect("it is tried again");
        assert!(next <= pause && next > pause / 2, "{next:?}");
        pause = (pause * 2).min(ASIDE_FOR_MAX);
    }
    set_aside.put(&row(1), TickResult::NotNow, Some(0));
    assert!(set_aside.next_try().is_some_and(|next| next <= ASIDE_FOR));
    set_aside.put(&row(1), TickResult::Nothing(7), Some(7));
    assert_eq!((set_aside.next_try(), set_aside.disagreeing()), (None, Some((1, row(1).id))));
    set_aside.put(&row(1), TickResult::Nothing(8), Some(7));
    assert_eq!(set_aside.disagreeing(), None, "the read model has yet to hear of an event");
}

#[test]
fn what_is_left_alone_takes_bounded_memory() {
    let mut set_aside = SetAside::default();
    for version in 0..=ASIDE_SCHEDULES_MAX as i64 {
        set_aside.put(&row(version), TickResult::Nothing(1), Some(1));
    }
    assert_eq!(set_aside.disagreeing().map(|(count, _)| count), Some(1));
}

const PATIENCE: Duration = Duration::from_secs(60);
const DUE: &str = "2031-02-01T12:00:00Z";

/// A read model that never learns what has fired.
#[derive(Default)]
struct Known {
    due: Vec<DueSchedule>,
    /// How often somebody has asked how far it is: whoever begins to tick does.
    asked: Sender<usize>,
}

#[async_trait]
impl Deadlines for Known {
    async fn next_fire_after(&self, _: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError> {
        Ok(None)
    }

    async fn due(&self, _: DateTime<Utc>, _: Option<DueSchedule>, _: i64) -> Result<Vec<DueSchedule>, LogError> {
        Ok(self.due.clone())
    }

    fn position(&self) -> watch::Receiver<Option<i64>> {
        self.asked.send_modify(|asked| *asked += 1);
        // Far enough, so that nobody waits for it.
        Sender::new(Some(i64::MAX)).subscribe()
    }
}

async fn milestone(node: &Application, title: &str) -> DueSchedule {
    let input = json!({ "title": title, "due": { "at": DUE }, "thresholds": [] });
    let id = send(node, "scheduleCreate", input).await.expect("a schedule").aggregate_id;
    DueSchedule { id, workspace: WorkspaceId(Uuid::from_u128(2)), version: 1, due_revision: 1, fire_at: DUE.parse().expect("a moment") }
}

#[tokio::test]
async fn a_tick_that_fails_holds_up_no_other_and_is_left_alone_longer_and_longer() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let known = Known { due: vec![milestone(&node, "Broken").await, milestone(&node, "Well").await], ..Known::default() };
    let mut set_aside = SetAside::default();
    for failures in 1..4 {
        log.plan([Err(LogError::Rejected("it cannot be stored".to_owned()))]);
        fire(&node, &known, &known.position(), &mut set_aside, &Sender::new(())).await.expect("the read model answers");
        assert_eq!(set_aside.pause(&known.due[0]), Some(ASIDE_FOR * (1 << (failures - 1))));
        assert_eq!(log.names().iter().filter(|name| **name == "deadline_overdue").count(), 1, "the other one has fired");
        let before = log.asked().len();
        fire(&node, &known, &known.position(), &mut set_aside, &Sender::new(())).await.expect("the read model answers");
        assert!(log.asked()[before..].iter().all(|unit| unit.subject != known.due[0].id), "it is left alone");
        // Its time is over.
        set_aside.end_pause(&known.due[0]);
    }
}

#[tokio::test]
async fn under_a_new_epoch_the_scheduler_begins_anew() {
    let node = node(&Arc::new(MemoryLog::default()), 1);
    let known = Known::default();
    let (held, lease) = watch::channel(Some(1));
    let mut asked = known.asked.subscribe();
    let steps = async {
        asked.wait_for(|asked| *asked == 1).await.expect("it ticks");
        // Another node had the lease for a moment, and nobody looked meanwhile.
        held.send_replace(None);
        held.send_replace(Some(3));
        asked.wait_for(|asked| *asked == 2).await.expect("it ticks");
    };
    let progress = Sender::new(());
    let ticking = pin!(run(&node, &known, lease, &progress));
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, ticking).await else { panic!("it stopped ticking") };
    done.expect("it begins anew");
}

#[tokio::test]
async fn under_a_new_generation_and_without_the_lease_nothing_is_told_of_before_and_the_scheduler_begins_anew() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let known = Known::default();
    let (held, lease) = watch::channel(Some(1));
    let mut asked = known.asked.subscribe();
    let told = || node.scheduler_notice().borrow().clone();
    let tells = || node.scheduler_notice.send_replace(Some(disagreement(1, Uuid::nil())));
    let steps = async {
        asked.wait_for(|asked| *asked == 1).await.expect("it ticks");
        tells();
        log.generation.send_replace(1);
        asked.wait_for(|asked| *asked == 2).await.expect("it ticks anew");
        assert_eq!(told(), None, "it was about another log");
        tells();
        let mut notes = node.scheduler_notice();
        held.send_replace(None);
        notes.wait_for(Option::is_none).await.expect("it is told no more");
    };
    let progress = Sender::new(());
    let ticking = pin!(run(&node, &known, lease, &progress));
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, ticking).await else { panic!("it stopped ticking") };
    done.expect("it begins anew");
}

/// A read model that cannot be read.
struct Unreadable;

#[async_trait]
impl Deadlines for Unreadable {
    async fn next_fire_after(&self, _: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError> {
        Err(LogError::OutcomeUnknown)
    }

    async fn due(&self, _: DateTime<Utc>, _: Option<DueSchedule>, _: i64) -> Result<Vec<DueSchedule>, LogError> {
        Err(LogError::OutcomeUnknown)
    }

    fn position(&self) -> watch::Receiver<Option<i64>> {
        Sender::new(None).subscribe()
    }
}

#[tokio::test]
async fn while_the_read_model_cannot_be_read_nothing_is_told_of_its_rows() {
    let node = node(&Arc::new(MemoryLog::default()), 1);
    node.scheduler_notice.send_replace(Some(disagreement(1, Uuid::nil())));
    let ((_held, lease), progress) = (watch::channel(Some(1)), Sender::new(()));
    let mut notes = node.scheduler_notice();
    let ended = async { notes.wait_for(Option::is_none).await.map(|_| ()) };
    let ended = pin!(tokio::time::timeout(PATIENCE, ended));
    let Either::Left((done, _)) = select(ended, pin!(run(&node, &Unreadable, lease, &progress))).await else {
        panic!("it stopped ticking")
    };
    done.expect("in time").expect("it is told no more");
}

#[tokio::test]
async fn a_tick_without_an_end_is_left_alone_or_sent_again_by_whether_the_log_takes_other_commands() {
    const SOON: Duration = Duration::from_millis(20);
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let due = milestone(&node, "Slow").await;
    for (silent, result) in [(1, TickResult::Failed), (2, TickResult::NotNow)] {
        log.silent.store(silent, std::sync::atomic::Ordering::SeqCst);
        let ticked = tokio::time::timeout(PATIENCE, tick(&node, &due, SOON)).await;
        assert_eq!(ticked, Ok(result), "{silent}");
    }
    assert!(matches!(tick(&node, &due, PATIENCE).await, TickResult::Fired(_)));
}

#[tokio::test]
async fn a_pass_ends_within_the_limit_of_a_tick_though_one_has_no_end() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let known = Known { due: vec![milestone(&node, "Due").await, milestone(&node, "Due as well").await], ..Known::default() };
    log.silent.store(1, std::sync::atomic::Ordering::SeqCst);
    let (progress, mut set_aside, position) = (Sender::new(()), SetAside::default(), known.position());
    let begun = Instant::now();
    let pass = tokio::time::timeout(PATIENCE, fire(&node, &known, &position, &mut set_aside, &progress)).await;
    assert!(pass.expect("it ends").expect("the read model answers").got_through, "the other one fires");
    assert!(begun.elapsed() >= TICK_WITHIN && begun.elapsed() < 2 * TICK_WITHIN, "it took {:?}", begun.elapsed());
    assert_eq!(log.names().iter().filter(|name| **name == "deadline_overdue").count(), 1);
}

#[tokio::test]
async fn a_pass_whose_ticks_all_wait_for_the_log_is_no_progress() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let known = Known { due: vec![milestone(&node, "Due").await], ..Known::default() };
    let (progress, mut set_aside) = (Sender::new(()), SetAside::default());
    let mut given = progress.subscribe();
    // Once it waits, then it is left alone for a moment, and then it fires.
    for (planned, ends, through) in
        [(Some(Err(LogError::Overloaded { retry_after: Duration::ZERO })), false, false), (None, false, false), (None, true, true)]
    {
        log.plan(planned);
        if ends {
            set_aside.end_pause(&known.due[0]);
        }
        let pass = fire(&node, &known, &known.position(), &mut set_aside, &progress).await.expect("the read model answers");
        assert_eq!((pass.got_through, given.has_changed().expect("it lives")), (through, through));
        given.mark_unchanged();
    }
}

/// A read model without schedules.
struct Quiet {
    looks: Sender<usize>,
    position: Sender<Option<i64>>,
}

#[async_trait]
impl Deadlines for Quiet {
    async fn next_fire_after(&self, _: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError> {
        Ok(None)
    }

    async fn due(&self, _: DateTime<Utc>, _: Option<DueSchedule>, _: i64) -> Result<Vec<DueSchedule>, LogError> {
        self.looks.send_modify(|looks| *looks += 1);
        Ok(vec![])
    }

    fn position(&self) -> watch::Receiver<Option<i64>> {
        self.position.subscribe()
    }
}

#[tokio::test]
async fn however_long_nothing_happened_what_happens_then_is_looked_at_at_once() {
    /// Signs of an idle scheduler, one a second.
    const IDLE_SIGNS: usize = 4;
    let node = node(&Arc::new(MemoryLog::default()), 1);
    let quiet = Quiet { looks: Sender::new(0), position: Sender::new(Some(1)) };
    let ((_held, lease), progress) = (watch::channel(Some(1)), Sender::new(()));
    let (mut seen, mut idle) = (quiet.looks.subscribe(), progress.subscribe());
    let steps = async {
        for _ in 0..IDLE_SIGNS {
            idle.changed().await.expect("it waits");
        }
        quiet.position.send_replace(Some(2));
        let mut later = 0;
        loop {
            tokio::select! {
                biased;
                looked = seen.wait_for(|looks| *looks > 1) => return drop(looked.expect("it looks again")),
                sign = idle.changed() => sign.expect("it waits"),
            }
            later += 1;
            assert!(later < IDLE_SIGNS - 1, "it waits as long as nothing happened");
        }
    };
    tokio::select! {
        () = run(&node, &quiet, lease, &progress) => unreachable!("it is never told to stop"),
        () = steps => {}
    }
}
