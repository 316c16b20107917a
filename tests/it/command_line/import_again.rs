//! A file imported again: what was carried out is not carried out twice, and what was refused is refused again, whatever has
//! become of the things that it is about.

use super::story::{WORKSPACE, file_of, line, project_with_tasks};
use super::{Folder, MILEPOST, NO, NOT_THERE, head, json, milepost, number};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use std::process::Stdio;
use tests::database::TestDatabase;
use tests::wait::until;
use tokio::io::AsyncWriteExt;

/// Most races of two imports until lines of both outcomes were seen in one.
const RACES_MAX: usize = 20;

/// A database, a folder for files, and a project that was imported.
struct Scene {
    database: TestDatabase,
    folder: Folder,
    pool: PgPool,
    project: Value,
}

impl Scene {
    async fn new() -> Self {
        let (database, folder) = (TestDatabase::new().await, Folder::new());
        let (pool, create) = (database.pool().await, project_with_tasks("AGAIN", 0).remove(0));
        let scene = Self { database, folder, pool, project: create["input"]["id"].clone() };
        assert_eq!(scene.import("project", &[create], &[]).await["done"], 1);
        scene
    }

    /// Imports lines from a file and gives the summary.
    async fn import(&self, name: &str, lines: &[Value], more: &[&str]) -> Value {
        let file = self.folder.file(&format!("{name}.ndjson"), file_of(lines));
        let arguments = [&["import", &file, "--workspace", WORKSPACE, "--json"], more].concat();
        let output = milepost(&arguments, &[("DATABASE_URL", &self.database.url)]).await;
        let summary = json(&output.stdout);
        assert_eq!(output.status, if summary["rejected"] == 0 { 0 } else { NO }, "{}", output.stderr);
        summary
    }

    /// What was rejected of a file, without the marks that say whether it was before.
    fn rejects(&self, name: &str) -> (Vec<Value>, Vec<Value>) {
        let written = std::fs::read_to_string(self.folder.at(&format!("{name}.ndjson.rejects.ndjson"))).expect("a file of rejects");
        let mut rejects: Vec<Value> = written.lines().map(json).collect();
        rejects.sort_by_key(|reject| reject["line"].as_u64());
        let marks = rejects.iter_mut().map(|reject| reject["replayed"].take()).collect();
        (rejects, marks)
    }

    async fn archive(&self, name: &str) {
        assert_eq!(self.import(name, &[line(name, json!({ "id": self.project }))], &[]).await["done"], 1);
    }

    fn tasks(&self, count: usize) -> Vec<Value> {
        (0..count).map(|n| line("taskCreate", json!({ "projectId": self.project, "title": format!("Task {n}") }))).collect()
    }

    /// How many command ids are in the log, are refused, and are both.
    async fn known(&self) -> (i64, i64, i64) {
        let carried_out = "SELECT count(command_id) FROM milepost.events WHERE event_type = 'task_created'";
        let both = "SELECT count(*) FROM milepost.refused_lines r JOIN milepost.events e USING (workspace_id, command_source, command_id)";
        let refused = "SELECT count(*) FROM milepost.refused_lines";
        (number(&self.pool, carried_out).await, number(&self.pool, refused).await, number(&self.pool, both).await)
    }
}

#[tokio::test]
async fn a_second_run_answers_what_the_first_did_unless_it_is_told_to_retry() {
    let scene = Scene::new().await;
    scene.archive("projectArchive").await;
    let mut lines = scene.tasks(3);
    lines.push(line("taskCreate", json!({ "projectId": scene.project, "title": "" })));
    lines.push(line("taskExplode", json!({})));
    lines.push(line("projectCreate", json!({ "key": "AGAIN", "name": "Another" })));
    let count = |summary: &Value| {
        (summary["done"].clone(), summary["replayed"].clone(), summary["rejected"].clone(), summary["rejected_before"].clone())
    };
    assert_eq!(count(&scene.import("file", &lines, &[]).await), (json!(0), json!(0), json!(6), json!(0)));
    let (first, marks) = scene.rejects("file");
    assert_eq!(marks, vec![json!(false); 6]);
    // The project is open again, and by now three of the lines would be taken.
    scene.archive("projectUnarchive").await;
    let events = head(&scene.pool).await;
    assert_eq!(count(&scene.import("file", &lines, &[]).await), (json!(0), json!(0), json!(6), json!(6)));
    let (second, marks) = scene.rejects("file");
    assert_eq!((second, marks), (first, vec![json!(true); 6]), "the very same refusals, marked");
    assert_eq!(head(&scene.pool).await, events, "nothing was carried out");
    let retried = scene.import("file", &lines, &["--retry-rejected"]).await;
    assert_eq!(count(&retried), (json!(3), json!(0), json!(3), json!(0)));
    assert_eq!(count(&scene.import("file", &lines, &[]).await), (json!(0), json!(3), json!(3), json!(3)));
    // A line that is corrected is another line.
    lines[3]["input"]["title"] = json!("Corrected");
    assert_eq!(count(&scene.import("file", &lines, &[]).await), (json!(1), json!(3), json!(2), json!(2)));
}

