//! Connections that die without a word: whoever waits for their answers gives up, and the work goes on elsewhere or anew.

use super::PROGRAM;
use application::caller::Role;
use infrastructure::postgres::Database;
use server::wire::Core;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::time::{Duration, Instant};
use tests::app::{Client, settings};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::proxy::Proxy;
use tests::wait::{until, until_true};
use uuid::Uuid;

/// Longest time until all read models have what is in the log: a lease is released 6 s after the last sign of progress, and a
/// node that is alone leaves it to others for 3 s; the rest is for a busy machine.
const WITHIN: Duration = Duration::from_secs(15);
/// What the connections that keep read models up to date say of themselves.
const OF_READ_MODELS: &str = "milepost projector";
/// The same of those by which reactions work and the log is read.
const OF_WORKERS: &str = "milepost worker";
/// The same of those by which leases are renewed.
const OF_LEASES: &str = "milepost leases";
/// The same of the one that hears of other nodes.
const OF_LISTENER: &str = "milepost listener";
/// The same of the one that appends.
const OF_APPENDER: &str = "milepost appender";
/// The same of those by which a node tries whether events are taken again.
const OF_TRIALS: &str = "milepost trial";
const READ_MODELS: usize = 6;
/// Longest time until it is told how a node is whose database is quiet: each look waits for 2 s. The rest is for a busy machine; it
/// is as long as a statement of a worker may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Waits until every read model has seen the whole log.
async fn everything_seen(pool: &PgPool) {
    let behind = "SELECT min(position) < (SELECT max(position) FROM milepost.events) FROM milepost.projections WHERE state = 'live'";
    until("all read models have everything", || async {
        let behind: bool = sqlx::query_scalar(behind).fetch_one(pool).await.expect("positions can be read");
        (!behind).then_some(())
    })
    .await;
}

async fn node(url: &str) -> (Process, Client) {
    let mut node = Process::start(PROGRAM, Run::serve(url));
    let client = Client::new(&node.address().await, Uuid::nil(), Uuid::nil(), Role::Owner);
    (node, client)
}

/// Everything that changes each read model.
async fn write(client: &Client) {
    let project = client.project().await;
    let task = client.task(&project, "Somebody has to see this").await;
    let due = serde_json::json!({ "at": "2001-01-01T00:00:00Z" });
    client.must("taskComment", "id", serde_json::json!({ "id": task, "body": "I do." })).await;
    client.must("scheduleCreate", "id", serde_json::json!({ "title": "Late", "due": due })).await;
}

/// A node behind a proxy, whose read models have seen what was written.
struct Scene {
    database: TestDatabase,
    pool: PgPool,
    proxy: Proxy,
    first: Process,
    client: Client,
}

