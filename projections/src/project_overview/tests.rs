//! How each event changes the row of a project.

use super::{Counts, ProjectOverview, ProjectRow};
use crate::testing::{ANNA, APOLLO, BEN, BORA, OTHER_TASK, Story, TASK, minute, project_created, task_created, task_moved};
use domain::event::AggregateType;
use domain::ids::ProjectId;
use domain::project::Phase;
use domain::values::CollaboratorRole;
use serde_json::json;

fn created() -> Story {
    Story::default().project(APOLLO, "project_created", project_created("APOLLO")).project(BORA, "project_created", project_created("BORA"))
}

fn row(story: &Story, id: ProjectId) -> ProjectRow {
    story.row::<ProjectOverview>(id).expect("the project has a row")
}

fn counts(story: &Story) -> (Counts, Counts) {
    (row(story, APOLLO).counts, row(story, BORA).counts)
}

#[test]
fn tasks_are_counted_where_they_are_and_by_what_they_are() {
    let none = Counts::default();
    let story = created().task(TASK, "task_created", task_created(7)).task(OTHER_TASK, "task_created", task_created(8));
    assert_eq!(counts(&story), (Counts { todo: 2, ..none }, none));
    let story = story.task(TASK, "task_status_changed", json!({ "from": "todo", "to": "in_review", "blocked_reason": null }));
    assert_eq!(counts(&story), (Counts { todo: 1, in_review: 1, ..none }, none));
    // From blocked to blocked: only the reason changed.
    let blocked = |from: &str, reason: &str| json!({ "from": from, "to": "blocked", "blocked_reason": reason });
    let story = story.task(OTHER_TASK, "task_status_changed", blocked("todo", "rain"));
    let story = story.task(OTHER_TASK, "task_status_changed", blocked("blocked", "snow"));
    assert_eq!(counts(&story), (Counts { blocked: 1, in_review: 1, ..none }, none));
    let story = story.then(AggregateType::Task, TASK, "task_moved", task_moved("in_review"), Some(BORA));
    assert_eq!(counts(&story), (Counts { blocked: 1, ..none }, Counts { in_review: 1, ..none }));
    let done = json!({ "title": "Paint the hall", "from": "in_review", "completed_at": "2031-03-01T12:02:00Z", "time_to_complete_ms": 1 });
    let story = story.then(AggregateType::Task, TASK, "task_completed", done, Some(BORA));
    assert_eq!(counts(&story).1, Counts { done: 1, ..none });
    let story = story.then(AggregateType::Task, TASK, "task_reopened", json!({ "from": "done", "due": null }), Some(BORA));
    assert_eq!(counts(&story).1, Counts { todo: 1, ..none });
    let story = story.task(OTHER_TASK, "task_deleted", json!({ "title": "Paint the hall", "status": "blocked" }));
    assert_eq!(counts(&story), (none, Counts { todo: 1, ..none }));
    assert_eq!(counts(&story).1.total(), 1);
    // Events of its tasks do not change a project.
    assert_eq!((row(&story, APOLLO).version, row(&story, APOLLO).updated_at), (1, minute(1)));
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let changes =
        json!({ "changes": { "name": { "from": "A project", "to": "The project" }, "due_on": { "from": "2031-12-31", "to": null } } });
    let story = created().project(APOLLO, "project_updated", changes);
    let before = row(&created(), APOLLO);
    let expected = ProjectRow { name: "The project".to_owned(), due_on: None, version: 2, updated_at: minute(3), ..before };
    assert_eq!(row(&story, APOLLO), expected);
    assert_eq!(row(&story, BORA), row(&created(), BORA));
}

#[test]
fn a_project_goes_through_its_life_and_keeps_its_row() {
    let key = json!({ "key": "APOLLO" });
    let story = created().project(APOLLO, "project_archived", key.clone());
    assert_eq!(row(&story, APOLLO).phase, Phase::Archived);
    let story = story.project(APOLLO, "project_unarchived", key);
    assert_eq!(row(&story, APOLLO).phase, Phase::Active);
    let story = story.project(APOLLO, "project_deleted", json!({ "key": "APOLLO", "name": "A project" }));
    assert_eq!((row(&story, APOLLO).phase, row(&story, BORA).phase), (Phase::Deleted, Phase::Active));
}

#[test]
fn collaborators_are_in_the_order_in_which_they_joined() {
    let people =
        |story: &Story| -> Vec<_> { row(story, APOLLO).collaborators.iter().map(|one| (one.user_id, one.role, one.since)).collect() };
    let anna = (ANNA, CollaboratorRole::Owner, minute(1));
    assert_eq!(people(&created()), [anna]);
    let story = created().project(APOLLO, "project_collaborator_added", json!({ "user_id": BEN, "role": "viewer" }));
    assert_eq!(people(&story), [anna, (BEN, CollaboratorRole::Viewer, minute(3))]);
    let changed = json!({ "user_id": ANNA, "from": "owner", "to": "manager" });
    let story = story.project(APOLLO, "project_collaborator_role_changed", changed);
    let ben = (BEN, CollaboratorRole::Viewer, minute(3));
    assert_eq!(people(&story), [(ANNA, CollaboratorRole::Manager, minute(1)), ben]);
    let story = story.project(APOLLO, "project_collaborator_removed", json!({ "user_id": ANNA, "role": "manager" }));
    assert_eq!(people(&story), [ben]);
}

#[test]
fn an_event_of_an_unknown_project_creates_no_row() {
    let story =
        Story::default().task(TASK, "task_created", task_created(7)).project(APOLLO, "project_archived", json!({ "key": "APOLLO" }));
    assert!(story.rows::<ProjectOverview>().rows().is_empty());
}
