//! What was recorded stays, and the time of recording never goes back.

use super::*;
use application::ports::Appended;
use chrono::{DateTime, TimeDelta, Utc};
use infrastructure::postgres::{SERVICE_ROLE, WORKER_ROLE};

async fn recorded_at(log: &Arc<dyn EventLog>) -> DateTime<Utc> {
    match log.append(small_unit()).await {
        Ok(Appended::Done { recorded, .. }) => recorded[0].recorded_at,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_at_never_decreases_though_the_clock_of_the_server_steps_back() {
    let nodes = Nodes::start(1).await;
    let set = async |time: &str| {
        sqlx::raw_sql(&format!("UPDATE milepost.set_time SET now = '{time}'")).execute(&nodes.sql).await.expect("the clock is set");
    };
    sqlx::raw_sql(
        "CREATE TABLE milepost.set_time (now timestamptz NOT NULL); INSERT INTO milepost.set_time VALUES ('-infinity'); \
         GRANT SELECT ON milepost.set_time TO milepost_worker",
    )
    .execute(&nodes.sql)
    .await
    .expect("a table for the time");
    plant_clock(&nodes.sql, "now FROM milepost.set_time").await;
    let log = nodes.log();
    let moment = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
    let (early, noon, late) = ("2031-03-01T11:00:00Z", "2031-03-01T12:00:00.123Z", "2031-03-01T12:00:00.124Z");
    let mut given = vec![];
    for time in [noon, early, "1999-12-31T23:59:59Z", noon, late, early, "2031-03-02T00:00:00Z"] {
        set(time).await;
        given.push(recorded_at(&log).await);
    }
    let next_day = moment("2031-03-02T00:00:00Z");
    assert_eq!(given, [noon, noon, noon, noon, late, late].map(moment).into_iter().chain([next_day]).collect::<Vec<_>>());
    let stored: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT recorded_at FROM milepost.events ORDER BY position").fetch_all(&nodes.sql).await.expect("times");
    assert_eq!(given, stored);
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_at_is_the_time_of_the_server_to_the_millisecond() {
    let nodes = Nodes::start(1).await;
    let before: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&nodes.sql).await.expect("a time");
    let given = recorded_at(&nodes.log()).await;
    let after: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&nodes.sql).await.expect("a time");
    assert!(given > before - TimeDelta::milliseconds(1) && given <= after, "{before} {given} {after}");
    assert_eq!(given.timestamp_subsec_micros() % 1_000, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_has_an_identity_that_no_other_has_and_nothing_changes() {
    let (one, other) = (Nodes::start(2).await, Nodes::start(1).await);
    let of = async |nodes: &Nodes, node: usize| -> Uuid {
        let pool = &nodes.cores[node].database.worker;
        sqlx::query_scalar("SELECT id FROM milepost.log_identity").fetch_one(pool).await.expect("an identity")
    };
    let id = of(&one, 0).await;
    assert_eq!(id, of(&one, 1).await, "two nodes of one log");
    assert_ne!(id, of(&other, 0).await, "two logs");
    for role in [WORKER_ROLE, SERVICE_ROLE] {
        let words = refusal(&one.sql, Some(role), "UPDATE milepost.log_identity SET id = gen_random_uuid()").await;
        assert!(words.contains("permission denied"), "{words}");
    }
    assert_eq!(id, of(&one, 0).await);
}

const CHANGES: [&str; 5] = [
    "UPDATE milepost.events SET event_type = event_type",
    "UPDATE milepost.events SET payload = '{}' WHERE position = 1",
    "DELETE FROM milepost.events",
    "TRUNCATE milepost.events",
    "INSERT INTO milepost.events SELECT * FROM milepost.events ON CONFLICT (position) DO UPDATE SET payload = '{}'",
];

/// The server's words on a statement that must fail.
async fn refusal(sql: &PgPool, role: Option<&str>, statement: &str) -> String {
    let mut transaction = sql.begin().await.expect("a transaction");
    if let Some(role) = role {
        sqlx::raw_sql(&format!("SET LOCAL ROLE {role}")).execute(&mut *transaction).await.expect("the role is there");
    }
    match sqlx::raw_sql(statement).execute(&mut *transaction).await {
        Err(sqlx::Error::Database(refused)) => {
            assert_eq!(refused.code().as_deref(), Some("42501"), "{statement}: {refused}");
            refused.message().to_owned()
        }
        other => panic!("{statement} by {role:?}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_even_the_superuser_changes_deletes_or_truncates_events() {
    let nodes = Nodes::start(1).await;
    nodes.log().append(small_unit()).await.expect("an event");
    for change in CHANGES {
        let words = refusal(&nodes.sql, None, change).await;
        assert!(words.contains("what happened stays"), "{change}: {words}");
    }
    assert_eq!(nodes.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_of_milepost_may_change_delete_or_truncate_events() {
    let nodes = Nodes::start(1).await;
    nodes.log().append(small_unit()).await.expect("an event");
    sqlx::raw_sql("DROP TRIGGER events_stay ON milepost.events; DROP TRIGGER events_stay_all ON milepost.events")
        .execute(&nodes.sql)
        .await
        .expect("without the triggers, the roles are on their own");
    for role in [WORKER_ROLE, SERVICE_ROLE, "milepost_reader"] {
        let triggers = ["ALTER TABLE milepost.events DISABLE TRIGGER ALL", "DROP TABLE milepost.events"];
        for change in CHANGES.into_iter().chain(triggers) {
            let words = refusal(&nodes.sql, Some(role), change).await;
            assert!(words.contains("permission denied") || words.contains("must be owner"), "{role}: {change}: {words}");
        }
    }
    let appends = "INSERT INTO milepost.events SELECT * FROM milepost.events";
    for role in [SERVICE_ROLE, "milepost_reader"] {
        assert!(refusal(&nodes.sql, Some(role), appends).await.contains("permission denied"), "only the worker appends");
    }
    assert_eq!(nodes.events().await, 1);
}
