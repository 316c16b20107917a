//! A page is one statement, however many rows it has and whatever is asked for beside them.

use super::plant;
use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::app::TestApp;
use tests::wait::until;

/// How often a question is asked again that took more statements than it should.
const BUSY_TRIES: usize = 10;

/// How many statements queries have sent to this database so far.
async fn sent(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid \
         WHERE d.datname = current_database() AND userid = 'milepost_service'::regrole AND query NOT LIKE 'SET ROLE%'",
    )
    .fetch_one(pool)
    .await
    .expect("statements are counted; on Debian the extension is in postgresql's own packages")
}

/// How often the server has thrown counts away: it keeps those of so many statements only, of all databases together.
async fn thrown_away(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT dealloc FROM pg_stat_statements_info").fetch_one(pool).await.expect("it says how often")
}

/// The answer to a query, and how many statements it took. Asked again where counts were thrown away meanwhile.
async fn asked(app: &TestApp, pool: &PgPool, query: &str, variables: &Value) -> (Value, i64) {
    until("statements are counted", || async {
        let begun = thrown_away(pool).await;
        let before = sent(pool).await;
        let data = app.client.data(query, variables.clone()).await;
        let statements = sent(pool).await - before;
        (thrown_away(pool).await == begun).then_some((data, statements))
    })
    .await
}

/// What is asked, and how many statements answer it.
const QUESTIONS: [(&str, i64); 15] = [
    ("tasks(first: $n) { totalCount nodes { title } }", 1),
    (
        "tasks(first: $n, sort: [{ field: DUE }], filter: { isOverdue: true }) { totalCount pageInfo { hasNextPage } edges { cursor node { key \
           isOverdue project { name taskCounts { total overdue } } schedule { state nextFireAt } } } }",
        1,
    ),
    ("tasks(last: $n) { nodes { project { key } } edges { node { schedule { title } } } }", 1),
    ("projects(first: $n) { totalCount nodes { name collaborators { userId } taskCounts { total overdue } } }", 1),
    ("schedules(first: $n) { totalCount nodes { title project { name } task { title } } }", 1),
    ("deadlines(first: $n) { totalCount nodes { lateByMs schedule { title } } }", 1),
    ("events(first: $n) { nodes { summary data } }", 1),
    ("history(subjectId: $task, first: $n) { nodes { summary } }", 1),
    ("task(id: $task) { title project { name taskCounts { overdue } } schedule { state } }", 1),
    ("project(id: $project) { name taskCounts { overdue } }", 1),
    ("project(id: $project) { tasks(first: $n) { totalCount nodes { title schedule { state } } } }", 2),
    // What is nested deeper is read together, in one statement for each kind of thing.
    ("schedules(first: $n) { nodes { firings { kind } } }", 2),
    ("schedules(first: $n) { nodes { project { name taskCounts { overdue } } } }", 2),
    ("schedules(first: $n) { nodes { task { title project { name taskCounts { overdue } } schedule { state } } } }", 3),
    ("deadlines(first: $n) { nodes { schedule { project { name } task { title } firings { lateByMs } } } }", 4),
];

async fn filled() -> (TestApp, Value) {
    let app = TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await;
    let (mut project, mut task) = (String::new(), String::new());
    for _ in 0..4 {
        project = app.client.project().await;
        for number in 0..7 {
            let due = json!({ "at": format!("2031-03-0{}T12:00:00Z", 2 + number % 3) });
            let input = json!({ "projectId": project, "title": "A task", "due": due });
            let made = app.client.must("taskCreate", "id", input).await;
            task = made["task"]["id"].as_str().expect("an id").to_owned();
        }
    }
    for number in 0..5 {
        app.client.must("taskComment", "id", json!({ "id": task, "body": format!("Number {number}") })).await;
    }
    app.clock.as_ref().expect("time is moved").pass(TimeDelta::days(30));
    super::history::quiet(&app).await;
    (app, json!({ "project": project, "task": task }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_one_statement_whatever_is_beside_its_rows() {
    let (app, mut variables) = filled().await;
    let pool = app.database.pool().await;
    plant(&pool, "CREATE EXTENSION pg_stat_statements").await;
    for (question, expected) in QUESTIONS {
        for rows in [1, 3, 20] {
            variables["n"] = json!(rows);
            let used = ["n: Int", "task: ID!", "project: ID!"].into_iter().filter(|variable| {
                let name = variable.split(':').next().expect("a name");
                question.contains(&format!("${name}"))
            });
            let declared: Vec<_> = used.map(|variable| format!("${variable}")).collect();
            let query = format!("query({}) {{ {question} }}", declared.join(", "));
            let (mut data, mut statements) = asked(&app, &pool, &query, &variables).await;
            // What is asked for at one moment is read together. Where the processors are busy, one moment may become two.
            for _ in 0..BUSY_TRIES {
                if statements > expected {
                    (data, statements) = asked(&app, &pool, &query, &variables).await;
                }
            }
            assert_eq!(statements, expected, "{rows} rows of {question}");
            let root = data.as_object().expect("an object").values().next().expect("an answer");
            if let Some(found) = root["nodes"].as_array().or(root["edges"].as_array()) {
                let found = found.len();
                assert!(found == rows || (found > 1 && found < rows), "{found} rows of {rows}: {question}");
            }
        }
    }
    app.stop().await;
}
