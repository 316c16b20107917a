//! A private PostgreSQL from the machine's own binaries, for `milepost dev`.
//!
//! Its data stay in a folder between runs. PostgreSQL refuses to run as root, so root's belongs to an ordinary user. It
//! ends with the process that started it, also when that is killed; one that was left over all the same is stopped.

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::process::{Child, Command};
use uuid::Uuid;

/// Oldest major version that Milepost runs on.
pub const MAJOR_MIN: u32 = 14;
/// Longest wait until the server answers.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for an orderly end.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest wait for an end without order, before what still runs is killed.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How a server is told to end, and how long each is waited for.
const ENDINGS: [(Signal, Duration); 3] = [(Signal::SIGINT, STOP_TIMEOUT), (Signal::SIGQUIT, QUIT_TIMEOUT), (Signal::SIGKILL, QUIT_TIMEOUT)];
/// The database inside.
const DATABASE: &str = "milepost";

/// A running server.
#[derive(Debug)]
pub struct LocalPostgres {
    child: Child,
    url: String,
}

/// The server could not be started, with what to do about it.
#[derive(Debug, Error)]
pub enum LocalPostgresError {
    #[error(
        "PostgreSQL {MAJOR_MIN} or newer is not installed; install it (Debian: apt-get install postgresql) or name its folder in \
            MILEPOST_POSTGRES_BIN"
    )]
    NoBinaries,
    #[error("the data in {folder} were created by PostgreSQL {made_by}, which is not installed; install it, or start over with --fresh")]
    OtherVersion { folder: PathBuf, made_by: String },
    #[error("the user {user}, as which PostgreSQL must run, cannot access {folder}; choose another --data-dir, such as one below /var/lib")]
    Unreachable { folder: PathBuf, user: String },
    #[error("PostgreSQL must not run as root, and neither the user postgres nor nobody exists; add one with `useradd --system postgres`")]
    NoUser,
    #[error("{what} failed: {output}")]
    Failed { what: &'static str, output: String },
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
}

/// Whom the server runs as: nobody in particular, or the user that root steps down to.
struct RunAs(Option<User>);

impl RunAs {
    fn choose() -> Result<Self, LocalPostgresError> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let known = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        known.map(|user| Self(Some(user))).ok_or(LocalPostgresError::NoUser)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        self.apply(&mut command);
        command
    }

    fn apply(&self, command: &mut Command) {
        if let Some(user) = &self.0 {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        // The folder that root stands in may be closed to the other user.
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
    }

    fn own(&self, path: &Path) -> Result<(), LocalPostgresError> {
        match &self.0 {
            Some(user) => chown(path, Some(user.uid), Some(user.gid)).map_err(|error| file(path, error.into())),
            None => Ok(()),
        }
    }
}

fn file(path: &Path, error: io::Error) -> LocalPostgresError {
    LocalPostgresError::File { path: path.to_owned(), error }
}

impl LocalPostgres {
    /// Starts a server on the data in a folder, which is made if it is not there. Nobody else may be using the folder.
    pub async fn start(folder: &Path) -> Result<Self, LocalPostgresError> {
        let run_as = RunAs::choose()?;
        fs::create_dir_all(folder).map_err(|error| file(folder, error))?;
        let folder = folder.canonicalize().map_err(|error| file(folder, error))?;
        let data = folder.join("postgres");
        open_way(&run_as, &folder).await?;
        let bin = binaries(&data)?;
        stop_left_over(&folder).await;
        let password = password(&folder)?;
        if !data.join("PG_VERSION").is_file() {
            make_data(&run_as, &bin, &folder, &data, &password).await?;
        }
        let log = folder.join("postgres.log");
        let mut last = String::new();
        for _ in 0..3 {
            let port = port(&folder)?;
            let child = spawn(&run_as, &bin, &data, &log, port)?;
            let url = format!("postgres://milepost:{password}@127.0.0.1:{port}/{DATABASE}");
            let mut server = Self { child, url };
            match server.ready().await {
                Ok(()) => return Ok(server),
                Err(reason) => last = reason,
            }
            let _ = server.child.kill().await;
            // The port may have been taken meanwhile; another one is chosen.
            let _ = fs::remove_file(folder.join("postgres.port"));
        }
        Err(LocalPostgresError::Failed { what: "starting PostgreSQL", output: format!("{last}\n{}", tail(&log)) })
    }

