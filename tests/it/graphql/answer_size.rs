//! How much an answer may be: counted while it is made, whatever makes it large.

use super::{body, post};
use application::caller::Role;
use serde_json::{Value, json};
use std::fmt::Write as _;
use tests::app::{Change, Client, How, TestApp};
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use uuid::Uuid;

/// The least that the greatest answer may be set to.
const ANSWER_BYTES: usize = 1024 * 1024;
/// Most memory that refused answers may cost a node, in KiB: what it may hold for requests (`limits.node_bytes`), and half as
/// much for what is around that.
const MEMORY_KIB_MAX: u64 = 384 * 1024;

/// The query that GraphQL's own library sends with everything that it can ask for.
fn standard_introspection() -> String {
    let nested = "ofType{kind name ".repeat(9) + &"}".repeat(9);
    format!(
        "query IntrospectionQuery{{__schema{{description queryType{{name kind}}mutationType{{name kind}}subscriptionType{{name kind}}\
         types{{...FullType}}directives{{name description isRepeatable locations args(includeDeprecated:true){{...InputValue}}}}}}}}\
         fragment FullType on __Type{{kind name description specifiedByURL isOneOf \
         fields(includeDeprecated:true){{name description args(includeDeprecated:true){{...InputValue}}type{{...TypeRef}}isDeprecated deprecationReason}}\
         inputFields(includeDeprecated:true){{...InputValue}}interfaces{{...TypeRef}}\
         enumValues(includeDeprecated:true){{name description isDeprecated deprecationReason}}possibleTypes{{...TypeRef}}}}\
         fragment InputValue on __InputValue{{name description type{{...TypeRef}}defaultValue isDeprecated deprecationReason}}\
         fragment TypeRef on __Type{{kind name {nested}}}"
    )
}

/// Fields with aliases, so that each is a value of its own.
fn aliased(field: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, "a{number}:{field} ");
        text
    })
}

fn with_limits(change: impl FnOnce(&mut infrastructure::config::Limits) + Send + 'static) -> How {
    let settings: Change = Box::new(|settings| change(&mut settings.limits));
    How { settings: Some(settings), ..How::default() }
}