#[tokio::test]
async fn the_summary_says_how_many_were_rejected_before_and_how_to_retry() {
    let scene = Scene::new().await;
    let file = scene.folder.file("blank.ndjson", file_of(&[line("taskCreate", json!({ "projectId": scene.project, "title": "" }))]));
    let environment = [("DATABASE_URL", scene.database.url.as_str())];
    let first = milepost(&["import", &file, "--workspace", WORKSPACE], &environment).await;
    assert!(first.stdout.trim_end().ends_with(", 1 rejected"), "{}", first.stdout);
    let second = milepost(&["import", &file, "--workspace", WORKSPACE], &environment).await;
    assert!(second.stdout.contains("1 rejected, 1 of them before (--retry-rejected executes them again)"), "{}", second.stdout);
}

#[tokio::test]
async fn a_message_that_quotes_what_the_database_cannot_hold_is_recorded_as_well() {
    let scene = Scene::new().await;
    let mut nul = line("taskComplete", json!({ "id": scene.project }));
    nul["input"]["\u{0}"] = json!(1);
    for before in [0, 1] {
        let summary = scene.import("nul", &[nul.clone()], &[]).await;
        assert_eq!((&summary["rejected"], &summary["rejected_before"]), (&json!(1), &json!(before)), "{summary}");
        let (rejects, _) = scene.rejects("nul");
        assert_eq!(rejects[0]["code"], "BAD_USER_INPUT", "{rejects:?}");
    }
}

