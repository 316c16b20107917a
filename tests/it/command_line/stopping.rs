//! How a node ends when it is told to: what was accepted is finished, leases go back, and nothing keeps it for long.

use super::{KEY, MILEPOST, assert_calm, number, started};
use application::caller::Role;
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tests::app::Client;
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::until;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// After this, service managers kill.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Sends new tasks until the node does not take any more; gives those that it said were made.
async fn send_tasks(client: Client, project: String) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    loop {
        let id = Uuid::now_v7().to_string();
        let query = "mutation($i: TaskCreateInput!) { taskCreate(input: $i) { position userErrors { code } } }";
        let body = json!({ "query": query, "variables": { "i": { "id": id, "projectId": project, "title": "A task" } } });
        let request = reqwest::Client::new().post(format!("{}/graphql", client.base)).bearer_auth(&client.token).json(&body);
        match request.send().await {
            Ok(response) => match response.json::<serde_json::Value>().await {
                Ok(answer) if answer["data"]["taskCreate"]["position"].is_string() => made.insert(id),
                _ => return made,
            },
            Err(_) => return made,
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_was_accepted_gets_its_answer() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let mut node = Process::start(MILEPOST, Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    let mut senders = JoinSet::new();
    for _ in 0..8 {
        senders.spawn(send_tasks(client.clone(), project.clone()));
    }
    let tasks = "SELECT count(*) FROM milepost.events WHERE event_type = 'task_created'";
    until("tasks are being made", || async { (number(&pool, tasks).await >= 8).then_some(()) }).await;

    // Nothing can be appended for a moment, so something is certainly under way when the signal comes.
    let mut holder = PgConnection::connect(&database.url).await.expect("the database is there");
    holder.execute("BEGIN; SELECT * FROM milepost.log_head FOR UPDATE").await.expect("the log can be held");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("a command waits", || async { (number(&pool, waiting).await > 0).then_some(()) }).await;
    node.signal(Signal::SIGTERM);
    node.said("stopping: finishing requests").await;
    holder.execute("ROLLBACK").await.expect("the log can be let go");
    assert_eq!(node.ended().await, 0, "{}", node.log());
    assert_calm(&node.log());

    let answered: BTreeSet<String> = senders.join_all().await.into_iter().flatten().collect();
    let made: Vec<String> = sqlx::query_scalar("SELECT aggregate_id FROM milepost.events WHERE event_type = 'task_created'")
        .fetch_all(&pool)
        .await
        .expect("the log can be read");
    assert_eq!(made.into_iter().collect::<BTreeSet<_>>(), answered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_for_a_read_model_gets_its_answer() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let mut node = Process::start(MILEPOST, Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    client.data("query($p: Position) { tasks(minPosition: $p) { nodes { comments { totalCount } } } }", json!({ "p": "1" })).await;

    // The read model of comments stands at a batch that begins before the task.
    let mut holder = PgConnection::connect(&database.url).await.expect("the database is there");
    let hold = "BEGIN; SELECT * FROM milepost.projections WHERE name = 'task_comments' FOR UPDATE";
    holder.execute(hold).await.expect("a read model can be held");
    client.project().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("the read model waits", || async { (number(&pool, waiting).await > 0).then_some(()) }).await;
    let asking = tokio::spawn(async move {
        client.must("taskCreate", "comments { totalCount }", json!({ "projectId": project, "title": "A task" })).await
    });
    let made = "SELECT count(*) FROM milepost.events WHERE event_type = 'task_created'";
    until("the task is made", || async { (number(&pool, made).await > 0).then_some(()) }).await;

    node.signal(Signal::SIGTERM);
    node.said("stopping: finishing requests").await;
    holder.execute("ROLLBACK").await.expect("the read model can be let go");
    let answer = asking.await.expect("the request is answered");
    assert_eq!(answer["task"]["comments"]["totalCount"], json!(0), "{answer:#}");
    assert_eq!(node.ended().await, 0, "{}", node.log());
    assert_calm(&node.log());
    let held = "SELECT count(*) FROM milepost.leases WHERE expires_at > clock_timestamp()";
    assert_eq!(number(&pool, held).await, 0, "a node that has ended holds leases");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_go_back_and_another_node_takes_over() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let mut first = Process::start(MILEPOST, Run::serve(&database.url));
    first.address().await;
    let held = "SELECT count(*) FROM milepost.leases WHERE expires_at > clock_timestamp()";
    let wanted = projections::runner::all().len() as i64 + 1;
    until("the first node holds the leases", || async { (number(&pool, held).await >= wanted).then_some(()) }).await;
    let holders: Vec<Uuid> = sqlx::query_scalar("SELECT DISTINCT holder FROM milepost.leases").fetch_all(&pool).await.expect("leases");
    let [holder] = holders[..] else { panic!("one node holds them all: {holders:?}") };
    let mut second = Process::start(MILEPOST, Run::serve(&database.url));
    let client = Client::new(&second.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);

    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().await, 0, "{}", first.log());
    let still = format!("{held} AND holder = '{holder}'");
    assert_eq!(number(&pool, &still).await, 0, "a node that has ended holds leases");
    let project = client.project().await;
    until("the second node keeps the read models", || async {
        let found = client.data("query($id: ID!) { project(id: $id) { id } }", json!({ "id": project })).await;
        found["project"]["id"].is_string().then_some(())
    })
    .await;
    until("the second node holds the leases", || async { (number(&pool, held).await >= wanted).then_some(()) }).await;
    second.signal(Signal::SIGINT);
    assert_eq!(second.ended().await, 0, "{}", second.log());
}

/// Tells a node to stop, and sees that it does in time, without an error.
async fn assert_stops(node: &mut Process) {
    let told = Instant::now();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended().await, 0, "{}", node.log());
    assert!(told.elapsed() < STOPS_WITHIN, "it took {:?}:\n{}", told.elapsed(), node.log());
    assert_calm(&node.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_that_is_not_there_does_not_keep_a_node() {
    let database = TestDatabase::new().await;
    let mut run = Run::serve(&database.url);
    run.environment.push(("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1".to_owned()));
    let mut node = Process::start(MILEPOST, run);
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    client.project().await;
    assert_stops(&mut node).await;
}

/// Passes bytes between a node and its database until it is told to stop.
struct Line {
    url: String,
    cut: watch::Sender<bool>,
    passing: JoinSet<()>,
}

impl Line {
    async fn to(database: &TestDatabase) -> Self {
        let (server, name) = database.url.rsplit_once('/').expect("a URL with a database");
        let (user, address) = server.rsplit_once('@').expect("a URL with a user");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("{user}@{}/{name}", listener.local_addr().expect("an address"));
        let (address, (cut, is_cut), mut passing) = (address.to_owned(), watch::channel(false), JoinSet::new());
        passing.spawn(async move {
            let mut pairs = JoinSet::new();
            while let Ok((mut node, _)) = listener.accept().await {
                let (address, mut is_cut) = (address.clone(), is_cut.clone());
                pairs.spawn(async move {
                    let mut server = TcpStream::connect(address).await.expect("the server is there");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut node, &mut server) => return,
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                    // Both ends stay open, and nothing comes any more.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { url, cut, passing }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_does_not_keep_a_node() {
    let database = TestDatabase::new().await;
    let mut line = Line::to(&database).await;
    let mut node = Process::start(MILEPOST, Run::serve(&line.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    client.project().await;
    line.cut.send_replace(true);
    let waiting = tokio::spawn(async move {
        let body = json!({ "query": "mutation { projectCreate(input: { key: \"LATE\", name: \"Late\" }) { position } }" });
        reqwest::Client::new().post(format!("{}/graphql", client.base)).bearer_auth(&client.token).json(&body).send().await
    });
    assert_stops(&mut node).await;
    let _ = waiting.await;
    line.passing.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_still_waits_for_its_database_can_be_stopped() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("postgres://milepost@{}/none", silent.local_addr().expect("an address"));
    let mut node = started(&["serve", "--listen", "127.0.0.1:0"], &[("DATABASE_URL", &url), ("MILEPOST_AUTH_HS256_SECRET", KEY)]);
    let (_connection, _) = silent.accept().await.expect("it connects");
    assert_stops(&mut node).await;
    assert!(node.log().contains("stopped before it served"), "{}", node.log());
}
