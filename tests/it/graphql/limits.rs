//! What one request may ask for: of every limit, the greatest request that passes and the smallest that does not.

use super::{body, post};
use api::graphql::Limits;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;
use tests::app::{Client, How, TestApp};
use tests::wait::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The limits of a new installation. Times are in milliseconds.
const DEFAULTS: [(&str, usize); 29] = [
    ("bodyBytes", 524_288),
    ("tokens", 5_000),
    ("depth", 12),
    ("introspectionDepth", 20),
    ("selections", 2_000),
    ("rootFields", 15),
    ("directives", 16),
    ("cost", 5_000),
    ("pageRows", 200),
    ("answerValues", 200_000),
    ("answerBytes", 16_777_216),
    ("principalRequests", 256),
    ("principalBytes", 67_108_864),
    ("nodeRequests", 1_024),
    ("nodeBytes", 268_435_456),
    ("connections", 2_048),
    ("nameBytes", 256),
    ("operations", 50),
    ("introspectionLists", 3),
    ("typeNames", 32),
    ("errors", 100),
    ("fragmentDepth", 24),
    ("sortLevels", 6),
    ("filterParts", 200),
    ("filterItems", 1_000),
    ("timeoutMs", 10_000),
    ("headersTimeoutMs", 30_000),
    ("writeTimeoutMs", 30_000),
    ("positionWaitMs", 5_000),
];

/// Limits of answers and of what is under way. `answer_size.rs` and `overload.rs` are about them.
const NOT_OF_REQUESTS: [&str; 8] =
    ["answerValues", "answerBytes", "principalRequests", "principalBytes", "nodeRequests", "nodeBytes", "connections", "errors"];

/// Whether it is a limit of what one request says.
fn is_of_requests(limit: &str) -> bool {
    !limit.ends_with("Ms") && !NOT_OF_REQUESTS.contains(&limit)
}

/// A body that comes to exactly so much of what a limit counts. A limit without one fails the tests.
fn request(limit: &str, amount: usize) -> String {
    let query = match limit {
        "bodyBytes" => return sized(amount),
        "tokens" => {
            format!("{{viewer{{{}{}}}}}", "actorId @include(if:true)".repeat((amount - 5) / 8), " actorId".repeat((amount - 5) % 8))
        }
        "depth" => deep(amount),
        "introspectionDepth" => {
            format!("{{__schema{{types{{fields{{type{}name{}}}}}}}}}", "{ofType".repeat(amount - 5) + "{", "}".repeat(amount - 4))
        }
        "selections" => format!("{{viewer{{{}}}}}", "actorId ".repeat(amount - 1)),
        "rootFields" => roots(amount),
        "directives" => format!("{{viewer{{actorId{}}}}}", " @include(if:true)".repeat(amount)),
        "cost" => costly(amount),
        "pageRows" => format!("{{tasks(first:{amount}){{nodes{{id}}}}}}"),
        "nameBytes" => format!("{{viewer{{{}:actorId}}}}", "a".repeat(amount)),
        "operations" => {
            let query: String = (0..amount).map(|number| format!("query q{number}{{viewer{{actorId}}}}")).collect();
            return json!({ "query": query, "operationName": "q0" }).to_string();
        }
        "introspectionLists" => {
            format!("{{__schema{{types{{{}name{}}}}}}}", "fields{type{".repeat(amount - 1), "}}".repeat(amount - 1))
        }
        "typeNames" => format!(
            "{{viewer{{actorId ...a ...on Viewer{{c:__typename}}}}}} fragment a on Viewer{{b:__typename{}}}",
            " __typename".repeat(amount - 2)
        ),
        "fragmentDepth" => nested_fragments(amount),
        "sortLevels" => format!("{{tasks(sort:[{}]){{nodes{{id}}}}}}", "{field:TITLE}".repeat(amount)),
        "filterParts" => format!("{{tasks(filter:{{text:\"{}\"}}){{totalCount}}}}", "w ".repeat(amount - 1)),
        "filterItems" => {
            let query = "query($v:[String!]){tasks(filter:{tag:{in:$v}}){totalCount}}";
            return body(query, &json!({ "v": vec![""; amount] }));
        }
        other => panic!("no request is generated for the limit {other}: add one"),
    };
    body(&query, &json!({}))
}

fn sized(bytes: usize) -> String {
    let empty = json!({ "query": "{viewer{actorId}}", "pad": "" }).to_string().len();
    json!({ "query": "{viewer{actorId}}", "pad": "x".repeat(bytes - empty) }).to_string()
}

fn roots(count: usize) -> String {
    let fields: String = (0..count).map(|number| format!("a{number}:viewer{{actorId}}")).collect();
    format!("{{{fields}}}")
}

/// `tasks`, `nodes` and `project` below one another.
fn deep(depth: usize) -> String {
    let around = |level: usize| ["tasks(first:1)", "nodes", "project"][level % 3];
    let last = ["id", "totalCount", "id"][(depth - 1) % 3];
    let opened: String = (0..depth - 1).map(|level| format!("{{{}", around(level))).collect();
    format!("{opened}{{{last}{}", "}".repeat(depth))
}