#[tokio::test]
async fn a_file_with_a_mark_line_ends_of_windows_and_blank_lines_is_imported() {
    let scene = Scene::new().await;
    let content: String = scene.tasks(2).iter().map(|line| format!("{line}\r\n\r\n")).collect();
    let file = scene.folder.file("windows.ndjson", format!("\u{feff}{content}   \r\n{{\r\n"));
    let output = milepost(&["import", &file, "--workspace", WORKSPACE, "--json"], &[("DATABASE_URL", &scene.database.url)]).await;
    let summary = json(&output.stdout);
    assert_eq!((&summary["done"], &summary["rejected"]), (&json!(2), &json!(1)), "{}", output.stderr);
    let (rejects, _) = scene.rejects("windows");
    assert_eq!((&rejects[0]["line"], &rejects[0]["record"]), (&json!(6), &json!("{")), "lines are counted as in the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_refused_before_an_import_was_killed_are_refused_again() {
    const LINES: usize = 400;
    let scene = Scene::new().await;
    scene.archive("projectArchive").await;
    let lines = scene.tasks(LINES);
    // It never sees the end of its input, so it is in the middle whenever it dies.
    let mut command = tokio::process::Command::new(MILEPOST);
    command.args(["import", "-", "--workspace", WORKSPACE, "--rejects", &scene.folder.at("killed.rejects")]);
    command.env("DATABASE_URL", &scene.database.url).kill_on_drop(true);
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let mut input = first.stdin.take().expect("standard input is piped");
    for piece in lines[..LINES - 1].chunks(8) {
        input.write_all(file_of(piece).as_bytes()).await.expect("it reads");
        if scene.known().await.1 >= 40 {
            break;
        }
    }
    until("some refusals are recorded", || async { (scene.known().await.1 >= 40).then_some(()) }).await;
    first.kill().await.expect("it can be killed");
    drop(input);
    until("its connections are gone", || async {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost%'";
        (number(&scene.pool, others).await == 0).then_some(())
    })
    .await;
    let (carried_out, refused, _) = scene.known().await;
    assert!(carried_out == 0 && (40..LINES as i64).contains(&refused), "{refused} were refused before it was killed");
    scene.archive("projectUnarchive").await;
    let summary = scene.import("killed", &lines, &[]).await;
    assert_eq!((&summary["rejected"], &summary["rejected_before"]), (&json!(refused), &json!(refused)), "{summary}");
    assert_eq!(summary["done"], json!(LINES as i64 - refused), "{summary}");
}

/// Lets two imports of one file run at once, while the project of its lines is closed and opened. Says how many lines were carried
/// out and how many refused.
async fn two_imports_at_once() -> (i64, i64) {
    let scene = Scene::new().await;
    let lines = scene.tasks(600);
    // Meanwhile the project is closed and opened all the time, until both are done.
    let imports = async { tokio::join!(scene.import("one", &lines, &[]), scene.import("two", &lines, &[])) };
    let toggles = async {
        loop {
            scene.archive("projectArchive").await;
            scene.archive("projectUnarchive").await;
        }
    };
    let (one, two) = tokio::select! {
        summaries = imports => summaries,
        () = toggles => unreachable!("it is closed and opened for ever"),
    };
    let (carried_out, refused, both) = scene.known().await;
    assert_eq!((carried_out + refused, both), (600, 0), "{one}\n{two}");
    let sum = |name: &str| one[name].as_i64().unwrap_or_default() + two[name].as_i64().unwrap_or_default();
    assert_eq!((sum("done"), sum("replayed"), sum("rejected")), (carried_out, carried_out, 2 * refused), "{one}\n{two}");
    let (one, two) = match refused {
        0 => (vec![], vec![]),
        _ => (scene.rejects("one").0, scene.rejects("two").0),
    };
    assert_eq!(one, two, "both say the same of the lines that they refuse");
    let again = scene.import("three", &lines, &[]).await;
    assert_eq!((&again["replayed"], &again["rejected_before"]), (&json!(carried_out), &json!(refused)), "{again}");
    (carried_out, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_imports_of_one_file_at_once_each_line_has_one_answer() {
    // Which lines meet a closed project is up to chance. All of them or none would show little.
    for _ in 0..RACES_MAX {
        let (carried_out, refused) = two_imports_at_once().await;
        if carried_out > 0 && refused > 0 {
            return;
        }
    }
    panic!("in {RACES_MAX} races every line had the same answer");
}

#[tokio::test]
async fn a_refused_line_and_its_correction_live_side_by_side_in_the_tables() {
    let scene = Scene::new().await;
    let mut task = scene.tasks(1).remove(0);
    task["input"]["title"] = json!("");
    assert_eq!(scene.import("task", &[task.clone()], &[]).await["rejected"], 1);
    let mut corrected = task.clone();
    corrected["input"]["title"] = json!("Corrected");
    assert_eq!(scene.import("corrected", &[corrected], &[]).await["done"], 1);
    assert_eq!(scene.import("task", &[task.clone()], &[]).await["rejected_before"], 1, "the first file has its first answer");
    assert_eq!(scene.import("task", &[task], &["--retry-rejected"]).await["rejected"], 1);
    let (rejects, _) = scene.rejects("task");
    assert_eq!(rejects[0]["code"], "COMMAND_ID_REUSED", "decided anew, its id is another's");
}

#[tokio::test]
async fn an_import_stops_where_a_right_is_missing_and_goes_on_once_it_is_given() {
    let scene = Scene::new().await;
    let lines = scene.tasks(3);
    let file = scene.folder.file("file.ndjson", file_of(&lines));
    scene.pool.execute("REVOKE INSERT ON milepost.events FROM milepost_worker").await.expect("a right can be taken away");
    let stopped = milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &scene.database.url)]).await;
    assert_eq!(stopped.status, NOT_THERE, "{}{}", stopped.stdout, stopped.stderr);
    assert!(stopped.stderr.contains("permission denied") && stopped.stderr.contains("again to continue from here"), "{}", stopped.stderr);
    assert!(!std::path::Path::new(&scene.folder.at("file.ndjson.rejects.ndjson")).exists(), "no line is to blame");
    assert_eq!(scene.known().await, (0, 0, 0));
    scene.pool.execute("GRANT INSERT ON milepost.events TO milepost_worker").await.expect("a right can be given");
    assert_eq!(scene.import("file", &lines, &[]).await["done"], 3);
}
