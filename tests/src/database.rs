//! A database for one test, copied from a template that was migrated once.

use crate::servers;
use infrastructure::postgres;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::sync::OnceLock;
use tokio::sync::Mutex;
use uuid::Uuid;

/// A database that ends with the test.
pub struct TestDatabase {
    pub url: String,
    pub name: String,
}

impl TestDatabase {
    /// With all tables, and nothing in them.
    pub async fn new() -> Self {
        let template = template().await;
        let database = Self::create(&format!("TEMPLATE {template}")).await;
        // A copy has the identity of what it was copied from; this one is to be a log of its own.
        let mut connection = PgConnection::connect(&database.url).await.expect("the database can be reached");
        connection.execute("UPDATE milepost.log_identity SET id = gen_random_uuid()").await.expect("an identity of its own");
        let _ = connection.close().await;
        database
    }

    /// Without anything.
    pub async fn empty() -> Self {
        Self::create("").await
    }

    /// A copy of another as it is now, as if it were restored from a dump. Whoever is connected to that loses the connection.
    pub async fn copy_of(other: &Self) -> Self {
        let (mut connection, name) = (admin().await, &other.name);
        let mut allow = async |allowed: bool| {
            let allow = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
            connection.execute(allow.as_str()).await.expect("connections can be refused and allowed");
            let end = format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'");
            connection.execute(end.as_str()).await.expect("connections can be ended");
        };
        allow(false).await;
        let copy = Self::create(&format!("TEMPLATE {name}")).await;
        allow(true).await;
        copy
    }

    async fn create(how: &str) -> Self {
        // Copies of one template go one after the other, or the server refuses the second.
        static COPYING: Mutex<()> = Mutex::const_new(());
        let _copying = COPYING.lock().await;
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut connection = admin().await;
        connection.execute(format!("CREATE DATABASE {name} {how}").as_str()).await.expect("a database can be created");
        Self { url: url_of(&name), name }
    }

    /// Connections as the superuser, for looking and for planting faults.
    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(4).connect(&self.url).await.expect("the database can be reached")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A test may end on a runtime that is about to go: this has its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut connection = admin().await;
                let _ = connection.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_str()).await;
            });
        });
        let _ = dropping.join();
    }
}

/// A connection to the maintenance database, as the superuser.
pub async fn admin() -> PgConnection {
    PgConnection::connect(servers::postgres()).await.expect("the shared PostgreSQL can be reached")
}

fn url_of(name: &str) -> String {
    let (server, _) = servers::postgres().rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}")
}

/// The name of a database with all tables. It is made once for each set of migrations, by whichever process comes first.
async fn template() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    static MAKING: Mutex<()> = Mutex::const_new(());
    let _making = MAKING.lock().await;
    if let Some(name) = NAME.get() {
        return name;
    }
    let name = format!("template_{}", fingerprint());
    let mut connection = admin().await;
    connection.execute("SELECT pg_advisory_lock(hashtext('milepost test template'))").await.expect("locks can be taken");
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut connection)
        .await
        .expect("databases can be listed");
    if !there {
        let making = format!("{name}_making");
        connection.execute(format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)").as_str()).await.expect("half-made templates go");
        connection.execute(format!("CREATE DATABASE {making}").as_str()).await.expect("a database can be created");
        postgres::migrate(&url_of(&making)).await.expect("the migrations run");
        connection.execute(format!("ALTER DATABASE {making} RENAME TO {name}").as_str()).await.expect("it gets its name when it is whole");
    }
    let _ = connection.close().await;
    NAME.get_or_init(|| name)
}

/// The migrations, as a name that changes with them.
fn fingerprint() -> String {
    let mut files: Vec<_> = std::fs::read_dir(servers::workspace().join("migrations"))
        .expect("there are migrations")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let text: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).expect("migrations can be read")).collect();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &text).simple().to_string()
}
