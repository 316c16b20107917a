//! Authentication by bearer tokens, verified strictly.
//!
//! A token is a JWT, HS256 with the configured key. Everything else about it is required or refused: algorithm, issuer,
//! audience, expiry, not-before, and our own claims. What its header says about keys is ignored; an extension that its
//! header calls critical is refused.

use crate::graphql::TOKEN_BYTES_MAX;
use application::caller::{Caller, Role};
use domain::ids::{UserId, WorkspaceId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation, decode, encode};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use uuid::Uuid;

/// Allowed clock skew, in seconds.
pub const LEEWAY_S: u64 = 5;
/// Most verified tokens that are remembered.
pub const VERIFIED_MAX: u64 = 10_000;
/// Longest time a verified token is remembered.
const VERIFIED_FOR: Duration = Duration::from_secs(60);

/// The claims of a token in addition to those that [`Validation`] checks. Times are a `NumericDate` of RFC 7519:
/// seconds since 1970, which may have a fraction; `aud` is a text or a list of texts.
#[derive(Debug, Deserialize)]
struct Claims {
    /// The actor.
    sub: Uuid,
    /// The workspace.
    ws: Uuid,
    /// The role in the workspace.
    role: Role,
    /// One text: validation would take a list.
    #[serde(rename = "iss")]
    _iss: String,
    /// When it ends.
    exp: f64,
    /// When it was made.
    #[serde(rename = "iat")]
    _iat: f64,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    #[error("not authenticated: send a token in the header Authorization: Bearer …")]
    Missing,
    #[error("the header Authorization must be Bearer followed by a token")]
    NotBearer,
    #[error("a token has at most {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
}

/// Makes and verifies tokens.
pub struct Tokens {
    decoding: DecodingKey,
    encoding: EncodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
    verified: Cache<[u8; 32], (Caller, f64)>,
}

impl Tokens {
    /// With a key, and the issuer and audience that tokens must name.
    pub fn new(secret: &[u8], issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Self {
            decoding: DecodingKey::from_secret(secret),
            encoding: EncodingKey::from_secret(secret),
            validation,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            verified: Cache::builder().max_capacity(VERIFIED_MAX).time_to_live(VERIFIED_FOR).build(),
        }
    }

    /// Issues a token for a caller.
    pub fn issue(&self, caller: &Caller, lasts: Duration) -> Result<String, jsonwebtoken::errors::Error> {
        let now = now();
        let claims = json!({
            "sub": caller.actor.0,
            "ws": caller.workspace.0,
            "role": caller.role,
            "iss": self.issuer,
            "aud": self.audience,
            "exp": (now + lasts).as_secs(),
            "iat": now.as_secs(),
        });
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }

    /// Who the header `Authorization` names.
    pub fn caller(&self, authorization: Option<&[u8]>) -> Result<Caller, Refused> {
        let header = authorization.filter(|header| !header.is_empty()).ok_or(Refused::Missing)?;
        let (scheme, token) = header.split_at_checked(7).ok_or(Refused::NotBearer)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(Refused::NotBearer);
        }
        let token = token.trim_ascii();
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some((caller, expires)) = self.verified.get(&hash)
            && expires + LEEWAY_S as f64 > now().as_secs_f64()
        {
            return Ok(caller);
        }
        let TokenData { header, claims } =
            decode::<Claims>(token, &self.decoding, &self.validation).map_err(|error| refusal(error.kind()))?;
        // Critical extensions must be understood, and none is (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Refused::Invalid("its header has crit, but no JWS extension is supported"));
        }
        let caller = Caller { actor: UserId(claims.sub), workspace: WorkspaceId(claims.ws), role: claims.role };
        self.verified.insert(hash, (caller, claims.exp));
        Ok(caller)
    }
}

fn refusal(kind: &jsonwebtoken::errors::ErrorKind) -> Refused {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::ImmatureSignature => Refused::NotYet,
        ErrorKind::InvalidSignature => Refused::Invalid("its signature does not match"),
        ErrorKind::InvalidIssuer => Refused::Invalid("its issuer is not the expected one"),
        ErrorKind::InvalidAudience => Refused::Invalid("its audience is not the expected one"),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Refused::Invalid("its algorithm is not HS256"),
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => Refused::Invalid(
            "its claims cannot be read: sub, ws, role, iss, aud, exp and iat are required; sub and ws are UUIDs, exp and iat are numbers, \
                 role is viewer, member, admin, owner or service",
        ),
        _ => Refused::Invalid("it cannot be parsed"),
    }
}

/// Time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
