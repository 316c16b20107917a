//! PostgreSQL comes back with an older log, as after a failover to a standby that was behind: what is lost is named, and
//! nothing of it lives on in memory or in read models.

use super::PROGRAM;
use application::caller::Role;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tests::app::Client;
use tests::own_postgres::OwnPostgres;
use tests::process::{Process, Run, run};
use tests::wait::{until, until_true};
use uuid::Uuid;

/// Tasks that are in the older log, and those that only the newer one has.
const BEFORE: usize = 10;
const LOST: usize = 24;

async fn sql(postgres: &OwnPostgres) -> PgConnection {
    PgConnection::connect(&postgres.url).await.expect("PostgreSQL answers")
}

/// Waits until every read model has come to the end of the log, and says where that is.
async fn settled(postgres: &OwnPostgres) -> i64 {
    until("read models have caught up", || async {
        let mut sql = PgConnection::connect(&postgres.url).await.ok()?;
        let (least, most, head): (i64, i64, i64) = sqlx::query_as(
            "SELECT min(position), max(position), (SELECT max(position) FROM milepost.events) FROM milepost.projections WHERE state = 'live' \
             HAVING count(*) = $1",
        )
        .bind(projections::runner::all().len() as i64)
        .fetch_optional(&mut sql)
        .await
        .ok()??;
        (least == head && most == head).then_some(head)
    })
    .await
}

/// The read models hold what the events say.
async fn assert_verified(postgres: &OwnPostgres) {
    let mut verify = Run::of(&["projections", "verify"]);
    verify.environment.push(("DATABASE_URL", postgres.url.clone()));
    let verified = run(PROGRAM, verify, None).await;
    assert_eq!(verified.status, 0, "{}\n{}", verified.stdout, verified.stderr);
}

/// Waits until a node answers that a position is not reached. Until it has read all positions of a log, it does not know them.
async fn until_not_reached(client: &Client, position: i64) {
    until("a lost position is not reached", || async {
        let query = "query($m: Position) { tasks(minPosition: $m) { totalCount } }";
        match client.error(query, json!({ "m": position.to_string() })).await.as_str() {
            "POSITION_NOT_REACHED" => Some(()),
            code => {
                assert_eq!(code, "UNAVAILABLE");
                None
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_to_an_older_log_nothing_of_what_was_lost_lives_on() {
    let mut postgres = OwnPostgres::start().await;
    infrastructure::postgres::migrate(&postgres.url).await.expect("the migrations run");
    let mut serve = Run::serve(&postgres.url);
    serve.environment.push(("MILEPOST_LIMITS_POSITION_WAIT_MS", "200".to_owned()));
    serve.environment.push(("MILEPOST_LOG", "info,infrastructure=debug".to_owned()));
    let mut node = Process::start(PROGRAM, serve);
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    let mut tasks = vec![];
    for number in 0..BEFORE {
        tasks.push(client.task(&project, &format!("Task {number}")).await);
    }
    let head = settled(&postgres).await;
    assert_eq!(head, 1 + BEFORE as i64);
    postgres.copy();
    let renamed = client.must("taskUpdate", "id", json!({ "id": tasks[0], "title": "Renamed, and lost" })).await;
    assert_eq!(renamed["version"], 2);
    for number in 0..LOST {
        client.task(&project, &format!("Lost {number}")).await;
    }
    let lost = settled(&postgres).await;

    // Away until the node has given up its leases: whoever takes them next begins anew.
    let changes = node.log().matches("a lease changed its holder").count();
    postgres.kill().await;
    let given_up = changes + projections::runner::all().len();
    until_true("the leases are given up", || node.log().matches("a lease changed its holder").count() >= given_up).await;
    postgres.start_on_the_copy_as_a_standby().await;
    let query = "query($p: ID!) { tasks(filter: { projectId: { eq: $p } }, first: 100) { totalCount } }";
    until("what is stored can be read", || async {
        let answer = client.ask(query, json!({ "p": project })).await;
        let count = answer["data"]["tasks"]["totalCount"].as_u64()?;
        assert!(count <= BEFORE as u64, "{count} tasks are listed");
        Some(())
    })
    .await;
    until("it is not ready, for nothing can be written", || async { (client.get("/readyz").await.0 == 503).then_some(()) }).await;
    sqlx::query("SELECT pg_promote()").execute(&mut sql(&postgres).await).await.expect("a superuser may");

    let query = "query($p: ID!, $m: Position) { tasks(filter: { projectId: { eq: $p } }, first: 100, minPosition: $m) { totalCount } }";
    let answered = until("queries are answered again", || async {
        let answer = client.ask(query, json!({ "p": project, "m": head.to_string() })).await;
        answer.get("errors").is_none().then_some(answer)
    })
    .await;
    assert_eq!(answered["data"]["tasks"]["totalCount"], BEFORE, "tasks are listed that the log does not have");
    until_not_reached(&client, lost).await;
    node.said(&format!("the log went back: positions {} to {lost} no longer exist", head + 1)).await;
    let (_, health) = client.get("/readyz").await;
    let health: Value = serde_json::from_str(&health).expect("JSON");
    let notices = health["notices"].as_array().expect("a list");
    let went_back = notices.iter().find(|notice| notice["name"] == "log_went_back").unwrap_or_else(|| panic!("{health}"));
    assert!(went_back["message"].as_str().is_some_and(|message| message.contains(&lost.to_string())), "{went_back}");

    // Decided on what the log has, not on what was lost; and new events reach every read model.
    let again = until("commands are carried out again", || async {
        let input = json!({ "i": { "id": tasks[0], "title": "Renamed again" } });
        let mutation =
            "mutation($i: TaskUpdateInput!) { r: taskUpdate(input: $i) { task { title } position version userErrors { code } } }";
        let answer = client.ask(mutation, input).await;
        answer.get("errors").is_none().then(|| answer["data"]["r"].clone())
    })
    .await;
    assert_eq!((&again["version"], &again["position"]), (&json!(2), &json!((head + 1).to_string())), "{again}");
    client.task(&project, "After").await;
    assert_eq!(settled(&postgres).await, head + 2);
    let tasks: i64 =
        sqlx::query_scalar("SELECT count(*) FROM milepost.task_list").fetch_one(&mut sql(&postgres).await).await.expect("rows");
    assert_eq!(tasks, 1 + BEFORE as i64);
    assert_verified(&postgres).await;
    node.kill().await;
    postgres.end().await;
}
