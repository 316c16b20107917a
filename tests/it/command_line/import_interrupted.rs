//! An import that is killed in the middle is imported again, and nothing shows that it was.

use super::story::{WORKSPACE, file_of, line, project_with_tasks};
use super::{Folder, MILEPOST, done, head, json, milepost, number};
use serde_json::json;
use std::process::Stdio;
use tests::database::TestDatabase;
use tests::wait::until;
use tokio::io::AsyncWriteExt;

const TASKS: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_killed_in_the_middle_and_run_again_comes_to_the_same() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let pool = database.pool().await;
    let mut lines = project_with_tasks("KILL", TASKS);
    for task in &mut lines[1..] {
        task["input"]["id"] = json!(uuid::Uuid::now_v7());
    }
    let completions: Vec<_> = lines[1..].iter().map(|task| line("taskComplete", json!({ "id": task["input"]["id"] }))).collect();
    lines.extend(completions);
    let file = folder.file("story.ndjson", file_of(&lines));

    // The first run never sees the end of its input, so it is in the middle whenever it dies.
    let mut command = tokio::process::Command::new(MILEPOST);
    command.args(["import", "-", "--workspace", WORKSPACE]).env("DATABASE_URL", &database.url).kill_on_drop(true);
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let mut input = first.stdin.take().expect("standard input is piped");
    input.write_all(file_of(&lines[..lines.len() - 1]).as_bytes()).await.expect("it reads");
    until("some events are there", || async { (head(&pool).await >= 50).then_some(()) }).await;
    first.kill().await.expect("it can be killed");
    drop(input);
    until("its connections are gone", || async {
        let others = number(
            &pool,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost %'",
        );
        (others.await == 0).then_some(())
    })
    .await;
    let survived = head(&pool).await;
    assert!(survived < lines.len() as i64, "it was not killed in the middle");

    let arguments = ["import", &file, "--workspace", WORKSPACE, "--json"];
    let summary = json(&done(milepost(&arguments, &[("DATABASE_URL", &database.url)]).await));
    assert_eq!((&summary["replayed"], &summary["rejected"]), (&json!(survived), &json!(0)), "{summary}");
    assert_eq!(summary["done"].as_i64().map(|done| done + survived), Some(lines.len() as i64), "{summary}");
    assert_eq!(head(&pool).await, lines.len() as i64);
    for (event_type, count) in [("project_created", 1), ("task_created", TASKS), ("task_completed", TASKS)] {
        let sql = format!("SELECT count(DISTINCT aggregate_id) FROM milepost.events WHERE event_type = '{event_type}'");
        assert_eq!(number(&pool, &sql).await, count as i64, "{event_type}");
    }
}

#[tokio::test]
async fn an_import_that_fails_does_not_wait_for_more_input() {
    let folder = Folder::new();
    let mut command = tokio::process::Command::new(MILEPOST);
    command.args(["import", "-", "--workspace", WORKSPACE, "--rejects", &folder.at("no/such/folder")]).kill_on_drop(true);
    let database = TestDatabase::new().await;
    let mut import = command
        .env("DATABASE_URL", &database.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut input = import.stdin.take().expect("standard input is piped");
    input.write_all(b"not json\n").await.expect("it reads");
    let ended = tokio::time::timeout(tests::wait::PATIENCE, import.wait()).await;
    let status = ended.expect("it ends while its input is open").expect("it can be waited for");
    assert_eq!(status.code(), Some(super::WRONG_USE));
    drop(input);
}
