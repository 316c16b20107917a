//! A tick that fails holds up no other, and is sent more and more rarely.

use super::*;
use crate::testing::{MemoryLog, node, send};
use domain::ids::WorkspaceId;
use futures::future::{Either, select};
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch::Sender;

const PATIENCE: Duration = Duration::from_secs(60);
const DUE: &str = "2031-02-01T12:00:00Z";

/// A read model that never learns what has fired.
#[derive(Default)]
struct Known {
    due: Vec<DueSchedule>,
    /// How often somebody has asked how far it is: whoever begins to tick does.
    asked: Sender<usize>,
}

#[async_trait::async_trait]
impl Deadlines for Known {
    async fn next_fire_at(&self) -> Result<Option<DateTime<Utc>>, LogError> {
        Ok(self.due.first().map(|due| due.fire_at))
    }

    async fn due(&self, _: DateTime<Utc>, _: Option<DueSchedule>, _: i64) -> Result<Vec<DueSchedule>, LogError> {
        Ok(self.due.clone())
    }

    fn position(&self) -> watch::Receiver<i64> {
        self.asked.send_modify(|asked| *asked += 1);
        // Far enough, so that nobody waits for it.
        Sender::new(i64::MAX).subscribe()
    }
}

async fn milestone(node: &Application, title: &str) -> DueSchedule {
    let input = json!({ "title": title, "due": { "at": DUE }, "thresholds": [] });
    let id = send(node, "scheduleCreate", input).await.expect("a schedule").aggregate_id;
    DueSchedule { id, workspace: WorkspaceId(Uuid::from_u128(2)), due_revision: 1, fire_at: DUE.parse().expect("a moment") }
}

#[tokio::test]
async fn a_tick_that_fails_holds_up_no_other_and_is_left_alone_longer_and_longer() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let known = Known { due: vec![milestone(&node, "Broken").await, milestone(&node, "Well").await], ..Known::default() };
    let mut aside = Aside::default();
    for failures in 1..4 {
        log.plan([Err(LogError::Rejected("it cannot be stored".to_owned()))]);
        fire(&node, &known, &mut aside).await.expect("the read model answers");
        let alone = &aside[&name(&known.due[0])];
        assert_eq!((alone.failures, alone.pause), (failures, ASIDE_FOR * (1 << (failures - 1))));
        assert_eq!(log.names().iter().filter(|name| **name == "deadline_overdue").count(), 1, "the other one has fired");
        let before = log.asked().len();
        fire(&node, &known, &mut aside).await.expect("the read model answers");
        assert!(log.asked()[before..].iter().all(|unit| unit.subject != known.due[0].id), "it is left alone");
        // Its time is over.
        let alone = aside.get_mut(&name(&known.due[0])).expect("it is remembered");
        alone.since -= alone.pause;
    }
}

#[test]
fn a_schedule_is_left_alone_for_an_hour_at_most() {
    let many = Alone { since: Instant::now(), pause: ASIDE_FOR_MAX, failures: 99 };
    assert_eq!(Alone::after(Some(&many), &Ticked::Failed).pause, ASIDE_FOR_MAX);
    assert_eq!(Alone::after(Some(&many), &Ticked::OutOfDate).pause, ASIDE_FOR, "what only was out of date is looked at soon");
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
    let ticking = pin!(run(&node, &known, lease));
    let steps = pin!(tokio::time::timeout(PATIENCE, steps));
    let Either::Left((done, _)) = select(steps, ticking).await else { panic!("it stopped ticking") };
    done.expect("it begins anew");
}
