//! Whether the service lives, whether it is ready and what is wrong if not, and its figures.

use super::proxy::Proxy;
use super::send;
use reqwest::Method;
use serde_json::{Value, json};
use server::telemetry::METRICS;
use sqlx::Executor;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::app::{Change, How, TestApp};
use tests::database::TestDatabase;
use tests::kafka::TestTopics;
use tests::wait::until;

async fn ready(app: &TestApp) -> (u16, Value) {
    let answer = send(&app.client.base, Method::GET, "/readyz", &[], "").await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_runs_lives_and_is_ready() {
    let app = TestApp::start().await;
    let lives = send(&app.client.base, Method::GET, "/livez", &[], "").await;
    assert_eq!((lives.status, lives.text.as_str()), (200, "ok\n"));
    assert_eq!(ready(&app).await, (200, json!({ "ready": true, "problems": [], "notices": [] })));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_database_lives_and_says_what_is_wrong() {
    let database = Arc::new(TestDatabase::new().await);
    let proxy = Proxy::before(&database).await;
    let url = proxy.url.clone();
    let settings: Change = Box::new(|settings| settings.database_url = url);
    let app = TestApp::start_with(How { database: Some(database), settings: Some(settings), ..How::default() }).await;
    let create = "mutation { projectCreate(input: { key: \"AWAY\", name: \"Away\" }) { project { key } } }";
    assert_eq!(ready(&app).await.0, 200);

    proxy.set_open(false);
    let (status, body) = ready(&app).await;
    assert_eq!((status, &body["ready"]), (503, &json!(false)), "{body}");
    let problem = &body["problems"][0];
    assert_eq!(problem["name"], json!("database_unreachable"), "{body}");
    assert!(problem["message"].as_str().is_some_and(|message| message.starts_with("PostgreSQL at ")), "{body}");
    assert!(!body.to_string().contains("SELECT") && !body.to_string().contains("postgres://"), "inner parts are shown: {body}");
    assert_eq!(app.client.get("/livez").await.0, 200);
    assert_eq!(app.client.get("/metrics").await.0, 200);
    for query in ["{ tasks { totalCount } }", "{ events { nodes { id } } }", "{ serviceStatus { position projections { name } } }", create]
    {
        assert_eq!(app.client.error(query, json!({})).await, "UNAVAILABLE", "{query}");
    }

    // It comes back by itself.
    proxy.set_open(true);
    until("it is ready again", || async { (ready(&app).await.0 == 200).then_some(()) }).await;
    let made = until("commands are carried out again", || async {
        let answer = app.client.ask(create, json!({})).await;
        answer["data"]["projectCreate"].is_object().then_some(answer)
    })
    .await;
    assert_eq!(made["data"]["projectCreate"]["project"], json!({ "key": "AWAY" }), "nothing of it was stored before");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_is_not_there_makes_a_node_unready() {
    let app = app_that_leaves_schedules_alone().await;
    let pool = app.database.pool().await;
    pool.execute("UPDATE milepost.projections SET state = 'old' WHERE name = 'schedules'").await.expect("the row can be changed");
    let (status, body) = ready(&app).await;
    assert_eq!(
        (status, body["problems"].clone()),
        (
            503,
            json!([{ "name": "read_model_building", "message": "the read model schedules is being built for this program: position 0 of 0; this node serves once it is there" }])
        ),
        "{body}"
    );
    app.stop().await;
}

/// Somebody else holds the lease of the read model of schedules, and does nothing.
async fn app_that_leaves_schedules_alone() -> TestApp {
    let database = Arc::new(TestDatabase::new().await);
    let schedules = projections::runner::all().into_iter().find(|one| one.name() == "schedules").expect("there is such a read model");
    let hold = "INSERT INTO milepost.leases VALUES ($1, gen_random_uuid(), 1, 'infinity')";
    sqlx::query(hold).bind(schedules.lease()).execute(&database.pool().await).await.expect("a lease can be taken");
    TestApp::start_with(How { database: Some(database), ..How::default() }).await
}

/// Waits until a node is not ready because a read model does not get on, and gives what it says.
async fn standstill(app: &TestApp) -> String {
    until("it is not ready", || async {
        let (status, body) = ready(app).await;
        let problem = body["problems"][0]["message"].as_str().map(str::to_owned);
        assert!(problem.is_none() || body["problems"][0]["name"] == "read_model_stuck", "{body}");
        assert_eq!(status == 503, problem.is_some(), "{body}");
        problem
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_cannot_go_on_makes_a_node_unready() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    app.settled().await;
    let pool = app.database.pool().await;
    // A position behind which nothing concerns the read model is written a moment later.
    until("its position is written", || async {
        let position = "SELECT position FROM milepost.projections WHERE name = 'task_list'";
        let written: i64 = sqlx::query_scalar(position).fetch_one(&pool).await.expect("it can be read");
        (written == 1).then_some(())
    })
    .await;
    let mut lock = pool.begin().await.expect("a transaction begins");
    lock.execute("LOCK TABLE milepost.task_list_v1 IN EXCLUSIVE MODE").await.expect("a table can be locked");
    app.client.task(&project, "Stuck").await;
    let problem = standstill(&app).await;
    let expected = "the read model task_list has been at position 1 for ";
    assert!(problem.starts_with(expected) && problem.contains("1 events behind the log"), "{problem}");
    // Queries still answer, and the node is ready as soon as it goes on.
    assert_eq!(app.client.data("{ projects { totalCount } }", json!({})).await, json!({ "projects": { "totalCount": 1 } }));
    lock.rollback().await.expect("it ends");
    until("it is ready again", || async { (ready(&app).await.0 == 200).then_some(()) }).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_nobody_keeps_makes_a_node_unready() {
    let app = app_that_leaves_schedules_alone().await;
    app.client.project().await;
    assert!(standstill(&app).await.starts_with("the read model schedules has been at position 0 for "));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_events_are_worth_a_notice() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    // No task may be called so.
    let refuse = "ALTER TABLE milepost.task_list_v1 ADD CONSTRAINT no CHECK (title <> 'Bad')";
    pool.execute(refuse).await.expect("a constraint can be added");
    app.client.task(&app.client.project().await, "Bad").await;
    let notice = until("the parked event is named", || async {
        let (status, body) = ready(&app).await;
        assert_eq!(status, 200, "{body}");
        let notice = body["notices"][0]["message"].as_str().map(str::to_owned);
        assert!(notice.is_none() || body["notices"][0]["name"] == "read_model_events_parked", "{body}");
        notice
    })
    .await;
    assert_eq!(notice, "1 events of the read model task_list are parked; `milepost dead-letters list --source projections` shows why");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_being_away_is_worth_a_notice_and_no_more() {
    let how = How {
        topics: Some(TestTopics::new()),
        settings: Some(Box::new(|settings| settings.kafka.bootstrap_servers = "127.0.0.1:9".to_owned())),
        ..How::default()
    };
    let app = TestApp::start_with(how).await;
    app.client.project().await;
    let notice = until("the relay says that it does not get on", || async {
        let (status, body) = ready(&app).await;
        assert_eq!(status, 200, "{body}");
        body["notices"][0]["message"].as_str().map(str::to_owned)
    })
    .await;
    assert!(notice.contains("Kafka"), "{notice}");
    app.stop().await;
}

/// What a node says under a name, of its problems or its notices.
async fn said(app: &TestApp, kind: &str, name: &str) -> Option<String> {
    let (_, body) = ready(app).await;
    let found = body[kind].as_array()?.iter().find(|one| one["name"] == name)?["message"].as_str()?.to_owned();
    Some(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_leases_are_not_renewed_is_not_ready_and_says_why() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    pool.execute("REVOKE UPDATE ON milepost.leases FROM milepost_worker").await.expect("a superuser may");
    let problem = until("it is told", || said(&app, "problems", "leases_not_renewed")).await;
    assert!(problem.contains("permission denied for table leases; until the cause is removed"), "{problem}");
    assert_eq!(ready(&app).await.0, 503);
    // Queries are answered, and so are commands.
    app.client.project().await;
    app.client.data("{ projects { totalCount } }", json!({})).await;
    pool.execute("GRANT UPDATE ON milepost.leases TO milepost_worker").await.expect("a superuser may");
    until("it is ready again", || async { (ready(&app).await.0 == 200).then_some(()) }).await;
    app.settled().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_no_events_are_taken_is_told_with_the_fix_for_as_long_as_it_is_so() {
    let app = TestApp::start().await;
    let pool = app.database.pool().await;
    pool.execute("REVOKE INSERT ON milepost.events FROM milepost_worker").await.expect("a superuser may");
    let create = "mutation { projectCreate(input: { key: \"NO\", name: \"No\" }) { project { key } } }";
    assert_eq!(app.client.error(create, json!({})).await, "INTERNAL");
    let notice = said(&app, "notices", "appends_refused").await.expect("it is told");
    assert!(notice.contains("permission denied for table events") && notice.contains("milepost migrate"), "{notice}");
    pool.execute("GRANT INSERT ON milepost.events TO milepost_worker").await.expect("a superuser may");
    // Nobody sends anything.
    until("nothing is left to tell", || async { said(&app, "notices", "appends_refused").await.is_none().then_some(()) }).await;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.events").fetch_one(&pool).await.expect("the log can be read");
    assert_eq!(events, 0, "trying has left nothing");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_hold_all_connections_do_not_make_the_database_unreachable() {
    let settings: Change = Box::new(|settings| settings.pools.service = 1);
    let app = TestApp::start_with(How { settings: Some(settings), ..How::default() }).await;
    let pool = app.database.pool().await;
    app.client.project().await;
    app.settled().await;
    let mut lock = pool.begin().await.expect("a transaction begins");
    lock.execute("LOCK TABLE milepost.project_overview IN ACCESS EXCLUSIVE MODE").await.expect("a view can be locked");
    let client = app.client.clone();
    let query = tokio::spawn(async move { client.ask("{ projects { totalCount } }", json!({})).await });
    let waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost service %' \
                 AND wait_event = 'relation'";
    until("the query holds the connection", || async {
        sqlx::query_scalar(waits).fetch_one(&pool).await.ok().filter(|waits: &bool| *waits)
    })
    .await;
    assert_eq!(ready(&app).await, (200, json!({ "ready": true, "problems": [], "notices": [] })));
    lock.rollback().await.expect("it ends");
    assert_eq!(query.await.expect("it is answered")["data"]["projects"]["totalCount"], 1);
    app.stop().await;
}

/// The samples of a page of figures, by the family that their `# TYPE` line began.
fn families(text: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let mut families: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            current = name.to_owned();
            assert!(families.insert(current.clone(), (kind.to_owned(), vec![])).is_none(), "{name} comes twice");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}: the value is no number");
            let name = series.split('{').next().expect("a name");
            assert!(name.starts_with(&current), "{line} stands below {current}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
            assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
            families.get_mut(&current).expect("it has begun").1.push(series.to_owned());
        }
    }
    families
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_given_as_prometheus_reads_them() {
    let app = TestApp::start_with(How { topics: Some(TestTopics::new()), ..How::default() }).await;
    let due = json!({ "at": "2001-01-01T00:00:00Z" });
    let project = app.client.project().await;
    app.client.must("taskCreate", "id", json!({ "projectId": project, "title": "Late", "due": due })).await;
    // What comes only when something goes wrong need not be there; it is described if it is.
    let when_wrong = |name: &str| {
        let words = ["internal_errors", "failed", "lost", "overload", "parked", "refused", "released", "timeouts", "troubles"];
        words.iter().any(|word| name.contains(word))
    };
    let page = until("all figures are there", || async {
        let answer = send(&app.client.base, Method::GET, "/metrics", &[], "").await;
        let found = families(&answer.text);
        let all = METRICS.iter().filter(|metric| !when_wrong(metric.name)).all(|metric| found.contains_key(metric.name));
        all.then_some(answer)
    })
    .await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let found = families(&page.text);
    for (name, (kind, series)) in &found {
        let metric = METRICS.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is not in docs/METRICS.md"));
        assert_eq!(kind, metric.kind, "{name}");
        assert!(page.text.contains(&format!("# HELP {name} {}", metric.help)), "{name} is not explained");
        assert!(!series.is_empty(), "{name}");
        for label in metric.labels.split(", ").map(|label| label.trim_matches('`')).filter(|label| !label.is_empty()) {
            assert!(series.iter().all(|one| one.contains(&format!("{label}=\""))), "{name} has no label {label}: {series:?}");
        }
        assert_eq!(kind == "histogram", series.iter().any(|one| one.contains("le=\"+Inf\"")), "{name}: {series:?}");
    }
    let listed = std::fs::read_to_string(tests::servers::workspace().join("docs/METRICS.md")).expect("the page is there");
    assert!(METRICS.iter().all(|metric| listed.contains(&format!("| `{}` |", metric.name))));
    app.stop().await;
}