/// Rows times fields, and single fields for what is left.
fn costly(cost: usize) -> String {
    let rows = 25;
    let fields = (cost - 3) / rows - 2;
    let rest = cost - (rows * (1 + fields) + 1) - 1;
    format!("{{tasks(first:{rows}){{nodes{{{}}}}}viewer{{{}}}}}", "title ".repeat(fields), "actorId ".repeat(rest))
}

fn nested_fragments(count: usize) -> String {
    let fragments: String = (1..count).map(|number| format!("fragment f{number} on Viewer{{...f{}}} ", number + 1)).collect();
    format!("{{viewer{{...f1}}}} {fragments}fragment f{count} on Viewer{{actorId}}")
}

/// Sends what just passes and what just does not, for all limits that are counted.
async fn probe(app: &TestApp, limits: &Limits) {
    for (limit, allowed) in limits.named().into_iter().filter(|(limit, _)| is_of_requests(limit)) {
        let passes = post(&app.client, request(limit, allowed)).await;
        // No query can have so many directives and be valid, since each may stand once.
        let at_most_invalid = limit == "directives" && passes.code() == "BAD_USER_INPUT";
        assert!(at_most_invalid || passes.json().get("errors").is_none(), "{limit} of {allowed} is refused: {}", passes.text);

        let refused = post(&app.client, request(limit, allowed + 1)).await.json();
        let error = &refused["errors"][0];
        let expected = json!({ "code": "LIMIT_EXCEEDED", "limit": limit, "value": allowed + 1, "allowed": allowed });
        assert_eq!(error["extensions"], expected, "{limit} of {}: {refused}", allowed + 1);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(limit) && message.contains(&allowed.to_string()), "the message names neither limit nor number: {message}");
        assert!(refused.get("data").is_none_or(Value::is_null), "{limit}: there is data beside the error: {refused}");
    }
}

