//! Daylight saving from the command to the query: the instants below were worked out by hand.

use super::audit::audit;
use super::{Scene, instant};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A due moment in a project's zone, and what fires for it, each with its threshold. The last is the due moment.
struct Case {
    zone: &'static str,
    due: (&'static str, &'static str),
    fires: &'static [(&'static str, &'static str)],
}

const fn day(zone: &'static str, date: &'static str, fires: &'static [(&'static str, &'static str)]) -> Case {
    Case { zone, due: ("date", date), fires }
}

const fn at(zone: &'static str, at: &'static str, fires: &'static [(&'static str, &'static str)]) -> Case {
    Case { zone, due: ("at", at), fires }
}

/// Each warns a day and 24 hours ahead, which is not the same where the clocks change in between.
const CASES: [Case; 12] = [
    // The day of the change has 23 or 25 hours.
    day(
        "Europe/Berlin",
        "2031-03-30",
        &[("24 HOURS", "2031-03-29T22:00:00Z"), ("1 DAYS", "2031-03-29T23:00:00Z"), ("due", "2031-03-30T22:00:00Z")],
    ),
    day(
        "Europe/Berlin",
        "2031-10-26",
        &[("1 DAYS", "2031-10-25T22:00:00Z"), ("24 HOURS", "2031-10-25T23:00:00Z"), ("due", "2031-10-26T23:00:00Z")],
    ),
    day(
        "America/New_York",
        "2031-03-09",
        &[("24 HOURS", "2031-03-09T04:00:00Z"), ("1 DAYS", "2031-03-09T05:00:00Z"), ("due", "2031-03-10T04:00:00Z")],
    ),
    day(
        "America/New_York",
        "2031-11-02",
        &[("1 DAYS", "2031-11-02T04:00:00Z"), ("24 HOURS", "2031-11-02T05:00:00Z"), ("due", "2031-11-03T05:00:00Z")],
    ),
    // Half an hour, and summer in December.
    day(
        "Australia/Lord_Howe",
        "2031-10-05",
        &[("24 HOURS", "2031-10-04T13:00:00Z"), ("1 DAYS", "2031-10-04T13:30:00Z"), ("due", "2031-10-05T13:00:00Z")],
    ),
    day(
        "Australia/Lord_Howe",
        "2031-04-06",
        &[("1 DAYS", "2031-04-05T13:00:00Z"), ("24 HOURS", "2031-04-05T13:30:00Z"), ("due", "2031-04-06T13:30:00Z")],
    ),
    // The midnight that ends the day is skipped, comes an hour after the clocks went back before it, or comes twice.
    day("Africa/Cairo", "2031-04-24", &[("24 HOURS", "2031-04-23T22:00:00Z"), ("due", "2031-04-24T22:00:00Z")]),
    day(
        "Africa/Cairo",
        "2031-10-30",
        &[("1 DAYS", "2031-10-29T21:00:00Z"), ("24 HOURS", "2031-10-29T22:00:00Z"), ("due", "2031-10-30T22:00:00Z")],
    ),
    day("America/Havana", "2031-11-01", &[("24 HOURS", "2031-11-01T04:00:00Z"), ("due", "2031-11-02T04:00:00Z")]),
    day("America/Havana", "2031-03-08", &[("24 HOURS", "2031-03-08T05:00:00Z"), ("due", "2031-03-09T05:00:00Z")]),
    // Half past two the day before is skipped, or comes twice.
    at(
        "Europe/Berlin",
        "2031-03-31T00:30:00Z",
        &[("24 HOURS", "2031-03-30T00:30:00Z"), ("1 DAYS", "2031-03-30T01:00:00Z"), ("due", "2031-03-31T00:30:00Z")],
    ),
    at(
        "Europe/Berlin",
        "2031-10-27T01:30:00Z",
        &[("1 DAYS", "2031-10-26T00:30:00Z"), ("24 HOURS", "2031-10-26T01:30:00Z"), ("due", "2031-10-27T01:30:00Z")],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_end_and_warnings_come_by_the_clocks_of_their_zone_on_both_sides_of_a_change() {
    let scene = Scene::at("2031-01-01T00:00:00Z").await;
    let app = scene.node().await;
    let mut schedules = vec![];
    for Case { zone, due: (kind, due), .. } in &CASES {
        let project = scene.project(&app, zone).await;
        let thresholds = json!([{ "amount": 24, "unit": "HOURS" }, { "amount": 1, "unit": "DAYS" }]);
        let input = json!({ "projectId": project, "title": due, "due": { *kind: due }, "thresholds": thresholds });
        let made = app.client.must("scheduleCreate", "id due { at date timeZone } nextFireAt", input).await;
        schedules.push(made["schedule"].clone());
    }
    let moments: BTreeSet<DateTime<Utc>> = CASES.iter().flat_map(|case| case.fires).map(|(_, moment)| instant(moment)).collect();
    for moment in moments {
        scene.moved_to(moment - TimeDelta::milliseconds(1)).await;
        scene.moved_to(moment).await;
    }
    audit(&scene.pool, scene.now()).await;
    for (case, schedule) in CASES.iter().zip(schedules) {
        assert_eq!(seen_of(&app.client, &schedule).await, expected_of(case), "{} in {}", case.due.1, case.zone);
    }
    app.stop().await;
}

async fn seen_of(client: &tests::app::Client, schedule: &Value) -> Value {
    let query = "query($id: ID!) { deadlines(filter: { scheduleId: { eq: $id } }) { nodes { kind threshold { amount unit } dueAt firedAt lateByMs } } }";
    let firings = client.data(query, json!({ "id": schedule["id"] })).await;
    json!({ "due": schedule["due"], "nextFireAt": schedule["nextFireAt"], "firings": firings["deadlines"]["nodes"] })
}

fn expected_of(case: &Case) -> Value {
    let written = |moment: &str| instant(moment).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let due_at = written(case.fires[case.fires.len() - 1].1);
    let firings = case.fires.iter().map(|(threshold, moment)| {
        let threshold =
            threshold.split_once(' ').map(|(amount, unit)| json!({ "amount": amount.parse::<u32>().expect("a number"), "unit": unit }));
        let kind = if threshold.is_some() { "APPROACHING" } else { "OVERDUE" };
        json!({ "kind": kind, "threshold": threshold, "dueAt": due_at, "firedAt": written(moment), "lateByMs": 0 })
    });
    let date = (case.due.0 == "date").then_some(case.due.1);
    json!({
        "due": { "at": due_at, "date": date, "timeZone": case.zone },
        "nextFireAt": written(case.fires[0].1),
        "firings": firings.collect::<Value>(),
    })
}
