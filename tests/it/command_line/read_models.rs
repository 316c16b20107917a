//! `milepost projections`: looking after read models without a node.

use super::story::{WORKSPACE, file_of, project_with_tasks};
use super::{Folder, NO, WRONG_USE, assert_refused, done, json, milepost};
use projections::runner::all;
use serde_json::{Value, json};
use tests::database::TestDatabase;
use uuid::Uuid;

/// A log with a project and three tasks, and read models that nobody has built.
async fn log_of_four() -> TestDatabase {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("story.ndjson", file_of(&project_with_tasks("MODEL", 3)));
    done(milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await);
    database
}

async fn versions(database: &TestDatabase, name: &str) -> Vec<Value> {
    let list = done(milepost(&["projections", "list", "--json"], &[("DATABASE_URL", &database.url)]).await);
    let all = json(&list).as_array().cloned().expect("a list");
    all.into_iter().filter(|version| version["name"] == name).collect()
}

#[tokio::test]
async fn a_rebuilt_read_model_is_live_and_the_one_before_is_kept() {
    let database = log_of_four().await;
    let environment = [("DATABASE_URL", database.url.as_str())];
    let first = done(milepost(&["projections", "rebuild", "task_list"], &environment).await);
    assert!(first.starts_with("task_list: version ") && first.contains("is live, at position 4"), "{first}");
    done(milepost(&["projections", "rebuild", "task_list"], &environment).await);
    let versions = versions(&database, "task_list").await;
    let (live, old): (Vec<_>, Vec<_>) = versions.iter().partition(|version| version["state"] == "live");
    assert_eq!((live.len(), &live[0]["position"], &live[0]["lagEvents"]), (1, &json!("4"), &json!(0)), "{versions:?}");
    assert!(old.iter().any(|version| version["state"] == "old" && version["position"] == "4"), "{versions:?}");
    let table = done(milepost(&["projections", "list"], &environment).await);
    let heading: Vec<_> = table.lines().next().unwrap_or_default().split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    assert_eq!(heading, ["NAME", "VERSION", "STATE", "POSITION", "LAG", "RATE", "PARKED", "LAST ERROR"]);
    assert!(table.lines().any(|row| row.starts_with("task_list") && row.contains("live")), "{table}");
}

#[tokio::test]
async fn a_read_model_that_says_something_else_than_the_events_is_found_and_mended() {
    let database = log_of_four().await;
    let (pool, environment) = (database.pool().await, [("DATABASE_URL", database.url.as_str())]);
    for projection in all() {
        done(milepost(&["projections", "rebuild", projection.name()], &environment).await);
    }
    let verified = json(&done(milepost(&["projections", "verify", "--json"], &environment).await));
    let compared = verified.as_array().expect("a list");
    assert_eq!(compared.len(), all().len());
    assert!(compared.iter().all(|one| one["equal"] == json!(true) && one["position"] == "4"), "{verified}");

    let live = &versions(&database, "task_list").await[..];
    let live = live.iter().find(|version| version["state"] == "live").expect("a live version");
    let lie = format!("UPDATE milepost.task_list_v{} SET title = 'a lie' WHERE title = 'Task 1'", live["version"]);
    assert_eq!(sqlx::query(&lie).execute(&pool).await.expect("rows can be changed").rows_affected(), 1);
    let found = milepost(&["projections", "verify"], &environment).await;
    assert_eq!(found.status, NO, "{}", found.stdout);
    assert!(found.stderr.contains("1 read models differ from the log; rebuild them"), "{}", found.stderr);
    let wrong: Vec<_> = found.stdout.lines().filter(|row| row.ends_with("NO")).collect();
    assert!(wrong.len() == 1 && wrong[0].starts_with("task_list "), "{}", found.stdout);
    done(milepost(&["projections", "verify", "task_comments"], &environment).await);

    done(milepost(&["projections", "rebuild", "task_list"], &environment).await);
    done(milepost(&["projections", "verify"], &environment).await);
}

#[tokio::test]
async fn parked_events_are_listed() {
    let database = log_of_four().await;
    let (pool, environment) = (database.pool().await, [("DATABASE_URL", database.url.as_str())]);
    let list = ["projections", "dead-letters", "list", "--json"];
    assert_eq!(json(&done(milepost(&list, &environment).await)), json!([]));
    done(milepost(&["projections", "rebuild", "task_list"], &environment).await);
    let park = "INSERT INTO milepost.projection_dead_letters (name, version, position, aggregate_id, event_type, error, parked_at) \
                SELECT 'task_list', version, 2, $1, 'task_created', 'a planted error', now() FROM milepost.projections \
                WHERE name = 'task_list' AND state = 'live'";
    let aggregate = Uuid::now_v7().to_string();
    sqlx::query(park).bind(&aggregate).execute(&pool).await.expect("an event can be parked");
    let letters = json(&done(milepost(&list, &environment).await));
    assert_eq!(letters.as_array().map(Vec::len), Some(1), "{letters}");
    let letter = &letters[0];
    assert_eq!(
        [&letter["name"], &letter["position"], &letter["aggregateId"], &letter["eventType"], &letter["error"]],
        ["task_list", "2", &aggregate, "task_created", "a planted error"]
    );
    let table = done(milepost(&list[..3], &environment).await);
    assert!(table.contains(&aggregate) && table.contains("a planted error"), "{table}");
    assert_eq!(json(&done(milepost(&["projections", "dead-letters", "list", "schedules", "--json"], &environment).await)), json!([]));
}

#[tokio::test]
async fn what_there_is_not_is_refused() {
    let database = TestDatabase::new().await;
    let (environment, aggregate) = ([("DATABASE_URL", database.url.as_str())], Uuid::now_v7().to_string());
    for arguments in [
        &["projections", "rebuild", "tasks"][..],
        &["projections", "verify", "tasks"],
        &["projections", "dead-letters", "list", "tasks"],
        &["projections", "dead-letters", "retry", "tasks", &aggregate],
        &["projections", "dead-letters", "skip", "tasks", &aggregate, "--reason", "none"],
        &["dead-letters", "list", "--source", "projections", "--name", "tasks"],
        &["dead-letters", "show", "--source", "projections", "--name", "tasks", "7"],
    ] {
        assert_refused(&milepost(arguments, &environment).await, WRONG_USE, &["\"tasks\"", " are ", "task_list", "schedules"]);
    }
    for what in [&["retry", "task_list", &aggregate][..], &["skip", "task_list", &aggregate, "--reason", "none"]] {
        let output = milepost(&[&["projections", "dead-letters"], what].concat(), &environment).await;
        assert_refused(&output, NO, &["the aggregate has no parked events"]);
    }
    let output = milepost(&["dead-letters", "list", "--name", "tasks"], &environment).await;
    assert_refused(
        &output,
        WRONG_USE,
        &["\"tasks\" is not the name of a source of dead letters", "task_list", "keep_schedule_in_step_with_task"],
    );
    for (what, source) in [("show", "reactions"), ("retry", "reactions"), ("show", "projections"), ("retry", "projections")] {
        let output = milepost(&["dead-letters", what, "--source", source, "7"], &environment).await;
        assert_refused(&output, NO, &["event 7 is not parked in", source]);
    }
}
