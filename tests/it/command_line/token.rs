//! `milepost token`.

use super::{Folder, KEY, WRONG_USE, assert_refused, done, milepost};
use api::http::auth::Tokens;
use application::caller::Role;
use chrono::Utc;
use serde_json::{Value, json};
use tests::app::{Client, SECRET, TestApp};
use uuid::Uuid;

const ANN: &str = "0d6c5ab1-6f0d-4a3e-8d3a-6a2f1c9b7e55";
const HERE: &str = "7be7b3f2-0f0a-4a50-b7ad-1d0a3e5b9c11";

/// A token with some flags, by some key.
async fn token(flags: &[&str], environment: &[(&str, &str)]) -> String {
    let arguments = [&["token", "--actor", ANN, "--workspace", HERE], flags].concat();
    let output = milepost(&arguments, environment).await;
    assert_eq!(output.stderr, "");
    let printed = done(output);
    let token = printed.strip_suffix('\n').expect("a line").to_owned();
    assert!(!token.is_empty() && !token.contains(char::is_whitespace), "a token and nothing else: {printed:?}");
    token
}

/// What a token says, without looking at who signed it.
fn claims(token: &str) -> Value {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, vec![]);
    for c in token.split('.').nth(1).expect("a token has three parts").bytes() {
        let digit = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".iter().position(|digit| *digit == c);
        bits = (bits << 6) | u32::try_from(digit.expect("base64")).expect("six bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).expect("eight bits"));
        }
    }
    serde_json::from_slice(&bytes).expect("claims are JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_accepted_with_its_role_and_no_more() {
    let app = TestApp::start().await;
    let environment = [("MILEPOST_AUTH_HS256_SECRET", SECRET)];
    for role in [Role::Viewer, Role::Member, Role::Admin, Role::Owner, Role::Service] {
        let name = format!("{role:?}").to_lowercase();
        let mut client = Client::new(&app.client.base, Uuid::now_v7(), Uuid::now_v7(), Role::Viewer);
        client.token = token(&["--role", &name], &environment).await;
        let viewer = client.data("{ viewer { actorId role } }", json!({})).await["viewer"].clone();
        assert_eq!((&viewer["actorId"], viewer["role"].as_str().map(str::to_lowercase)), (&json!(ANN), Some(name)), "{viewer}");
        let create = "mutation { projectCreate(input: { key: \"KEY\", name: \"A project\" }) { position userErrors { code } } }";
        let answer = client.ask(create, json!({})).await;
        match role {
            Role::Viewer => assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}"),
            _ => assert!(answer.get("errors").is_none(), "{answer}"),
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_token_lasts_an_hour_or_as_long_as_asked() {
    let environment = [("MILEPOST_AUTH_HS256_SECRET", KEY)];
    for (flags, seconds) in
        [(&["--role", "admin"][..], 3_600), (&["--role", "admin", "--ttl", "90s"], 90), (&["--role", "admin", "--ttl", "2days"], 172_800)]
    {
        let claims = claims(&token(flags, &environment).await);
        let (made, ends) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
        assert_eq!(ends - made, seconds, "{claims}");
        assert!((Utc::now().timestamp() - made).abs() < 120);
        assert_eq!([&claims["sub"], &claims["ws"], &claims["role"]], [&json!(ANN), &json!(HERE), &json!("admin")]);
    }
}

#[tokio::test]
async fn a_token_names_the_configured_issuer_and_audience() {
    let folder = Folder::new();
    let file = folder.file("key", format!("{KEY}\n"));
    let environment =
        [("MILEPOST_AUTH_HS256_SECRET_FILE", file.as_str()), ("MILEPOST_AUTH_ISSUER", "us"), ("MILEPOST_AUTH_AUDIENCE", "them")];
    let header = format!("Bearer {}", token(&["--role", "member"], &environment).await);
    let by =
        |key: &str, issuer: &str, audience: &str| Tokens::new(key.as_bytes(), issuer, audience).caller(Some(header.as_bytes())).is_ok();
    assert!(by(KEY, "us", "them"), "the key is what is in the file, without the end of its line");
    assert!(!by(KEY, "milepost", "them") && !by(KEY, "us", "milepost") && !by(SECRET, "us", "them"));
}

#[tokio::test]
async fn a_token_that_makes_no_sense_is_refused() {
    let key = [("MILEPOST_AUTH_HS256_SECRET", KEY)];
    let admin = ["token", "--actor", ANN, "--workspace", HERE, "--role", "admin"];
    for (arguments, texts) in [
        ([&admin[..6], &["boss"]].concat(), vec!["--role", "boss", "viewer, member, admin, owner, service"]),
        (admin[..5].to_vec(), vec!["--role"]),
        ([&["token", "--actor", "ann"], &admin[3..]].concat(), vec!["--actor", "ann"]),
        (vec!["token", "--actor", ANN, "--role", "admin"], vec!["--workspace"]),
        ([&admin[..], &["--ttl", "0s"]].concat(), vec!["--ttl", "0s", "between 1 second and 10 years"]),
        ([&admin[..], &["--ttl", "100years"]].concat(), vec!["--ttl", "100years", "between 1 second and 10 years"]),
        ([&admin[..], &["--ttl", "soon"]].concat(), vec!["--ttl", "soon"]),
    ] {
        assert_refused(&milepost(&arguments, &key).await, WRONG_USE, &texts);
    }
    let output = milepost(&admin, &[("MILEPOST_AUTH_HS256_SECRET", "")]).await;
    assert_refused(&output, WRONG_USE, &["MILEPOST_AUTH_HS256_SECRET is not set", "openssl rand", "MILEPOST_AUTH_HS256_SECRET_FILE"]);
}
