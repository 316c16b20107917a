//! Where the log ends is read from the log, whatever anybody says.

use super::*;
use application::caller::Role;
use application::ports::Appended;
use infrastructure::event_store::LOOK_PAUSE;
use infrastructure::postgres::{Database, Pools};
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};
use tests::app::{Client, How, TestApp};
use tests::database::TestDatabase;
use tests::process::{Process, Run, run};

/// Far beyond any log.
const FAR: i64 = 4_000_000_000_000_000_000;

/// A connection of somebody who may read, and nothing else.
async fn reader(database: &TestDatabase) -> PgConnection {
    let mut connection = PgConnection::connect(&database.url).await.expect("the database can be reached");
    connection.execute("SET ROLE milepost_reader").await.expect("the role is there");
    connection
}

async fn notify(connection: &mut PgConnection, payload: &str) {
    connection.execute(format!("NOTIFY milepost_log, '{payload}'").as_str()).await.expect("anybody may notify");
}

/// How often a process has read the head so far.
async fn looks(client: &Client) -> f64 {
    client.metric("milepost_log_looks_total").await.unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_moves_neither_the_head_nor_what_is_reached() {
    let how = How { settings: Some(Box::new(|settings| settings.limits.position_wait_ms = 200)), ..How::default() };
    let app = TestApp::start_with(how).await;
    app.client.project().await;
    app.settled().await;
    let mut reader = reader(&app.database).await;
    for payload in [FAR.to_string(), "9223372036854775807".to_owned(), "2".to_owned(), "-1".to_owned(), "high".to_owned(), String::new()] {
        notify(&mut reader, &payload).await;
    }
    // What other nodes would say after that is heard: so was all of it.
    let before = app.head();
    sqlx::query(
        "INSERT INTO milepost.events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, payload, metadata, recorded_at) \
         SELECT 2, workspace_id, aggregate_type, aggregate_id, 2, gen_random_uuid(), 'project_archived', '1', \
           json_build_object('project_archived', json_build_object('key', payload -> 'project_created' ->> 'key')), metadata, recorded_at \
         FROM milepost.events WHERE position = 1",
    )
    .execute(&app.database.pool().await)
    .await
    .expect("a superuser may");
    notify(&mut reader, "2").await;
    until("the node knows of the event", || async { (app.head() != before).then_some(()) }).await;
    assert_eq!((before, app.head()), (1, 2));
    for query in ["events(minPosition: $m) { nodes { id } }", "projects(minPosition: $m) { totalCount }"] {
        let code = app.client.error(&format!("query($m: Position) {{ {query} }}"), serde_json::json!({ "m": FAR.to_string() })).await;
        assert_eq!(code, "POSITION_NOT_REACHED", "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_notifications_costs_a_bounded_number_of_reads_and_a_rebuild_ends_at_the_head() {
    const NOTIFICATIONS: usize = 3_000;
    let database = TestDatabase::new().await;
    let program = env!("CARGO_BIN_EXE_milepost-under-test");
    let mut node = Process::start(program, Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    client.task(&project, "A task").await;
    let mut reader = reader(&database).await;
    let (begun, before) = (Instant::now(), looks(&client).await);
    let rebuild = async {
        let mut rebuild = Run::of(&["projections", "rebuild", "task_list"]);
        rebuild.environment.push(("DATABASE_URL", database.url.clone()));
        run(program, rebuild, None).await
    };
    let flood = async {
        for number in 0..NOTIFICATIONS as i64 {
            notify(&mut reader, &(FAR + number).to_string()).await;
        }
    };
    let (rebuilt, ()) = tokio::join!(rebuild, flood);
    assert_eq!(rebuilt.status, 0, "{}\n{}", rebuilt.stdout, rebuilt.stderr);
    let (looks, elapsed) = (looks(&client).await - before, begun.elapsed());
    // One a second in any case.
    let allowed = elapsed.as_secs_f64() / LOOK_PAUSE.as_secs_f64() + elapsed.as_secs_f64() + 2.0;
    assert!(looks <= allowed, "{looks} reads in {elapsed:?}");
    client.task(&project, "Another").await;
    let pool = database.pool().await;
    until("every live version is at the end of the log", || async {
        let positions: Vec<i64> = sqlx::query_scalar("SELECT position FROM milepost.projections WHERE state = 'live'")
            .fetch_all(&pool)
            .await
            .expect("versions can be listed");
        assert!(positions.iter().all(|position| *position <= 3), "{positions:?}");
        positions.iter().all(|position| *position == 3).then_some(())
    })
    .await;
    let seen = client.data("{ serviceStatus { position } tasks { totalCount } }", serde_json::json!({})).await;
    assert_eq!(seen, serde_json::json!({ "serviceStatus": { "position": "3" }, "tasks": { "totalCount": 2 } }));
    let (_, ready) = client.get("/readyz").await;
    assert!(ready.contains(r#""problems":[]"#), "{ready}");
    node.kill().await;
}

/// Takes the newest events out of the log, as restoring an older one would.
async fn cut_the_log(database: &TestDatabase, to: i64) {
    let sql = format!(
        "BEGIN; ALTER TABLE milepost.events DISABLE TRIGGER USER; DELETE FROM milepost.events WHERE position > {to}; \
         ALTER TABLE milepost.events ENABLE TRIGGER USER; COMMIT"
    );
    database.pool().await.execute(sql.as_str()).await.expect("a superuser may");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_loses_its_end_under_a_running_node_is_found_and_read_models_are_built_from_what_is_left() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    for number in 1..=5 {
        app.client.task(&project, &format!("Task {number}")).await;
    }
    app.settled().await;
    let before = app.core().log.generation();
    cut_the_log(&app.database, 3).await;
    until("the node has seen it", || async { before.has_changed().expect("the log lives").then_some(()) }).await;
    assert_eq!(app.head(), 3);
    assert_eq!(app.core().log.went_back().map(|went_back| (went_back.known, went_back.head)), Some((6, 3)));
    // Until they are built anew, nothing that was lost is told.
    let query = "query($p: ID!) { tasks(filter: { projectId: { eq: $p } }) { totalCount } }";
    let counted = until("the read models are built anew", || async {
        let answer = app.client.ask(query, serde_json::json!({ "p": project })).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert!(code.is_none_or(|code| code == "UNAVAILABLE"), "{answer}");
        code.is_none().then(|| answer["data"]["tasks"]["totalCount"].clone())
    })
    .await;
    assert_eq!(counted, serde_json::json!(2), "rows of lost events are told");
    app.client.task(&project, "After").await;
    app.settled().await;
    for projection in projections::runner::all() {
        let compared = projection.verify(&app.core().run_context, &|_| {}).await.expect("it can be compared");
        assert!(compared.equal && compared.position == 4, "{}: {compared:?}", projection.name());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_in_memory_is_not_used_for_a_log_that_lost_what_it_was_made_of() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let task = app.client.task(&project, "First").await;
    let must = async |name: &str, input: serde_json::Value| app.client.must(name, "id title", input).await;
    must("taskUpdate", serde_json::json!({ "id": task, "title": "Lost" })).await;
    let before = app.core().log.generation();
    cut_the_log(&app.database, 2).await;
    until("the node has seen it", || async { before.has_changed().expect("the log lives").then_some(()) }).await;
    // By another node, so that the versions are the same again.
    let other =
        TestApp::start_with(How { database: Some(app.database.clone()), workspace: Some(app.client.caller.workspace.0), ..How::default() })
            .await;
    let again = Client::new(&other.client.base, app.client.caller.workspace.0, app.client.caller.actor.0, Role::Owner);
    again.must("taskUpdate", "id", serde_json::json!({ "id": task, "title": "Second" })).await;
    // Nothing to do if it were decided on the lost state.
    let answer = must("taskUpdate", serde_json::json!({ "id": task, "title": "Lost" })).await;
    assert_eq!((&answer["version"], &answer["task"]["title"]), (&serde_json::json!(3), &serde_json::json!("Lost")), "{answer}");
    other.stop().await;
    app.stop().await;
}

/// As after a crash of the server.
async fn replace_the_database(sql: &PgPool) {
    sqlx::query("UPDATE milepost.incarnation SET id = gen_random_uuid()").execute(sql).await.expect("a superuser may");
}

/// Nobody else looks at the database here, so that only the connection that was just opened can have noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_new_connection_of_every_pool_proves_itself() {
    let here = TestDatabase::new().await;
    let sql = here.pool().await;
    let pools = Pools { worker: 3, service: 3, request_timeout: Duration::from_secs(10) };
    let database = Database::connect(&here.url, pools).await.expect("the database is there");
    let generation = database.known.generation();
    for pool in [&database.worker, &database.leases, &database.projector, &database.service, &database.health] {
        drop(pool.acquire().await.expect("one can be opened"));
        until("the first one is back", || async { (pool.num_idle() == 1).then_some(()) }).await;
        let mut all = vec![pool.try_acquire().expect("it is idle")];
        while all.len() < pool.options().get_max_connections() as usize {
            let before = *generation.borrow();
            replace_the_database(&sql).await;
            all.push(pool.acquire().await.expect("another one can be opened"));
            assert_eq!(*generation.borrow(), before + 1, "connection {} of a pool", all.len());
            let again = pool.try_acquire();
            assert!(again.is_none(), "nothing but what was asked for is opened");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_before_the_database_was_replaced_is_not_stored_after_it() {
    let nodes = Nodes::start(1).await;
    let generation = nodes.cores[0].database.known.generation();
    let now = *generation.borrow();
    replace_the_database(&nodes.sql).await;
    until("a connection has seen it", || async { generation.has_changed().expect("it lives").then_some(()) }).await;
    let (before, after) = (small_unit(), Unit { generation: now + 1, ..small_unit() });
    assert!(matches!(nodes.log().append(before).await, Ok(Appended::Outdated)));
    assert!(matches!(nodes.log().append(after).await, Ok(Appended::Done { position: 1, .. })));
    assert_eq!(nodes.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_during_which_the_database_was_replaced_is_not_answered_from_what_was_known_before() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    app.client.task(&project, "A task").await;
    app.settled().await;
    let sql = app.database.pool().await;
    let mut held = sql.begin().await.expect("a transaction");
    held.execute("LOCK TABLE milepost.task_list_v1 IN ACCESS EXCLUSIVE MODE").await.expect("a superuser may");
    let (client, query) = (app.client.clone(), "{ tasks { totalCount } }");
    let asking = tokio::spawn(async move { client.ask(query, serde_json::json!({})).await });
    until("the query waits", || async {
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        sqlx::query_scalar::<_, bool>(waits).fetch_one(&sql).await.expect("activity can be read").then_some(())
    })
    .await;
    let generation = app.core().log.generation();
    sqlx::query("UPDATE milepost.incarnation SET id = gen_random_uuid()").execute(&sql).await.expect("a superuser may");
    until("the node has seen it", || async { generation.has_changed().expect("it lives").then_some(()) }).await;
    held.rollback().await.expect("the hold ends");
    let answer = asking.await.expect("no panic");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(app.client.data(query, serde_json::json!({})).await["tasks"]["totalCount"], 1);
    app.stop().await;
}
