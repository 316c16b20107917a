//! GraphQL over HTTP, as the specification of the GraphQL foundation wants it.

use super::auth::{Refused, Tokens};
use super::negotiate::{Answer, answer, is_json};
use super::reserved_answer::{ReservedAnswer, written};
use crate::graphql::{Asked, GraphQL, GraphQLRequest, How, Limits, OUTCOME_BYTES_MAX, limit_exceeded, overloaded};
use crate::load::{NotReserved, Overload, RETRY_AFTER, Underway};
use application::json;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// The header that every read of a request waits for.
pub(super) const MIN_POSITION: &str = "x-milepost-min-position";
/// The header by which a client correlates requests.
pub(super) const CORRELATION_ID: &str = "x-correlation-id";

/// Most bytes of a body that are read though it is refused.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The dependencies of the handler.
pub(super) struct GraphQLEndpoint {
    pub(super) graphql: GraphQL,
    pub(super) tokens: Arc<Tokens>,
}

/// A request that cannot even be tried.
struct Unfit {
    status: StatusCode,
    message: String,
    /// The code, and its details.
    extensions: Value,
    /// Whether it concerns the encoding of the body.
    of_coding: bool,
}

fn unfit(status: StatusCode, code: &'static str, message: impl Into<String>) -> Unfit {
    Unfit { status, message: message.into(), extensions: serde_json::json!({ "code": code }), of_coding: false }
}

fn of_error(status: StatusCode, error: async_graphql::Error) -> Unfit {
    Unfit { status, message: error.message, extensions: serde_json::json!(error.extensions), of_coding: false }
}

/// The refusal of a request because a limit on concurrent work is reached.
fn overloaded_request(overload: Overload) -> Unfit {
    count(overload);
    of_error(status_of(overload), overloaded(overload))
}

/// The refusal of a request whose body exceeds the memory limits.
fn too_large_to_reserve(not_reserved: NotReserved) -> Unfit {
    match not_reserved {
        NotReserved::Now(overload) => overloaded_request(overload),
        NotReserved::Never(limit, value, allowed) => {
            let each = json::VALUE_BYTES;
            let message = format!(
                "{limit} is {value}, and {allowed} is allowed: this request alone needs that much memory ({each} bytes for each JSON \
                     value); send fewer values at once"
            );
            Unfit { message, ..of_error(StatusCode::PAYLOAD_TOO_LARGE, limit_exceeded(limit, value, allowed)) }
        }
    }
}

/// Counts a request that is refused for it.
fn count(overload: Overload) {
    metrics::counter!("milepost_api_overloads_total", "limit" => overload.limit).increment(1);
}

fn status_of(overload: Overload) -> StatusCode {
    if overload.of_node { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::TOO_MANY_REQUESTS }
}

pub(super) async fn handle(State(endpoint): State<Arc<GraphQLEndpoint>>, request: Request<Body>) -> Response<Body> {
    let limits = endpoint.graphql.services().limits;
    let until = Instant::now() + limits.timeout;
    let (parts, body) = request.into_parts();
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(format) = answer(text(header::ACCEPT)) else {
        let message = "responses are application/graphql-response+json or application/json; accept one of them";
        return refuse(Answer::Json, &unfit(StatusCode::NOT_ACCEPTABLE, "BAD_USER_INPUT", message));
    };
    let asked = match asked(&parts.headers, &endpoint.tokens) {
        Ok(asked) => asked,
        Err(unfit) => return refuse(format, &unfit),
    };
    let correlation_id = asked.correlation_id;
    let mut response = match endpoint.graphql.load().enter(&asked.caller) {
        Ok(underway) => answered(&endpoint, Sent { parts: &parts, body, asked, format, until }, &underway).await,
        Err(overload) => {
            take_in(body).await;
            refuse(format, &overloaded_request(overload))
        }
    };
    if let Ok(value) = HeaderValue::from_str(&correlation_id.to_string()) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    response
}

/// Refuses any request because a limit on concurrent work is reached.
pub(super) async fn refuse_overloaded(body: Body, overload: Overload) -> Response<Body> {
    take_in(body).await;
    refuse(Answer::Json, &overloaded_request(overload))
}

/// Reads a body that is not looked at: most clients look for an answer only when they have sent everything.
async fn take_in(body: Body) {
    let _ = tokio::time::timeout(RETRY_AFTER, discard(&mut body.into_data_stream())).await;
}

/// A request of an authenticated caller.
struct Sent<'a> {
    parts: &'a Parts,
    body: Body,
    asked: Asked,
    format: Answer,
    until: Instant,
}

