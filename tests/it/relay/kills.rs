//! Relays that die without a word.

use super::{GOES_ON, IS_STUCK, Scene};
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::dice::Dice;
use tests::wait::until_true;

const EVENTS: usize = 5_000;
const KILLS: usize = 32;
const TASKS: usize = 40;
const FAILPOINTS: [&str; 4] = ["relay_after_begin", "relay_after_half", "relay_before_commit", "relay_after_commit"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_any_step_of_a_transaction_neither_loses_nor_doubles() {
    let scene = Scene::new(3).await;
    for failpoint in FAILPOINTS {
        for survived in 0..2 {
            scene.write(20, &AtomicUsize::new(0)).await;
            let mut node = scene.node(&format!("{failpoint}={survived}*off->return"));
            node.said(GOES_ON).await;
            // One transaction takes all that is there; more are needed to get past those that are survived.
            let goes_on = async {
                loop {
                    scene.write(1, &AtomicUsize::new(0)).await;
                    scene.relayed().await;
                }
            };
            let status = tokio::select! {
                status = node.ended() => status,
                () = goes_on => unreachable!("it writes for ever"),
            };
            assert_eq!(status, -1, "{failpoint} kills the relay:\n{}", node.log());
            scene.end_leases().await;
        }
    }
    let node = scene.node("");
    scene.relayed().await;
    scene.assert_exactly_once().await;
    assert!(!node.log().contains(IS_STUCK), "{}", node.log());
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_events_survive_relays_killed_at_random() {
    let mut dice = Dice::thrown();
    let scene = Scene::new(TASKS).await;
    let mut left = EVENTS - usize::try_from(scene.head()).expect("a small log");
    for round in 0..KILLS {
        let events = left / (KILLS - round);
        let mut node = scene.node(&match dice.below(4) {
            0 => format!("{}={}*off->return", dice.one_of(&FAILPOINTS), dice.below(6)),
            _ => String::new(),
        });
        // Some die on their way to the first transaction.
        if dice.below(4) > 0 {
            node.said(GOES_ON).await;
        }
        let (written, last_words) = (AtomicUsize::new(0), dice.below(events));
        let dies = async {
            until_true("some events are written", || written.load(Ordering::Relaxed) > last_words).await;
            node.kill().await;
        };
        tokio::join!(scene.write(events, &written), dies);
        left -= events;
        scene.end_leases().await;
    }
    assert_eq!(scene.head(), EVENTS as i64, "the test wrote what it was to write");
    let node = scene.node("");
    scene.relayed().await;
    let records = scene.assert_exactly_once().await;
    assert_eq!(records.len(), EVENTS);
    node.kill().await;
}
