//! Entry points for fuzzers: access tokens. The fuzzers, and how to run them, are in `fuzz/`.

use super::auth::Tokens;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::Value;
use std::sync::LazyLock;

const SECRET: &[u8] = b"a key for the tokens of fuzzers, 48 bytes ......";
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| Tokens::new(SECRET, "milepost", "milepost"));

/// Any unsigned input is refused, and input signed with our key must be valid in every other respect. The first line is
/// the header, the rest are the claims.
pub fn token(bytes: &[u8]) {
    assert!(TOKENS.caller(Some(&[b"Bearer ", bytes].concat())).is_err(), "nobody signed this");
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (header, claims) = (&bytes[..end], &bytes[end + 1..]);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), &EncodingKey::from_secret(SECRET), Algorithm::HS256).expect("the key signs");
    let token = format!("Bearer {message}.{signature}");
    let Ok(caller) = TOKENS.caller(Some(token.as_bytes())) else { return };
    let read = |part: &[u8]| serde_json::from_slice::<Value>(part).expect("what is accepted is JSON");
    let (header, claims) = (read(header), read(claims));
    assert_eq!(header["alg"], "HS256", "{header}");
    assert_eq!(claims["iss"], "milepost", "{claims}");
    let ours = |audience: &Value| audience == "milepost";
    assert!(ours(&claims["aud"]) || claims["aud"].as_array().is_some_and(|all| all.iter().any(ours)), "{claims}");
    assert!(header.get("crit").is_none_or(Value::is_null), "{header}");
    assert!(claims["exp"].as_f64().is_some_and(|exp| exp > 1_700_000_000.0), "{claims}");
    assert_eq!(claims["sub"].as_str().and_then(|sub| sub.parse().ok()), Some(caller.actor.0), "{claims}");
}
