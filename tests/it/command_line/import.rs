//! `milepost import`: what is in the file happens once, however often the file is imported.

use super::story::{WORKSPACE, every_command, file_of, project_with_tasks};
use super::{Folder, NO, NOT_THERE, WRONG_USE, assert_refused, done, exists, head, json, milepost, milepost_reads, number};
use serde_json::json;
use tests::database::TestDatabase;

#[tokio::test]
async fn every_command_is_carried_out_and_importing_again_changes_nothing() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let (pool, lines) = (database.pool().await, every_command());
    let file = folder.file("story.ndjson", file_of(&lines));
    let (arguments, environment) = (["import", &file, "--workspace", WORKSPACE, "--json"], [("DATABASE_URL", database.url.as_str())]);
    let first = json(&done(milepost(&arguments, &environment).await));
    assert_eq!((&first["done"], &first["rejected"]), (&json!(lines.len()), &json!(0)), "{first}");
    let end = head(&pool).await;
    assert!(end >= lines.len() as i64);
    let content = "SELECT hashtextextended(string_agg(events::text, '' ORDER BY position), 0) FROM milepost.events";
    let before = number(&pool, content).await;

    let again = json(&done(milepost(&arguments, &environment).await));
    assert_eq!((&again["done"], &again["replayed"], &again["rejected"]), (&json!(0), &json!(lines.len()), &json!(0)), "{again}");
    assert_eq!((head(&pool).await, number(&pool, content).await), (end, before));
    assert!(!exists(&folder.at("story.ndjson.rejects.ndjson")), "there is a file of rejects without any");
}

#[tokio::test]
async fn an_import_tells_people_what_it_came_to_in_one_line() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("story.ndjson", file_of(&project_with_tasks("ONE", 3)));
    let output = milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await;
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "progress is for terminals");
    let words = output.stdout.trim_end();
    assert!(words.starts_with("4 lines in ") && !words.contains('\n'), "{words}");
    assert!(words.ends_with(" s: 4 executed, 0 imported before, 0 without effect, 0 rejected"), "{words}");
}

#[tokio::test]
async fn the_progress_of_an_import_is_shown_on_standard_error_of_a_terminal() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("story.ndjson", file_of(&project_with_tasks("BAR", 300)));
    let (answer, shown) = (folder.at("answer"), folder.at("shown"));
    let import = format!("{} import {file} --workspace {WORKSPACE} >{answer}", super::MILEPOST);
    let mut command = tokio::process::Command::new("script");
    command.args(["--quiet", "--return", "--command", &import, &shown]).env("DATABASE_URL", &database.url).env("TERM", "xterm");
    let output = command.stdin(std::process::Stdio::null()).output().await.expect("util-linux has the command script");
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8_lossy(&std::fs::read(&shown).expect("what the terminal showed")).into_owned();
    assert!(shown.contains('%') && shown.contains("executed, 0 rejected"), "{shown}");
    let answer = std::fs::read_to_string(&answer).expect("what went to the file");
    assert!(answer.starts_with("301 lines") && !answer.contains('\u{1b}'), "{answer}");
}

#[tokio::test]
async fn lines_come_from_standard_input_with_any_end_of_line() {
    let database = TestDatabase::new().await;
    let lines = project_with_tasks("STDIN", 3);
    let input = format!("\n{}\r\n  \n{}\n\r\n{}\n{}", lines[0], lines[1], lines[2], lines[3]);
    let arguments = ["import", "-", "--workspace", WORKSPACE, "--json"];
    let summary = json(&done(milepost_reads(&arguments, &[("DATABASE_URL", &database.url)], &input).await));
    assert_eq!((&summary["done"], &summary["rejected"]), (&json!(4), &json!(0)));
}

#[tokio::test]
async fn a_command_without_effect_is_counted_and_appends_nothing() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let mut lines = project_with_tasks("TRUE", 0);
    let id = lines[0]["input"]["id"].clone();
    lines.push(super::story::line("projectUpdate", json!({ "id": id, "name": "A project" })));
    let file = folder.file("story.ndjson", file_of(&lines));
    let arguments = ["import", &file, "--workspace", WORKSPACE, "--json"];
    let summary = json(&done(milepost(&arguments, &[("DATABASE_URL", &database.url)]).await));
    assert_eq!((&summary["done"], &summary["nothing_to_do"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(head(&database.pool().await).await, 1);
}

/// Arguments, environment, exit status, and what is said.
type Try<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a [&'a str]);

#[tokio::test]
async fn an_import_that_cannot_begin_says_why() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("story.ndjson", file_of(&project_with_tasks("BEGIN", 1)));
    let (here, nobody) = ([("DATABASE_URL", database.url.as_str())], [("DATABASE_URL", "postgres://milepost:hush@127.0.0.1:1/none")]);
    let missing = folder.at("missing.ndjson");
    let tries: [Try<'_>; 7] = [
        (&["import", &missing, "--workspace", WORKSPACE], &here, WRONG_USE, &[&missing, "cannot be read", "No such file"]),
        (&["import", &folder.at(""), "--workspace", WORKSPACE], &here, WRONG_USE, &["cannot be read", "directory"]),
        (&["import", &file], &here, WRONG_USE, &["--workspace <UUID>"]),
        (&["import", &file, "--workspace", "mine"], &here, WRONG_USE, &["--workspace", "mine"]),
        (&["import", &file, "--workspace", WORKSPACE], &[], WRONG_USE, &["DATABASE_URL is not set"]),
        (&["import", &file, "--workspace", WORKSPACE], &nobody, NOT_THERE, &["cannot reach PostgreSQL at 127.0.0.1:1/none"]),
        (&["import", &file, "--workspace", WORKSPACE, "--rejects", &file], &here, WRONG_USE, &["--rejects", "the file to be imported"]),
    ];
    for (arguments, environment, status, texts) in tries {
        let output = milepost(arguments, environment).await;
        assert_refused(&output, status, texts);
        assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    }
    assert_eq!(head(&database.pool().await).await, 0);
    assert!(exists(&file), "what was to be imported is still there");
}

#[tokio::test]
async fn rejects_that_cannot_be_written_end_the_import() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let arguments = ["import", "-", "--workspace", WORKSPACE, "--rejects", &folder.at("no/such/folder")];
    let output = milepost_reads(&arguments, &[("DATABASE_URL", &database.url)], "not json\n").await;
    assert_refused(&output, WRONG_USE, &["no/such/folder", "cannot be written"]);
}

#[tokio::test]
async fn rejects_of_an_earlier_import_do_not_stay() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let rejects = folder.at("rejects");
    let arguments = ["import", "-", "--workspace", WORKSPACE, "--rejects", &rejects];
    let environment = [("DATABASE_URL", database.url.as_str())];
    assert_eq!(milepost_reads(&arguments, &environment, "not json\n").await.status, NO);
    assert!(exists(&rejects));
    done(milepost_reads(&arguments, &environment, &file_of(&project_with_tasks("STALE", 1))).await);
    assert!(!exists(&rejects), "they would be taken for rejects of the second import");
}
