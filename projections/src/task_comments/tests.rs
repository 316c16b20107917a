//! The rows that comments create.

use super::{CommentRow, TaskComments};
use crate::testing::{ANNA, HERE, Story, TASK, minute, task_created};
use domain::ids::{CommentId, TaskId};
use serde_json::json;
use uuid::Uuid;

#[test]
fn a_comment_is_stored_unchanged_with_its_author_and_time() {
    let ids = [Uuid::from_u128(8), Uuid::from_u128(9)];
    let commented = |id: Uuid, body: &str| json!({ "comment_id": id, "body": body });
    let story = Story::default()
        .task(TASK, "task_created", task_created(7))
        .task(TASK, "task_commented", commented(ids[0], "Looks good.\nReally."))
        .task(TASK, "task_commented", commented(ids[1], "Ünder «way» 🚀"));
    let rows: Vec<_> = story.rows::<TaskComments>().rows().values().cloned().collect();
    let first = CommentRow {
        id: CommentId(ids[0]),
        workspace_id: HERE,
        task_id: TaskId(TASK),
        author: ANNA,
        body: "Looks good.\nReally.".to_owned(),
        created_at: minute(2),
        position: 2,
    };
    let second =
        CommentRow { id: CommentId(ids[1]), body: "Ünder «way» 🚀".to_owned(), created_at: minute(3), position: 3, ..first.clone() };
    assert_eq!(rows, [first, second]);
}

#[test]
fn a_comment_stays_when_its_task_is_deleted() {
    let story = Story::default().task(TASK, "task_commented", json!({ "comment_id": Uuid::from_u128(8), "body": "Hello" })).task(
        TASK,
        "task_deleted",
        json!({ "title": "Paint the hall", "status": "todo" }),
    );
    assert_eq!(story.rows::<TaskComments>().rows().len(), 1);
}
