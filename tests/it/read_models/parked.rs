//! A poison event parks its own aggregate in the read models that cannot take it; everything else goes on.

use super::{content, live, plant, projection};
use projections::versions::dead_letters::{DeadLetter, Retried, RetryError, Skip, list};
use serde_json::json;
use sqlx::PgPool;
use tests::app::TestApp;
use tests::process::{Output, Run, run};
use tests::wait::until;
use uuid::Uuid;

/// What is parked in a read model: which events, of what, and whether with an error of their own.
async fn letters(pool: &PgPool, name: &str) -> Vec<DeadLetter> {
    list(pool, Some(name)).await.expect("parked events can be listed")
}

fn positions(letters: &[DeadLetter]) -> Vec<(i64, bool)> {
    letters.iter().map(|letter| (letter.position, letter.error.is_some())).collect()
}

async fn titles(app: &TestApp) -> Vec<String> {
    let found = app.client.data("{ tasks { nodes { title } } }", json!({})).await;
    let nodes = found["tasks"]["nodes"].as_array().expect("a list").clone();
    nodes.iter().map(|node| node["title"].as_str().expect("a title").to_owned()).collect()
}

async fn rename(app: &TestApp, task: &str, title: &str) -> i64 {
    // Without the task, which may be one that cannot be read.
    let update = "mutation($i: TaskUpdateInput!) { taskUpdate(input: $i) { position } }";
    let answer = app.client.data(update, json!({ "i": { "id": task, "title": title } })).await;
    answer["taskUpdate"]["position"].as_str().expect("a position").parse().expect("a number")
}

/// Rows that the database refuses.
const NO_POISON: &str = "ALTER TABLE milepost.task_list_v1 ADD CONSTRAINT no_poison CHECK (title <> 'poison')";

