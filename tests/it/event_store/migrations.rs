//! Migrations run once, whoever starts and however often.

use super::*;
use infrastructure::postgres::{self, DatabaseError};
use tests::process::{Run, run};
use tests::wait::PATIENCE;

async fn applied(sql: &PgPool) -> Vec<(i64, bool)> {
    sqlx::query_as("SELECT version, success FROM milepost._sqlx_migrations ORDER BY version").fetch_all(sql).await.expect("migrations")
}

fn migrate(url: &str) -> Run<'static> {
    let mut run = Run::of(&["migrate"]);
    run.environment.push(("DATABASE_URL", url.to_owned()));
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_migrate_once() {
    let database = TestDatabase::empty().await;
    let sql = database.pool().await;
    let all = futures::future::join_all((0..4).map(|_| postgres::migrate(&database.url))).await;
    let mut ran: Vec<usize> = all.into_iter().map(|ran| ran.expect("it waits for the others")).collect();
    ran.sort_unstable();
    let applied = applied(&sql).await;
    assert_eq!(ran, [0, 0, 0, applied.len()]);
    assert!(!applied.is_empty() && applied.iter().all(|(_, success)| *success));
    open(&database).await.log.append(small_unit()).await.expect("the database can be used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_twice_is_harmless() {
    let database = TestDatabase::empty().await;
    let sql = database.pool().await;
    let program = env!("CARGO_BIN_EXE_milepost-under-test");
    let (one, two) = tokio::join!(run(program, migrate(&database.url), None), run(program, migrate(&database.url), None));
    assert_eq!((one.status, two.status), (0, 0), "{} {}", one.stderr, two.stderr);
    let before = applied(&sql).await;
    let core = open(&database).await;
    core.log.append(small_unit()).await.expect("the database can be used");
    let again = run(program, migrate(&database.url), None).await;
    assert_eq!(again.status, 0, "{}", again.stderr);
    assert_eq!(applied(&sql).await, before);
    assert_eq!(count(&sql, "milepost.events").await, 1);
    core.log.append(small_unit()).await.expect("a running node is not disturbed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_start_on_a_database_that_is_older_than_it_or_has_no_room_for_it() {
    let database = TestDatabase::empty().await;
    let sql = database.pool().await;
    let pools = postgres::Pools { worker: 2, service: 1, request_timeout: PATIENCE };
    let older = postgres::Database::connect(&database.url, pools).await.expect_err("there are no tables");
    assert!(matches!(older, DatabaseError::Older), "{older}");
    postgres::migrate(&database.url).await.expect("the migrations run");
    let note = "INSERT INTO milepost._sqlx_migrations SELECT $1, $2, now(), true, checksum, 1 FROM milepost._sqlx_migrations LIMIT 1";
    let tomorrow = |version: i64, name: &'static str| sqlx::query(note).bind(version).bind(name).execute(&sql);
    tomorrow(99_999_999_999_997, "add a column").await.expect("a migration of tomorrow");
    assert_eq!(postgres::migrate(&database.url).await.expect("there is nothing to do"), 0);
    open(&database).await.log.append(small_unit()).await.expect("a program of today runs beside one of tomorrow");

    tomorrow(99_999_999_999_999, "drop another needs 99999999999998").await.expect("a migration of tomorrow");
    let newer = postgres::Database::connect(&database.url, pools).await.expect_err("it is newer");
    assert!(matches!(newer, DatabaseError::Newer { migration: 99_999_999_999_999, needs: 99_999_999_999_998 }), "{newer}");
    let newer = postgres::migrate(&database.url).await.expect_err("it is newer");
    assert!(matches!(newer, DatabaseError::Newer { .. }), "{newer}");
}
