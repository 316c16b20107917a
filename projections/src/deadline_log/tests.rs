//! The rows that firings create.

use super::{DeadlineLog, FiringRow};
use crate::testing::{APOLLO, BORA, HERE, SCHEDULE, Story, TASK, at, due, minute, task_moved};
use domain::ids::{ScheduleId, TaskId};
use domain::values::{Threshold, ThresholdUnit};
use serde_json::{Value, json};

const DUE: &str = "2031-03-10T12:00:00Z";

fn warning(revision: u32, moment: &str) -> Value {
    json!({
        "project_id": APOLLO, "task_id": TASK, "title": "Opening", "due": due(DUE), "due_revision": revision, "assignee_ids": [], "threshold": { "amount": 2, "unit": "hours" },
        "scheduled_for": moment, "late_by_ms": 90_000,
    })
}

fn firings(story: &Story) -> Vec<FiringRow> {
    let mut rows: Vec<_> = story.rows::<DeadlineLog>().rows().values().cloned().collect();
    rows.sort_by_key(|row| row.position);
    rows
}

#[test]
fn a_warning_and_a_passed_due_time_are_stored_with_their_lateness() {
    let overdue = json!({
        "project_id": APOLLO, "task_id": TASK, "title": "Opening", "due": due(DUE), "due_revision": 1, "assignee_ids": [], "late_by_ms": 250,
    });
    let story = Story::default().schedule("deadline_approaching", warning(1, "2031-03-10T10:00:00Z")).schedule("deadline_overdue", overdue);
    let rows = firings(&story);
    let warned = FiringRow {
        id: rows[0].id,
        workspace_id: HERE,
        schedule_id: ScheduleId(SCHEDULE),
        project_id: Some(APOLLO),
        task_id: Some(TaskId(TASK)),
        threshold: Some(Threshold { amount: 2, unit: ThresholdUnit::Hours }),
        due_revision: 1,
        due_at: at(DUE),
        scheduled_for: at("2031-03-10T10:00:00Z"),
        fired_at: minute(1),
        late_by_ms: 90_000,
        position: 1,
        hidden: false,
    };
    let late =
        FiringRow { id: rows[1].id, threshold: None, scheduled_for: at(DUE), fired_at: minute(2), late_by_ms: 250, position: 2, ..warned };
    assert_eq!(rows, [warned, late]);
}

#[test]
fn each_time_of_each_due_revision_is_one_firing() {
    let moment = "2031-03-10T10:00:00Z";
    let ids = |story: Story| firings(&story).iter().map(|row| row.id).collect::<Vec<_>>();
    let twice =
        || Story::default().schedule("deadline_approaching", warning(1, moment)).schedule("deadline_approaching", warning(1, moment));
    assert_eq!(ids(twice()).len(), 1, "the same moment again is the same firing");
    assert_eq!(ids(twice().schedule("deadline_approaching", warning(2, moment))).len(), 2, "another revision is another");
    assert_eq!(ids(twice().schedule("deadline_approaching", warning(1, "2031-03-10T10:00:01Z"))).len(), 2, "so is another moment");
}

#[test]
fn a_firing_is_hidden_with_the_project_or_the_task_that_it_is_about() {
    let fired = || Story::default().schedule("deadline_approaching", warning(1, "2031-03-10T10:00:00Z"));
    let gone = json!({ "key": "APOLLO", "name": "A project" });
    let hidden = |story: &Story| firings(story)[0].hidden;
    assert!(!hidden(&fired().project(BORA, "project_deleted", gone.clone())), "that was another project");
    assert!(hidden(&fired().project(APOLLO, "project_deleted", gone.clone())));
    let moved = fired().task(TASK, "task_moved", task_moved("todo"));
    assert!(!hidden(&fired().task(TASK, "task_moved", task_moved("todo")).project(APOLLO, "project_deleted", gone.clone())));
    assert!(hidden(&moved.project(BORA, "project_deleted", gone)), "it goes with the project that its task went to");
    assert!(hidden(&fired().task(TASK, "task_deleted", json!({ "title": "Opening", "status": "todo" }))));
}

#[test]
fn nothing_else_is_a_firing() {
    let met = json!({ "title": "Opening", "due": due(DUE), "due_revision": 1, "assignee_ids": [], "met_at": DUE });
    assert_eq!(firings(&Story::default().schedule("deadline_met", met)), []);
}
