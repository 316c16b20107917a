//! The schema as clients see it: all of it, and all of it described.

use super::has;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::app::{Client, TestApp};

/// The query that GraphQL tools send.
const STANDARD: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
    types { ...FullType } directives { name description locations args { ...InputValue } } } }
    fragment FullType on __Type { kind name description
        fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
        inputFields { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// Scalars that every GraphQL service has.
const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

async fn types(client: &Client) -> Vec<Value> {
    let schema = client.data(STANDARD, json!({})).await;
    assert_eq!(schema["__schema"]["queryType"]["name"], "Query");
    assert_eq!(schema["__schema"]["mutationType"]["name"], "Mutation");
    let types = schema["__schema"]["types"].as_array().expect("types").clone();
    let ours = |one: &Value| !one["name"].as_str().is_some_and(|name| name.starts_with("__") || BUILT_IN.contains(&name));
    types.into_iter().filter(ours).collect()
}

/// What of something has no description that says anything.
fn undescribed(place: &str, thing: &Value, found: &mut Vec<String>) {
    let name = format!("{place}{}", thing["name"].as_str().unwrap_or_default());
    if thing["description"].as_str().is_none_or(|text| text.trim().len() <= 3) {
        found.push(name.clone());
    }
    for (part, separator) in [("fields", "."), ("inputFields", "."), ("enumValues", "."), ("args", "/")] {
        for inner in thing[part].as_array().into_iter().flatten() {
            undescribed(&format!("{name}{separator}"), inner, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_field_argument_and_value_is_described() {
    let app = TestApp::start().await;
    let mut found = vec![];
    let types = types(&app.client).await;
    types.iter().for_each(|one| undescribed("", one, &mut found));
    assert!(found.is_empty(), "{} without description: {found:?}", found.len());
    let kinds: BTreeSet<&str> = types.iter().filter_map(|one| one["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["ENUM", "INPUT_OBJECT", "INTERFACE", "OBJECT", "SCALAR"]), "all kinds were looked at");
    app.stop().await;
}

#[test]
fn what_has_no_description_is_noticed() {
    let mut found = vec![];
    let field = json!({ "name": "f", "description": "Says it.", "args": [{ "name": "a", "description": null }] });
    let values = json!([{ "name": "V", "description": " " }]);
    undescribed("", &json!({ "name": "T", "description": "Good.", "fields": [field], "enumValues": values }), &mut found);
    assert_eq!(found, ["T.f/a", "T.V"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn integers_that_can_outgrow_int_have_scalars_of_their_own() {
    let app = TestApp::start().await;
    for one in types(&app.client).await {
        for field in one["fields"].as_array().into_iter().flatten() {
            let name = field["name"].as_str().unwrap_or_default();
            let kind = field["type"]["ofType"]["name"].as_str().or(field["type"]["name"].as_str()).unwrap_or_default();
            let expected = match name {
                "position" => "Position",
                name if name.ends_with("Ms") || name == "lagEvents" => "Long",
                name if name.ends_with("At") || name == "at" || name == "since" => "DateTime",
                _ => continue,
            };
            assert_eq!(kind, expected, "{}.{name}", one["name"]);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_served_schema_is_the_one_in_the_repository() {
    let app = TestApp::start().await;
    let committed = std::fs::read_to_string(tests::servers::workspace().join("schemas/graphql/schema.graphql")).expect("it is committed");
    for one in types(&app.client).await {
        let name = one["name"].as_str().expect("a name");
        let word = match one["kind"].as_str().expect("a kind") {
            "OBJECT" => "type",
            "INPUT_OBJECT" => "input",
            "ENUM" => "enum",
            "INTERFACE" => "interface",
            _ => "scalar",
        };
        let begins = |line: &str| {
            line.strip_prefix(&format!("{word} {name}")).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
        };
        assert!(committed.lines().any(begins), "{word} {name} is not in schema.graphql");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_are_signed_in_see_the_schema() {
    let app = TestApp::start().await;
    let mut stranger = app.client.clone();
    stranger.token = "no token".to_owned();
    assert_eq!(stranger.error(STANDARD, json!({})).await, "UNAUTHENTICATED");
    let viewer = app.client.with_role(application::caller::Role::Viewer);
    let seen = viewer.data("{ __type(name: \"Task\") { name kind interfaces { name } } }", json!({})).await;
    assert!(has(&seen, &json!({ "__type": { "name": "Task", "kind": "OBJECT", "interfaces": [{ "name": "Node" }] } })), "{seen}");
    app.stop().await;
}