/// The limit that a query goes beyond, with what is allowed.
fn exceeded(answer: &Value) -> (String, u64) {
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{:.500}", answer.to_string());
    let (value, allowed) = (extensions["value"].as_u64().expect("a value"), extensions["allowed"].as_u64().expect("a number"));
    assert!(value > allowed, "{extensions}");
    (extensions["limit"].as_str().unwrap_or_default().to_owned(), allowed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_asks_for_as_many_lists_inside_one_another_as_tools_do() {
    // Half of what is allowed is enough, so that the schema can grow.
    let app = TestApp::start_with(with_limits(|limits| limits.answer_values /= 2)).await;
    let seen = app.client.data(&standard_introspection(), json!({})).await;
    assert!(seen["__schema"]["types"].as_array().is_some_and(|types| types.len() > 50));
    let deep =
        |lists: usize| format!("{{__schema{{types{{fields{{{}name{}}}}}}}}}", "type{fields{".repeat(lists - 2), "}}".repeat(lists - 2));
    for lists in [4, 6, 9] {
        let query = deep(lists);
        assert!(query.len() < 270);
        let refused = app.client.ask(&query, json!({})).await;
        assert_eq!(exceeded(&refused), ("introspectionLists".to_owned(), 3), "{query}");
    }
    let by_fragments = "{__schema{types{...a}}} fragment a on __Type{fields{type{...b}}} fragment b on __Type{fields{type{...c}}} \
                        fragment c on __Type{possibleTypes{name}}";
    for query in [
        by_fragments,
        "{__type(name:\"Query\"){fields{type{fields{type{fields{type{fields{name}}}}}}}}}",
        "{__schema{types{inputFields{type{inputFields{type{inputFields{name}}}}}}}}",
        "{__schema{types{interfaces{possibleTypes{interfaces{possibleTypes{name}}}}}}}",
        "{__schema{queryType{fields{type{ofType{fields{args{type{enumValues{name}}}}}}}}}}",
    ] {
        assert_eq!(exceeded(&app.client.ask(query, json!({})).await), ("introspectionLists".to_owned(), 3), "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_values_of_an_answer_are_counted_whatever_list_they_are_in() {
    let app = TestApp::start_with(with_limits(|limits| {
        limits.answer_values = 5_000;
        limits.cost = 1_000_000;
    }))
    .await;
    let project = app.client.project().await;
    for _ in 0..30 {
        app.client.must("projectCollaboratorAdd", "id", json!({ "id": project, "userId": Uuid::now_v7(), "role": "VIEWER" })).await;
    }
    app.settled().await;
    let people = |fields: usize| format!("{{projects{{nodes{{collaborators{{{}}}}}}}}}", aliased("role", fields));
    // Thirty-one people: a value for each of them, and for each of their fields.
    let (most, rest) = ((5_000 - 5) / 31 - 1, 5_000);
    let answer = app.client.ask(&people(most), json!({})).await;
    assert!(answer.get("errors").is_none(), "{:.300}", answer.to_string());
    assert_eq!(exceeded(&app.client.ask(&people(most + 1), json!({})).await), ("answerValues".to_owned(), rest));
    // Type names are values as others are.
    let with_type_names = |names: usize| {
        let names: String = (0..names).map(|number| format!("n{number}:__typename ")).collect();
        format!("{{projects{{nodes{{collaborators{{{names}{}}}}}}}}}", aliased("role", 130))
    };
    let answer = app.client.ask(&with_type_names(10), json!({})).await;
    assert!(answer.get("errors").is_none(), "{:.300}", answer.to_string());
    assert_eq!(exceeded(&app.client.ask(&with_type_names(32), json!({})).await), ("answerValues".to_owned(), rest));
    assert_eq!(exceeded(&app.client.ask(&with_type_names(33), json!({})).await), ("typeNames".to_owned(), 32));
    for query in [
        format!("{{__schema{{types{{{}}}}}}}", aliased("name", 100)),
        format!("{{__schema{{types{{fields{{args{{{}}}}}}}}}}}", aliased("name", 100)),
        format!("{{__type(name:\"Query\"){{fields{{args{{{}}}}}}}}}", aliased("name", 200)),
    ] {
        assert_eq!(exceeded(&app.client.ask(&query, json!({})).await), ("answerValues".to_owned(), 5_000), "{query:.80}");
    }
    app.stop().await;
}

/// A node whose answers have at most a megabyte, a project in it, and a task with a long description.
async fn narrow() -> (TestApp, String, String) {
    let app = TestApp::start_with(with_limits(|limits| limits.answer_bytes = ANSWER_BYTES)).await;
    let project = app.client.project().await;
    // Each character takes two bytes in an answer.
    let description = "\"".repeat(40 * 1024);
    let made = app.client.must("taskCreate", "id", json!({ "projectId": project, "title": "Long", "description": description })).await;
    app.settled().await;
    let task = made["task"]["id"].as_str().expect("an id").to_owned();
    (app, project, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_of_an_answer_are_counted_as_they_are_written() {
    let (app, _, task) = narrow().await;
    let query = |count: usize| format!("query($t:ID!){{task(id:$t){{{}}}}}", aliased("description", count));
    let whole = post(&app.client, body(&query(12), &json!({ "t": task }))).await;
    assert_eq!((whole.status, whole.code().as_str()), (200, ""));
    assert!(whole.text.len() > 12 * 2 * 40 * 1024 && whole.text.len() < ANSWER_BYTES, "{} bytes", whole.text.len());
    for count in [13, 100, 1_500] {
        let refused = post(&app.client, body(&query(count), &json!({ "t": task }))).await;
        assert_eq!(exceeded(&refused.json()), ("answerBytes".to_owned(), ANSWER_BYTES as u64), "{count} descriptions");
        let counted = refused.json()["errors"][0]["extensions"]["value"].as_u64().expect("a number");
        assert!(counted < 2 * ANSWER_BYTES as u64, "it goes on beyond the limit: {counted}");
        assert!(refused.json().get("data").is_none_or(Value::is_null));
    }
    let events = format!("{{events{{nodes{{{}}}}}}}", aliased("data", 40));
    assert_eq!(exceeded(&app.client.ask(&events, json!({})).await), ("answerBytes".to_owned(), ANSWER_BYTES as u64));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_that_an_answer_is_made_of_are_counted_as_they_are_read() {
    let (app, project, _) = narrow().await;
    for number in 0..30 {
        let description = "x".repeat(60 * 1024);
        app.client
            .must("taskCreate", "id", json!({ "projectId": project, "title": format!("Task {number}"), "description": description }))
            .await;
    }
    app.settled().await;
    // What is not asked for is not read.
    app.client.data("{tasks{nodes{id}}}", json!({})).await;
    for query in [
        "{tasks{nodes{id description}}}",
        "{a:tasks(first:9){nodes{description}} b:tasks(last:9){nodes{description}}}",
        // What is read counts even if little of it is answered.
        "{events(first:100){nodes{id}}}",
        "{a:events(first:10){nodes{id}} b:events(first:10){nodes{id}}}",
    ] {
        assert_eq!(exceeded(&app.client.ask(query, json!({})).await), ("answerBytes".to_owned(), ANSWER_BYTES as u64), "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_command_is_said_even_if_its_answer_is_too_large() {
    let (app, _, task) = narrow().await;
    let fields = aliased("description", 20);
    let query = format!("mutation($i:TaskUpdateInput!){{r:taskUpdate(input:$i){{task{{{fields}}}position version userErrors{{code}}}}}}");
    let answer = app.client.ask(&query, json!({ "i": { "id": task, "title": "Changed" } })).await;
    assert_eq!(exceeded(&answer), ("answerBytes".to_owned(), ANSWER_BYTES as u64));
    let payload = &answer["data"]["r"];
    assert_eq!((&payload["task"], &payload["version"], &payload["userErrors"]), (&json!(null), &json!(2), &json!([])), "{payload}");
    assert_eq!(payload["position"], json!(app.head().to_string()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_every_command_is_said_under_whatever_name_and_nothing_else_is_read() {
    let (app, _, task) = narrow().await;
    let long = "p".repeat(256);
    let (first, second) = (format!("r{}", "r".repeat(200)), format!("s{}", "s".repeat(200)));
    let query = format!(
        "mutation($i:TaskUpdateInput!,$j:TaskUpdateInput!,$k:TaskUpdateInput!){{\
           {first}:taskUpdate(input:$i){{task{{{}}}{long}:position version userErrors{{code}}}}\
           {second}:taskUpdate(input:$j){{{long}:userErrors{{{long}:message path code}}position}}\
           t:taskUpdate(input:$k){{task{{id project{{collaborators{{role}}}}}}{long}:position userErrors{{code}}}}}}",
        aliased("description", 20)
    );
    let head = app.head();
    let input = |title: &str| json!({ "id": task, "title": title });
    let answer = app.client.ask(&query, json!({ "i": input("Changed"), "j": input(" "), "k": input("Again") })).await;
    assert_eq!(exceeded(&answer), ("answerBytes".to_owned(), ANSWER_BYTES as u64));
    let errors = answer["errors"].as_array().expect("errors");
    let of_task = errors.iter().find(|error| error["path"][0] == "t").expect("the task is not read");
    assert_eq!((&of_task["extensions"]["code"], &of_task["extensions"]["limit"]), (&json!("LIMIT_EXCEEDED"), &json!("answerBytes")));
    assert!(of_task["extensions"]["value"].is_u64() && of_task["extensions"]["allowed"].is_u64(), "{of_task}");
    let data = &answer["data"];
    let position = |after: i64| json!((head + after).to_string());
    assert_eq!((&data[&first][&long], &data[&first]["userErrors"]), (&position(1), &json!([])), "{:.2000}", answer.to_string());
    let refused = &data[&second][&long][0];
    assert_eq!((&refused["code"], &refused["path"]), (&json!("INVALID_VALUE"), &json!(["title"])), "{refused}");
    assert!(refused[&long].is_string() && data[&second]["position"].is_null(), "{refused}");
    assert_eq!(data["t"], json!({ "task": null, &long: position(2), "userErrors": [] }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_so_many_errors_and_no_more() {
    let app = TestApp::start().await;
    let wrong = |count: usize| format!("{{{}}}", aliased("task(id:\"no\"){id}", count));
    let unknown = format!("{{viewer{{{}}}}}", aliased("nothing", 1_000));
    assert_eq!(app.client.ask(&wrong(15), json!({})).await["errors"].as_array().map(Vec::len), Some(15));
    let answer = app.client.ask(&unknown, json!({})).await;
    let errors = answer["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 100);
    let last = &errors[99]["extensions"];
    assert_eq!(last, &json!({ "code": "LIMIT_EXCEEDED", "limit": "errors", "value": 1_000, "allowed": 100 }));
    let tags: Vec<&str> = vec![""; 5_000];
    let project = app.client.project().await;
    let payload = app.client.mutate("taskCreate", "id", json!({ "projectId": project, "title": "Tagged", "tags": tags })).await;
    assert_eq!(payload["userErrors"].as_array().map(Vec::len), Some(100), "{payload:.300}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_is_made_in_slices_so_that_the_time_limit_ends_it() {
    let app = TestApp::start_with(with_limits(|limits| {
        limits.answer_values = 1_000_000_000;
        limits.answer_bytes = 1 << 32;
        limits.principal_bytes = 1 << 34;
        limits.node_bytes = 1 << 34;
        limits.timeout_ms = 100;
    }))
    .await;
    let query = format!("{{__schema{{types{{fields{{{}}}}}}}}}", aliased("description", 1_000));
    let answer = app.client.ask(&query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"], json!({ "code": "UNAVAILABLE" }), "{:.300}", answer.to_string());
    app.stop().await;
}

/// The most memory that a process ever had.
fn memory_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the kernel says how much memory a process has");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it names the peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_too_large_cost_little_memory() {
    let database = TestDatabase::new().await;
    // In a process of its own: other tests use memory too.
    let mut run = Run::serve(&database.url);
    // It is not about time: on a slow machine the limit of time would come first.
    run.environment.push(("MILEPOST_LIMITS_TIMEOUT_MS", "120000".to_owned()));
    let mut node = Process::start(env!("CARGO_BIN_EXE_milepost-under-test"), run);
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    let description = "\"".repeat(60 * 1024);
    let made = client.must("taskCreate", "id", json!({ "projectId": project, "title": "Long", "description": description })).await;
    client.data("query($p:Position){tasks(minPosition:$p){totalCount}}", json!({ "p": made["position"] })).await;
    let before = memory_kib(node.pid());
    let worst = [
        // A hundred megabytes and more, if they were answered.
        format!("{{tasks(first:5){{nodes{{{}}}}}}}", aliased("description", 900)),
        format!("{{events(first:5){{nodes{{{}}}}}}}", aliased("data", 900)),
        format!("{{__schema{{types{{fields{{{}}}}}}}}}", aliased("description", 1_000)),
        format!("{{__schema{{types{{fields{{type{{fields{{{}}}}}}}}}}}}}", aliased("name", 1_600)),
        format!("{{__schema{{types{{fields{{type{{{}}}}}}}}}}}", aliased("fields{name}", 600)),
    ];
    // Each has a share of its own.
    let clients: Vec<Client> = (0..4).map(|_| client.with_role(Role::Owner)).collect();
    for query in &worst {
        let all = futures::future::join_all(clients.iter().map(|client| client.ask(query, json!({})))).await;
        for answer in all {
            let (limit, _) = exceeded(&answer);
            assert!(["answerBytes", "answerValues", "introspectionLists"].contains(&limit.as_str()), "{limit}");
        }
    }
    let grown = memory_kib(node.pid()) - before;
    assert!(grown < MEMORY_KIB_MAX, "the node grew by {grown} KiB");
    node.kill().await;
}