impl Scene {
    async fn set() -> Self {
        let database = TestDatabase::new().await;
        let pool = database.pool().await;
        let proxy = Proxy::before(&database.url).await;
        let (first, client) = node(&proxy.url).await;
        write(&client).await;
        everything_seen(&pool).await;
        Self { database, pool, proxy, first, client }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_models_whose_connections_are_quiet_go_on_here_or_on_another_node() {
    let Scene { database, pool, proxy, first, client: _ } = Scene::set().await;
    let (second, client) = node(&database.url).await;
    // The leases themselves can be renewed: other connections live on.
    assert!(proxy.freeze(OF_READ_MODELS) >= 1);
    let frozen = Instant::now();
    write(&client).await;
    everything_seen(&pool).await;
    let took = frozen.elapsed();
    assert!(took < WITHIN, "it took {took:?}");
    first.kill().await;
    second.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_node_opens_new_connections_in_place_of_quiet_ones() {
    let Scene { database: _database, pool, proxy, first, client } = Scene::set().await;
    // More than one may be frozen: one for each read model that was just written.
    let count = proxy.freeze(OF_READ_MODELS);
    assert!((1..=READ_MODELS + 4).contains(&count), "{count}");
    let frozen = Instant::now();
    write(&client).await;
    everything_seen(&pool).await;
    assert!(frozen.elapsed() < WITHIN, "it took {:?}", frozen.elapsed());
    first.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_never_answered_costs_the_lease() {
    let Scene { database, pool, proxy, first, client } = Scene::set().await;
    let project = client.project().await;
    everything_seen(&pool).await;
    let mut gate = PgConnection::connect(&database.url).await.expect("the database is there");
    gate.execute("BEGIN; LOCK TABLE milepost.task_list_v1 IN EXCLUSIVE MODE").await.expect("a table can be locked");
    client.task(&project, "Never answered").await;
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost projector %' \
                 AND wait_event = 'relation')";
    until("a batch waits", || async { sqlx::query_scalar(waits).fetch_one(&pool).await.ok().filter(|waits: &bool| *waits) }).await;
    assert!(proxy.freeze(OF_READ_MODELS) >= 1);
    gate.execute("ROLLBACK").await.expect("the gate opens");
    let released = |line: &str| line.contains("no progress although there is work") && line.contains("\"projection/task_list/");
    until_true("the lease is released", || first.log().lines().any(released)).await;
    let total = client.metric("milepost_leases_released_total").await;
    assert!(total >= Some(1.0), "{total:?}");
    everything_seen(&pool).await;
    first.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_goes_on_when_its_connections_are_quiet() {
    let Scene { database, pool, proxy, first, client: _ } = Scene::set().await;
    let (second, client) = node(&database.url).await;
    let project = client.project().await;
    assert!(proxy.freeze(OF_WORKERS) >= 1 && proxy.freeze(OF_LEASES) >= 1);
    let frozen = Instant::now();
    let due = serde_json::json!({ "at": "2101-01-01T00:00:00Z" });
    client.must("taskCreate", "id", serde_json::json!({ "projectId": project, "title": "Due", "due": due })).await;
    let followed = "SELECT count(*) = 1 FROM milepost.schedules WHERE task_id IS NOT NULL";
    until("the task has its schedule", || async { sqlx::query_scalar(followed).fetch_one(&pool).await.ok().filter(|there| *there) }).await;
    assert!(frozen.elapsed() < WITHIN, "it took {:?}", frozen.elapsed());
    first.kill().await;
    second.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_any_answer_is_not_ready_and_goes_on_when_answers_come_again() {
    let Scene { database: _database, pool, proxy, first, client } = Scene::set().await;
    proxy.halt();
    let problem = until("it says that it is not ready", || async {
        let (status, body) = client.get("/readyz").await;
        (status == 503 && body.contains("database_unreachable")).then_some(body)
    })
    .await;
    let (_, place) = proxy.url.rsplit_once('@').expect("a URL with a user");
    let place = place.split('?').next().unwrap_or(place);
    for part in [&format!("PostgreSQL at {place} does not answer within 2 s"), "correct DATABASE_URL"] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
    let expired = "SELECT count(*) = 0 FROM milepost.leases WHERE expires_at > clock_timestamp()";
    until("its leases run out", || async { sqlx::query_scalar(expired).fetch_one(&pool).await.ok().filter(|none| *none) }).await;
    proxy.go_on();
    until("it is ready again", || async { (client.get("/readyz").await.0 == 200).then_some(()) }).await;
    write(&client).await;
    everything_seen(&pool).await;
    first.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_how_a_node_is_a_quiet_database_is_tried_once() {
    const ASKING: usize = 40;
    // A node asks itself as well, every five seconds.
    const OF_THE_NODE: usize = 2;
    let Scene { database, pool, proxy, first, client } = Scene::set().await;
    pool.execute("REVOKE INSERT ON milepost.events FROM milepost_worker").await.expect("a superuser may");
    let create = "mutation { projectCreate(input: { key: \"NO\", name: \"No\" }) { project { key } } }";
    assert_eq!(client.error(create, serde_json::json!({})).await, "INTERNAL");
    let all_ask = async || {
        let asked = Instant::now();
        let answers = futures::future::join_all((0..ASKING).map(|_| client.get("/readyz"))).await;
        assert!(asked.elapsed() < ANSWERED_WITHIN, "it took {:?}", asked.elapsed());
        assert!(answers.iter().all(|(_, body)| body.contains("appends_refused")), "{answers:?}");
        answers
    };
    // Whoever wants to insert waits.
    let mut gate = PgConnection::connect(&database.url).await.expect("the database is there");
    gate.execute("BEGIN; LOCK TABLE milepost.events IN EXCLUSIVE MODE").await.expect("a table can be locked");
    // Of those who ask soon after the refusal, nobody tries.
    until("it was tried", || async {
        let before = proxy.count(OF_TRIALS);
        all_ask().await;
        let tries = proxy.count(OF_TRIALS) - before;
        assert!(tries <= 1 + OF_THE_NODE, "{tries} tries for {ASKING} who asked");
        (tries > 0).then_some(())
    })
    .await;
    gate.execute("ROLLBACK").await.expect("the gate opens");
    // Nothing at all is answered.
    proxy.halt();
    assert!(all_ask().await.iter().all(|(status, body)| *status == 503 && body.contains("database_unreachable")));
    proxy.go_on();
    pool.execute("GRANT INSERT ON milepost.events TO milepost_worker").await.expect("a superuser may");
    until("nothing is left to tell", || async { (!client.get("/readyz").await.1.contains("appends_refused")).then_some(()) }).await;
    first.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_listens_anew_when_its_listening_connection_is_quiet_or_of_an_earlier_database() {
    let Scene { database, pool, proxy, first, client } = Scene::set().await;
    let listening = async || -> Vec<i32> {
        let pids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE $1 || '%'";
        sqlx::query_scalar(pids).bind(OF_LISTENER).fetch_all(&pool).await.expect("activity can be read")
    };
    let another = async |before: &[i32]| {
        until("another connection listens", || async { listening().await.iter().any(|pid| !before.contains(pid)).then_some(()) }).await;
    };
    let before = listening().await;
    assert!(proxy.freeze(OF_LISTENER) >= 1);
    let frozen = Instant::now();
    another(&before).await;
    let (second, other) = node(&database.url).await;
    let project = other.project().await;
    other.task(&project, "Heard of").await;
    let head: String = sqlx::query_scalar("SELECT max(position)::text FROM milepost.events").fetch_one(&pool).await.expect("the log");
    until("the first node knows of it", || async {
        let status = client.data("{ serviceStatus { position } }", serde_json::json!({})).await;
        (status["serviceStatus"]["position"] == head.as_str()).then_some(())
    })
    .await;
    assert!(frozen.elapsed() < WITHIN, "it took {:?}", frozen.elapsed());
    second.kill().await;
    // The one before is of the database as it was.
    let before = listening().await;
    sqlx::query("UPDATE milepost.incarnation SET id = gen_random_uuid()").execute(&pool).await.expect("a superuser may");
    another(&before).await;
    first.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_carried_out_once_when_the_connection_that_appends_is_quiet() {
    const COMMANDS: usize = 20;
    let Scene { database: _database, pool, proxy, first, client } = Scene::set().await;
    let count = async || -> i64 {
        let projects = "SELECT count(*) FROM milepost.events WHERE event_type = 'project_created'";
        sqlx::query_scalar(projects).fetch_one(&pool).await.expect("the log can be read")
    };
    let before = count().await;
    assert_eq!(proxy.freeze(OF_APPENDER), 1);
    let frozen = Instant::now();
    let create = async |number: usize| {
        let input = serde_json::json!({ "commandId": Uuid::now_v7(), "key": format!("QUIET{number}"), "name": "A project" });
        let query = "mutation($input: ProjectCreateInput!) { projectCreate(input: $input) { position userErrors { code } } }";
        until("it is carried out", || async {
            let answer = client.ask(query, serde_json::json!({ "input": input })).await;
            let code = answer["errors"][0]["extensions"]["code"].as_str();
            assert!(code.is_none_or(|code| code == "UNAVAILABLE"), "{answer}");
            answer["data"]["projectCreate"]["position"].is_string().then_some(())
        })
        .await;
    };
    futures::future::join_all((0..COMMANDS).map(create)).await;
    assert!(frozen.elapsed() < 2 * WITHIN, "it took {:?}", frozen.elapsed());
    assert_eq!(count().await, before + COMMANDS as i64);
    first.kill().await;
}

/// Each kind of connection tells, and over TCP the server says what is in force on its socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_ends_silent_connections_of_each_kind() {
    let database = TestDatabase::new().await;
    let core = Core::open(&settings(&database.url)).await.expect("the database is there");
    let Database { worker, projector, service, health, .. } = &core.database;
    for (kind, pool) in [("worker", worker), ("projector", projector), ("service", service), ("health", health)] {
        let of_tcp: bool = sqlx::query_scalar("SELECT inet_server_port() IS NOT NULL").fetch_one(pool).await.expect("it tells");
        assert!(of_tcp, "{kind}: these settings have an effect on TCP only");
        for (setting, value) in [
            ("idle_in_transaction_session_timeout", "5s"),
            ("tcp_keepalives_idle", "3"),
            ("tcp_keepalives_interval", "1"),
            ("tcp_keepalives_count", "4"),
            ("tcp_user_timeout", "8000"),
            ("client_connection_check_interval", "1s"),
        ] {
            let found: String = sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(pool).await.expect("it tells");
            assert_eq!(found, value, "{kind}: {setting}");
        }
    }
    core.close().await;
}
