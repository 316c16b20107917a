//! The binary in a process of its own, to be killed.

use crate::app::SECRET;
use crate::kafka::TestTopics;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A run of the binary.
pub struct Process {
    child: Child,
    pid: i32,
    /// Lines of standard error so far.
    log: watch::Receiver<Vec<String>>,
    /// Lines of standard output so far.
    output: watch::Receiver<Vec<String>>,
    _catalogue: Option<PathBuf>,
}

/// How a run is to be.
#[derive(Default)]
pub struct Run<'a> {
    pub arguments: Vec<String>,
    pub environment: Vec<(&'a str, String)>,
    pub topics: Option<&'a TestTopics>,
}

impl Run<'_> {
    /// With these arguments.
    pub fn of(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(), ..Self::default() }
    }

    /// `serve` on a database, at any free port.
    pub fn serve(database_url: &str) -> Self {
        let mut run = Self::of(&["serve", "--listen", "127.0.0.1:0"]);
        run.environment.push(("DATABASE_URL", database_url.to_owned()));
        run
    }
}

impl Process {
    /// Starts the binary. `program` is `env!("CARGO_BIN_EXE_milepost-under-test")`, which only test binaries know.
    pub fn start(program: &str, run: Run<'_>) -> Self {
        let mut command = Command::new(program);
        command.args(&run.arguments).env("MILEPOST_AUTH_HS256_SECRET", SECRET).env_remove("DATABASE_URL").kill_on_drop(true);
        let mut catalogue = None;
        if let Some(topics) = run.topics {
            let file = std::env::temp_dir().join(format!("milepost-test-{}.toml", uuid::Uuid::now_v7()));
            std::fs::write(&file, &topics.toml).expect("the temporary folder can be written");
            command
                .env("KAFKA_BOOTSTRAP_SERVERS", &topics.kafka.bootstrap_servers)
                .env("KAFKA_TRANSACTIONAL_ID", &topics.kafka.transactional_id)
                .env("KAFKA_GROUP_ID", &topics.kafka.group_id)
                .env("MILEPOST_TOPICS", &file);
            catalogue = Some(file);
        }
        for (name, value) in &run.environment {
            command.env(name, value);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = lines_of(child.stderr.take().expect("standard error is piped"));
        let output = lines_of(child.stdout.take().expect("standard output is piped"));
        let pid = i32::try_from(child.id().expect("it runs")).expect("a pid");
        Self { child, pid, log, output, _catalogue: catalogue }
    }

    /// The address it serves on, once it does.
    pub async fn address(&mut self) -> String {
        let line = self.said("milepost serves").await;
        let plain: String = strip_colours(&line);
        let address = plain.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("the line names the address");
        format!("http://{}", address.trim_matches('"'))
    }

    /// The first line of its log that holds a text.
    pub async fn said(&mut self, text: &str) -> String {
        first_with(&mut self.log, text).await
    }

    /// The first line on its standard output that holds a text.
    pub async fn printed(&mut self, text: &str) -> String {
        first_with(&mut self.output, text).await
    }

    /// Everything it has printed on standard output.
    pub fn output(&self) -> String {
        self.output.borrow().join("\n")
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        self.log.borrow().join("\n")
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid), signal);
    }

    /// Ends it without a word, and waits until it is gone.
    pub async fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait().await;
    }

    /// Waits until it ends by itself, and gives its exit status; -1 if a signal ended it.
    pub async fn ended(&mut self) -> i32 {
        let status = tokio::time::timeout(crate::wait::PATIENCE, self.child.wait()).await;
        status.expect("it ends").expect("it can be waited for").code().unwrap_or(-1)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(file) = &self._catalogue {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// What a run that ends printed.
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary to its end.
pub async fn run(program: &str, run: Run<'_>, input: Option<&str>) -> Output {
    use tokio::io::AsyncWriteExt;
    let mut command = Command::new(program);
    command.args(&run.arguments).env_remove("DATABASE_URL").kill_on_drop(true);
    for (name, value) in &run.environment {
        command.env(name, value);
    }
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output =
        tokio::time::timeout(crate::wait::PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it can be waited for");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { status: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// What a process writes, line by line, for as long as it does.
fn lines_of(pipe: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<Vec<String>> {
    let (said, heard) = watch::channel(vec![]);
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            said.send_modify(|lines| lines.push(line));
        }
    });
    heard
}

async fn first_with(heard: &mut watch::Receiver<Vec<String>>, text: &str) -> String {
    let holds = |lines: &Vec<String>| lines.iter().any(|line| line.contains(text));
    let said = tokio::time::timeout(crate::wait::PATIENCE, heard.wait_for(holds)).await.is_ok_and(|said| said.is_ok());
    let lines = heard.borrow();
    assert!(said, "it never said {text:?}, but:\n{}", lines.join("\n"));
    lines.iter().find(|line| line.contains(text)).cloned().unwrap_or_default()
}

fn strip_colours(line: &str) -> String {
    let (mut plain, mut inside) = (String::new(), false);
    for c in line.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (true, 'm') => inside = false,
            (false, c) => plain.push(c),
            (true, _) => {}
        }
    }
    plain
}
