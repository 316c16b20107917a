//! Strange input is answered with what is wrong about it, and never as if we were at fault.

use super::commands::sample;
use super::{Answer, body, post, send, served_mutations};
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Client, TestApp, input_type};
use uuid::Uuid;

/// The node answered in JSON, did not blame itself, and showed nothing of its inside.
pub(super) fn assert_calm(answer: &Answer, what: &str) {
    assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text);
    let json = answer.json();
    assert!(json.is_object(), "{what}: no JSON: {}", answer.text);
    for error in json["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or("none");
        assert!(code != "none" && !["INTERNAL", "UNAVAILABLE", "OVERLOADED"].contains(&code), "{what}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {error}");
    }
    for inner in ["panicked", "sqlx", "RUST_BACKTRACE", "SELECT ", "src/", "PgDatabaseError", "milepost."] {
        assert!(!answer.text.contains(inner), "{what}: {inner} is shown: {}", answer.text);
    }
}

async fn calm(client: &Client, bytes: impl Into<Vec<u8>>, what: &str) -> Answer {
    let answer = post(client, bytes.into()).await;
    assert_calm(&answer, what);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_request_is_refused() {
    let app = TestApp::start().await;
    for wrong in [
        "",
        " ",
        "null",
        "true",
        "7",
        "\"{ viewer { role } }\"",
        "{",
        "{}",
        "[]",
        "[[]]",
        "{not json",
        "\u{feff}{\"query\":\"{__typename}\"}",
        "{\"query\": null}",
        "{\"query\": 7}",
        "{\"query\": \"\"}",
        "{\"query\": \" # nothing\"}",
        "{\"query\": \"{\"}",
        "{\"query\": \"}\"}",
        "{\"query\": \"{__typename}\"} more",
        "{\"query\": \"{__typename}\", \"variables\": 7}",
        "{\"query\": \"{__typename}\", \"variables\": []}",
        "{\"query\": \"{__typename}\", \"operationName\": 7}",
        "{\"query\": \"{__typename}\", \"extensions\": []}",
        "{\"query\": \"{__typename}\", \"operationName\": \"Nobody\"}",
        "{\"query\": \"query A {__typename} query B {__typename}\"}",
        "{\"query\": \"query A {__typename} query A {__typename}\"}",
        "{\"query\": \"{__typename} {__typename}\"}",
        "{\"query\": \"query A {__typename} query B {__typename}\", \"operationName\": \"C\"}",
        "{\"query\": \"subscription {__typename}\"}",
        "{\"query\": \"fragment f on Query {__typename}\"}",
        "{\"query\": \"{ viewer { role @nothing } }\"}",
        "{\"query\": \"\\u0000\"}",
        "{\"query\": \"{ viewer { role } } \\ud800\"}",
        "{\"query\": \"{ task(key: \\\"\\ud800\\\") { id } }\"}",
        "{\"query\": \"{__typename}\", \"variables\": {\"a\": \"\\udfff\"}}",
        "{\"query\": \"{__typename}\", \"variables\": {\"a\": 1e999}}",
        "{\"query\": \"type T { f: Int }\"}",
    ] {
        let answer = calm(&app.client, wrong, wrong).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{wrong}: {}", answer.text);
        assert_eq!(answer.json().get("data"), None, "{wrong}: {}", answer.text);
    }
    for bytes in [&b"\xff\xfe"[..], b"{\"query\":\"\xff\"}", b"\x00", b"{\"query\":\"{__typename}\"}\x00", b"\x1f\x8b\x08\x00"] {
        let answer = calm(&app.client, bytes, "bytes that are no text").await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_USER_INPUT"), "{bytes:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_of_ten_megabytes_or_with_half_a_character_is_refused_by_name() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let before = app.head();
    let create = "mutation($i: TaskCreateInput!) { taskCreate(input: $i) { userErrors { code path } } }";
    let titled = |title: &str| body(create, &json!({ "i": { "projectId": project, "title": title } }));
    let answer = calm(&app.client, titled(&"x".repeat(10 * 1024 * 1024)), "a title of 10 MB").await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "LIMIT_EXCEEDED"), "{}", answer.text);
    assert_eq!(answer.json()["errors"][0]["extensions"]["limit"], "bodyBytes");
    let answer = calm(&app.client, titled("HALF").replace("HALF", "\\ud83d"), "half a character").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_USER_INPUT"), "{}", answer.text);
    assert!(answer.text.contains("hex escape"), "{}", answer.text);
    for title in [&"x".repeat(100_000), "a\u{0}b"] {
        let answer = calm(&app.client, titled(title), "a title").await;
        let errors = &answer.json()["data"]["taskCreate"]["userErrors"];
        assert_eq!(*errors, json!([{ "code": "INVALID_VALUE", "path": ["title"] }]), "{}", answer.text);
    }
    assert_eq!(app.head(), before, "something was stored");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_is_needed_does_no_harm() {
    let app = TestApp::start().await;
    for request in [
        json!({ "query": "{ viewer { role } }", "variables": null, "operationName": null, "extensions": null }),
        json!({ "query": "{ viewer { role } }", "variables": { "unused": [1, { "a": null }] }, "extensions": { "a": 1 }, "more": 1 }),
        json!({ "query": "query A { viewer { role } } query B { nothing: viewer { actorId } }", "operationName": "A" }),
        json!({ "query": "query A { viewer { role } }", "operationName": "" }),
        json!({ "query": "\u{feff}{ viewer { role } } # \u{1f6b2}" }),
    ] {
        let answer = calm(&app.client, request.to_string(), &request.to_string()).await;
        assert_eq!(answer.json(), json!({ "data": { "viewer": { "role": "owner" } } }), "{request}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_nesting_is_refused_and_not_followed() {
    let app = TestApp::start().await;
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let query = "query($f: TaskFilter) { tasks(filter: $f) { totalCount } }";
    for depth in [10, 50, 60, 120, 5_000, 60_000] {
        let variables = [
            ("lists", format!("{{\"f\": {}}}", nested("[", "]", depth))),
            ("not", format!("{{\"f\": {}{{}}{}}}", "{\"not\":".repeat(depth), "}".repeat(depth))),
            ("and", format!("{{\"f\": {}{{}}{}}}", "{\"and\":[".repeat(depth), "]}".repeat(depth))),
        ];
        for (what, variables) in variables {
            let request = format!("{{\"query\": {}, \"variables\": {variables}}}", json!(query));
            calm(&app.client, request, &format!("{what}, {depth} deep")).await;
        }
        for (open, close) in [("{a", "}"), ("{tasks(filter:{and:[", "]}){nodes{id}}}"), ("[", "]"), ("(", ")"), ("{...on Query", "}")] {
            calm(&app.client, body(&nested(open, close, depth), &json!({})), &format!("{open} {depth} deep")).await;
        }
        let values = format!("{{tasks(filter:{}{{}}{}){{totalCount}}}}", "{not:".repeat(depth), "}".repeat(depth));
        calm(&app.client, body(&values, &json!({})), &format!("a literal {depth} deep")).await;
        let types = format!("query($a: {}Int{}) {{ __typename }}", "[".repeat(depth), "]".repeat(depth));
        calm(&app.client, body(&types, &json!({})), &format!("a type {depth} deep")).await;
    }
    assert_eq!(app.client.data("{ viewer { role } }", json!({})).await, json!({ "viewer": { "role": "owner" } }));
    app.stop().await;
}

/// As much of a text as a person wants to read.
fn brief(text: &str) -> String {
    format!("{:?}, {} bytes", text.chars().take(20).collect::<String>(), text.len())
}

/// Texts that something behind the schema may stumble over.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\u{0}",
        "a\u{0}b",
        "\u{feff}",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{202e}",
        "e\u{301}",
        "\r\n",
        "%",
        "_",
        "\\",
        "'; --",
        "\"",
        "{",
        "$1",
        "NaN",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("x".repeat(60_000));
    texts.push("🚲".repeat(10_000));
    texts.push("a ".repeat(20_000));
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_texts_are_taken_or_refused_everywhere() {
    let app = TestApp::start().await;
    let (project, id) = (app.client.project().await, Uuid::now_v7());
    app.client.task(&project, "Here").await;
    app.settled().await;
    for text in texts() {
        for (definition, query) in [
            ("$t: String", "task(key: $t) { id }"),
            ("$t: String", "project(key: $t) { id }"),
            ("$t: String", "tasks(filter: { text: $t }) { totalCount nodes { id } }"),
            ("$t: String", "tasks(filter: { title: { contains: $t }, category: { ne: $t }, not: { tag: { eq: $t } } }) { totalCount }"),
            ("$t: String!", "tasks(filter: { title: { startsWith: $t }, tag: { notIn: [$t] } }) { totalCount }"),
            ("$t: String", "projects(filter: { text: $t, key: { eq: $t }, name: { contains: $t } }) { totalCount }"),
            ("$t: String", "tasks(after: $t) { totalCount }"),
            ("$t: String", "schedules(before: $t, last: 1) { totalCount }"),
            ("$t: String!", "events(filter: { type: [$t], aggregateType: [$t] }) { nodes { id } }"),
            ("$t: ID!", "node(id: $t) { id }"),
            ("$t: ID!", "history(subjectId: $t) { nodes { id } }"),
            ("$t: Position", "events(after: $t) { nodes { id } }"),
            ("$t: DateTime", "tasks(filter: { dueAt: { lt: $t } }) { totalCount }"),
            ("$t: String!", "__type(name: $t) { name }"),
        ] {
            let query = format!("query({definition}) {{ {query} }}");
            calm(&app.client, body(&query, &json!({ "t": text })), &format!("{query} with {}", brief(&text))).await;
        }
        for (name, field) in [
            ("projectCreate", "key"),
            ("projectCreate", "name"),
            ("projectCreate", "description"),
            ("projectCreate", "timeZone"),
            ("taskCreate", "title"),
            ("taskCreate", "category"),
            ("taskCreate", "description"),
            ("taskCreate", "id"),
            ("taskComment", "body"),
            ("taskUpdate", "commandId"),
            ("taskChangeStatus", "blockedReason"),
            ("scheduleCreate", "title"),
        ] {
            let mut sample = sample(&app.client, name).await;
            sample.input[field] = json!(text);
            let query = format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code }} }} }}", input_type(name));
            calm(&app.client, body(&query, &json!({ "i": sample.input })), &format!("{name}: {field} is {}", brief(&text))).await;
        }
        let mut sample = sample(&app.client, "taskUpdate").await;
        sample.input["tags"] = json!([text]);
        let query = "mutation($i: TaskUpdateInput!) { taskUpdate(input: $i) { task { tags } userErrors { code } } }";
        calm(&app.client, body(query, &json!({ "i": sample.input })), &format!("a tag is {}", brief(&text))).await;
    }
    assert!(app.client.data("query($i: ID!) { node(id: $i) { id } }", json!({ "i": id })).await["node"].is_null());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_numbers_are_taken_or_refused_everywhere() {
    let app = TestApp::start().await;
    for number in [
        "-1",
        "0",
        "2147483647",
        "2147483648",
        "-2147483649",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1e3",
        "1e308",
        "-0.0",
        "0.1",
        "123456789012345678901234567890",
    ] {
        for query in [
            format!("{{ tasks(first: {number}) {{ totalCount }} }}"),
            format!("{{ tasks(last: {number}) {{ totalCount }} }}"),
            format!("{{ events(after: {number}) {{ nodes {{ id }} }} }}"),
            format!("{{ node(id: {number}) {{ id }} }}"),
            format!("{{ task(key: {number}) {{ id }} }}"),
            format!("mutation {{ taskDelete(input: {{ id: \"{}\", expectedVersion: {number} }}) {{ version }} }}", Uuid::now_v7()),
        ] {
            calm(&app.client, body(&query, &json!({})), &query).await;
        }
        let request =
            format!("{{\"query\": \"query($n: Int) {{ tasks(first: $n) {{ totalCount }} }}\", \"variables\": {{\"n\": {number}}}}}");
        calm(&app.client, request.clone(), &request).await;
        let estimate = sample(&app.client, "taskCreate").await;
        let input = estimate.input.to_string().replace("\"estimateMinutes\":90", &format!("\"estimateMinutes\":{number}"));
        let request = format!(
            "{{\"query\": \"mutation($i: TaskCreateInput!) {{ taskCreate(input: $i) {{ version userErrors {{ code }} }} }}\", \"variables\": {{\"i\": {input}}}}}"
        );
        assert!(request.contains(number), "{request}");
        calm(&app.client, request.clone(), &request).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_every_input_survives_a_value_of_every_kind() {
    let app = TestApp::start().await;
    let kinds =
        [json!(null), json!(true), json!(0), json!(-1.5), json!(""), json!("x"), json!([]), json!([null]), json!({}), json!({ "a": 1 })];
    for name in served_mutations(&app.client).await {
        let sample = sample(&app.client, &name).await;
        let query = format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code }} }} }}", input_type(&name));
        let fields: Vec<String> = sample.input.as_object().expect("an object").keys().cloned().collect();
        for field in fields.iter().map(String::as_str).chain(["commandId", "expectedVersion"]) {
            for kind in &kinds {
                let mut input = sample.input.clone();
                input[field] = kind.clone();
                calm(&app.client, body(&query, &json!({ "i": input })), &format!("{name}: {field} is {kind}")).await;
            }
        }
        for kind in &kinds {
            calm(&app.client, body(&query, &json!({ "i": kind })), &format!("{name}: the input is {kind}")).await;
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_headers_do_no_harm() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.client.token);
    let good = body("{ viewer { role } }", &Value::Null);
    for (name, value) in [
        ("accept", &b"\xff"[..]),
        ("accept", b";;q=,"),
        ("accept", b"application/json;q=nan"),
        ("accept-encoding", b"\xff"),
        ("x-correlation-id", b"\xff"),
        ("traceparent", b"\xff"),
        ("traceparent", b"00-00000000000000000000000000000000-0000000000000000-00"),
    ] {
        let headers: [(&str, &[u8]); 3] = [("authorization", bearer.as_bytes()), ("content-type", b"application/json"), (name, value)];
        let answer = send(&app.client.base, Method::POST, "/graphql", &headers, good.clone()).await;
        assert_calm(&answer, &format!("{name}: {}", String::from_utf8_lossy(value)));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_given_twice_is_refused_wherever_it_is() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "Here").await;
    let update = "mutation($i: TaskUpdateInput!) { taskUpdate(input: $i) { version } }";
    for (body, name) in [
        (format!(r#"{{"query":"{{ viewer {{ role }} }}","query":"{update}","variables":{{}}}}"#), "query"),
        (format!(r#"{{"query":"{update}","variables":{{"i":{{"id":"{task}","title":"A","title":"B"}}}}}}"#), "title"),
        (format!(r#"{{"query":"{update}","variables":{{"i":{{}},"i":{{"id":"{task}","title":"B"}}}}}}"#), "i"),
        (r#"{"query":"{ viewer { role } }","extensions":{"a":{"b":1,"b":2}}}"#.to_owned(), "b"),
    ] {
        let answer = calm(&app.client, body.clone(), &body).await;
        assert_eq!((answer.status, answer.code()), (400, "BAD_USER_INPUT".to_owned()), "{body}: {}", answer.text);
        let message = answer.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(&format!("{name:?} occurs twice")), "{body}: {message}");
    }
    // GraphQL's own objects as well, by its parser or its validation.
    let literal =
        format!(r#"{{"query":"mutation {{ taskUpdate(input: {{ id: \"{task}\", title: \"A\", title: \"B\" }}) {{ version }} }}"}}"#);
    let answer = calm(&app.client, literal, "a literal object").await;
    assert_eq!(answer.code(), "BAD_USER_INPUT", "{}", answer.text);
    let seen = app.client.must("taskUpdate", "title version", json!({ "id": task, "title": "Here" })).await;
    assert_eq!(seen["task"], json!({ "title": "Here", "version": 1 }), "nothing was changed");
    app.stop().await;
}
