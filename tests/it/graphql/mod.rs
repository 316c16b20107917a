//! GraphQL over HTTP, as clients meet it: a served node, real requests, real answers.

mod absent_variables;
mod access;
mod answer_size;
mod any_input;
mod audits;
mod command_ids;
mod commands;
mod conflicts;
mod doors;
mod events;
mod examples;
mod expansion;
mod fields;
mod graphiql;
mod greatest_filters;
mod health;
mod instants;
mod introspection;
mod limits;
mod lists;
mod lost_reads;
mod mutations;
mod nulls;
mod one_statement;
mod order;
mod overload;
mod pages;
mod positions;
mod proxy;
mod refusals;
mod schemathesis;
mod sign_in;
mod single;
mod slow_clients;
mod slow_queries;
mod stored;
mod strange_input;
mod swapped;
mod values;
mod workspaces;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tests::app::Client;

/// An answer to any request.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header's value, or nothing.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of the first error.
    fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends any request to a node, with no headers but those given.
async fn send(base: &str, method: Method, path: &str, headers: &[(&str, &[u8])], body: impl Into<reqwest::Body>) -> Answer {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).expect("a header's name");
        all.append(name, HeaderValue::from_bytes(value).expect("a header's value"));
    }
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let request = client.request(method, format!("{base}{path}")).headers(all).body(body);
    let response = request.send().await.expect("the node answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.expect("the answer is text") }
}

/// Sends a body to `/graphql` as a signed-in client does.
async fn post(client: &Client, body: impl Into<reqwest::Body>) -> Answer {
    let bearer = format!("Bearer {}", client.token);
    let headers: [(&str, &[u8]); 2] = [("authorization", bearer.as_bytes()), ("content-type", b"application/json")];
    send(&client.base, Method::POST, "/graphql", &headers, body).await
}

/// A query as a body.
fn body(query: &str, variables: &Value) -> String {
    json!({ "query": query, "variables": variables }).to_string()
}

/// Whether an answer has everything that is expected: objects may have more fields, anything else is equal.
fn has(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| answer.get(name).is_some_and(|found| has(found, value)))
        }
        _ => answer == expected,
    }
}

/// The names of the mutations that the node serves.
async fn served_mutations(client: &Client) -> Vec<String> {
    let schema = client.data("{ __schema { mutationType { fields { name } } } }", json!({})).await;
    let fields = schema["__schema"]["mutationType"]["fields"].as_array().expect("there are mutations").clone();
    fields.iter().map(|field| field["name"].as_str().expect("a name").to_owned()).collect()
}
