//! A version that is built wants to answer, and somebody reads the one before in a transaction that stays open: others go on
//! reading as if nothing was wanted.

use super::deployments::command;
use super::live;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tests::app::TestApp;
use tests::process::{Process, Run};
use tests::wait::{until, until_true};
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");
/// Most that a lock is waited for that makes queries wait behind it.
const QUEUED_SECONDS: f64 = 0.05;
/// The same on a machine so busy that the server does not get to its clock.
const QUEUED_MAX_SECONDS: f64 = 0.5;
/// How often the switch is to be tried in vain.
const TRIES: usize = 3;

/// How long the view has been waited for exclusively, at this moment.
async fn queued_for(pool: &PgPool) -> f64 {
    let waits = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8 FROM pg_locks \
                 WHERE relation = 'milepost.task_list'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted";
    sqlx::query_scalar(waits).fetch_one(pool).await.expect("locks can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_in_an_open_transaction_keeps_the_switch_waiting_and_nobody_else() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    app.client.task(&project, "One").await;
    app.settled().await;
    let mut reader = PgConnection::connect(&app.database.url).await.expect("the database is there");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut reader).await.expect("a pid");
    reader.execute("BEGIN; SELECT count(*) AS somebody_reads FROM milepost.task_list").await.expect("it reads");
    let mut rebuild = Process::start(PROGRAM, command(&app.database, &["rebuild", "task_list"]));
    let waits = "a built version waits for transactions that hold the live one";
    let said = rebuild.said(waits).await;
    assert!(said.contains(&format!("pid {pid} ")) && said.contains("somebody_reads"), "{said}");
    // Others read and write all the while, and the live version follows.
    let (mut answered, mut queued_longer) = (0, 0);
    until("the switch was tried again and again", || async {
        let tries = rebuild.log().matches(waits).count();
        (tries >= TRIES).then_some(())
    })
    .await;
    while rebuild.log().matches(waits).count() < TRIES + 1 || answered < 50 {
        let queued = queued_for(&pool).await;
        assert!(queued < QUEUED_MAX_SECONDS, "queries have waited behind the switch for {queued} s");
        queued_longer += usize::from(queued > QUEUED_SECONDS);
        let tasks = app.client.data("{ tasks(first: 1) { totalCount } }", json!({})).await;
        assert!(tasks["tasks"]["totalCount"].as_i64() >= Some(1), "{tasks}");
        answered += 1;
    }
    assert!(queued_longer * 10 <= answered, "queries waited longer than {QUEUED_SECONDS} s at {queued_longer} of {answered} moments");
    app.client.task(&project, "Two").await;
    app.settled().await;
    assert_eq!(live(&pool, "task_list").await.0, 1, "it has switched, though somebody reads");
    reader.execute("COMMIT").await.expect("it ends");
    assert_eq!(rebuild.ended().await, 0, "{}", rebuild.log());
    assert_eq!(live(&pool, "task_list").await.0, 2);
    app.settled().await;
    let tasks = app.client.data("{ tasks(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(tasks["tasks"]["totalCount"], 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_version_before_the_one_before_does_not_hold_up_queries() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    app.client.task(&project, "One").await;
    app.settled().await;
    let mut first = Process::start(PROGRAM, command(&app.database, &["rebuild", "task_list"]));
    assert_eq!(first.ended().await, 0, "{}", first.log());
    // The table that the next switch drops.
    let mut reader = PgConnection::connect(&app.database.url).await.expect("the database is there");
    reader.execute("BEGIN; SELECT count(*) FROM milepost.task_list_v1").await.expect("it reads");
    let mut second = Process::start(PROGRAM, command(&app.database, &["rebuild", "task_list"]));
    second.said("a built version waits for transactions that hold the live one").await;
    for _ in 0..50 {
        assert_eq!(queued_for(&pool).await, 0.0, "the view is not wanted before the table");
        app.client.data("{ tasks(first: 1) { totalCount } }", json!({})).await;
    }
    reader.execute("COMMIT").await.expect("it ends");
    assert_eq!(second.ended().await, 0, "{}", second.log());
    assert_eq!(live(&pool, "task_list").await.0, 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_may_not_see_what_a_reader_does_says_so_and_names_it_once_it_may() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    app.client.project().await;
    app.settled().await;
    let login = format!("login_{}", Uuid::now_v7().simple());
    let roles = format!("CREATE ROLE {login} LOGIN PASSWORD 'hush'; GRANT milepost_worker, milepost_service TO {login}");
    pool.execute(roles.as_str()).await.expect("a login can be made");
    let (_, place) = app.database.url.rsplit_once('@').expect("a URL with a user");
    let mut reader = PgConnection::connect(&app.database.url).await.expect("the database is there");
    reader.execute("BEGIN; SELECT count(*) AS somebody_reads FROM milepost.task_list").await.expect("it reads");
    let mut rebuild = Run::of(&["projections", "rebuild", "task_list"]);
    rebuild.environment.push(("DATABASE_URL", format!("postgres://{login}:hush@{place}")));
    let mut rebuild = Process::start(PROGRAM, rebuild);
    let said = rebuild.said("a built version waits for transactions that hold the live one").await;
    assert!(said.contains(&format!("whose statement {login} may not see: grant it pg_read_all_stats")), "{said}");
    assert!(!rebuild.log().contains("somebody_reads"), "{}", rebuild.log());
    // As deploy/postgres/roles.sql does.
    pool.execute(format!("GRANT pg_read_all_stats TO {login}").as_str()).await.expect("a superuser may");
    until_true("the reader is named", || rebuild.log().contains("somebody_reads")).await;
    reader.execute("COMMIT").await.expect("it ends");
    assert_eq!(rebuild.ended().await, 0, "{}", rebuild.log());
    pool.execute(format!("DROP OWNED BY {login}; DROP ROLE {login}").as_str()).await.expect("the login can be removed");
    app.stop().await;
}
