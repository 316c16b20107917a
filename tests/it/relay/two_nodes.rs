//! Two relays at once: one works, the other waits.

use super::{GOES_ON, IS_STUCK, Scene};
use application::caller::Role;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use tests::app::Client;
use tests::process::Process;
use tests::wait::until_true;
use uuid::Uuid;

/// How soon the one that waited must be at work.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(10);

fn is_working(node: &Process) -> bool {
    node.log().contains(GOES_ON)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_relays_works_and_the_other_takes_over_within_ten_seconds_of_a_kill() {
    let scene = Scene::new(2).await;
    let (mut one, mut other) = (scene.node(""), scene.node(""));
    one.said("milepost serves").await;
    other.said("milepost serves").await;
    until_true("one of them works", || is_working(&one) || is_working(&other)).await;
    let (working, mut waiting) = if is_working(&one) { (one, other) } else { (other, one) };
    scene.write(50, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    assert!(!is_working(&waiting), "both work:\n{}\n{}", working.log(), waiting.log());

    let killed = Instant::now();
    working.kill().await;
    scene.write(50, &AtomicUsize::new(0)).await;
    waiting.said(GOES_ON).await;
    assert!(killed.elapsed() < TAKES_OVER_WITHIN, "it took {:?}", killed.elapsed());
    scene.relayed().await;
    scene.assert_exactly_once().await;
    waiting.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_stops_in_order_hands_over_at_once() {
    let scene = Scene::new(2).await;
    let mut one = scene.node("");
    one.said(GOES_ON).await;
    let mut other = scene.node("");
    other.said("milepost serves").await;
    one.signal(Signal::SIGTERM);
    assert_eq!(one.ended().await, 0, "{}", one.log());
    other.said(GOES_ON).await;
    scene.write(20, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    other.kill().await;
}

/// The frozen one is in the middle of a transaction, all records of it sent, when the other takes its place. When it
/// thaws it commits; nothing of that may count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_relay_that_thaws_doubles_nothing() {
    let scene = Scene::new(2).await;
    let mut frozen = scene.node("relay_before_commit=1*off->1*sleep(6000)->off");
    frozen.said(GOES_ON).await;
    scene.relayed().await;
    let mut other = scene.node("");
    other.said("milepost serves").await;
    scene.write(1, &AtomicUsize::new(0)).await;
    scene.in_transaction().await;
    frozen.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    other.said(GOES_ON).await;
    assert!(stopped.elapsed() < TAKES_OVER_WITHIN, "it took {:?}", stopped.elapsed());
    scene.write(30, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    let client = Client::new(&frozen.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    frozen.signal(Signal::SIGCONT);
    frozen.said("another producer has taken over the relay's transactional id").await;
    // It has nothing to say of a relay that another node is.
    let health: Value = serde_json::from_str(&client.get("/readyz").await.1).expect("health is JSON");
    assert_eq!(health["notices"], json!([]), "{health}");
    scene.write(30, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    assert!(!frozen.log().contains(IS_STUCK), "{}", frozen.log());
    // It is whole again, and takes over in its turn.
    other.kill().await;
    scene.write(1, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    frozen.kill().await;
}