async fn answered(endpoint: &GraphQLEndpoint, sent: Sent<'_>, underway: &Arc<Underway>) -> Response<Body> {
    let Sent { parts, body, asked, format, until } = sent;
    let limits = endpoint.graphql.services().limits;
    let is_json = || is_json(parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()));
    let (sent, only_read) = match parts.method {
        Method::GET => (from_query(parts.uri.query().unwrap_or_default(), underway), true),
        Method::POST if is_json() => (from_body(body, &parts.headers, Reading { limits: &limits, until, underway }).await, false),
        Method::POST => {
            let message = "the body must be JSON in UTF-8 with the header Content-Type: application/json";
            (Err(unfit(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT", message)), false)
        }
        _ => (Err(unfit(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "use POST, or GET for queries")), false),
    };
    let sent = match sent {
        Err(unfit) => return refuse(format, &unfit),
        Ok(sent) => sent,
    };
    let executed = endpoint.graphql.execute(sent, asked, underway, How { only_read, until }).await;
    let status = executed.overload.map_or_else(|| status(format, &executed.response, executed.began), status_of);
    // If execution did not start, the answer has no `data` member, not even null.
    let data = executed.began.then_some(&executed.response.data);
    let allowed = limits.answer_bytes + if executed.carried_out { OUTCOME_BYTES_MAX } else { 0 };
    match written(&Answered { data, errors: &executed.response.errors }, allowed) {
        Ok(bytes) => match ReservedAnswer::new(bytes, underway, executed.carried_out) {
            Ok(reserved) => {
                executed.overload.into_iter().for_each(count);
                respond(format, status, Bytes::from_owner(reserved))
            }
            Err(NotReserved::Now(overload)) => refuse(format, &overloaded_request(overload)),
            Err(NotReserved::Never(limit, value, allowed)) => {
                refuse(format, &of_error(StatusCode::OK, limit_exceeded(limit, value, allowed)))
            }
        },
        Err(bytes) => refuse(format, &of_error(StatusCode::OK, executed.too_large(bytes, allowed))),
    }
}

/// The response. Not a map, since fields must be in the order of the query.
#[derive(Serialize)]
struct Answered<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a async_graphql::Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [async_graphql::ServerError],
}

fn status(format: Answer, response: &async_graphql::Response, began: bool) -> StatusCode {
    let code = response.errors.first().and_then(|error| error.extensions.as_ref()?.get("code").cloned());
    match (format, code) {
        (_, Some(async_graphql::Value::String(code))) if code == "METHOD_NOT_ALLOWED" => StatusCode::METHOD_NOT_ALLOWED,
        (Answer::GraphQLResponse, _) if !began => StatusCode::BAD_REQUEST,
        (Answer::GraphQLResponse | Answer::Json, _) => StatusCode::OK,
    }
}

/// The caller and the context of a request.
fn asked(headers: &HeaderMap, tokens: &Tokens) -> Result<Asked, Unfit> {
    let caller = tokens
        .caller(headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes))
        .map_err(|refused: Refused| unfit(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", refused.to_string()))?;
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let bad =
        |name: &str, expected: &str| unfit(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", format!("the header {name} must be {expected}"));
    let min_position = text(MIN_POSITION)
        .map(|text| Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok()))
        .map(|position| position.ok_or_else(|| bad(MIN_POSITION, "a position, such as 42")))
        .transpose()?;
    let correlation_id = text(CORRELATION_ID)
        .map(|text| Uuid::parse_str(text).map_err(|_| bad(CORRELATION_ID, "a UUID")))
        .transpose()?
        .unwrap_or_else(Uuid::now_v7);
    // An invalid trace context is ignored.
    let traceparent = text("traceparent").filter(|text| is_traceparent(text)).map(str::to_owned);
    Ok(Asked { caller, min_position, correlation_id, traceparent })
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, by W3C Trace Context.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex =
        |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    matches!(parts.as_slice(), [version, trace, span, flags] if hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2))
}

/// The options for reading a body.
struct Reading<'a> {
    limits: &'a Limits,
    until: Instant,
    underway: &'a Underway,
}

