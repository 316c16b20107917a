//! How each event changes the row of a schedule, and its next firing.

use super::{ScheduleRow, ScheduleState, Schedules};
use crate::testing::{APOLLO, BORA, SCHEDULE, Story, TASK, at, due, minute, task_moved};
use chrono::{DateTime, Utc};
use domain::ids::{ScheduleId, TaskId};
use serde_json::{Value, json};

const WARNING: &str = "2031-03-07T12:00:00Z";
const DUE: &str = "2031-03-10T12:00:00Z";

fn thresholds() -> Value {
    json!([{ "amount": 3, "unit": "days", "at": WARNING }])
}

fn created_with(more: Value) -> Story {
    let mut body = json!({
        "workspace_id": crate::testing::HERE, "subject": { "kind": "task_due_date", "task_id": TASK }, "project_id": APOLLO, "task_id": TASK,
        "title": "Paint the hall", "due": due(DUE), "due_revision": 1, "thresholds": thresholds(),
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    Story::default().schedule("schedule_created", body)
}

fn created() -> Story {
    created_with(json!({}))
}

fn row(story: &Story) -> ScheduleRow {
    story.row::<Schedules>(ScheduleId(SCHEDULE)).expect("the schedule has a row")
}

fn life(story: &Story) -> (ScheduleState, Option<DateTime<Utc>>) {
    (row(story).state, row(story).next_fire_at)
}

fn warned() -> Story {
    let firing = json!({
        "task_id": TASK, "title": "Paint the hall", "due": due(DUE), "due_revision": 1, "assignee_ids": [], "threshold": { "amount": 3, "unit": "days" },
        "scheduled_for": WARNING, "late_by_ms": 0,
    });
    created().schedule("deadline_approaching", firing)
}

fn late() -> Story {
    let firing =
        json!({ "task_id": TASK, "title": "Paint the hall", "due": due(DUE), "due_revision": 1, "assignee_ids": [], "late_by_ms": 0 });
    warned().schedule("deadline_overdue", firing)
}

#[test]
fn it_fires_at_its_thresholds_and_at_its_due_time_and_never_again() {
    assert_eq!(life(&created()), (ScheduleState::Pending, Some(at(WARNING))));
    assert_eq!(life(&warned()), (ScheduleState::Approaching, Some(at(DUE))));
    assert_eq!(life(&late()), (ScheduleState::Overdue, None));
    let none = created_with(json!({ "thresholds": [] }));
    assert_eq!(life(&none), (ScheduleState::Pending, Some(at(DUE))));
}

#[test]
fn a_new_due_time_resets_the_firings() {
    let moved = json!({
        "from": due(DUE), "to": due("2031-04-10T12:00:00Z"), "due_revision": 2,
        "thresholds": [{ "amount": 3, "unit": "days", "at": "2031-04-07T12:00:00Z" }],
    });
    let story = late().schedule("schedule_rescheduled", moved);
    assert_eq!(life(&story), (ScheduleState::Pending, Some(at("2031-04-07T12:00:00Z"))));
    assert_eq!((row(&story).due_revision, row(&story).fired_through, row(&story).due.at.utc()), (2, None, at("2031-04-10T12:00:00Z")));
}

#[test]
fn what_is_met_or_deleted_does_not_fire_until_it_is_reopened() {
    let met =
        json!({ "title": "Paint the hall", "due": due(DUE), "due_revision": 1, "assignee_ids": [], "met_at": "2031-03-02T00:00:00Z" });
    for story in [created().schedule("deadline_met", met), created().schedule("schedule_deleted", json!({ "title": "Paint the hall" }))] {
        assert_eq!(life(&story).1, None);
        let reopened = json!({ "title": "Paint again", "due": due(DUE), "due_revision": 2, "thresholds": thresholds() });
        let story = story.schedule("schedule_reopened", reopened);
        assert_eq!(life(&story), (ScheduleState::Pending, Some(at(WARNING))));
        assert_eq!((row(&story).title.as_str(), row(&story).due_revision), ("Paint again", 2));
    }
}

#[test]
fn other_thresholds_count_from_what_has_fired() {
    let changes = json!({ "changes": { "thresholds": {
        "from": thresholds(),
        "to": [{ "amount": 5, "unit": "days", "at": "2031-03-05T12:00:00Z" }, { "amount": 1, "unit": "days", "at": "2031-03-09T12:00:00Z" }],
    } } });
    let next = |story: Story| row(&story.schedule("schedule_updated", changes.clone())).next_fire_at;
    assert_eq!(next(created()), Some(at("2031-03-05T12:00:00Z")));
    assert_eq!(next(warned()), Some(at("2031-03-09T12:00:00Z")), "what lies before the last firing is over");
}

#[test]
fn an_archived_project_silences_it_and_keeps_its_next_firing() {
    let key = json!({ "key": "APOLLO" });
    let story = created().project(BORA, "project_archived", key.clone());
    assert!(!row(&story).is_silenced(), "that was another project");
    let story = story.project(APOLLO, "project_archived", key.clone());
    assert!(row(&story).is_silenced());
    assert_eq!((row(&story).next_fire_at, row(&story).version, row(&story).updated_at), (Some(at(WARNING)), 1, minute(1)));
    let story = story.project(APOLLO, "project_unarchived", key);
    assert_eq!(row(&story), row(&created()));
    let story = story.project(APOLLO, "project_deleted", json!({ "key": "APOLLO", "name": "A project" }));
    assert!(row(&story).is_silenced());
    assert!(row(&created_with(json!({ "project_at_rest": true }))).is_silenced(), "its project rested when it began");
}

#[test]
fn it_is_hidden_when_its_project_or_task_is_deleted_but_not_when_the_project_is_archived() {
    let (key, gone) = (json!({ "key": "APOLLO" }), json!({ "key": "APOLLO", "name": "A project" }));
    let hidden = |story: &Story| row(story).hidden;
    assert!(!hidden(&created().project(BORA, "project_deleted", gone.clone())), "that was another project");
    let story = created().project(APOLLO, "project_archived", key);
    assert!(!hidden(&story), "it rests");
    let story = story.project(APOLLO, "project_deleted", gone.clone());
    assert!(hidden(&story));
    // Later events, such as the end of its task's reaction, do not show it again.
    assert!(hidden(&story.schedule("schedule_deleted", json!({ "title": "Paint the hall" }))));
    let moved = created().task(TASK, "task_moved", task_moved("todo"));
    assert!(!hidden(&moved), "it is where its task is");
    assert!(!hidden(&created().task(TASK, "task_moved", task_moved("todo")).project(APOLLO, "project_deleted", gone.clone())));
    assert!(hidden(&moved.project(BORA, "project_deleted", gone)), "it goes with the project that its task went to");
    assert!(hidden(&created().task(TASK, "task_deleted", json!({ "title": "Paint the hall", "status": "todo" }))));
}

#[test]
fn it_moves_with_its_task_and_is_silenced_with_it() {
    let story = created().task(TASK, "task_moved", task_moved("todo"));
    assert_eq!((row(&story).project_id, row(&story).task_id), (Some(BORA), Some(TaskId(TASK))));
    let story = story.project(APOLLO, "project_archived", json!({ "key": "APOLLO" }));
    assert!(!row(&story).is_silenced(), "its task has left that project");
    let story = story.task(TASK, "task_deleted", json!({ "title": "Paint the hall", "status": "todo" }));
    assert!(row(&story).is_silenced());
}
