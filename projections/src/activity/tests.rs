//! Descriptions of events. Those of tasks are tested in the suites of the workspace.

use super::{Activity, ActivityRow, summary};
use crate::testing::{ANNA, APOLLO, BEN, HERE, Story, due, minute, project_created};
use serde_json::{Value, json};
use uuid::Uuid;

fn about_project(name: &str, body: Value) -> String {
    summary(&Story::default().project(APOLLO, name, body).last().event)
}

fn about_schedule(name: &str, body: Value) -> String {
    summary(&Story::default().schedule(name, body).last().event)
}

#[test]
fn every_event_is_a_row_with_user_and_time() {
    let story = Story::default().project(APOLLO, "project_created", project_created("APOLLO")).project(
        APOLLO,
        "project_archived",
        json!({ "key": "APOLLO" }),
    );
    let rows: Vec<_> = story.rows::<Activity>().rows().values().cloned().collect();
    let second = ActivityRow {
        position: 2,
        event_id: Uuid::from_u128(2),
        workspace_id: HERE,
        subject_id: APOLLO.0,
        event_type: "project_archived".to_owned(),
        actor: ANNA,
        occurred_at: minute(2),
        summary: "archived project APOLLO".to_owned(),
    };
    assert_eq!((rows.len(), &rows[1]), (2, &second));
}

#[test]
fn events_of_projects_are_described() {
    assert_eq!(about_project("project_created", project_created("APOLLO")), "created project APOLLO “A project”");
    let changes = json!({ "changes": {
        "name": { "from": "A project", "to": "One" }, "start_on": { "from": null, "to": "2031-01-01" }, "due_on": { "from": "2031-12-31", "to": null },
        "time_zone": { "from": "UTC", "to": "Europe/Zurich" },
    } });
    let told = "changed the name to “One”, the first day to 2031-01-01, the last day to none and the time zone to Europe/Zurich";
    assert_eq!(about_project("project_updated", changes), told);
    assert_eq!(about_project("project_unarchived", json!({ "key": "APOLLO" })), "unarchived project APOLLO");
    assert_eq!(about_project("project_deleted", json!({ "key": "APOLLO", "name": "One" })), "deleted project APOLLO “One”");
    let person = BEN.to_string();
    let added = json!({ "user_id": BEN, "role": "editor" });
    assert_eq!(about_project("project_collaborator_added", added.clone()), format!("added {person} as editor"));
    assert_eq!(about_project("project_collaborator_removed", added), format!("removed {person}, who was editor"));
    let changed = json!({ "user_id": BEN, "from": "viewer", "to": "manager" });
    assert_eq!(about_project("project_collaborator_role_changed", changed), format!("made {person} manager instead of viewer"));
}

#[test]
fn events_of_schedules_are_described() {
    let (moment, told) = (due("2031-03-10T12:00:00Z"), "2031-03-10 12:00 UTC");
    let by_day = json!({ "at": "2031-03-10T23:00:00Z", "date": "2031-03-10", "time_zone": "Europe/Zurich" });
    let moved = json!({ "from": moment, "to": by_day, "due_revision": 2, "thresholds": [] });
    assert_eq!(about_schedule("schedule_rescheduled", moved), format!("moved it from {told} to 2031-03-10 (Europe/Zurich)"));
    let reopened = json!({ "title": "Opening", "due": moment, "due_revision": 2, "thresholds": [] });
    assert_eq!(about_schedule("schedule_reopened", reopened), format!("rescheduled “Opening” for {told}"));
    assert_eq!(about_schedule("schedule_deleted", json!({ "title": "Opening" })), "deleted “Opening”");
    let met = json!({ "title": "Opening", "due": moment, "due_revision": 1, "assignee_ids": [], "met_at": "2031-03-01T00:00:00Z" });
    assert_eq!(about_schedule("deadline_met", met), format!("met “Opening”, due {told}"));
    let at = "2031-03-09T12:00:00Z";
    let warnings = |to: Value| json!({ "changes": { "thresholds": { "from": [], "to": to } } });
    let one = json!([{ "amount": 1, "unit": "days", "at": at }, { "amount": 90, "unit": "minutes", "at": at }]);
    assert_eq!(about_schedule("schedule_updated", warnings(one)), "changed the warnings to 1 day, 90 minutes");
    assert_eq!(about_schedule("schedule_updated", warnings(json!([]))), "changed the warnings to none");
    let firing = json!({
        "title": "Opening", "due": moment, "due_revision": 1, "assignee_ids": [], "threshold": { "amount": 1, "unit": "hours" }, "scheduled_for": at, "late_by_ms": 0,
    });
    assert_eq!(about_schedule("deadline_approaching", firing), format!("“Opening” is due {told}, within 1 hour"));
    let late = json!({ "title": "Opening", "due": moment, "due_revision": 1, "assignee_ids": [], "late_by_ms": 0 });
    assert_eq!(about_schedule("deadline_overdue", late), format!("“Opening” was due {told} and is overdue"));
}
