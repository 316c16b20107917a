//! Nobody was there when a moment came, the clock jumped, or something earlier appeared.

use super::audit::{Firing, audit};
use super::{Scene, instant};
use application::deadline_scheduler::BATCH_SCHEDULES_MAX;
use chrono::{DateTime, TimeDelta, Utc};
use domain::values::{Threshold, ThresholdUnit};
use futures::future::join_all;
use infrastructure::clock::SystemClock;
use serde_json::{Value, json};
use tests::app::{How, TestApp};
use tests::builders;
use tests::wait::until;
use uuid::Uuid;

const MONDAY: &str = "2031-06-02T08:00:00Z";

fn after(hours: i64) -> DateTime<Utc> {
    instant(MONDAY) + TimeDelta::hours(hours)
}

fn days(amount: u32) -> Option<Threshold> {
    Some(Threshold { amount, unit: ThresholdUnit::Days })
}

/// A milestone due some hours after Monday morning, with warnings one, two and three days ahead.
async fn milestone(scene: &Scene, app: &TestApp, hours: i64) -> Uuid {
    let thresholds: Value = (1..=3).map(|amount| json!({ "amount": amount, "unit": "DAYS" })).collect();
    let due = json!({ "at": after(hours) });
    scene.must(app, "scheduleCreate", json!({ "title": "A milestone", "due": due, "thresholds": thresholds })).await
}