async fn milepost(app: &TestApp, arguments: &[&str]) -> Output {
    let mut how = Run::of(arguments);
    how.environment.push(("DATABASE_URL", app.database.url.clone()));
    run(env!("CARGO_BIN_EXE_milepost-under-test"), how, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_the_database_refuses_park_their_aggregate_and_a_retry_takes_them_in_order() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    let (sick, well) = (app.client.task(&project, "sick").await, app.client.task(&project, "well").await);
    app.settled().await;
    plant(&pool, NO_POISON).await;
    // All at once, so that poison and health share batches.
    let poison = rename(&app, &sick, "poison").await;
    let later = rename(&app, &sick, "better").await;
    rename(&app, &well, "very well").await;
    let third = app.client.task(&project, "third").await;
    app.settled().await;

    let parked = letters(&pool, "task_list").await;
    assert_eq!(positions(&parked), [(poison, true), (later, false)]);
    assert!(parked.iter().all(|letter| letter.aggregate_id == sick && letter.event_type == "task_updated"));
    assert!(parked[0].error.as_deref().is_some_and(|error| error.contains("no_poison")), "{parked:?}");
    assert_eq!(titles(&app).await, ["sick", "very well", "third"]);
    let (_, ready) = app.client.get("/readyz").await;
    assert!(ready.contains("2 events of the read model task_list are parked"), "{ready}");
    // Other read models have no trouble with it, and others' events go on behind it.
    assert_eq!(list(&pool, None).await.expect("they can be listed").len(), 2);
    rename(&app, &third, "still third").await;
    let last = rename(&app, &sick, "well again").await;
    app.settled().await;
    assert_eq!(positions(&letters(&pool, "task_list").await), [(poison, true), (later, false), (last, false)]);

    let sick_id: Uuid = sick.parse().expect("an id");
    let run_context = &app.core().run_context;
    match projection("task_list").retry(run_context, sick_id, None, &|_| {}).await {
        // Only the last of the aggregate's rows is written, and the constraint does not mind that one.
        Ok(taken) => assert_eq!(taken, Retried { applied: 3, parked: 0 }),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(letters(&pool, "task_list").await, []);
    assert_eq!(titles(&app).await, ["well again", "very well", "still third"]);
    let again = projection("task_list").retry(run_context, sick_id, None, &|_| {}).await;
    assert!(matches!(again, Err(RetryError::NothingParked)), "{again:?}");
    let compared = projection("task_list").verify(run_context, &|_| {}).await.expect("it can be compared");
    assert!(compared.equal);
    app.stop().await;
}

/// What makes an index entry of a title that is too large for the index.
const NO_LARGE_ENTRY: &str = "CREATE FUNCTION milepost.entry_of(title text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ \
    SELECT CASE title WHEN 'poison' THEN (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 2000) n) ELSE title END $$; \
    CREATE INDEX ON milepost.task_list_v1 (milepost.entry_of(title))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_exceeds_a_limit_of_the_database_parks_its_aggregate_and_no_other() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    let (sick, well) = (app.client.task(&project, "sick").await, app.client.task(&project, "well").await);
    app.settled().await;
    plant(&pool, NO_LARGE_ENTRY).await;
    let poison = rename(&app, &sick, "poison").await;
    rename(&app, &well, "very well").await;
    app.settled().await;
    assert_eq!(positions(&letters(&pool, "task_list").await), [(poison, true)]);
    assert_eq!(titles(&app).await, ["sick", "very well"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_row_that_cannot_be_read_parks_its_aggregate_until_a_rebuild_makes_it_anew() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    let (sick, well) = (app.client.task(&project, "sick").await, app.client.task(&project, "well").await);
    app.settled().await;
    plant(&pool, "UPDATE milepost.task_list_v1 SET priority = 9 WHERE title = 'sick'").await;
    let first = rename(&app, &sick, "better").await;
    let later = rename(&app, &sick, "well again").await;
    rename(&app, &well, "very well").await;
    app.client.task(&project, "third").await;
    app.settled().await;

    let parked = letters(&pool, "task_list").await;
    assert_eq!(positions(&parked), [(first, true), (later, false)]);
    assert!(parked[0].error.as_deref().is_some_and(|error| error.contains("9 is not a priority")), "{parked:?}");
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT title FROM milepost.task_list ORDER BY number").fetch_all(&pool).await.expect("the columns can be read");
    assert_eq!(stored, ["sick", "very well", "third"]);
    // It is read to see whether the events can be taken in now.
    let (run_context, sick_id) = (&app.core().run_context, sick.parse().expect("an id"));
    let retried = projection("task_list").retry(run_context, sick_id, None, &|_| {}).await;
    assert!(matches!(&retried, Err(RetryError::StillFails { position, .. }) if *position == first), "{retried:?}");
    projection("task_list").rebuild(run_context, &|_| {}).await.expect("it is rebuilt");
    assert_eq!(
        (titles(&app).await, letters(&pool, "task_list").await),
        (["well again", "very well", "third"].map(str::to_owned).to_vec(), vec![])
    );
    app.stop().await;
}

/// Rows whose title ends with the code of an error meet it; the one that is called `passing` meets an internal error four times.
const ERRORS: &str = "CREATE SEQUENCE milepost.tries; \
    CREATE FUNCTION milepost.planted() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN \
      IF NEW.title LIKE 'poison %' THEN RAISE EXCEPTION 'planted' USING ERRCODE = right(NEW.title, 5); END IF; \
      IF NEW.title = 'passing' AND nextval('milepost.tries') < 5 THEN RAISE EXCEPTION 'planted' USING ERRCODE = 'XX000'; END IF; \
      RETURN NEW; END $$; \
    CREATE TRIGGER planted BEFORE UPDATE ON milepost.task_list_v1 FOR EACH ROW EXECUTE FUNCTION milepost.planted()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_that_only_some_rows_meet_park_their_aggregates_unless_they_pass() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    let codes = ["21000", "P0001", "XX000", "XX001"];
    let mut sick = vec![];
    for code in codes {
        sick.push(app.client.task(&project, code).await);
    }
    let well = app.client.task(&project, "well").await;
    app.settled().await;
    plant(&pool, ERRORS).await;
    rename(&app, &well, "passing").await;
    app.settled().await;
    assert_eq!(letters(&pool, "task_list").await, []);
    let mut expected = vec![];
    for (task, code) in sick.iter().zip(codes) {
        expected.push((rename(&app, task, &format!("poison {code}")).await, true));
    }
    rename(&app, &well, "very well").await;
    app.settled().await;
    assert_eq!(positions(&letters(&pool, "task_list").await), expected);
    assert_eq!(titles(&app).await, ["21000", "P0001", "XX000", "XX001", "very well"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_is_refused_until_what_was_wrong_is_mended() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let sick = app.client.task(&app.client.project().await, "sick").await;
    app.settled().await;
    plant(&pool, NO_POISON).await;
    rename(&app, &sick, "poison").await;
    app.settled().await;
    let retry = ["projections", "dead-letters", "retry", "task_list", sick.as_str()];
    let out = milepost(&app, &retry).await;
    assert!(out.status == 1 && out.stderr.contains("still cannot be applied"), "{}{}", out.stdout, out.stderr);
    assert_eq!(titles(&app).await, ["sick"]);
    plant(&pool, "ALTER TABLE milepost.task_list_v1 DROP CONSTRAINT no_poison").await;
    let out = milepost(&app, &retry).await;
    assert_eq!(out.status, 0, "{}{}", out.stdout, out.stderr);
    assert_eq!((titles(&app).await, letters(&pool, "task_list").await), (vec!["poison".to_owned()], vec![]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_fails_changes_nothing_and_a_skip_gives_up_the_first_only() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    let sick = app.client.task(&project, "sick").await;
    app.settled().await;
    plant(&pool, NO_POISON).await;
    let poison = rename(&app, &sick, "poison").await;
    app.settled().await;
    let moved = app.client.must("taskChangePriority", "id", json!({ "id": sick, "priority": "LOW" })).await;
    app.settled().await;
    let before = (content(&pool, "task_list_v1").await, letters(&pool, "task_list").await);
    assert_eq!(before.1.len(), 2);

    let out = milepost(&app, &["projections", "dead-letters", "retry", "task_list", &sick]).await;
    assert_eq!(out.status, 1, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains("still cannot be applied"), "{}", out.stderr);
    assert_eq!((content(&pool, "task_list_v1").await, letters(&pool, "task_list").await), before);

    let out = milepost(&app, &["projections", "dead-letters", "list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&out.stdout).expect("JSON");
    assert_eq!(listed[0]["position"], json!(poison.to_string()));
    assert_eq!((&listed[1]["position"], &listed[1]["error"]), (&moved["position"], &json!(null)));
    let why = ["--reason", "it was only a test", "--by", "Anna"];
    let out = milepost(&app, &[&["projections", "dead-letters", "skip", "task_list", &sick][..], &why].concat()).await;
    assert_eq!(out.status, 0, "{}", out.stderr);
    let skipped: (i64, String, String) = sqlx::query_as("SELECT position, reason, skipped_by FROM milepost.projection_skipped_events")
        .fetch_one(&pool)
        .await
        .expect("it is on record");
    assert_eq!(skipped, (poison, "it was only a test".to_owned(), "Anna".to_owned()));
    assert_eq!(letters(&pool, "task_list").await, []);
    let found = app.client.data("{ tasks { nodes { title priority } } }", json!({})).await;
    assert_eq!(found["tasks"]["nodes"], json!([{ "title": "sick", "priority": "LOW" }]));
    let (parked, error): (i32, Option<String>) =
        sqlx::query_as("SELECT dead_letters, last_error FROM milepost.projections WHERE name = 'task_list' AND state = 'live'")
            .fetch_one(&pool)
            .await
            .expect("a version");
    assert_eq!((parked, error), (0, None));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_puts_events_in_their_place_among_those_of_other_aggregates() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    app.settled().await;
    plant(&pool, NO_POISON).await;
    let sick = app.client.task(&project, "poison").await;
    // In one batch with what follows it would never be a row, and so no poison.
    app.settled().await;
    rename(&app, &sick, "better").await;
    // Its tasks go with it, also the one that is parked.
    app.client.must("projectDelete", "id", json!({ "id": project })).await;
    app.settled().await;
    assert_eq!(letters(&pool, "task_list").await.len(), 2);
    let out = milepost(&app, &["projections", "dead-letters", "retry", "task_list", &sick]).await;
    assert_eq!(out.status, 0, "{}", out.stderr);
    assert_eq!(letters(&pool, "task_list").await, []);
    assert_eq!(titles(&app).await, Vec::<String>::new(), "a task of a deleted project came back");
    let compared = projection("task_list").verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
    assert!(compared.equal && compared.live_rows == 1, "{compared:?}");
    app.stop().await;
}

/// An event of a later version of the program, put at the end of the log as the log's own function would.
async fn append_unreadable(pool: &PgPool, aggregate: &str) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO milepost.events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, \
           payload, metadata, recorded_at) \
         SELECT (SELECT max(position) + 1 FROM milepost.events), workspace_id, aggregate_type, aggregate_id, sequence + 1, \
           gen_random_uuid(), 'task_updated', '7', '{\"task_updated\": {\"from_the_future\": 1}}', metadata, recorded_at \
         FROM milepost.events WHERE aggregate_id = $1 ORDER BY sequence DESC LIMIT 1 RETURNING position",
    )
    .bind(aggregate)
    .fetch_one(pool)
    .await
    .expect("an event can be put there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_read_parks_its_aggregate_wherever_it_matters_until_it_is_skipped() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    let project = app.client.project().await;
    let (sick, well) = (app.client.task(&project, "sick").await, app.client.task(&project, "well").await);
    app.settled().await;
    let unreadable = append_unreadable(&pool, &sick).await;
    let second = append_unreadable(&pool, &sick).await;
    until("the node knows of them", || async { (app.head() == second).then_some(()) }).await;
    rename(&app, &well, "very well").await;
    app.settled().await;
    for name in ["task_list", "activity"] {
        let parked = letters(&pool, name).await;
        assert_eq!(positions(&parked), [(unreadable, true), (second, false)], "{name}");
        assert!(parked[0].error.as_deref().is_some_and(|error| error.contains("unknown to this version")), "{parked:?}");
    }
    assert_eq!(list(&pool, None).await.expect("they can be listed").len(), 4, "read models that are not about it go on");
    assert_eq!(titles(&app).await, ["sick", "very well"]);

    let (run_context, sick) = (&app.core().run_context, sick.parse().expect("an id"));
    let retried = projection("task_list").retry(run_context, sick, None, &|_| {}).await;
    assert!(matches!(&retried, Err(RetryError::StillFails { position, .. }) if *position == unreadable), "{retried:?}");
    // A rebuild meets the same event, and parks it as well.
    let rebuilt = projection("task_list").rebuild(run_context, &|_| {}).await.expect("it is rebuilt all the same");
    assert_eq!(live(&pool, "task_list").await.0, rebuilt.version);
    assert_eq!(titles(&app).await, ["sick", "very well"]);
    for name in ["task_list", "activity"] {
        let skip = || async {
            let why = Skip { reason: "of another program", by: "a test" };
            projection(name).retry(run_context, sick, Some(why), &|_| {}).await.expect("it is skipped")
        };
        // The next one cannot be applied either. It is the first then, with an error of its own.
        assert_eq!(skip().await, Retried { applied: 0, parked: 1 }, "{name}");
        assert_eq!(positions(&live_parked(&pool, name).await), [(second, true)], "{name}");
        assert_eq!(skip().await, Retried { applied: 0, parked: 0 }, "{name}");
        assert_eq!(live_letters(&pool, name).await, 0, "{name}");
    }
    app.stop().await;
}

/// What the live version of a read model has parked.
async fn live_parked(pool: &PgPool, name: &str) -> Vec<DeadLetter> {
    let (version, _) = live(pool, name).await;
    letters(pool, name).await.into_iter().filter(|letter| letter.version == version).collect()
}

async fn live_letters(pool: &PgPool, name: &str) -> i32 {
    let (version, _) = live(pool, name).await;
    sqlx::query_scalar("SELECT dead_letters FROM milepost.projections WHERE name = $1 AND version = $2")
        .bind(name)
        .bind(version)
        .fetch_one(pool)
        .await
        .expect("a version")
}
