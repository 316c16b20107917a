//! Who may ask: every way in which a token can be wrong, and what roles may do.

use super::commands::sample;
use super::{Answer, body, send, served_mutations};
use application::caller::Role;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tests::app::{Client, How, SECRET, TestApp, input_type};
use uuid::Uuid;

const WHO: &str = "{ viewer { actorId workspaceId role } }";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// Claims that are accepted, valid for an hour.
fn claims() -> Value {
    json!({ "sub": Uuid::now_v7(), "ws": Uuid::now_v7(), "role": "member", "iss": "milepost", "aud": "milepost",
        "exp": now() + 3_600, "iat": now() })
}

fn signed(algorithm: Algorithm, claims: &Value, key: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token can be made")
}

/// The claims with one of them changed, or taken out by null, and signed as they should be.
fn with(claim: &str, value: Value) -> String {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(claim)),
        value => claims[claim] = value,
    }
    signed(Algorithm::HS256, &claims, SECRET)
}

/// Asks with a header `Authorization`, or without.
async fn ask(app: &TestApp, authorization: Option<&[u8]>) -> Answer {
    let mut headers: Vec<(&str, &[u8])> = vec![("content-type", b"application/json")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    send(&app.client.base, Method::POST, "/graphql", &headers, body(WHO, &json!({}))).await
}

fn assert_refused(answer: &Answer, reason: &str, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
    let body = answer.json();
    assert_eq!(body["errors"][0]["extensions"], json!({ "code": "UNAUTHENTICATED" }), "{what}: {body}");
    let message = body["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains(reason), "{what}: {message:?} does not say {reason:?}");
    assert_eq!(body.get("data"), None, "{what}");
    assert!(!answer.text.contains(SECRET), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_token_says_who_asks() {
    let app = TestApp::start().await;
    for role in ["viewer", "member", "admin", "owner", "service"] {
        let mut claims = claims();
        claims["role"] = json!(role);
        // Not before now, and a claim that nobody knows: fine.
        claims["nbf"] = json!(now());
        claims["email"] = json!("somebody@example.org");
        let token = signed(Algorithm::HS256, &claims, SECRET);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let answer = ask(&app, Some(format!("{scheme} {token}").as_bytes())).await;
            let expected = json!({ "actorId": claims["sub"], "workspaceId": claims["ws"], "role": role });
            assert_eq!(answer.json()["data"]["viewer"], expected, "{}", answer.text);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_token_is_refused_with_its_reason() {
    let app = TestApp::start().await;
    let good = signed(Algorithm::HS256, &claims(), SECRET);
    let parts: Vec<&str> = good.split('.').collect();
    let [head, claims_part, signature] = parts.as_slice() else { panic!("a token has three parts") };
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for (what, token, reason) in [
        ("another key", signed(Algorithm::HS256, &claims(), "another key, long enough for HS256"), "signature"),
        ("HS384", signed(Algorithm::HS384, &claims(), SECRET), "HS256"),
        ("HS512", signed(Algorithm::HS512, &claims(), SECRET), "HS256"),
        ("no algorithm, no signature", format!("{none}.{claims_part}."), "the token is not valid"),
        ("no algorithm, a signature", format!("{none}.{claims_part}.{signature}"), "the token is not valid"),
        ("no signature", format!("{head}.{claims_part}."), "the token is not valid"),
        ("two parts", format!("{head}.{claims_part}"), "cannot be parsed"),
        ("changed claims", format!("{head}.{}x.{signature}", claims_part), "the token is not valid"),
        ("no token at all", "not.a.token".to_owned(), "the token is not valid"),
        ("expired", with("exp", json!(now() - 6)), "expired"),
        ("expired long ago", with("exp", json!(0)), "expired"),
        ("not yet valid", with("nbf", json!(now() + 60)), "not valid yet"),
        ("another issuer", with("iss", json!("elsewhere")), "issuer"),
        ("another audience", with("aud", json!("elsewhere")), "audience"),
        ("no expiry", with("exp", json!(null)), "are required"),
        ("no issuer", with("iss", json!(null)), "are required"),
        ("no audience", with("aud", json!(null)), "are required"),
        ("no actor", with("sub", json!(null)), "are required"),
        ("no workspace", with("ws", json!(null)), "are required"),
        ("no role", with("role", json!(null)), "are required"),
        ("no time of issue", with("iat", json!(null)), "are required"),
        ("an unknown role", with("role", json!("root")), "role is viewer"),
        ("a role in capitals", with("role", json!("Owner")), "role is viewer"),
        ("an actor that is no UUID", with("sub", json!("me")), "sub and ws are UUIDs"),
        ("a workspace that is no UUID", with("ws", json!(7)), "sub and ws are UUIDs"),
        ("an expiry that is no number", with("exp", json!("tomorrow")), "the token is not valid"),
        ("an expiry before 1970", with("exp", json!(-1)), "the token is not valid"),
        ("a start that is no number", with("nbf", json!("now")), "the token is not valid"),
        ("a fraction of a second too late", with("exp", json!(now() as f64 - 6.75)), "expired"),
        ("a fraction of a second too early", with("nbf", json!(now() as f64 + 60.5)), "not valid yet"),
        ("several audiences, none of them ours", with("aud", json!(["elsewhere", "nowhere"])), "audience"),
        ("no audience at all", with("aud", json!([])), "audience"),
        ("an audience that is no text", with("aud", json!([7])), "are required"),
        ("several issuers", with("iss", json!(["milepost", "elsewhere"])), "are required"),
        ("too long", with("more", json!("x".repeat(8 * 1024))), "at most 8192 bytes"),
    ] {
        assert_refused(&ask(&app, Some(format!("Bearer {token}").as_bytes())).await, reason, what);
    }
    assert_refused(&ask(&app, None).await, "not authenticated", "no header");
    assert_refused(&ask(&app, Some(b"")).await, "not authenticated", "an empty header");
    for header in [format!("Basic {good}"), good.clone(), "Bearer".to_owned(), format!("Bearer{good}")] {
        assert_refused(&ask(&app, Some(header.as_bytes())).await, "must be Bearer", &header);
    }
    assert_refused(&ask(&app, Some(b"Bearer \xff\xfe")).await, "the token is not valid", "no text");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audiences_and_times_are_read_as_the_standard_has_them() {
    let app = TestApp::start().await;
    for (claim, value) in [
        ("aud", json!(["elsewhere", "milepost"])),
        ("aud", json!(["milepost"])),
        ("exp", json!(now() as f64 + 3_600.25)),
        ("iat", json!(now() as f64 - 0.5)),
        ("nbf", json!(now() as f64 - 0.001)),
        ("exp", json!(4.0e9)),
    ] {
        let token = with(claim, value.clone());
        // The second time it is one that is remembered.
        for time in 0..2 {
            let answer = ask(&app, Some(format!("Bearer {token}").as_bytes())).await;
            assert_eq!(answer.status, 200, "{claim} {value}, time {time}: {}", answer.text);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_calls_critical_is_not_passed_over() {
    let app = TestApp::start().await;
    for critical in [vec!["exp"], vec!["b64"], vec!["https://example.org/only-on-mondays", "b64"], vec![]] {
        let mut header = Header::new(Algorithm::HS256);
        critical.iter().for_each(|name| header.extras.insert(*name, true));
        header.crit = Some(critical.into_iter().map(str::to_owned).collect());
        let token = encode(&header, &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token can be made");
        let answer = ask(&app, Some(format!("Bearer {token}").as_bytes())).await;
        assert_refused(&answer, "crit", &format!("{:?}", header.crit));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_a_token_brings_along_are_ignored() {
    let app = TestApp::start().await;
    let key = "a key of my own, long enough for HS256";
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("mine".to_owned());
    header.jku = Some("http://127.0.0.1:9/keys".to_owned());
    header.x5u = Some("http://127.0.0.1:9/certificate".to_owned());
    let token = encode(&header, &claims(), &EncodingKey::from_secret(key.as_bytes())).expect("a token can be made");
    assert_refused(&ask(&app, Some(format!("Bearer {token}").as_bytes())).await, "signature", "a key by jku");
    let token = encode(&header, &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token can be made");
    assert_eq!(ask(&app, Some(format!("Bearer {token}").as_bytes())).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuer_and_audience_are_settings() {
    let how = How {
        settings: Some(Box::new(|settings| {
            settings.auth.issuer = "https://login.example.org".to_owned();
            settings.auth.audience = "tasks".to_owned();
        })),
        ..How::default()
    };
    let app = TestApp::start_with(how).await;
    assert_refused(&ask(&app, Some(format!("Bearer {}", app.client.token).as_bytes())).await, "the token is not valid", "the usual names");
    let mut claims = claims();
    claims["iss"] = json!("https://login.example.org");
    claims["aud"] = json!("tasks");
    let token = signed(Algorithm::HS256, &claims, SECRET);
    assert_eq!(ask(&app, Some(format!("Bearer {token}").as_bytes())).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remembered_token_still_expires() {
    let app = TestApp::start().await;
    // The leeway of clocks is five seconds: this one has two or three left, and is verified and remembered now.
    let token = with("exp", json!(now() - 3));
    let header = format!("Bearer {token}");
    let first = ask(&app, Some(header.as_bytes())).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let expired = tests::wait::until("it expires", || async {
        let answer = ask(&app, Some(header.as_bytes())).await;
        (answer.status == 401).then_some(answer)
    })
    .await;
    assert_refused(&expired, "expired", "a token that was good before");
    app.stop().await;
}

/// The codes of a mutation sent by somebody.
async fn sent_by(client: &Client, name: &str, input: &Value) -> Value {
    let query = format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code }} }} }}", input_type(name));
    client.ask(&query, json!({ "i": input })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_read_and_change_nothing() {
    let app = TestApp::start().await;
    let viewer = app.client.with_role(Role::Viewer);
    for name in served_mutations(&app.client).await {
        let sample = sample(&app.client, &name).await;
        let refused = sent_by(&viewer, &name, &sample.input).await;
        assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "FORBIDDEN" }), "{name}: {refused}");
        let message = refused["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(&name) && message.contains("member"), "{name}: {message}");
        assert_eq!(refused["data"], json!({ "r": null }), "{name}");
    }
    app.settled().await;
    let seen = viewer.data("{ projects(first: 1) { totalCount nodes { version } } }", json!({})).await;
    assert!(seen["projects"]["totalCount"].as_i64().is_some_and(|count| count > 20), "{seen}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_else_may_send_commands_in_a_project_of_theirs() {
    let app = TestApp::start().await;
    for role in [Role::Member, Role::Admin, Role::Owner, Role::Service] {
        let client = app.client.with_role(role);
        for name in ["projectUpdate", "taskCreate", "scheduleDelete"] {
            let sample = sample(&client, name).await;
            let done = sent_by(&client, name, &sample.input).await;
            assert_eq!(done["data"]["r"], json!({ "version": sample.version, "userErrors": [] }), "{role:?} {name}: {done}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_graphql_asks_who_is_there() {
    let app = TestApp::start().await;
    for path in ["/livez", "/readyz", "/metrics", "/graphiql"] {
        assert_eq!(app.client.get(path).await.0, 200, "{path}");
    }
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        let answer = send(&app.client.base, method.clone(), "/graphql?query=%7B__typename%7D", &[], "").await;
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{method}");
    }
    app.stop().await;
}
