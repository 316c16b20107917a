//! How each event changes the row of a task.

use super::{TaskList, TaskRow};
use crate::testing::{ANNA, APOLLO, BEN, BORA, HERE, OTHER_TASK, Story, TASK, at, due, minute, task_created, task_moved};
use domain::ids::TaskId;
use domain::task::Status;
use domain::values::{Due, Priority};
use serde_json::{Value, json};

fn created() -> Story {
    Story::default().task(TASK, "task_created", task_created(7))
}

fn row(story: &Story) -> TaskRow {
    story.row::<TaskList>(TaskId(TASK)).expect("the task has a row")
}

/// The row, after one more event.
fn after(name: &str, body: Value) -> TaskRow {
    row(&created().task(TASK, name, body))
}

/// The row as created, at the version and moment of the second event.
fn touched() -> TaskRow {
    TaskRow { version: 2, updated_at: minute(2), ..row(&created()) }
}

#[test]
fn a_new_task_has_everything_it_was_created_with() {
    let expected = TaskRow {
        id: TaskId(TASK),
        workspace_id: HERE,
        project_id: APOLLO,
        project_key: "APOLLO".to_owned(),
        number: 7,
        former_keys: vec![],
        title: "Paint the hall".to_owned(),
        description: "White, twice.".to_owned(),
        status: Status::Todo,
        blocked_reason: None,
        priority: Priority::High,
        category: Some("rooms".to_owned()),
        tags: vec!["hall".to_owned(), "paint".to_owned()],
        assignee_ids: vec![BEN],
        due: Some(Due::on("2031-03-31".parse().expect("a day"), chrono_tz::Europe::Zurich)),
        estimate_minutes: Some(240),
        created_by: ANNA,
        created_at: minute(1),
        updated_at: minute(1),
        completed_at: None,
        time_to_complete_ms: None,
        version: 1,
        hidden: false,
    };
    assert_eq!(row(&created()), expected);
    assert_eq!(expected.key(), "APOLLO-7");
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let title = json!({ "changes": { "title": { "from": "Paint the hall", "to": "Paint all" } } });
    assert_eq!(after("task_updated", title), TaskRow { title: "Paint all".to_owned(), ..touched() });
    let cleared = json!({ "changes": {
        "category": { "from": "rooms", "to": null }, "tags": { "from": ["hall", "paint"], "to": [] },
        "estimate_minutes": { "from": 240, "to": null }, "description": { "from": "White, twice.", "to": "" },
    } });
    let expected = TaskRow { category: None, tags: vec![], estimate_minutes: None, description: String::new(), ..touched() };
    assert_eq!(after("task_updated", cleared), expected);
}

#[test]
fn collaborators_are_added_and_removed_in_order() {
    assert_eq!(after("task_assigned", json!({ "user_id": ANNA })), TaskRow { assignee_ids: vec![BEN, ANNA], ..touched() });
    assert_eq!(after("task_unassigned", json!({ "user_id": BEN })), TaskRow { assignee_ids: vec![], ..touched() });
}

#[test]
fn a_reason_stays_as_long_as_the_task_is_blocked() {
    let blocked = json!({ "from": "todo", "to": "blocked", "blocked_reason": "no paint" });
    let story = created().task(TASK, "task_status_changed", blocked);
    assert_eq!(row(&story), TaskRow { status: Status::Blocked, blocked_reason: Some("no paint".to_owned()), ..touched() });
    let on = json!({ "from": "blocked", "to": "in_progress", "blocked_reason": null });
    let story = story.task(TASK, "task_status_changed", on);
    assert_eq!((row(&story).status, row(&story).blocked_reason), (Status::InProgress, None));
}

#[test]
fn a_reopened_task_has_no_completion_time() {
    let done = json!({ "title": "Paint the hall", "from": "todo", "completed_at": "2031-03-01T12:02:00Z", "time_to_complete_ms": 60_000 });
    let story = created().task(TASK, "task_completed", done);
    let expected = TaskRow { status: Status::Done, completed_at: Some(minute(2)), time_to_complete_ms: Some(60_000), ..touched() };
    assert_eq!(row(&story), expected);
    let story = story.task(TASK, "task_reopened", json!({ "from": "done", "due": null }));
    assert_eq!(row(&story), TaskRow { version: 3, updated_at: minute(3), ..row(&created()) });
}

#[test]
fn a_task_that_moved_is_found_under_every_key_it_had() {
    let moved = after("task_moved", task_moved("todo"));
    let (project_key, former_keys) = ("BORA".to_owned(), vec!["APOLLO-7".to_owned()]);
    assert_eq!(moved, TaskRow { project_id: BORA, project_key, number: 4, former_keys, ..touched() });
    assert_eq!(moved.key(), "BORA-4");
}

#[test]
fn priority_due_date_and_comments_are_noticed() {
    assert_eq!(after("task_priority_changed", json!({ "from": "high", "to": "low" })), TaskRow { priority: Priority::Low, ..touched() });
    assert_eq!(
        after("task_due_date_changed", json!({ "from": due("2031-03-31T22:00:00Z"), "to": null })),
        TaskRow { due: None, ..touched() }
    );
    assert_eq!(after("task_commented", json!({ "comment_id": TASK, "body": "Hello" })), touched());
}

#[test]
fn a_deleted_task_is_hidden_and_so_are_the_tasks_of_a_deleted_project() {
    assert_eq!(after("task_deleted", json!({ "title": "Paint the hall", "status": "todo" })), TaskRow { hidden: true, ..touched() });
    let story = created().task(OTHER_TASK, "task_created", task_created(8)).task(OTHER_TASK, "task_moved", task_moved("todo"));
    let gone = |project| json!({ "key": project, "name": "A project" });
    let apollo_gone = story.project(APOLLO, "project_deleted", gone("APOLLO"));
    let hidden = |story: &Story| [TASK, OTHER_TASK].map(|id| story.row::<TaskList>(TaskId(id)).expect("it keeps its row").hidden);
    assert_eq!(hidden(&apollo_gone), [true, false], "the moved one is in another project");
    assert_eq!(row(&apollo_gone).version, 1, "the task itself did not change");
    assert_eq!(hidden(&apollo_gone.project(BORA, "project_deleted", gone("BORA"))), [true, true]);
}

#[test]
fn an_event_of_an_unknown_task_creates_no_row() {
    let story = Story::default().task(TASK, "task_assigned", json!({ "user_id": ANNA }));
    assert!(story.rows::<TaskList>().rows().is_empty());
}

#[test]
fn a_task_is_overdue_from_its_due_time_while_it_is_open() {
    let moment = at("2031-03-31T22:00:00Z");
    let open = row(&created());
    assert!(!open.is_overdue(moment - chrono::TimeDelta::milliseconds(1)));
    assert!(open.is_overdue(moment));
    for status in Status::ALL {
        let closed = matches!(status, Status::Done | Status::Cancelled);
        assert_eq!(TaskRow { status, ..open.clone() }.is_overdue(moment), !closed, "{status:?}");
    }
    assert!(!TaskRow { due: None, ..open }.is_overdue(moment));
}
