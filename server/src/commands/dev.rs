//! `milepost dev`: everything on this machine, for the first minute.

use super::stop::{STOP_WITHIN, stop_signals, unless_stopped};
use crate::cli::Dev;
use crate::exit::Failure;
use crate::seed::{self, WORKSPACE, person};
use crate::wire::{self, Core, Node};
use application::caller::{Caller, Role};
use infrastructure::config::{Configuration, Settings};
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::mock::MockKafka;
use infrastructure::kafka::relay;
use infrastructure::leases;
use infrastructure::local_postgres::{self, LocalPostgres, LocalPostgresError};
use infrastructure::postgres;
use serde::Serialize;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use uuid::Uuid;

/// How long the token of a start is valid.
const TOKEN_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Timeout for read models before the command reports that everything is ready.
const BUILT_WITHIN: Duration = Duration::from_secs(60);
/// The files that this command creates in the data folder, and that `--fresh` removes.
const CREATED_FILES: [&str; 8] =
    ["postgres", "postgres.new", "postgres.log", "postgres.password", "postgres.password.new", "postgres.port", "auth.secret", "dev.json"];

/// Locked while a process uses the folder.
const LOCK: &str = "milepost-dev.lock";

/// The content of `dev.json`, written once everything is ready.
#[derive(Debug, Serialize)]
struct About {
    graphql: String,
    graphiql: String,
    database_url: String,
    kafka_bootstrap_servers: String,
    token: String,
    workspace: String,
    pid: u32,
    version: &'static str,
}

/// Starts everything, and stops it on a signal.
pub async fn run(arguments: Dev, mut configuration: Configuration) -> Result<(), Failure> {
    let mut stop = stop_signals()?;
    let folder = arguments.data_dir.clone().unwrap_or_else(default_folder);
    let lock = lock(&folder)?;
    if arguments.fresh {
        local_postgres::stop_left_over(&folder).await;
        remove_data(&folder)?;
    }
    let about = folder.join("dev.json");
    remove(&about)?;
    let listener = listen(arguments.listen.as_deref().unwrap_or(&configuration.settings.listen)).await?;
    // If stopped before it runs, PostgreSQL ends with this process.
    let Some(postgres) = unless_stopped(&mut stop, LocalPostgres::start(&folder)).await else { return Ok(()) };
    let postgres = postgres.map_err(no_postgres)?;
    let started = unless_stopped(&mut stop, start(&arguments, &mut configuration.settings, &folder, listener, postgres.url())).await;
    let result = match started {
        None => Ok(()),
        Some(Ok((node, kafka))) => {
            let ready = announce(&node, &kafka, &configuration.settings, &about);
            if ready.is_ok() {
                stop.recv().await;
                say!("\nstopping: finishing requests; press Ctrl-C again to stop immediately");
            }
            let _ = fs::remove_file(&about);
            match tokio::time::timeout(STOP_WITHIN, node.stop()).await {
                Ok(()) => drop(kafka),
                Err(_) => {
                    say!("requests that did not finish in time were cancelled");
                    // It ends with the process; dropping it would wait for connected clients.
                    std::mem::forget(kafka);
                }
            }
            ready
        }
        Some(Err(failure)) => Err(failure),
    };
    postgres.stop().await;
    drop(lock);
    result
}

async fn start(
    arguments: &Dev,
    settings: &mut Settings,
    folder: &Path,
    listener: TcpListener,
    database_url: &str,
) -> Result<(Node, MockKafka), Failure> {
    let catalogue = Catalogue::read(&settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    let kafka =
        MockKafka::start(&catalogue).map_err(|error| Failure::not_there(format!("the demo Kafka could not be started: {error}")))?;
    settings.database_url = database_url.to_owned();
    settings.kafka.bootstrap_servers = kafka.bootstrap_servers();
    // Its topics exist; the demo broker cannot create topics on request.
    settings.kafka.create_topics = false;
    if settings.auth.hs256_secret.is_empty() {
        settings.auth.hs256_secret = secret(folder)?;
    }
    postgres::migrate(database_url).await?;
    let core = Core::open(settings).await?;
    // No other process uses this folder, and the previous one may have been killed.
    leases::end_all(&core.database.worker).await.map_err(|error| Failure::not_there(format!("old leases cannot be ended: {error}")))?;
    // The demo broker is new and empty: all events are sent again.
    relay::forget(&core.database.worker)
        .await
        .map_err(|error| Failure::not_there(format!("the relay's position cannot be reset: {error}")))?;
    core.prepare().await?;
    if !arguments.no_seed {
        seed::seed(&core.application).await.map_err(|error| Failure::not_there(format!("the demo data could not be created: {error}")))?;
    }
    let node = Node::start(core, settings, catalogue, listener).await?;
    if tokio::time::timeout(BUILT_WITHIN, node.built()).await.is_err() {
        say!("some read models are still being built and cannot be queried yet");
    }
    Ok((node, kafka))
}

/// `/var/lib/milepost/dev` for root, whose home other users cannot enter; else a folder in the home.
fn default_folder() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/milepost/dev");
    }
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    data.unwrap_or_else(std::env::temp_dir).join("milepost/dev")
}

fn file_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::wrong_use(format!("{}: {error}; choose another --data-dir", path.display()))
}

