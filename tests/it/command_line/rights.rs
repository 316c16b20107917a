//! Logins that may not do what Milepost does: what is missing is named, and nobody is told that the database is away.

use super::{KEY, WRONG_USE, assert_refused, done, milepost};
use application::caller::Role;
use serde_json::json;
use sqlx::{Executor, PgPool};
use tests::app::Client;
use tests::database::TestDatabase;
use tests::process::{Process, Run};
use uuid::Uuid;

const WHAT_TO_DO: &str = "deploy/postgres/roles.sql";

/// A login that may do nothing but connect.
struct Login {
    name: String,
    url: String,
    admin: PgPool,
}

impl Login {
    async fn new(database: &TestDatabase) -> Self {
        let name = format!("login_{}", Uuid::now_v7().simple());
        let admin = database.pool().await;
        admin.execute(format!("CREATE ROLE {name} LOGIN PASSWORD 'hush'").as_str()).await.expect("a login can be made");
        let (_, place) = database.url.rsplit_once('@').expect("a URL with a user");
        Self { url: format!("postgres://{name}:hush@{place}"), name, admin }
    }

    async fn grant(&self, what: &str) {
        self.admin.execute(format!("GRANT {what} TO {}", self.name).as_str()).await.expect("a right can be given");
    }

    async fn gone(self) {
        let name = &self.name;
        let _ = self.admin.execute(format!("DROP OWNED BY {name}; DROP ROLE {name}").as_str()).await;
    }
}

fn environment(url: &str) -> [(&str, &str); 2] {
    [("DATABASE_URL", url), ("MILEPOST_AUTH_HS256_SECRET", KEY)]
}

#[tokio::test]
async fn a_login_that_may_not_make_tables_is_told_which_right_is_missing() {
    let database = TestDatabase::empty().await;
    let login = Login::new(&database).await;
    for arguments in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = milepost(arguments, &environment(&login.url)).await;
        let texts = [&login.name, "may not create a schema", "permission denied", WHAT_TO_DO, "MILEPOST_MIGRATE_DATABASE_URL"];
        assert_refused(&output, WRONG_USE, &texts);
    }
    login.gone().await;
}

#[tokio::test]
async fn a_login_without_the_roles_is_told_so_until_it_has_them() {
    let database = TestDatabase::new().await;
    let login = Login::new(&database).await;
    let tail = ["events", "tail"];
    assert_refused(&milepost(&tail, &environment(&login.url)).await, WRONG_USE, &[&login.name, "permission denied", WHAT_TO_DO]);
    login.grant("milepost_worker").await;
    let output = milepost(&tail, &environment(&login.url)).await;
    assert_refused(&output, WRONG_USE, &[&login.name, "may not act as the role milepost_service", WHAT_TO_DO]);
    login.grant("milepost_service").await;
    assert_eq!(done(milepost(&tail, &environment(&login.url)).await), "");
    assert_eq!(done(milepost(&["migrate"], &environment(&login.url)).await), "the database schema is up to date\n");
    login.gone().await;
}

#[tokio::test]
async fn a_right_that_was_taken_away_is_named() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    pool.execute("REVOKE SELECT ON milepost.events FROM milepost_worker").await.expect("a right can be taken away");
    let texts = ["permission denied for table events", WHAT_TO_DO];
    assert_refused(&milepost(&["events", "tail"], &environment(&database.url)).await, WRONG_USE, &texts);
    pool.execute("GRANT SELECT ON milepost.events TO milepost_worker; ALTER TABLE milepost.events RENAME TO gone")
        .await
        .expect("a table goes");
    let output = milepost(&["events", "tail"], &environment(&database.url)).await;
    assert_refused(&output, WRONG_USE, &["does not exist", "run `milepost migrate`"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_loses_a_right_says_so_and_not_that_the_database_is_away() {
    let database = TestDatabase::new().await;
    let mut node = Process::start(super::MILEPOST, Run::serve(&database.url));
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    let pool = database.pool().await;
    pool.execute("REVOKE INSERT ON milepost.events FROM milepost_worker").await.expect("a right can be taken away");
    let query = "mutation($p: ID!) { taskCreate(input: { projectId: $p, title: \"A task\" }) { position } }";
    let answer = client.ask(query, json!({ "p": project })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer:#}");
    let id = answer["errors"][0]["extensions"]["errorId"].as_str().expect("the log has more").to_owned();
    let line = node.said(&id).await;
    assert!(line.contains("permission denied") && line.contains(WHAT_TO_DO), "{line}");
    pool.execute("GRANT INSERT ON milepost.events TO milepost_worker").await.expect("a right can be given");
    client.data(query, json!({ "p": project })).await;
}