    /// Where it answers, with name and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server, in order unless it hangs.
    pub async fn stop(mut self) {
        let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
        for (signal, patience) in ENDINGS {
            end(pid, signal);
            if tokio::time::timeout(patience, self.child.wait()).await.is_ok() {
                return;
            }
        }
    }

    /// Waits until the server answers, and makes the database inside if it is not there.
    async fn ready(&mut self) -> Result<(), String> {
        let options: PgConnectOptions = self.url.parse().map_err(|error: sqlx::Error| error.to_string())?;
        let options = options.log_statements(tracing::log::LevelFilter::Trace);
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status}"));
            }
            match options.clone().database("postgres").connect().await {
                Ok(connection) => return make_database(connection).await.map_err(|error| error.to_string()),
                Err(error) if begun.elapsed() > START_TIMEOUT => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

async fn make_database(mut connection: PgConnection) -> Result<(), sqlx::Error> {
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(DATABASE).fetch_one(&mut connection).await?;
    if !there {
        sqlx::query(&format!("CREATE DATABASE {DATABASE}")).execute(&mut connection).await?;
    }
    connection.close().await
}

/// The folder must be one that the server's user can reach.
async fn open_way(run_as: &RunAs, folder: &Path) -> Result<(), LocalPostgresError> {
    let Some(user) = &run_as.0 else { return Ok(()) };
    let mode = fs::metadata(folder).map_err(|error| file(folder, error))?.permissions().mode();
    if mode & 0o001 == 0 {
        // It is ours, made for this; others may pass through and see nothing.
        fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o011)).map_err(|error| file(folder, error))?;
    }
    let mut test = Command::new("/bin/sh");
    run_as.apply(&mut test);
    let passes = test.arg("-c").arg("cd \"$1\"").arg("sh").arg(folder).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    if passes.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(LocalPostgresError::Unreachable { folder: folder.to_owned(), user: user.name.clone() })
    }
}

/// The folder with the server's programs: those that made the data, or else the newest.
fn binaries(data: &Path) -> Result<PathBuf, LocalPostgresError> {
    let made_by = fs::read_to_string(data.join("PG_VERSION")).ok().map(|version| version.trim().to_owned());
    let found: Vec<(u32, PathBuf)> = candidates().into_iter().filter_map(|bin| major(&bin).map(|major| (major, bin))).collect();
    let fits = |major: u32| match &made_by {
        Some(version) => version == &major.to_string(),
        None => major >= MAJOR_MIN,
    };
    match (found.iter().filter(|(major, _)| fits(*major)).max_by_key(|(major, _)| *major), made_by) {
        (Some((_, bin)), _) => Ok(bin.clone()),
        (None, Some(made_by)) if !found.is_empty() => Err(LocalPostgresError::OtherVersion { folder: data.to_owned(), made_by }),
        (None, _) => Err(LocalPostgresError::NoBinaries),
    }
}

/// Folders in which the programs may be.
fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("MILEPOST_POSTGRES_BIN") {
        return vec![named.into()];
    }
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let below = |root: &str, rest: &str| -> Vec<PathBuf> {
        let versions = fs::read_dir(root).into_iter().flatten().flatten();
        versions.map(|version| version.path().join(rest)).collect()
    };
    on_path
        .chain(below("/usr/lib/postgresql", "bin"))
        .chain(below("/usr", "bin").into_iter().filter(|bin| bin.to_string_lossy().contains("pgsql")))
        .collect()
}

