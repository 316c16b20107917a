//! More than a node can do at a time: who asks for it is turned away and told when to come back, and the others are served.

use super::slow_clients::{connected, head, parts, until_closed};
use super::{Answer, body, post};
use application::caller::Role;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tests::app::{Change, Client, How, TestApp};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use tests::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

/// A node whose requests may take longer than a test, so that one that hangs stays under way.
async fn app(change: impl FnOnce(&mut infrastructure::config::Limits) + Send + 'static) -> TestApp {
    let settings: Change = Box::new(|settings| {
        settings.limits.timeout_ms = 300_000;
        change(&mut settings.limits);
    });
    TestApp::start_with(How { settings: Some(settings), ..How::default() }).await
}

/// A request whose body does not arrive: it is under way until it is given up.
async fn hanging(client: &Client) -> TcpStream {
    let mut stream = connected(client).await;
    let head = head(client, 100).replace("Host: here", "Host: here\r\nExpect: 100-continue");
    stream.write_all(head.as_bytes()).await.expect("the node reads");
    // It says so when it waits for the body.
    let mut expected = [0; 25];
    stream.read_exact(&mut expected).await.expect("the node answers");
    assert_eq!(String::from_utf8_lossy(&expected), "HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

async fn all_hanging(client: &Client, count: usize) -> Vec<TcpStream> {
    futures::future::join_all((0..count).map(|_| hanging(client))).await
}

async fn ask(client: &Client) -> Answer {
    post(client, body("{ viewer { actorId } }", &json!({}))).await
}

fn assert_refused_overloaded(answer: &Answer, status: u16, limit: &str, allowed: usize) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "1", "{}", answer.text);
    let error = &answer.json()["errors"][0];
    let expected = json!({ "code": "OVERLOADED", "limit": limit, "allowed": allowed, "retryAfterMs": 1_000 });
    assert_eq!(error["extensions"], expected, "{}", answer.text);
    assert!(error["message"].as_str().is_some_and(|message| message.contains(limit)), "{error}");
    assert!(answer.json().get("data").is_none_or(Value::is_null), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_principal_at_its_limit_leaves_the_others_served() {
    let app = app(|limits| limits.principal_requests = 256).await;
    let viewer = app.client.with_role(Role::Viewer);
    let hanging = all_hanging(&viewer, 256).await;
    assert_refused_overloaded(&ask(&viewer).await, 429, "principalRequests", 256);
    // Somebody else, and the same person in another workspace.
    let elsewhere = Client::new(&app.client.base, Uuid::now_v7(), viewer.caller.actor.0, Role::Viewer);
    for client in [&app.client, &elsewhere] {
        for _ in 0..20 {
            assert_eq!(ask(client).await.status, 200);
        }
    }
    for path in ["/livez", "/readyz", "/metrics", "/graphiql"] {
        assert_eq!(app.client.get(path).await.0, 200, "{path}");
    }
    drop(hanging);
    until("the viewer is served again", || async { (ask(&viewer).await.status == 200).then_some(()) }).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_turns_away_what_is_more_than_it_can_do() {
    let app = app(|limits| (limits.principal_requests, limits.node_requests) = (3, 4)).await;
    let other = app.client.with_role(Role::Viewer);
    let _one = all_hanging(&app.client, 3).await;
    assert_refused_overloaded(&ask(&app.client).await, 429, "principalRequests", 3);
    assert_eq!(ask(&other).await.status, 200);
    let _another = all_hanging(&other, 1).await;
    assert_refused_overloaded(&ask(&other).await, 503, "nodeRequests", 4);
    for path in ["/livez", "/readyz"] {
        assert_eq!(app.client.get(path).await.0, 200, "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_limit_of_connections_one_is_told_so_and_health_is_answered() {
    let app = app(|limits| limits.connections = 5).await;
    let mut open = vec![];
    for _ in 0..5 {
        let mut stream = connected(&app.client).await;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("the node reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"HTTP/1.1 200");
        open.push(stream);
    }
    assert_refused_overloaded(&ask(&app.client).await, 503, "connections", 5);
    let mut stream = connected(&app.client).await;
    stream.write_all(format!("{}{}", head(&app.client, 2), "{}").as_bytes()).await.expect("the node reads");
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(parts(&answer).1["errors"][0]["extensions"]["code"], "OVERLOADED");
    // However many wait, whoever looks whether the node lives is answered.
    let mut waiting = vec![];
    for round in 0..4 {
        for _ in 0..50 {
            waiting.push(connected(&app.client).await);
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(app.client.get(path).await.0, 200, "{path}, round {round}");
        }
    }
    drop((open, waiting));
    until("there is room again", || async { (ask(&app.client).await.status == 200).then_some(()) }).await;
    app.stop().await;
}

/// A node in a process of its own, whose principals may have two answers of the greatest size in memory.
async fn node(database: &TestDatabase, write_timeout_ms: u32) -> (Process, String) {
    let mut run = Run::serve(&database.url);
    run.environment.push(("MILEPOST_LIMITS_WRITE_TIMEOUT_MS", write_timeout_ms.to_string()));
    run.environment.push(("MILEPOST_LIMITS_TIMEOUT_MS", "300000".to_owned()));
    run.environment.push(("MILEPOST_LIMITS_ANSWER_VALUES", "10000".to_owned()));
    run.environment.push(("MILEPOST_LIMITS_PRINCIPAL_BYTES", (36 * 1024 * 1024).to_string()));
    let mut node = Process::start(env!("CARGO_BIN_EXE_milepost-under-test"), run);
    let address = node.address().await;
    (node, address)
}

/// The value of a metric of a node; what it has not counted yet is 0.
async fn metric(client: &Client, name: &str) -> f64 {
    client.metric(name).await.unwrap_or(0.0)
}

/// A request for an answer of 14 megabytes.
async fn much(client: &Client) -> String {
    let project = client.project().await;
    let description = "\"".repeat(60 * 1024);
    let made = client.must("taskCreate", "id", json!({ "projectId": project, "title": "Long", "description": description })).await;
    client.data("query($p:Position){tasks(minPosition:$p){totalCount}}", json!({ "p": made["position"] })).await;
    let fields: String = (0..114).map(|number| format!("a{number}:description ")).collect();
    body(&format!("query($t:ID!){{task(id:$t){{{fields}}}}}"), &json!({ "t": made["task"]["id"] }))
}

/// Sends a request and takes nothing of the answer.
async fn without_reading(client: &Client, body: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let address = client.base.trim_start_matches("http://").parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("the node listens");
    stream.write_all(format!("{}{body}", head(client, body.len())).as_bytes()).await.expect("the node reads");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_take_nothing_hold_no_more_than_their_share() {
    let database = TestDatabase::new().await;
    let (node, address) = node(&database, 3_600_000).await;
    let client = Client::new(&address, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let other = client.with_role(Role::Viewer);
    let request = much(&client).await;
    // One after the other: two fit, and what is beyond them is turned away.
    let mut waiting = vec![];
    for held in 1..=2 {
        waiting.push(without_reading(&client, &request).await);
        until("the answer is held", || async {
            (metric(&client, "milepost_api_held_bytes").await >= f64::from(held * 14_000_000)).then_some(())
        })
        .await;
    }
    for _ in 0..5 {
        assert_refused_overloaded(&post(&client, request.clone()).await, 429, "principalBytes", 36 * 1024 * 1024);
    }
    // And one that is refused before it is executed.
    let values = body("{ viewer { actorId } }", &json!({ "unused": vec![json!([]); 100_000] }));
    assert_refused_overloaded(&post(&client, values).await, 429, "principalBytes", 36 * 1024 * 1024);
    assert_eq!(metric(&client, "milepost_api_overloads_total").await, 6.0, "each refused request is counted once");
    assert_eq!(ask(&client).await.status, 200, "small answers are given");
    assert_eq!(post(&other, request.clone()).await.status, 200, "others have a share of their own");
    drop(waiting);
    until("nothing is held for who is gone", || async { (metric(&client, "milepost_api_held_bytes").await < 100_000.0).then_some(()) })
        .await;
    assert_eq!(post(&client, request).await.status, 200);
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_values_in_a_body_count_as_what_they_take() {
    const ALLOWED: usize = 8 * 1024 * 1024;
    let app = app(|limits| limits.principal_bytes = ALLOWED).await;
    let with = |variable: Value| body("{ viewer { actorId } }", &json!({ "unused": variable }));
    let (many, one) = (with(json!(vec![json!([]); 50_000])), with(json!("[],".repeat(50_000))));
    assert_eq!(post(&app.client, one).await.status, 200);
    assert_never_taken(&post(&app.client, many).await, ALLOWED);
    assert_eq!(ask(&app.client).await.status, 200, "nothing is held of what was refused");
    app.stop().await;
}

/// A request that alone needs more memory than its principal may have: nobody is told to wait for what never comes.
fn assert_never_taken(answer: &Answer, allowed: usize) {
    assert_eq!((answer.status, answer.code().as_str()), (413, "LIMIT_EXCEEDED"), "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "", "{}", answer.text);
    let error = &answer.json()["errors"][0];
    let value = error["extensions"]["value"].as_u64().expect("a number");
    assert!(value > allowed as u64, "{error}");
    let expected = json!({ "code": "LIMIT_EXCEEDED", "limit": "principalBytes", "value": value, "allowed": allowed });
    assert_eq!(error["extensions"], expected);
    let begins = format!("principalBytes is {value}, and {allowed} is allowed");
    assert!(error["message"].as_str().is_some_and(|message| message.starts_with(&begins)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_of_the_greatest_size_is_told_to_wait_for_memory_that_it_never_has() {
    let app = app(|_| {}).await;
    let settings = infrastructure::config::Configuration::defaults().limits;
    // As many values as text can have, though it is not JSON, and JSON with as many as JSON can have.
    assert_never_taken(&post(&app.client, ",".repeat(settings.body_bytes)).await, settings.principal_bytes);
    let lists = vec![json!([]); settings.body_bytes / 3 - 100];
    let answer = post(&app.client, body("{ viewer { actorId } }", &json!({ "unused": lists }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_has_no_room_beside_its_own_body_is_too_large_rather_than_late() {
    const ALLOWED: usize = 8 * 1024 * 1024;
    let app = app(|limits| limits.principal_bytes = ALLOWED).await;
    let project = app.client.project().await;
    let description = "x".repeat(60 * 1024);
    let made = app.client.must("taskCreate", "id", json!({ "projectId": project, "title": "Long", "description": description })).await;
    app.settled().await;
    let fields: String = (0..40).map(|number| format!("a{number}:description ")).collect();
    let ask = async |unused: usize| {
        let variables = json!({ "t": made["task"]["id"], "unused": vec![0; unused] });
        post(&app.client, body(&format!("query($t:ID!){{task(id:$t){{{fields}}}}}"), &variables)).await
    };
    assert_eq!(ask(0).await.code(), "");
    let answer = ask(ALLOWED / 128 - 10_000).await;
    assert_eq!((answer.status, answer.code().as_str()), (200, "LIMIT_EXCEEDED"), "{:.500}", answer.text);
    assert_eq!(answer.json()["errors"][0]["extensions"]["limit"], "principalBytes", "{:.500}", answer.text);
    assert_eq!(answer.header("retry-after"), "", "{:.500}", answer.text);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_given_up_gives_back_its_place_its_turn_and_its_bytes() {
    const REQUESTS: u16 = 100;
    let database = TestDatabase::new().await;
    let (node, address) = node(&database, 3_600_000).await;
    let client = Client::new(&address, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    client.task(&client.project().await, "There").await;
    let mut holder = PgConnection::connect(&database.url).await.expect("the database is there");
    holder.execute("BEGIN; LOCK TABLE milepost.task_list IN ACCESS EXCLUSIVE MODE").await.expect("the table can be held");
    // Some of them wait for the table, with all turns to read that one principal has, and the others for a turn.
    let padded = body("{ tasks { nodes { id } } }", &json!({ "unused": "x".repeat(50_000) }));
    let waiting = futures::future::join_all((0..REQUESTS).map(|_| without_reading(&client, &padded))).await;
    until("all of them are under way", || async {
        let (requests, held) = (metric(&client, "milepost_api_requests").await, metric(&client, "milepost_api_held_bytes").await);
        (requests == f64::from(REQUESTS) && held > f64::from(REQUESTS) * 50_000.0).then_some(())
    })
    .await;
    drop(waiting);
    until("nothing is under way", || async {
        let (requests, held) = (metric(&client, "milepost_api_requests").await, metric(&client, "milepost_api_held_bytes").await);
        (requests == 0.0 && held == 0.0).then_some(())
    })
    .await;
    // While the table is still held.
    client.data("{ events { nodes { id } } }", json!({})).await;
    holder.execute("ROLLBACK").await.expect("the table can be let go");
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_take_its_answer_is_not_waited_for() {
    let database = TestDatabase::new().await;
    let (node, address) = node(&database, 300).await;
    let client = Client::new(&address, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let request = much(&client).await;
    let mut waiting = vec![without_reading(&client, &request).await, without_reading(&client, &request).await];
    until("their connections are closed", || async { (metric(&client, "milepost_api_write_timeouts_total").await >= 2.0).then_some(()) })
        .await;
    until("nothing is held for them", || async { (metric(&client, "milepost_api_held_bytes").await < 100_000.0).then_some(()) }).await;
    for stream in &mut waiting {
        let mut taken = vec![];
        let _ = stream.read_to_end(&mut taken).await;
        assert!(taken.len() < 13_000_000, "the whole answer came: {} bytes", taken.len());
    }
    // Who takes it gets it, whatever it takes.
    let answer = post(&client, request).await;
    assert!(answer.status == 200 && answer.text.len() > 14_000_000, "{} bytes", answer.text.len());
    node.kill().await;
}
