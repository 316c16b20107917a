//! HTTP around GraphQL: methods, what bodies are in, what answers may be in, and which status says what.

use super::{Answer, body, send};
use reqwest::Method;
use serde_json::json;
use tests::app::TestApp;

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";

/// A request of somebody who is signed in.
async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
    let bearer = format!("Bearer {}", app.client.token);
    let mut all: Vec<(&str, &[u8])> = vec![("authorization", bearer.as_bytes())];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    send(&app.client.base, method, path, &all, body).await
}

/// A path that asks a query by GET.
fn by_get(query: &str, more: &str) -> String {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/graphql?query={encoded}{more}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_answered_to_get() {
    let app = TestApp::start().await;
    let expected = json!({ "data": { "viewer": { "role": "owner" } } });
    for path in [
        by_get("{ viewer { role } }", ""),
        by_get("query A { viewer { role } } query B { __typename }", "&operationName=A"),
        by_get("query($yes: Boolean!) { viewer { role @include(if: $yes) } }", "&variables=%7B%22yes%22%3Atrue%7D"),
        by_get("{ viewer { role } }", "&variables=&operationName=&extensions="),
        "/graphql?query=%7B+viewer+%7B+role+%7D+%7D".to_owned(),
    ] {
        let answer = ask(&app, Method::GET, &path, &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    for path in [
        "/graphql",
        "/graphql?",
        "/graphql?query=",
        "/graphql?query=%7B",
        "/graphql?query=%FF",
        "/graphql?query=%7B__typename%7D&variables=%7B",
    ] {
        let answer = ask(&app, Method::GET, path, &[], "").await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{path}: {}", answer.text);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_are_refused_by_get_and_store_nothing() {
    let app = TestApp::start().await;
    let create = "mutation M { projectCreate(input: { key: \"GET\", name: \"By GET\" }) { version } }";
    for path in [
        by_get(create, ""),
        by_get(&format!("query Q {{ __typename }} {create}"), "&operationName=M"),
        by_get("mutation { ...m } fragment m on Mutation { __typename }", ""),
    ] {
        for accept in ["application/json", "application/graphql-response+json"] {
            let refused = ask(&app, Method::GET, &path, &[("accept", accept)], "").await;
            assert_eq!((refused.status, refused.code().as_str()), (405, "METHOD_NOT_ALLOWED"), "{}", refused.text);
            assert_eq!(refused.header("allow"), "POST, GET");
        }
    }
    // With a query beside it that is the one executed, nothing is wrong.
    let answer = ask(&app, Method::GET, &by_get(&format!("query Q {{ __typename }} {create}"), "&operationName=Q"), &[], "").await;
    assert_eq!(answer.json(), json!({ "data": { "__typename": "Query" } }));
    assert_eq!(app.head(), 0, "nothing was stored");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_refused() {
    let app = TestApp::start().await;
    let query = body("{ __typename }", &json!({}));
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let refused = ask(&app, method.clone(), "/graphql", &[("content-type", "application/json")], query.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "METHOD_NOT_ALLOWED"), "{method}");
        assert_eq!(refused.header("allow"), "POST, GET", "{method}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_json_is_read() {
    let app = TestApp::start().await;
    let query = body("{ __typename }", &json!({}));
    for right in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=\"UTF-8\""] {
        assert_eq!(ask(&app, Method::POST, "/graphql", &[("content-type", right)], query.clone()).await.status, 200, "{right}");
    }
    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=iso-8859-1",
        "application/jsonp",
        "application",
        "",
    ] {
        let refused = ask(&app, Method::POST, "/graphql", &[("content-type", wrong)], query.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (415, "BAD_USER_INPUT"), "{wrong:?}: {}", refused.text);
        assert_eq!(refused.header("accept-encoding"), "", "it is not about how the body is encoded");
    }
    assert_eq!(ask(&app, Method::POST, "/graphql", &[], query).await.status, 415, "no type at all");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_body_is_refused_as_such() {
    let app = TestApp::start().await;
    let query = body("{ __typename }", &json!({}));
    for coding in ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, identity"] {
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        let refused = ask(&app, Method::POST, "/graphql", &headers, query.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (415, "BAD_USER_INPUT"), "{coding}: {}", refused.text);
        assert_eq!(refused.header("accept-encoding"), "identity", "{coding}");
        let message = refused.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains("Content-Encoding") && message.contains(coding), "{message}");
    }
    let headers = [("content-type", "application/json"), ("content-encoding", "Identity")];
    assert_eq!(ask(&app, Method::POST, "/graphql", &headers, query).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_in_what_the_client_accepts() {
    let app = TestApp::start().await;
    for (accept, expected) in [
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL),
        ("text/html, application/json;q=0.2", JSON),
    ] {
        let headers = [("accept", accept), ("content-type", "application/json")];
        let answer = ask(&app, Method::POST, "/graphql", &headers, body("{ __typename }", &json!({}))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, expected), "{accept}");
    }
    let headers = [("accept", "text/html"), ("content-type", "application/json")];
    let refused = ask(&app, Method::POST, "/graphql", &headers, body("{ __typename }", &json!({}))).await;
    assert_eq!((refused.status, refused.code().as_str()), (406, "BAD_USER_INPUT"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_whether_the_request_could_be_executed() {
    let app = TestApp::start().await;
    let delete = "mutation { taskDelete(input: { id: \"3f2b6f0e-0000-7000-8000-000000000000\" }) { version } }";
    for (query, by_json, by_graphql, data) in [
        ("{ viewer { role } }", 200, 200, Some(json!({ "viewer": { "role": "owner" } }))),
        ("{", 200, 400, None),
        ("{ nothing }", 200, 400, None),
        ("{ tasks(first: 201) { totalCount } }", 200, 400, None),
        ("query A { __typename } query B { __typename }", 200, 400, None),
        ("query($a: Int!) { tasks(first: $a) { totalCount } }", 200, 400, None),
        // Executed, and ended with an error of a field.
        ("{ task(id: \"no\") { id } }", 200, 200, Some(json!({ "task": null }))),
        (delete, 200, 200, Some(json!({ "taskDelete": null }))),
    ] {
        for (accept, status) in [("application/json", by_json), ("application/graphql-response+json", by_graphql)] {
            let headers = [("accept", accept), ("content-type", "application/json")];
            let answer = ask(&app, Method::POST, "/graphql", &headers, body(query, &json!({}))).await;
            assert_eq!((answer.status, answer.json().get("data").cloned()), (status, data.clone()), "{query}, {accept}: {}", answer.text);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_says_what_belongs_together_and_is_kept_by_nobody() {
    let app = TestApp::start().await;
    let (id, query) = ("3f2b6f0e-0000-7000-8000-000000000001", body("{ __typename }", &json!({})));
    let answer =
        ask(&app, Method::POST, "/graphql", &[("content-type", "application/json"), ("x-correlation-id", id)], query.clone()).await;
    assert_eq!((answer.header("x-correlation-id"), answer.header("cache-control")), (id, "no-store"));
    let answer = ask(&app, Method::POST, "/graphql", &[("content-type", "application/json")], query).await;
    assert!(uuid::Uuid::parse_str(answer.header("x-correlation-id")).is_ok(), "one is made where none is given");
    assert_eq!(answer.header("access-control-allow-origin"), "", "no other site may read it");
    app.stop().await;
}