async fn from_body(body: Body, headers: &HeaderMap, reading: Reading<'_>) -> Result<GraphQLRequest, Unfit> {
    let Reading { limits, until, underway } = reading;
    let limit = limits.body_bytes;
    let too_long = |length: usize| of_error(StatusCode::PAYLOAD_TOO_LARGE, limit_exceeded("bodyBytes", length, limit));
    let mut pieces = body.into_data_stream();
    if let Some(coding) =
        headers.get_all(header::CONTENT_ENCODING).iter().find(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let _ = tokio::time::timeout_at(until, discard(&mut pieces)).await;
        let coding = String::from_utf8_lossy(coding.as_bytes()).chars().take(60).collect::<String>();
        let message =
            format!("the header Content-Encoding is {coding:?}, which is not supported; send the body uncompressed, without that header");
        return Err(Unfit { of_coding: true, ..unfit(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT", message) });
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(length) = announced.filter(|length| *length > limit) {
        // A client that sent `Expect` has not sent the body.
        if !headers.contains_key(header::EXPECT) {
            let _ = tokio::time::timeout_at(until, discard(&mut pieces)).await;
        }
        return Err(too_long(length));
    }
    let bytes = match tokio::time::timeout_at(until, read_all(&mut pieces, limit, underway)).await {
        Ok(Ok(Some(Ok(bytes)))) => bytes,
        Ok(Ok(Some(Err(not_reserved)))) => {
            let _ = tokio::time::timeout_at(until, discard(&mut pieces)).await;
            return Err(too_large_to_reserve(not_reserved));
        }
        // Of a body without a length, only as much is kept as shows that it is too long.
        Ok(Ok(None)) => {
            let _ = tokio::time::timeout_at(until, discard(&mut pieces)).await;
            return Err(too_long(limit + 1));
        }
        Ok(Err(error)) => return Err(bad_request(format!("the body is incomplete: {error}"))),
        Err(_) => {
            let message = format!("the body did not arrive within {} ms; nothing was executed", limits.timeout.as_millis());
            return Err(unfit(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message));
        }
    };
    let value = json_of("the body", &bytes, underway)?;
    if value.is_array() {
        return Err(bad_request("batched requests are not supported; send one object with a query".to_owned()));
    }
    read(value)
}

/// The whole body; an error if a memory limit is reached; `None` if it has more bytes than allowed.
async fn read_all(
    pieces: &mut BodyDataStream,
    limit: usize,
    underway: &Underway,
) -> Result<Option<Result<Vec<u8>, NotReserved>>, axum::Error> {
    let mut bytes = vec![];
    while let Some(piece) = pieces.try_next().await? {
        if piece.len() > limit - bytes.len() {
            return Ok(None);
        }
        if let Err(not_reserved) = underway.reserve(piece.len()) {
            return Ok(Some(Err(not_reserved)));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(Ok(bytes)))
}

/// Reads the rest of a refused body: most clients read the answer only when they have sent everything.
async fn discard(pieces: &mut BodyDataStream) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Ok(Some(piece)) = pieces.try_next().await {
        if piece.len() > left {
            return;
        }
        left -= piece.len();
    }
}

fn from_query(query: &str, underway: &Underway) -> Result<GraphQLRequest, Unfit> {
    let mut value = serde_json::Map::new();
    for (name, text) in form(query) {
        if value.contains_key(&name) {
            return Err(bad_request(format!("{name} occurs twice; remove one")));
        }
        match name.as_str() {
            "query" | "operationName" => {
                value.insert(name, Value::String(text));
            }
            "variables" | "extensions" if !text.is_empty() => {
                let parsed = json_of(&name, text.as_bytes(), underway)?;
                value.insert(name, parsed);
            }
            _ => {}
        }
    }
    read(Value::Object(value))
}

/// The JSON value of a text, unless an object has a duplicate key.
///
/// Its values are held before they are read: many small ones take far more memory than their text.
fn json_of(what: &str, text: &[u8], underway: &Underway) -> Result<Value, Unfit> {
    underway.reserve(json::values_max(text) * json::VALUE_BYTES).map_err(too_large_to_reserve)?;
    json::strict(text).map_err(|error| {
        if error.is_data() {
            bad_request(format!("{what} cannot be parsed: {error}"))
        } else {
            bad_request(format!("{what} is not JSON: {error}"))
        }
    })
}

/// The parts of a query string, decoded.
fn form(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| {
        let bytes = text.as_bytes();
        let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            let hex =
                bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            match (bytes[at], hex) {
                (b'%', Some(byte)) => {
                    decoded.push(byte);
                    at += 2;
                }
                (b'+', _) => decoded.push(b' '),
                (byte, _) => decoded.push(byte),
            }
            at += 1;
        }
        String::from_utf8_lossy(&decoded).into_owned()
    };
    query.split('&').filter(|part| !part.is_empty()).map(move |part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

/// A request from its parts, each of the right kind.
fn read(value: Value) -> Result<GraphQLRequest, Unfit> {
    let expect = |name: &str, fits: fn(&Value) -> bool, expected: &str| match value.get(name) {
        Some(found) if !found.is_null() && !fits(found) => Err(bad_request(format!("{name} must be {expected}"))),
        _ => Ok(()),
    };
    match value.get("query") {
        Some(Value::String(_)) => {}
        Some(_) => return Err(bad_request("query must be a string".to_owned())),
        None => return Err(bad_request("query is missing: send an object with a query".to_owned())),
    }
    expect("operationName", Value::is_string, "a string")?;
    expect("variables", Value::is_object, "an object")?;
    expect("extensions", Value::is_object, "an object")?;
    serde_json::from_value(value).map_err(|error| bad_request(format!("the request cannot be parsed: {error}")))
}

fn bad_request(message: String) -> Unfit {
    unfit(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
}

fn refuse(format: Answer, unfit: &Unfit) -> Response<Body> {
    let body = serde_json::json!({ "errors": [{ "message": unfit.message, "extensions": unfit.extensions }] });
    let mut response = respond(format, unfit.status, body.to_string().into());
    let headers = response.headers_mut();
    if unfit.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if unfit.of_coding {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if unfit.status == StatusCode::REQUEST_TIMEOUT {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn respond(format: Answer, status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST, GET"));
    }
    response
}
