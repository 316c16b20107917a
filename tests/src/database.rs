//! A database for one test, copied from a template that was made once.

use crate::{app, servers};
use infrastructure::postgres;
use server::wire::Core;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::path::Path;
use std::sync::{LazyLock, mpsc};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

/// A database that ends with the test.
pub struct TestDatabase {
    pub url: String,
    pub name: String,
}

impl TestDatabase {
    /// With the tables of all migrations, and nothing in them.
    pub async fn new() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        Self::copy_of_template(TEMPLATE.get_or_init(|| template(Holding::Migrations)).await).await
    }

    /// As a node leaves it that has started on it: with the read models too.
    pub async fn with_read_models() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        Self::copy_of_template(TEMPLATE.get_or_init(|| template(Holding::ReadModels)).await).await
    }

    async fn copy_of_template(template: &str) -> Self {
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
        let _ = DROPPING.send(std::mem::take(&mut self.name));
    }
}

/// Takes the names of databases that are not needed any more. PostgreSQL writes a checkpoint for each, which no test has to
/// wait for. What is left when the process ends goes with the server.
static DROPPING: LazyLock<mpsc::Sender<String>> = LazyLock::new(|| {
    let (sender, names) = mpsc::channel::<String>();
    std::thread::spawn(move || {
        // A runtime of its own: those of tests end with them.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut connection = admin().await;
            while let Ok(name) = names.recv() {
                if connection.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_str()).await.is_err() {
                    connection = admin().await;
                }
            }
        });
    });
    sender
});

/// A connection to the maintenance database, as the superuser.
pub async fn admin() -> PgConnection {
    PgConnection::connect(servers::postgres()).await.expect("the shared PostgreSQL can be reached")
}

fn url_of(name: &str) -> String {
    let (server, _) = servers::postgres().rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}")
}

/// What a template holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Holding {
    Migrations,
    ReadModels,
}

/// The name of a template. It is made once for each state of the sources, by whichever process comes first.
async fn template(holding: Holding) -> String {
    let (kind, sources): (_, &[&str]) = match holding {
        Holding::Migrations => ("migrations", &["migrations"]),
        Holding::ReadModels => ("read_models", &["migrations", "projections/src"]),
    };
    let name = format!("template_{kind}_{}", fingerprint(sources));
    let mut connection = admin().await;
    let lock = format!("SELECT pg_advisory_lock(hashtext('milepost test template {kind}'))");
    connection.execute(lock.as_str()).await.expect("locks can be taken");
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
        if holding == Holding::ReadModels {
            let core = Core::open(&app::settings(&url_of(&making))).await.expect("the database is there");
            core.prepare().await.expect("read models can be made");
            core.close().await;
        }
        connection.execute(format!("ALTER DATABASE {making} RENAME TO {name}").as_str()).await.expect("it gets its name when it is whole");
    }
    let _ = connection.close().await;
    name
}

/// The files below some folders, as a name that changes with them.
fn fingerprint(folders: &[&str]) -> String {
    let mut text = vec![];
    for folder in folders {
        add_files(&servers::workspace().join(folder), &mut text);
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &text).simple().to_string()
}

fn add_files(folder: &Path, text: &mut Vec<u8>) {
    let entries = std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("folders can be listed").path());
    let mut paths: Vec<_> = entries.collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add_files(&path, text);
        } else {
            text.extend(std::fs::read(&path).expect("files can be read"));
        }
    }
}
