//! The released binaries in processes of their own.

use crate::stand::{OwnTopics, SECRET, Stand};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Longest wait until a process serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that serves. It ends with this value.
pub(crate) struct Serving {
    child: Child,
    pub pid: i32,
    /// Host and port.
    pub address: String,
}

impl Serving {
    /// `milepost serve` on a database, with Kafka if topics are given.
    pub(crate) async fn milepost(stand: &Stand, database_url: &str, topics: Option<&OwnTopics>) -> Result<Self> {
        let mut command = Command::new(stand.built.join("milepost"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("MILEPOST_AUTH_HS256_SECRET", SECRET).env("DATABASE_URL", database_url);
        command.env_remove("KAFKA_BOOTSTRAP_SERVERS");
        if let Some(topics) = topics {
            command
                .env("KAFKA_BOOTSTRAP_SERVERS", &topics.kafka.bootstrap_servers)
                .env("KAFKA_TRANSACTIONAL_ID", &topics.kafka.transactional_id)
                .env("MILEPOST_TOPICS", &topics.file);
        }
        Self::start(command, stand.folder.join("milepost.log"), "milepost serves").await
    }

    /// The peer on a database.
    pub(crate) async fn peer(stand: &Stand, database_url: &str) -> Result<Self> {
        let mut command = Command::new(stand.built.join("peer"));
        command.env("DATABASE_URL", database_url).env("LISTEN", "127.0.0.1:0");
        Self::start(command, stand.folder.join("peer.log"), "peer serves").await
    }

    async fn start(mut command: Command, log: PathBuf, sign: &str) -> Result<Self> {
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let pid = i32::try_from(child.id().context("it has just been started")?)?;
        let begun = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if let Some(line) = said.lines().find(|line| line.contains(sign))
                && let Some((_, rest)) = line.split_once("address=")
            {
                let address = rest.split_whitespace().next().unwrap_or_default().trim_matches('"').to_owned();
                return Ok(Self { child, pid, address });
            }
            if child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                bail!("{sign:?} was not said, but:\n{said}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it, and waits until it is gone.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}