/// The firings of a schedule: threshold, and how late in hours.
fn of(firings: &[Firing], schedule: Uuid) -> Vec<(Option<Threshold>, i64)> {
    let own = firings.iter().filter(|firing| firing.schedule == schedule);
    own.map(|firing| (firing.threshold, firing.late_by_ms / 3_600_000)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_week_of_downtime_only_the_most_severe_of_what_was_missed_fires() {
    let scene = Scene::at(MONDAY).await;
    let app = scene.node().await;
    let mut schedules = vec![];
    // Already overdue; warned once; due in the week; due a day, two and three days after it; far away.
    for hours in [-5, 60, 100, 7 * 24 + 12, 8 * 24 + 12, 9 * 24 + 12, 40 * 24] {
        schedules.push(milestone(&scene, &app, hours).await);
    }
    let (met, deleted) = (milestone(&scene, &app, 100).await, milestone(&scene, &app, 100).await);
    scene.must(&app, "scheduleMeet", json!({ "id": met })).await;
    scene.must(&app, "scheduleDelete", json!({ "id": deleted })).await;
    scene.at_rest().await;
    let before = audit(&scene.pool, scene.now()).await;
    assert_eq!(of(&before, schedules[0]), [(None, 5)]);
    assert_eq!(of(&before, schedules[1]), [(days(3), 12)]);
    assert_eq!(before.len(), 2);
    app.stop().await;

    scene.clock.set(after(7 * 24));
    let app = scene.node().await;
    scene.at_rest().await;
    let firings = audit(&scene.pool, scene.now()).await;
    let missed: Vec<_> = schedules.iter().map(|schedule| of(&firings[2..], *schedule)).collect();
    let expected: [&[_]; 7] = [&[], &[(None, 108)], &[(None, 68)], &[(days(1), 12)], &[(days(2), 12)], &[(days(3), 12)], &[]];
    assert_eq!(missed, expected);

    // What was passed over stays so; the rest comes in time.
    for hour in 1..=4 * 24 {
        scene.moved_to(after(7 * 24 + hour)).await;
    }
    let later = audit(&scene.pool, scene.now()).await;
    let expected: [&[_]; 7] = [&[], &[], &[], &[(None, 0)], &[(days(1), 0), (None, 0)], &[(days(2), 0), (days(1), 0), (None, 0)], &[]];
    assert_eq!(schedules.iter().map(|schedule| of(&later[firings.len()..], *schedule)).collect::<Vec<_>>(), expected);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_earlier_wakes_a_scheduler_that_sleeps_until_something_later() {
    let scene = Scene::at(MONDAY).await;
    let app = scene.node().await;
    let mut schedules = vec![];
    for weeks in [12, 8, 5] {
        schedules.push(milestone(&scene, &app, weeks * 168).await);
        scene.at_rest().await;
    }
    scene.must(&app, "scheduleReschedule", json!({ "id": schedules[0], "due": { "at": after(168) } })).await;
    scene.at_rest().await;
    // Past the first warning of what was moved to the front, and of nothing else.
    scene.moved_to(after(4 * 24)).await;
    let firings = audit(&scene.pool, scene.now()).await;
    assert_eq!(firings.len(), 1);
    assert_eq!(of(&firings, schedules[0]), [(days(3), 0)]);
    let overdue = milestone(&scene, &app, 1).await;
    scene.at_rest().await;
    assert_eq!(of(&audit(&scene.pool, scene.now()).await, overdue), [(None, 95)], "what is overdue from the start fires at once");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_fires_nothing_twice_and_nothing_early() {
    let scene = Scene::at(MONDAY).await;
    let app = scene.node().await;
    let (first, second) = (milestone(&scene, &app, 80).await, milestone(&scene, &app, 200).await);
    scene.moved_to(after(60)).await;
    let before = audit(&scene.pool, scene.now()).await;
    assert_eq!(of(&before, first), [(days(1), 4)]);
    for hours in [-1_000, 0, 30, 60, 79] {
        scene.moved_to(after(hours)).await;
        assert_eq!(audit(&scene.pool, scene.now()).await, before, "{hours} hours after Monday");
    }
    // While it is behind, a schedule may come and go, and one that is due by that clock fires.
    scene.moved_to(after(-1_000)).await;
    let third = milestone(&scene, &app, -900).await;
    scene.moved_to(after(-900)).await;
    scene.moved_to(after(200)).await;
    let firings = audit(&scene.pool, scene.now()).await;
    assert_eq!(of(&firings, first), [(days(1), 4), (None, 120)]);
    assert_eq!(of(&firings, second), [(None, 0)]);
    assert_eq!(of(&firings, third), [(None, 0)]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_deadlines_than_are_looked_at_in_one_go_all_fire_at_their_moment() {
    let scene = Scene::at(MONDAY).await;
    let app = scene.node().await;
    let many = 2 * BATCH_SCHEDULES_MAX + 200;
    let made = (0..many).map(|n| {
        // Most of them at the same moment, so that a page ends in the middle of it.
        let due = json!({ "at": after(24 + (n % 10) / 9) });
        scene.must(
            &app,
            "scheduleCreate",
            json!({ "title": "A milestone", "due": due, "thresholds": [{ "amount": 90, "unit": "MINUTES" }] }),
        )
    });
    join_all(made).await;
    scene.at_rest().await;
    for minutes in [22 * 60 + 30, 23 * 60 + 30, 24 * 60, 25 * 60] {
        scene.moved_to(after(0) + TimeDelta::minutes(minutes)).await;
    }
    let firings = audit(&scene.pool, scene.now()).await;
    assert_eq!(firings.len() as i64, 2 * many);
    assert!(firings.iter().all(|firing| firing.late_by_ms == 0));
    app.stop().await;
}

/// A tick can come to nothing: here the project rests when it is sent, and the read model does not know yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_aside_is_looked_at_again_although_the_clock_was_set_back() {
    let scene = Scene::at(MONDAY).await;
    let app = scene.node().await;
    let project = scene.project(&app, "UTC").await;
    let due = json!({ "at": after(1) });
    scene.must(&app, "scheduleCreate", json!({ "projectId": project, "title": "A milestone", "due": due, "thresholds": [] })).await;
    scene.must(&app, "projectArchive", json!({ "id": project })).await;
    scene.at_rest().await;
    let wrong = "UPDATE milepost.schedules_v1 SET project_at_rest = $1";
    sqlx::query(wrong).bind(false).execute(&scene.pool).await.expect("the read model can be made wrong");
    // Two moves, since the scheduler does not hear of a row that somebody changed by hand.
    let elsewhere = json!({ "at": after(2) });
    scene.must(&app, "scheduleCreate", json!({ "title": "A milestone", "due": elsewhere, "thresholds": [] })).await;
    scene.clock.set(after(2));
    until("the other one has fired", || async { (!fired(&scene).await.is_empty()).then_some(()) }).await;
    scene.clock.set(after(1));
    scene.must(&app, "projectUnarchive", json!({ "id": project })).await;
    scene.at_rest().await;
    assert_eq!(fired(&scene).await.len(), 2);
    app.stop().await;
}

async fn fired(scene: &Scene) -> Vec<DateTime<Utc>> {
    let fired = sqlx::query_scalar("SELECT fired_at FROM milepost.deadline_log ORDER BY position").fetch_all(&scene.pool).await;
    fired.expect("the read model can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_real_clock_nothing_fires_early() {
    use application::ports::Clock;
    let scene = Scene::at(MONDAY).await;
    let app = TestApp::start_with(How { database: Some(scene.database.clone()), ..How::default() }).await;
    let due = SystemClock.now() + TimeDelta::milliseconds(700);
    for n in 0..20 {
        let input = json!({ "title": "A milestone", "due": { "at": due + TimeDelta::milliseconds(37 * n) }, "thresholds": [] });
        builders::send(&app.core().application, scene.caller, super::command("scheduleCreate", input)).await.expect("it is created");
    }
    until("all have fired", || async { (fired(&scene).await.len() == 20).then_some(()) }).await;
    super::at_rest(&scene.pool, SystemClock.now()).await;
    assert_eq!(audit(&scene.pool, SystemClock.now()).await.len(), 20);
    app.stop().await;
}
