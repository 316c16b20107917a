//! What the rows stand on: a PostgreSQL that keeps what it says, a real Kafka, and the released binaries.

use crate::cpu::{Counted, parent_of};
use crate::sizes::Sizes;
use anyhow::{Context, Result, anyhow, ensure};
use application::ports::Clock;
use infrastructure::clock::SystemClock;
use infrastructure::config::{Configuration, Kafka, Settings};
use infrastructure::kafka::catalogue::{Catalogue, DEFAULT};
use infrastructure::postgres::migrate;
use server::wire::Core;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use uuid::Uuid;

/// The key of all tokens.
pub(crate) const SECRET: &str = "a key for benchmarks, long enough for HS256";

/// Servers, binaries and sizes.
pub struct Stand {
    pub sizes: Sizes,
    /// A superuser's connections to the maintenance database.
    pub admin: PgPool,
    url: String,
    /// The folder of the binaries that were built.
    pub built: PathBuf,
    /// Where files go.
    pub folder: PathBuf,
}

/// Topics under names of their own, on the real Kafka.
pub struct OwnTopics {
    pub kafka: Kafka,
    pub catalogue: Catalogue,
    /// The file that holds the catalogue, for the binary.
    pub file: PathBuf,
}

/// The folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

impl Stand {
    /// On a PostgreSQL named by `BENCH_DATABASE_URL`, which must not be one that forgets.
    pub async fn new(sizes: Sizes) -> Result<Self> {
        let url = std::env::var("BENCH_DATABASE_URL").context("BENCH_DATABASE_URL is not set; scripts/bench sets it")?;
        let admin = PgPoolOptions::new().max_connections(2).connect(&url).await.context("PostgreSQL")?;
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&admin).await?;
            ensure!(value == "on", "{name} is {value} in PostgreSQL: such figures would say nothing");
        }
        let built = std::env::current_exe()?.parent().context("the binary is in a folder")?.to_owned();
        let folder = built.join("../bench");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { sizes, admin, url, built, folder: folder.canonicalize()? })
    }

    /// A new database without anything. The one of the same name before it goes.
    pub async fn empty_database(&self, name: &str) -> Result<String> {
        self.drop_database(name).await?;
        self.admin.execute(format!("CREATE DATABASE bench_{name}").as_str()).await?;
        let (server, _) = self.url.rsplit_once('/').context("the URL has a database")?;
        Ok(format!("{server}/bench_{name}"))
    }

    /// A new database with Milepost's tables.
    pub async fn database(&self, name: &str) -> Result<String> {
        let url = self.empty_database(name).await?;
        migrate(&url).await?;
        Ok(url)
    }

    /// Ends a database. What it wrote is brought to the disk first, so that it does not disturb what comes next.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        self.admin.execute(format!("DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)").as_str()).await?;
        self.settle().await
    }

    /// Brings everything to the disk, so that runs begin alike.
    pub async fn settle(&self) -> Result<()> {
        self.admin.execute("CHECKPOINT").await?;
        Ok(())
    }

    /// Settings on a database.
    pub fn settings(&self, database_url: &str) -> Settings {
        let mut settings = Configuration::defaults();
        settings.database_url = database_url.to_owned();
        settings.auth.hs256_secret = SECRET.to_owned();
        settings
    }

    /// Milepost's parts on a database, in this process.
    pub async fn core(&self, database_url: &str) -> Result<Core> {
        self.core_at(database_url, Arc::new(SystemClock)).await
    }

    /// The same by another clock.
    pub async fn core_at(&self, database_url: &str, clock: Arc<dyn Clock>) -> Result<Core> {
        Core::open_with(&self.settings(database_url), clock).await.map_err(|failure| anyhow!(failure.message))
    }

    /// The processor time of all of PostgreSQL.
    pub async fn postgres(&self) -> Result<Counted> {
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&self.admin).await?;
        Ok(Counted::Children(parent_of(backend)?))
    }

    /// New topics on the real Kafka, which is started if it does not run.
    pub async fn topics(&self) -> Result<OwnTopics> {
        let script = workspace().join("scripts/kafka");
        let started = tokio::process::Command::new(script).args(["start", "--name", "bench"]).stderr(Stdio::inherit()).output().await?;
        ensure!(started.status.success(), "scripts/kafka start failed; it says why above");
        let prefix = format!("b{}.", &Uuid::new_v4().simple().to_string()[..12]);
        let mut catalogue = Catalogue::read("")?;
        catalogue.prefix.clone_from(&prefix);
        let file = self.folder.join("topics.toml");
        std::fs::write(&file, DEFAULT.replace("prefix = \"\"", &format!("prefix = \"{prefix}\"")))?;
        let mut kafka = Configuration::defaults().kafka;
        kafka.bootstrap_servers = String::from_utf8(started.stdout)?.trim().to_owned();
        kafka.transactional_id = format!("{prefix}relay");
        kafka.group_id = format!("{prefix}group");
        Ok(OwnTopics { kafka, catalogue, file })
    }
}

/// Connections to a database, for looking and for filling.
pub(crate) async fn connect(url: &str, connections: u32) -> Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(connections).test_before_acquire(false).connect(url).await?)
}