fn no_postgres(error: LocalPostgresError) -> Failure {
    let message = error.to_string();
    match error {
        LocalPostgresError::NoBinaries | LocalPostgresError::OtherVersion { .. } | LocalPostgresError::Failed { .. } => {
            Failure::not_there(message)
        }
        LocalPostgresError::Unreachable { .. } | LocalPostgresError::NoUser | LocalPostgresError::File { .. } => {
            Failure::wrong_use(message)
        }
    }
}

/// One process for each data folder. The file also marks a folder as ours: other folders are refused, since the command
/// opens the folder to another user and deletes files in it.
fn lock(folder: &Path) -> Result<File, Failure> {
    fs::create_dir_all(folder).map_err(|error| file_failure(folder, &error))?;
    let path = folder.join(LOCK);
    let empty = fs::read_dir(folder).map_err(|error| file_failure(folder, &error))?.next().is_none();
    if !empty && !path.is_file() {
        return Err(Failure::wrong_use(format!(
            "{} contains files that `milepost dev` did not create; choose a --data-dir that is empty or does not exist",
            folder.display()
        )));
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| file_failure(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::wrong_use(format!("another `milepost dev` is using {}; stop it, or choose another --data-dir", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(file_failure(&path, &error)),
    }
}

fn remove_data(folder: &Path) -> Result<(), Failure> {
    CREATED_FILES.iter().try_for_each(|name| remove(&folder.join(name)))
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_failure(path, &error)),
        _ => Ok(()),
    }
}

/// The requested address, or another port if it is in use.
async fn listen(address: &str) -> Result<TcpListener, Failure> {
    let unusable = |error: std::io::Error| Failure::wrong_use(format!("cannot listen on {address}: {error}; choose another with --listen"));
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let host = address.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
            let listener = TcpListener::bind(format!("{host}:0")).await.map_err(unusable)?;
            let taken = listener.local_addr().map_err(unusable)?;
            say!("{address} is in use; using {taken} instead");
            Ok(listener)
        }
        Err(error) => Err(unusable(error)),
    }
}

/// The key of this folder's tokens, created once, so that tokens stay valid after a restart.
fn secret(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("auth.secret");
    if let Some(secret) = fs::read_to_string(&path).ok().filter(|secret| !secret.is_empty()) {
        return Ok(secret);
    }
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let written = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(secret.as_bytes()));
    written.map_err(|error| file_failure(&path, &error))?;
    Ok(secret)
}

/// Prints the addresses, and writes them to a file.
fn announce(node: &Node, kafka: &MockKafka, settings: &Settings, path: &Path) -> Result<(), Failure> {
    let caller = Caller { actor: person("ada"), workspace: WORKSPACE, role: Role::Owner };
    let token = wire::tokens(settings).issue(&caller, TOKEN_LASTS).map_err(|error| Failure::wrong_use(error.to_string()))?;
    let about = About {
        graphql: format!("http://{}/graphql", node.address),
        graphiql: format!("http://{}/graphiql", node.address),
        database_url: settings.database_url.clone(),
        kafka_bootstrap_servers: kafka.bootstrap_servers(),
        token,
        workspace: WORKSPACE.to_string(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
    };
    // Written to a temporary file and renamed: a reader sees the whole file.
    let new = path.with_extension("json.new");
    let text = serde_json::to_string_pretty(&about).map_err(|error| file_failure(path, &error.into()))?;
    let written = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.and_then(|()| fs::rename(&new, path)).map_err(|error| file_failure(path, &error))?;
    say!("{}", banner(&about, path));
    Ok(())
}

fn banner(about: &About, path: &Path) -> String {
    let About { graphql, graphiql, database_url, kafka_bootstrap_servers, token, workspace, version, .. } = about;
    let program = std::env::current_exe().map_or_else(|_| "milepost".to_owned(), |program| program.display().to_string());
    let path = path.display();
    format!(
        "
Milepost {version} is ready.

  GraphiQL    {graphiql}#token={token}
  GraphQL     {graphql}
  PostgreSQL  {database_url}
  \
            Kafka       {kafka_bootstrap_servers}   (a demo broker inside this process; gone when it stops)
  Workspace   {workspace}
  \
            Token       in {path}, with all of the above

Three things to try:

  1. Open the GraphiQL address above in a browser and \
            press the play button.

  2. Create a project from a shell:
     TOKEN=$(sed -n 's/.*\"token\": \"\\(.*\\)\".*/\\1/p' \
            {path})
     curl -s {graphql} -H \"authorization: Bearer $TOKEN\" -H 'content-type: application/json' -d \
            '{{\"query\":\"mutation {{ projectCreate(input: {{key: \\\"TRY\\\", name: \\\"Try it\\\"}}) {{ project {{ id key }} position \
            }} }}\"}}'

  3. Watch the log, or the topics:
     DATABASE_URL='{database_url}' {program} events tail --follow
     kcat \
            -b {kafka_bootstrap_servers} -t task-events -C -o beginning -e

Press Ctrl-C to stop. The data are kept in {folder}.
",
        folder = Path::new(&path.to_string()).parent().map(|folder| folder.display().to_string()).unwrap_or_default()
    )
}