fn limits_of(app: &TestApp) -> Limits {
    server::wire::limits(&app.settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_lets_through_what_is_allowed_and_names_what_is_not() {
    let app = TestApp::start().await;
    let limits = limits_of(&app);
    assert_eq!(limits.named(), DEFAULTS, "the limits of a new installation");
    probe(&app, &limits).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_settings() {
    let how = How {
        settings: Some(Box::new(|settings| {
            let limits = &mut settings.limits;
            limits.body_bytes = 20_000;
            limits.tokens = 700;
            limits.depth = 7;
            limits.introspection_depth = 13;
            limits.selections = 120;
            limits.root_fields = 4;
            limits.directives = 3;
            limits.cost = 1_000;
            limits.page_rows = 30;
        })),
        ..How::default()
    };
    let app = TestApp::start_with(how).await;
    let limits = limits_of(&app);
    let counted = |(limit, allowed): &(&str, usize)| is_of_requests(limit) && DEFAULTS.contains(&(*limit, *allowed));
    let same: Vec<_> = limits.named().into_iter().filter(counted).map(|(limit, _)| limit).collect();
    assert_eq!(
        same,
        ["nameBytes", "operations", "introspectionLists", "typeNames", "fragmentDepth", "sortLevels", "filterParts", "filterItems"],
        "these are not settings"
    );
    probe(&app, &limits).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_limited_however_its_size_is_said() {
    let app = TestApp::start().await;
    for (query, variables) in [
        ("{tasks(last:201){nodes{id}}}", json!({})),
        ("query($n:Int){tasks(first:$n){nodes{id}}}", json!({ "n": 201 })),
        ("query($n:Int=201){tasks(first:$n){nodes{id}}}", json!({})),
        ("query($n:Int=201){...page} fragment page on Query{tasks(last:$n){nodes{id}}}", json!({})),
        ("query A{viewer{actorId}} query B($n:Int=201){tasks(first:$n){nodes{id}}}", json!({})),
        ("{tasks(first:null,last:201){nodes{id}}}", json!({})),
        ("{projects(first:201){nodes{id}}}", json!({})),
        ("{projects(first:1){nodes{tasks(first:201){nodes{id}}}}}", json!({})),
        ("{tasks(first:1){nodes{comments(first:201){nodes{id}}}}}", json!({})),
        ("{schedules(first:201){nodes{id}}}", json!({})),
        ("{deadlines(first:201){nodes{id}}}", json!({})),
        ("{events(first:201){nodes{id}}}", json!({})),
        (r#"{history(subjectId:"3f2b6f0e-0000-7000-8000-000000000000",first:201){nodes{id}}}"#, json!({})),
    ] {
        let refused = app.client.ask(query, variables).await;
        let expected = json!({ "code": "LIMIT_EXCEEDED", "limit": "pageRows", "value": 201, "allowed": 200 });
        assert_eq!(refused["errors"][0]["extensions"], expected, "{query}: {refused}");
    }
    // A default that is not used is looked at all the same; one that is overruled is not.
    let asked = app.client.ask("query($n:Int=201){tasks(first:$n){nodes{id}}}", json!({ "n": 200 })).await;
    assert_eq!(asked, json!({ "data": { "tasks": { "nodes": [] } } }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_is_limited_however_its_parts_are_spread() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    app.settled().await;
    let many = |filter: Value, count: usize| Value::from(vec![filter; count]);
    let of_project = "query($f: TaskFilter) { projects { nodes { tasks(filter: $f, first: 1) { totalCount } } } }";
    for (query, filter, parts) in [
        ("query($f: TaskFilter) { tasks(filter: $f) { totalCount } }", json!({ "and": many(json!({}), 200) }), 201),
        ("query($f: TaskFilter) { tasks(filter: $f) { totalCount } }", json!({ "or": many(json!({ "not": { "text": "a b" } }), 50) }), 201),
        (of_project, json!({ "and": many(json!({ "text": "a" }), 100), "not": { "or": many(json!({}), 5_000) } }), 5_202),
        ("query($f: ProjectFilter) { projects(filter: $f) { totalCount } }", json!({ "text": "a ".repeat(20_000) }), 20_001),
    ] {
        let refused = app.client.ask(query, json!({ "f": filter })).await;
        let expected = json!({ "code": "LIMIT_EXCEEDED", "limit": "filterParts", "value": parts, "allowed": 200 });
        assert_eq!(refused["errors"][0]["extensions"], expected, "{query}");
    }
    let wide = json!({ "or": many(json!({ "not": { "projectId": { "ne": project } } }), 99) });
    assert_eq!(
        app.client.data(of_project, json!({ "f": wide })).await,
        json!({ "projects": { "nodes": [{ "tasks": { "totalCount": 0 } }] } })
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_unsaid_length_is_limited_too() {
    let app = TestApp::start().await;
    let allowed = app.settings.limits.body_bytes;
    for (bytes, status, expected) in [
        (allowed, "HTTP/1.1 200 OK", "{\"data\":{\"viewer\":".to_owned()),
        (allowed + 1, "HTTP/1.1 413 Payload Too Large", format!("\"limit\":\"bodyBytes\",\"value\":{}", allowed + 1)),
    ] {
        let answer = in_chunks(&app.client, &sized(bytes)).await;
        assert!(answer.starts_with(status) && answer.contains(&expected), "{bytes} bytes: {answer}");
    }
    app.stop().await;
}

/// Sends a body piece by piece without saying how long it is. Gives the whole answer.
async fn in_chunks(client: &Client, body: &str) -> String {
    let place = client.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(place).await.expect("the node listens");
    let mut request = format!(
        "POST /graphql HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        client.token
    );
    for piece in body.as_bytes().chunks(10_000) {
        let _ = write!(request, "{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
    }
    request.push_str("0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the node reads");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.expect("the node answers");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_in_one_are_refused() {
    let app = TestApp::start().await;
    let one = json!({ "query": "{viewer{actorId}}" });
    for batch in [json!([]), json!([one]), json!([one, one])] {
        let refused = post(&app.client, batch.to_string()).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "BAD_USER_INPUT"), "{batch}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_too_long_is_given_up() {
    let how = How {
        settings: Some(Box::new(|settings| {
            settings.limits.timeout_ms = 100;
            settings.limits.position_wait_ms = u64::try_from(PATIENCE.as_millis()).expect("it fits");
        })),
        ..How::default()
    };
    let app = TestApp::start_with(how).await;
    assert_eq!(limits_of(&app).timeout, Duration::from_millis(100));
    let answer = app.client.ask(r#"{tasks(minPosition:"1000"){nodes{id}}}"#, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"], json!({ "code": "UNAVAILABLE" }), "{answer}");
    let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("100 ms") && message.contains("commandId"), "{message}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_description_is_taken_however_it_is_escaped() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let long = domain::values::limits::LONG_TEXT_BYTES_MAX;
    let escaped = "\\u0041".repeat(long);
    let query = "mutation($p: ID!, $d: String!) { r: taskCreate(input: { projectId: $p, title: \"T\", description: $d }) { version userErrors { code } } }";
    let by_variable = body(query, &json!({ "p": project, "d": "" })).replace("\"d\":\"\"", &format!("\"d\":\"{escaped}\""));
    let inline = query.replace("$d: String!", "").replace("$d", &format!("\"{escaped}\""));
    for sent in [by_variable, body(&inline, &json!({ "p": project }))] {
        let answer = post(&app.client, sent).await;
        assert_eq!(answer.json(), json!({ "data": { "r": { "version": 1, "userErrors": [] } } }));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_was_fine_is_judged_anew_with_other_variables() {
    let app = TestApp::start().await;
    let query = "query($n: Int!) { tasks(first: $n) { nodes { project { tasks(first: $n) { nodes { id title } } } } } }";
    for (rows, limit) in [(5, None), (150, Some("cost")), (5, None), (201, Some("pageRows"))] {
        let answer = app.client.ask(query, json!({ "n": rows })).await;
        assert_eq!(answer["errors"][0]["extensions"]["limit"].as_str(), limit, "{rows} rows: {answer}");
        assert_eq!(answer.get("errors").is_none(), limit.is_none(), "{rows} rows: {answer}");
    }
    app.stop().await;
}
