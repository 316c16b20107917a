//! Clients that are slow, or leave in the middle: nobody waits for them for ever, and each is told what was wrong.

use super::body;
use serde_json::{Value, json};
use tests::app::{Client, How, TestApp};
use tests::wait::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node whose patience is short.
async fn impatient() -> TestApp {
    let settings = |settings: &mut infrastructure::config::Settings| {
        settings.limits.timeout_ms = 300;
        settings.limits.headers_timeout_ms = 300;
    };
    TestApp::start_with(How { settings: Some(Box::new(settings)), ..How::default() }).await
}

/// The head of a request with so many bytes to come.
pub(super) fn head(client: &Client, length: usize) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
        client.token
    )
}

pub(super) async fn connected(client: &Client) -> TcpStream {
    TcpStream::connect(client.base.trim_start_matches("http://")).await.expect("the node listens")
}

/// Everything that comes until the node closes the connection.
pub(super) async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = vec![];
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = closed.expect("the node closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status line of an answer, and its body.
pub(super) fn parts(answer: &str) -> (&str, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.lines().next().unwrap_or_default(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_arrive_is_given_up_and_not_executed() {
    let app = impatient().await;
    let mutation = body("mutation { projectCreate(input: { key: \"SLOW\", name: \"Slow\" }) { version } }", &json!({}));
    for sent in [0, mutation.len() - 1] {
        let mut stream = connected(&app.client).await;
        let request = head(&app.client, mutation.len()) + &mutation[..sent];
        stream.write_all(request.as_bytes()).await.expect("the node reads");
        let answer = until_closed(&mut stream).await;
        let (status, body) = parts(&answer);
        assert_eq!(status, "HTTP/1.1 408 Request Timeout", "{answer}");
        assert_eq!(body["errors"][0]["extensions"], json!({ "code": "REQUEST_TIMEOUT" }));
        assert!(body["errors"][0]["message"].as_str().is_some_and(|message| message.contains("300 ms")), "{body}");
        assert!(body.get("data").is_none(), "{body}");
    }
    assert_eq!(app.head(), 0, "nothing was stored");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_ends_too_early_is_refused_as_such() {
    let app = TestApp::start().await;
    let chunked = head(&app.client, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    for request in [head(&app.client, 1_000) + "{\"query\":", chunked + "9\r\n{\"query\":\r\n", head(&app.client, 9)] {
        let mut stream = connected(&app.client).await;
        stream.write_all(request.as_bytes()).await.expect("the node reads");
        stream.shutdown().await.expect("the client can stop sending");
        let answer = until_closed(&mut stream).await;
        let (status, body) = parts(&answer);
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{answer}");
        assert_eq!(body["errors"][0]["extensions"], json!({ "code": "BAD_USER_INPUT" }));
        let message = body["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("the body is incomplete"), "{message}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_whole_head_is_closed() {
    let app = impatient().await;
    for begun in ["", "POST /graphql HTTP/1.1\r\n", "GET /livez HTTP/1.1\r\nHost: here\r\nX-Slow: "] {
        let mut stream = connected(&app.client).await;
        stream.write_all(begun.as_bytes()).await.expect("the node reads");
        let answer = until_closed(&mut stream).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{begun:?} was answered: {answer}");
    }
    // After an answer as well.
    let mut stream = connected(&app.client).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("the node reads");
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_far_too_much_is_told_so_all_the_same() {
    let app = TestApp::start().await;
    let much = vec![b' '; 8 * 1024 * 1024];
    for chunked in [false, true] {
        let mut stream = connected(&app.client).await;
        let head = if chunked {
            head(&app.client, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked") + &format!("{:x}\r\n", much.len())
        } else {
            head(&app.client, much.len())
        };
        let request = [head.replace("Host: here", "Host: here\r\nConnection: close").as_bytes(), &much, b"\r\n0\r\n\r\n"].concat();
        stream.write_all(&request[..request.len() - if chunked { 0 } else { 7 }]).await.expect("the node reads to the end");
        let answer = until_closed(&mut stream).await;
        assert_eq!(parts(&answer).0, "HTTP/1.1 413 Payload Too Large");
        assert_eq!(parts(&answer).1["errors"][0]["extensions"]["limit"], "bodyBytes");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_has_so_many_bytes_and_headers_and_no_more() {
    let app = TestApp::start().await;
    let of = |headers: &str| format!("GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{headers}\r\n");
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let long = |bytes: usize| format!("X: {}\r\n", "y".repeat(bytes));
    for (headers, status) in [(many(90), 200), (many(200), 431), (long(100 * 1024), 200), (long(200 * 1024), 431)] {
        let mut stream = connected(&app.client).await;
        // What is too long is not read to its end.
        let _ = stream.write_all(of(&headers).as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) || (status == 431 && answer.is_empty()), "{status}: {answer:.80}");
    }
    app.stop().await;
}
