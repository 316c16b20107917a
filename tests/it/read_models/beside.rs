//! A new version is built beside the live one, and nobody who asks notices.

use super::{content, core, live, plant, projection};
use projections::registry::{VersionState, versions};
use projections::runner::all;
use projections::running::run_context::RunContext;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tests::app::{Client, TestApp};
use tests::builders::{self, somebody};
use tests::database::TestDatabase;
use tests::process::{Run, run};
use tests::wait::until_true;

const TASKS: i64 = 60;

/// Everything that a page can show, from every read model.
const EVERYTHING: &str = "query($task: ID!) {
  projects { totalCount nodes { key taskCounts { total overdue } } }
  tasks(first: 200) { totalCount nodes { key project { name } schedule { state } } }
  task(id: $task) { comments { totalCount nodes { body } } }
  schedules(first: 200) { totalCount nodes { title } }
  history(subjectId: $task) { nodes { summary } }
  deadlines { totalCount nodes { firedAt } }
}";

/// Asks all the time. Every answer must be whole.
async fn keep_asking(client: Client, task: String, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        let answer = client.ask(EVERYTHING, json!({ "task": task })).await;
        assert!(answer.get("errors").is_none(), "a query failed meanwhile: {answer:#}");
        assert_whole(&answer["data"]);
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

fn assert_whole(data: &Value) {
    let rows = |list: &Value| list["nodes"].as_array().map_or(0, Vec::len) as i64;
    assert!(data["tasks"]["totalCount"].as_i64() >= Some(TASKS), "tasks are missing: {data:#}");
    assert_eq!(Some(rows(&data["tasks"])), data["tasks"]["totalCount"].as_i64(), "a page differs from its count");
    assert_eq!(data["projects"]["totalCount"], json!(1));
    assert!(data["projects"]["nodes"][0]["taskCounts"]["total"].as_i64() >= Some(TASKS), "{data:#}");
    assert_eq!(data["task"]["comments"]["nodes"], json!([{ "body": "Here I am." }]));
    assert_eq!(data["schedules"]["totalCount"], json!(TASKS / 2 + 1));
    assert_eq!((rows(&data["deadlines"]), &data["deadlines"]["totalCount"]), (1, &json!(1)));
    assert_eq!(rows(&data["history"]), 2);
}

async fn filled(app: &TestApp) -> (String, String) {
    let project = app.client.project().await;
    let first = app.client.task(&project, "The first").await;
    app.client.must("taskComment", "id", json!({ "id": first, "body": "Here I am." })).await;
    for number in 1..TASKS {
        let mut input = json!({ "projectId": project, "title": format!("Number {number}") });
        if number % 2 == 1 {
            input["due"] = json!({ "date": "2031-05-01" });
        }
        app.client.must("taskCreate", "id", input).await;
    }
    let half = json!({});
    tests::wait::until("schedules follow", || async {
        let found = app.client.data("{ schedules { totalCount } }", half.clone()).await;
        (found["schedules"]["totalCount"] == json!(TASKS / 2)).then_some(())
    })
    .await;
    app.settled().await;
    (project, first)
}

/// A milestone that should have been met, and the firing of its due moment.
async fn late(app: &TestApp, pool: &PgPool) {
    app.client.must("scheduleCreate", "id", json!({ "title": "Late", "due": { "at": "2031-02-01T00:00:00Z" } })).await;
    tests::wait::until("it fires", || async { (content(pool, "deadline_log").await.0 == 1).then_some(()) }).await;
    app.settled().await;
}

/// What the indexes of every read model's version say, but for its number.
async fn indexes(pool: &PgPool, version: i32) -> Vec<String> {
    let sql = "SELECT replace(indexdef, '_v' || $1, '_v') FROM pg_indexes WHERE schemaname = 'milepost' AND tablename LIKE '%\\_v' || $1 ORDER BY 1";
    sqlx::query_scalar(sql).bind(version.to_string()).fetch_all(pool).await.expect("indexes can be listed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_every_read_model_is_rebuilt_no_query_fails_or_finds_less() {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let pool = app.database.pool().await;
    let (project, first) = filled(&app).await;
    late(&app, &pool).await;
    let of_empty_ones = indexes(&pool, 1).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let askers: Vec<_> =
        (0..3).map(|_| tokio::spawn(keep_asking(app.client.clone(), first.clone(), Arc::clone(&stop), Arc::clone(&asked)))).collect();
    for round in 1..=3 {
        for projection in all() {
            let before = asked.load(Ordering::SeqCst);
            let rebuilt = projection.rebuild(&app.core().run_context, &|_| {}).await.expect("a version is built");
            assert_eq!(rebuilt.version, round + 1);
            // Somebody writes meanwhile, and somebody asks.
            app.client.task(&project, "Another").await;
            until_true("somebody asked", || {
                asked.load(Ordering::SeqCst) > before || askers.iter().any(tokio::task::JoinHandle::is_finished)
            })
            .await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for asker in askers {
        asker.await.expect("every answer was whole");
    }
    app.settled().await;
    for projection in all() {
        let compared = projection.verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal, "{} is wrong after its rebuild", projection.name());
        assert_eq!(live(&pool, projection.name()).await.0, 4);
    }
    // PostgreSQL knows what is in the tables that nobody has read yet.
    let unknown: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'milepost'::regnamespace AND right(relname, 3) = '_v4' AND relkind = 'r' AND reltuples < 0",
    )
    .fetch_all(&pool)
    .await
    .expect("the tables can be listed");
    assert_eq!(unknown, Vec::<String>::new());
    // Queries find the indexes that they need.
    assert_eq!(indexes(&pool, 4).await, of_empty_ones);
    // The one before is kept, and one is live.
    let kept: Vec<_> = versions(&pool).await.expect("versions can be listed").into_iter().map(|one| (one.version, one.state)).collect();
    assert_eq!(kept, [(3, VersionState::Old), (4, VersionState::Live)].repeat(all().len()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_finds_a_wrong_row_a_missing_one_and_one_too_many_and_a_rebuild_mends_it() {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let pool = app.database.pool().await;
    filled(&app).await;
    late(&app, &pool).await;
    let wrongs = [
        ("project_overview", "UPDATE milepost.project_overview_v1 SET todo = todo + 1"),
        ("task_list", "UPDATE milepost.task_list_v1 SET title = title || '.' WHERE number = 7"),
        ("task_comments", "DELETE FROM milepost.task_comments_v1"),
        ("schedules", "UPDATE milepost.schedules_v1 SET next_fire_at = next_fire_at + interval '1 ms' WHERE title = 'Number 1'"),
        ("deadline_log", "UPDATE milepost.deadline_log_v1 SET late_by_ms = late_by_ms - 1"),
        (
            "activity",
            "INSERT INTO milepost.activity_v1 SELECT 1000000, event_id, workspace_id, subject_id, event_type, actor, occurred_at, summary \
             FROM milepost.activity_v1 WHERE position = 1",
        ),
    ];
    for (name, wrong) in wrongs {
        let compared = projection(name).verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal, "{name} is wrong by itself");
        plant(&pool, wrong).await;
        let compared = projection(name).verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(!compared.equal, "the wrong row of {name} was not found");
    }
    let program = env!("CARGO_BIN_EXE_milepost-under-test");
    let mut how = Run::of(&["projections", "verify", "--json"]);
    how.environment.push(("DATABASE_URL", app.database.url.clone()));
    let out = run(program, how, None).await;
    assert_eq!(out.status, 1, "{}", out.stderr);
    let answers: Value = serde_json::from_str(&out.stdout).expect("JSON");
    assert!(answers.as_array().is_some_and(|all| all.len() == 6 && all.iter().all(|one| one["equal"] == json!(false))), "{answers:#}");
    for (name, _) in wrongs {
        projection(name).rebuild(&app.core().run_context, &|_| {}).await.expect("a version is built");
        let compared = projection(name).verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal, "{name} is wrong after its rebuild");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_was_interrupted_goes_on_and_misleads_no_comparison() {
    let database = TestDatabase::new().await;
    let (pool, core) = (database.pool().await, core(&database).await);
    let caller = somebody();
    let project = builders::project(&core.application, caller).await;
    for _ in 0..4 {
        builders::task(&core.application, caller, project, "A task").await;
    }
    let tasks = projection("task_list");
    // The live version is behind, so a build that stops comes to lie ahead of it.
    tasks.catch_up(&RunContext { batch: 2, ..core.run_context.clone() }, 1).await.expect("a batch is taken in");
    let run_context = core.run_context.clone();
    let interrupted =
        tokio::spawn(
            async move { projection("task_list").rebuild(&run_context, &|built| assert!(built.position < 5, "interrupted")).await },
        );
    assert!(interrupted.await.is_err(), "it went on to its end");
    let state = |version: i32| versions_of(&pool, version);
    assert_eq!((state(1).await, state(2).await), (Some((VersionState::Live, 2)), Some((VersionState::Building, 5))));

    let begun = tasks.rebuild(&core.run_context, &|_| {}).await.expect("it goes on");
    assert_eq!((begun.version, begun.position), (2, 5));
    let run_context = core.run_context.clone();
    for _ in 0..2 {
        builders::task(&core.application, caller, project, "Another").await;
    }
    let interrupted =
        tokio::spawn(
            async move { projection("task_list").rebuild(&run_context, &|built| assert!(built.position < 7, "interrupted")).await },
        );
    assert!(interrupted.await.is_err(), "it went on to its end");
    assert_eq!((state(2).await, state(3).await), (Some((VersionState::Live, 5)), Some((VersionState::Building, 7))));
    let compared = tasks.verify(&core.run_context, &|_| {}).await.expect("it can be compared");
    assert_eq!((compared.position, compared.live_rows, compared.built_rows, compared.equal), (5, 4, 4, true));
    core.close().await;
}

async fn versions_of(pool: &sqlx::PgPool, number: i32) -> Option<(VersionState, i64)> {
    let all = versions(pool).await.expect("versions can be listed");
    all.into_iter()
        .find(|version| version.name == "task_list" && version.version == number)
        .map(|version| (version.state, version.position))
}
