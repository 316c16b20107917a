//! `milepost events tail`.

use super::story::{WORKSPACE, every_command, file_of, line, project_with_tasks};
use super::{Folder, WRONG_USE, assert_calm, assert_refused, done, json, milepost, milepost_reads, started};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::database::TestDatabase;
use uuid::Uuid;

async fn import(database: &TestDatabase, workspace: &str, lines: &[Value]) {
    let folder = Folder::new();
    let arguments = ["import", "-", "--workspace", workspace, "--rejects", &folder.at("rejects")];
    done(milepost_reads(&arguments, &[("DATABASE_URL", &database.url)], &file_of(lines)).await);
}

async fn tail(database: &TestDatabase, flags: &[&str]) -> Vec<String> {
    let arguments = [&["events", "tail"], flags].concat();
    let printed = done(milepost(&arguments, &[("DATABASE_URL", &database.url)]).await);
    printed.lines().map(str::to_owned).collect()
}

async fn tail_json(database: &TestDatabase, flags: &[&str]) -> Vec<Value> {
    tail(database, &[flags, &["--json"]].concat()).await.iter().map(|line| json(line)).collect()
}

fn positions(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["position"].as_str().and_then(|position| position.parse().ok()).expect("a position")).collect()
}

#[tokio::test]
async fn people_see_one_line_for_each_event_in_order() {
    let database = TestDatabase::new().await;
    assert_eq!(tail(&database, &[]).await, Vec::<String>::new(), "an empty log has no lines");
    let lines = project_with_tasks("LINE", 2);
    import(&database, WORKSPACE, &lines).await;
    let printed = tail(&database, &["--after", "0"]).await;
    let words: Vec<Vec<&str>> = printed.iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        words.iter().map(|words| (words[0], words[2])).collect::<Vec<_>>(),
        [("1", "project_created"), ("2", "task_created"), ("3", "task_created")]
    );
    assert_eq!(words[0][3], lines[0]["input"]["id"].as_str().expect("an id"));
    assert!(printed[0].contains("created project LINE “A project”") && printed[0].contains("(by "), "{}", printed[0]);
    assert!(chrono::DateTime::parse_from_rfc3339(words[0][1]).is_ok(), "{}", words[0][1]);
}

#[tokio::test]
async fn without_a_position_the_last_twenty_are_shown() {
    let database = TestDatabase::new().await;
    import(&database, WORKSPACE, &project_with_tasks("LAST", 30)).await;
    assert_eq!(positions(&tail_json(&database, &[]).await), (12..=31).collect::<Vec<_>>());
    assert_eq!(positions(&tail_json(&database, &["--after", "29"]).await), [30, 31]);
    assert_eq!(positions(&tail_json(&database, &["--after", "31"]).await), [0; 0]);
    assert_eq!(tail_json(&database, &["--after", "9223372036854775807"]).await.len(), 0);
}

#[tokio::test]
async fn programs_see_each_event_whole() {
    let database = TestDatabase::new().await;
    let lines = project_with_tasks("WHOLE", 0);
    import(&database, WORKSPACE, &lines).await;
    let events = tail_json(&database, &[]).await;
    let event = &events[0];
    assert_eq!(
        [&event["position"], &event["event_type"], &event["aggregate_type"], &event["aggregate_id"], &event["aggregate_version"]],
        [&json!("1"), &json!("project_created"), &json!("project"), &lines[0]["input"]["id"], &json!(1)]
    );
    assert_eq!((&event["data"]["key"], &event["metadata"]["command_id"]), (&json!("WHOLE"), &lines[0]["commandId"]));
    for name in ["event_id", "recorded_at", "summary"] {
        assert!(event[name].is_string(), "{name} is missing: {event}");
    }
}

#[tokio::test]
async fn events_are_chosen_by_type_aggregate_and_workspace() {
    let (database, elsewhere) = (TestDatabase::new().await, Uuid::now_v7().to_string());
    let story = every_command();
    import(&database, WORKSPACE, &story).await;
    import(&database, &elsewhere, &project_with_tasks("ELSE", 2)).await;
    let all = tail_json(&database, &["--after", "0"]).await;
    let chosen = |holds: &dyn Fn(&Value) -> bool| positions(&all.iter().filter(|event| holds(event)).cloned().collect::<Vec<_>>());
    let task = story[6]["input"]["id"].as_str().expect("an id");
    let (moved, created) = (json!("task_moved"), json!("task_created"));
    let created_of = |event: &Value| event["event_type"] == created;
    for (flags, expected) in [
        (vec!["--type", "task_created"], chosen(&created_of)),
        (vec!["--type", "task_created", "--type", "task_moved"], chosen(&|event| created_of(event) || event["event_type"] == moved)),
        (vec!["--aggregate", task], chosen(&|event| event["aggregate_id"] == task)),
        (vec!["--aggregate", task, "--type", "task_created"], chosen(&|event| event["aggregate_id"] == task && created_of(event))),
        (vec!["--workspace", &elsewhere], positions(&all[all.len() - 3..])),
    ] {
        assert!(!expected.is_empty(), "{flags:?} chooses something");
        let flags = [&["--after", "0"], flags.as_slice()].concat();
        assert_eq!(positions(&tail_json(&database, &flags).await), expected, "{flags:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let database = TestDatabase::new().await;
    for (flags, texts) in [
        (["--type", "task_craeted"], ["\"task_craeted\"", "did you mean task_created?"]),
        (["--type", "TaskCreated"], ["\"TaskCreated\"", "task_created"]),
        (["--aggregate", "mine"], ["--aggregate", "mine"]),
        (["--after", "soon"], ["--after", "soon"]),
        (["--after=-1", "--json"], ["--after", "-1"]),
    ] {
        let output = milepost(&[&["events", "tail"], &flags[..]].concat(), &[("DATABASE_URL", &database.url)]).await;
        assert_refused(&output, WRONG_USE, &texts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_shows_what_comes_until_it_is_interrupted() {
    let database = TestDatabase::new().await;
    let lines = project_with_tasks("NEXT", 3);
    import(&database, WORKSPACE, &lines[..2]).await;
    let follow = ["events", "tail", "--follow", "--type", "task_created"];
    let mut following = started(&follow, &[("DATABASE_URL", &database.url)]);
    following.printed("Task 0").await;
    let rename = line("projectUpdate", json!({ "id": lines[0]["input"]["id"], "name": "Renamed" }));
    import(&database, WORKSPACE, &[rename, lines[2].clone()]).await;
    following.printed("Task 1").await;
    import(&database, WORKSPACE, &lines[3..]).await;
    following.printed("Task 2").await;
    assert_eq!(following.output().lines().count(), 3, "{}", following.output());
    following.signal(Signal::SIGINT);
    assert_eq!(following.ended().await, 0, "to follow until one has seen enough is no failure");
    assert_calm(&following.log());
}
