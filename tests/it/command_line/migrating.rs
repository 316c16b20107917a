//! `milepost migrate`, and databases that do not fit the binary.

use super::{KEY, MILEPOST, NOT_THERE, WRONG_USE, assert_refused, done, milepost};
use nix::sys::signal::Signal;
use sqlx::Executor;
use std::time::{Duration, Instant};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::until;
use tokio::net::TcpListener;

/// Commands that need a database with all tables.
const NEED_TABLES: [&[&str]; 5] = [
    &["events", "tail"],
    &["projections", "list"],
    &["projections", "dead-letters", "list"],
    &["import", "-", "--workspace", super::story::WORKSPACE],
    &["serve", "--no-migrate", "--listen", "127.0.0.1:0"],
];

fn environment(url: &str) -> [(&str, &str); 2] {
    [("DATABASE_URL", url), ("MILEPOST_AUTH_HS256_SECRET", KEY)]
}

#[tokio::test]
async fn a_database_without_tables_is_refused_until_it_is_migrated() {
    let database = TestDatabase::empty().await;
    for arguments in NEED_TABLES {
        assert_refused(&milepost(arguments, &environment(&database.url)).await, WRONG_USE, &["run `milepost migrate`"]);
    }
    let ran = done(milepost(&["migrate"], &environment(&database.url)).await);
    let files = std::fs::read_dir(tests::servers::workspace().join("migrations")).expect("there are migrations").flatten();
    let count = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sql")).count();
    assert_eq!(ran, format!("{count} migrations were run\n"));
    assert_eq!(done(milepost(&["migrate"], &environment(&database.url)).await), "the database schema is up to date\n");
    assert_eq!(done(milepost(&["events", "tail"], &environment(&database.url)).await), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_migrations_at_once_one_runs_and_both_succeed() {
    let database = TestDatabase::empty().await;
    let environment = environment(&database.url);
    let (one, two) = tokio::join!(milepost(&["migrate"], &environment), milepost(&["migrate"], &environment));
    let mut said = [done(one), done(two)];
    said.sort_unstable();
    assert!(said[0].ends_with("migrations were run\n"), "{said:?}");
    assert_eq!(said[1], "the database schema is up to date\n");
}

fn migrating(url: &str) -> Process {
    let mut run = Run::of(&["migrate"]);
    run.environment.push(("DATABASE_URL", url.to_owned()));
    Process::start(MILEPOST, run)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_is_stopped_does_not_keep_others_from_migrating() {
    let database = TestDatabase::empty().await;
    let pool = database.pool().await;
    // Two cannot create one schema at a time: the migration waits in its first statement, and holds its lock.
    let mut gate = pool.begin().await.expect("a transaction");
    gate.execute("CREATE SCHEMA milepost").await.expect("a schema can be created");
    let first = migrating(&database.url);
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    until("the first one waits", || async { sqlx::query_scalar(waiting).fetch_one(&pool).await.ok().filter(|waits| *waits) }).await;
    first.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    gate.rollback().await.expect("the gate opens");
    assert!(done(milepost(&["migrate"], &environment(&database.url)).await).ends_with("migrations were run\n"));
    assert!(stopped.elapsed() < Duration::from_secs(10), "it took {:?}", stopped.elapsed());
    first.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_waits_for_locks_only_a_moment_at_a_time_and_names_who_holds_them() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    // As if nothing had been run, but for the table that says what was.
    let undone = "ALTER TABLE milepost._sqlx_migrations SET SCHEMA public; DROP SCHEMA milepost CASCADE; CREATE SCHEMA milepost; \
                  ALTER TABLE public._sqlx_migrations SET SCHEMA milepost; TRUNCATE milepost._sqlx_migrations";
    pool.execute(undone).await.expect("migrations can be undone");
    let mut holder = pool.acquire().await.expect("a connection");
    holder.execute("BEGIN; LOCK TABLE milepost._sqlx_migrations IN SHARE MODE").await.expect("a table can be locked");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *holder).await.expect("a pid");
    let mut migration = migrating(&database.url);
    let said = migration.said("a migration waits for transactions that hold tables").await;
    assert!(said.contains(&format!("pid {pid} ")) && said.contains("SELECT pg_backend_pid()"), "{said}");
    // Others can write meanwhile, though the migration is before them.
    holder.execute("COMMIT").await.expect("it ends");
    assert_eq!(migration.ended().await, 0, "{}", migration.log());
}

#[tokio::test]
async fn migrations_may_use_a_login_of_their_own() {
    let database = TestDatabase::empty().await;
    let environment = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"), ("MILEPOST_MIGRATE_DATABASE_URL", database.url.as_str())];
    assert!(done(milepost(&["migrate"], &environment).await).ends_with("migrations were run\n"));
}

/// Notes a migration that this program does not know.
async fn note_tomorrow(database: &TestDatabase, name: &str) {
    sqlx::query(
        "INSERT INTO milepost._sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (29990101000000, $1, true, '', 0)",
    )
    .bind(name)
    .execute(&database.pool().await)
    .await
    .expect("a migration can be noted");
}

#[tokio::test]
async fn a_database_that_has_no_room_for_an_older_milepost_is_left_alone() {
    let database = TestDatabase::new().await;
    note_tomorrow(&database, "drop the old column needs 29980101000000").await;
    for arguments in NEED_TABLES.into_iter().chain([&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]]) {
        let output = milepost(arguments, &environment(&database.url)).await;
        let texts = ["newer Milepost", "29990101000000", "knows the migration 29980101000000", "use that version or a newer one"];
        assert_refused(&output, WRONG_USE, &texts);
    }
}

#[tokio::test]
async fn an_older_milepost_runs_on_a_newer_database_that_has_room_for_it() {
    let database = TestDatabase::new().await;
    note_tomorrow(&database, "add a column").await;
    assert_eq!(done(milepost(&["migrate"], &environment(&database.url)).await), "the database schema is up to date\n");
    let listed = milepost(&["events", "tail"], &environment(&database.url)).await;
    assert!(listed.stderr.contains("newer than this program") && listed.stderr.contains("29990101000000"), "{}", listed.stderr);
    assert_eq!(done(listed), "");
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_ran_is_refused() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::query("UPDATE milepost._sqlx_migrations SET checksum = 'another'").execute(&pool).await.expect("a checksum can be changed");
    for arguments in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        assert_refused(&milepost(arguments, &environment(&database.url)).await, WRONG_USE, &["differs from the one that was run"]);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let server = tests::servers::postgres().rsplit_once('/').expect("a URL with a database").0;
    let stranger = server.replace("milepost:milepost@", "stranger:hush@");
    assert_ne!(stranger, server);
    let address = server.rsplit_once('@').expect("a URL with a user").1;
    for (url, texts) in [
        ("postgres://milepost:hush@127.0.0.1:1/none".to_owned(), vec!["cannot reach PostgreSQL at 127.0.0.1:1/none", "refused"]),
        (format!("{server}/no_such_database"), vec![address, "no_such_database", "does not exist"]),
        (format!("{stranger}/postgres"), vec!["cannot reach PostgreSQL", address, "stranger"]),
    ] {
        for arguments in NEED_TABLES.into_iter().chain([&["migrate"][..]]) {
            let output = milepost(arguments, &environment(&url)).await;
            assert_refused(&output, NOT_THERE, &texts);
            assert!(!output.stderr.contains("hush"), "{}", output.stderr);
        }
    }
    for arguments in NEED_TABLES.into_iter().chain([&["migrate"][..]]) {
        assert_refused(
            &milepost(arguments, &environment("")).await,
            WRONG_USE,
            &["DATABASE_URL is not set", "postgres://user:password@host:5432/name"],
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("postgres://milepost@{}/none", silent.local_addr().expect("an address"));
    let environment = environment(&url);
    let (tail, migrate) = tokio::join!(milepost(&["events", "tail"], &environment), milepost(&["migrate"], &environment));
    for output in [tail, migrate] {
        assert_refused(&output, NOT_THERE, &["cannot reach PostgreSQL at 127.0.0.1", "no answer within"]);
    }
    drop(silent);
}