fn major(bin: &Path) -> Option<u32> {
    if !bin.join("initdb").is_file() {
        return None;
    }
    let output = std::process::Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    // postgres (PostgreSQL) 15.18 (Debian …)
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

/// Makes the data beside their place and moves them there when they are complete, so half-made data are never used.
async fn make_data(run_as: &RunAs, bin: &Path, folder: &Path, data: &Path, password: &str) -> Result<(), LocalPostgresError> {
    let new = folder.join("postgres.new");
    for left in [&new, &data.to_owned()] {
        if left.exists() {
            fs::remove_dir_all(left).map_err(|error| file(left, error))?;
        }
    }
    fs::create_dir(&new).map_err(|error| file(&new, error))?;
    run_as.own(&new)?;
    let secret = folder.join("postgres.password.new");
    write_secret(&secret, password)?;
    run_as.own(&secret)?;
    let mut initdb = run_as.command(&bin.join("initdb"));
    initdb.args(["--username=milepost", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    let made = initdb.arg(format!("--pwfile={}", secret.display())).arg("--pgdata").arg(&new).kill_on_drop(true).output().await;
    let _ = fs::remove_file(&secret);
    let made = made.map_err(|error| file(&bin.join("initdb"), error))?;
    if !made.status.success() {
        let output = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Err(LocalPostgresError::Failed { what: "initdb", output });
    }
    fs::rename(&new, data).map_err(|error| file(data, error))
}

fn spawn(run_as: &RunAs, bin: &Path, data: &Path, log: &Path, port: u16) -> Result<Child, LocalPostgresError> {
    let output = fs::OpenOptions::new().create(true).append(true).open(log).map_err(|error| file(log, error))?;
    let errors = output.try_clone().map_err(|error| file(log, error))?;
    // util-linux's setpriv lets the server end when this process does, however that ends.
    let mut command = run_as.command(Path::new("setpriv"));
    command.args(["--pdeathsig", "INT", "--"]).arg(bin.join("postgres")).arg("-D").arg(data);
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "cluster_name=milepost-dev".to_owned(),
        "shared_buffers=128MB".to_owned(),
        "max_connections=100".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ] {
        command.arg("-c").arg(setting);
    }
    // A group of its own: Ctrl-C is for us, and the server ends after us.
    command.process_group(0).stdout(output).stderr(errors).kill_on_drop(false);
    command.spawn().map_err(|error| file(Path::new("setpriv (Debian: apt-get install util-linux)"), error))
}

/// Stops a server on the data in a folder that outlived its process. It cannot be one that somebody else uses.
pub async fn stop_left_over(folder: &Path) {
    let Ok(data) = folder.join("postgres").canonicalize() else { return };
    let data = data.as_path();
    let pid_file = data.join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<i32>().ok()) else { return };
    for (signal, patience) in ENDINGS {
        let begun = Instant::now();
        while is_server_on(pid, data) && begun.elapsed() < patience {
            end(pid, signal);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // Otherwise another program with that number would keep the server from starting.
    let _ = fs::remove_file(pid_file);
}

/// Tells a server to end, also one that was halted.
fn end(pid: i32, signal: Signal) {
    let mut all = vec![pid];
    if signal == Signal::SIGKILL {
        // Its processes notice by themselves that it is gone, unless they are halted too.
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    for pid in all {
        let _ = kill(Pid::from_raw(pid), signal);
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }
}

fn is_server_on(pid: i32, data: &Path) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).into_owned();
    command.contains("postgres") && command.contains(&*data.to_string_lossy())
}

/// The password of this folder's server, made once.
fn password(folder: &Path) -> Result<String, LocalPostgresError> {
    let path = folder.join("postgres.password");
    if let Some(password) = fs::read_to_string(&path).ok().filter(|password| !password.trim().is_empty()) {
        return Ok(password.trim().to_owned());
    }
    let password = Uuid::new_v4().simple().to_string();
    write_secret(&path, &password)?;
    Ok(password)
}

/// Writes a file that is closed to others before there is anything in it.
fn write_secret(path: &Path, secret: &str) -> Result<(), LocalPostgresError> {
    // One that is there may be open to others, or be held open by them.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(path, error)),
        _ => {}
    }
    let written = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    written.and_then(|mut file| file.write_all(secret.as_bytes())).map_err(|error| file(path, error))
}

/// The port of the last run if it is free, or another one.
fn port(folder: &Path) -> Result<u16, LocalPostgresError> {
    let path = folder.join("postgres.port");
    let last = fs::read_to_string(&path).ok().and_then(|port| port.trim().parse::<u16>().ok()).unwrap_or(0);
    let free = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr()).map(|address| address.port());
    let port = free(last).or_else(|_| free(0)).map_err(|error| file(&path, error))?;
    fs::write(&path, port.to_string()).map_err(|error| file(&path, error))?;
    Ok(port)
}

/// The end of the server's log, for an error that has no other words.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_secret_is_never_in_a_file_that_others_may_read() {
        let path = std::env::temp_dir().join(format!("milepost-secret-{}", Uuid::new_v4()));
        fs::write(&path, "").expect("the temporary folder can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
        let mut opened_before = fs::File::open(&path).expect("everybody may read it");
        write_secret(&path, "hush").expect("it is written");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!((mode & 0o777, fs::read_to_string(&path).expect("it is ours").as_str()), (0o600, "hush"));
        let mut seen = String::new();
        opened_before.read_to_string(&mut seen).expect("it is still open");
        assert_eq!(seen, "", "whoever had opened the old file reads the secret");
        fs::remove_file(&path).expect("it is ours");
    }
}
