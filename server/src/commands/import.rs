//! `milepost import`: many commands from a file.

use super::table::thousands;
use crate::cli::Import;
use crate::exit::Failure;
use crate::wire::Core;
use application::caller::{Caller, Role};
use application::import::{ImportError, LINE_BYTES_MAX, LineOutcome, Refused, Reject, import};
use application::with_causes;
use domain::ids::{UserId, WorkspaceId, system};
use futures::{Stream, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use infrastructure::config::Configuration;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The result of an import.
#[derive(Debug, Default, Serialize)]
struct Summary {
    done: u64,
    replayed: u64,
    nothing_to_do: u64,
    rejected: u64,
    /// Of these, the ones that an earlier import had rejected.
    rejected_before: u64,
    seconds: f64,
}

/// Imports a file.
pub async fn run(arguments: Import, configuration: &Configuration) -> Result<(), Failure> {
    let (lines, bytes) = open(&arguments.file).await?;
    forget_old_rejects(&arguments)?;
    let core = Core::open(&configuration.settings).await?;
    let result = import_lines(&core, &arguments, lines, bytes).await;
    core.close().await;
    let summary = result?;
    if arguments.json {
        say!("{}", serde_json::to_string(&summary).expect("numbers are JSON"));
    } else {
        let all = summary.done + summary.replayed + summary.nothing_to_do + summary.rejected;
        say!(
            "{} lines in {:.1} s: {} executed, {} imported before, {} without effect, {} rejected{}",
            thousands(all as i64),
            summary.seconds,
            thousands(summary.done as i64),
            thousands(summary.replayed as i64),
            thousands(summary.nothing_to_do as i64),
            thousands(summary.rejected as i64),
            summary.rejected_before_message(),
        );
    }
    match summary.rejected {
        0 => Ok(()),
        rejected => Err(Failure::no(format!("{rejected} lines were rejected; see {}", rejects_file(&arguments).display()))),
    }
}

impl Summary {
    /// The message about lines that were rejected before, and how to retry them.
    fn rejected_before_message(&self) -> String {
        match self.rejected_before {
            0 => String::new(),
            before => format!(", {} of them before (--retry-rejected executes them again)", thousands(before as i64)),
        }
    }
}

type Input = Pin<Box<dyn AsyncRead + Send>>;

/// The file and its length, if it has one.
async fn open(file: &PathBuf) -> Result<(Input, Option<u64>), Failure> {
    if file.as_os_str() == "-" {
        return Ok((Box::pin(tokio::io::stdin()), None));
    }
    let opened =
        tokio::fs::File::open(file).await.map_err(|error| Failure::wrong_use(format!("{} cannot be read: {error}", file.display())))?;
    let length = opened.metadata().await.ok().map(|metadata| metadata.len());
    Ok((Box::pin(opened), length))
}

fn rejects_file(arguments: &Import) -> PathBuf {
    arguments.rejects.clone().unwrap_or_else(|| {
        if arguments.file.as_os_str() == "-" {
            PathBuf::from("import.rejects.ndjson")
        } else {
            let mut name = arguments.file.as_os_str().to_owned();
            name.push(".rejects.ndjson");
            name.into()
        }
    })
}

/// Rejects of an earlier import are not part of this one.
fn forget_old_rejects(arguments: &Import) -> Result<(), Failure> {
    let rejects = rejects_file(arguments);
    if let (Ok(input), Ok(output)) = (arguments.file.canonicalize(), rejects.canonicalize())
        && input == output
    {
        return Err(Failure::wrong_use(format!("--rejects: {} is the file to be imported; choose another", rejects.display())));
    }
    if rejects.is_file() {
        std::fs::remove_file(&rejects).map_err(|error| Failure::wrong_use(format!("{} cannot be overwritten: {error}", rejects.display())))
    } else {
        Ok(())
    }
}

async fn import_lines(core: &Core, arguments: &Import, input: Input, bytes: Option<u64>) -> Result<Summary, Failure> {
    let actor = arguments.actor.map_or(system::IMPORT, UserId);
    // The user of the command line has all rights, also for lines that name another actor.
    let caller = Caller { actor, workspace: WorkspaceId(arguments.workspace), role: Role::Service };
    let bar = progress_bar(bytes);
    let started = Instant::now();
    let mut summary = Summary::default();
    let mut rejects = Rejects::new(rejects_file(arguments));
    let refused = if arguments.retry_rejected { Refused::DecidedAnew } else { Refused::Again };
    let mut outcomes = std::pin::pin!(import(&core.application, caller, refused, lines(input, bar.clone())));
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(LineOutcome::Done) => summary.done += 1,
            Ok(LineOutcome::Replayed) => summary.replayed += 1,
            Ok(LineOutcome::NothingToDo) => summary.nothing_to_do += 1,
            Ok(LineOutcome::Rejected(reject)) => {
                summary.rejected += 1;
                summary.rejected_before += u64::from(reject.replayed);
                rejects.write(&reject)?;
            }
            Err(ImportError::File(error)) => return Err(Failure::wrong_use(format!("the file cannot be read: {error}"))),
            Err(unavailable @ ImportError::Unavailable { .. }) => {
                return Err(Failure::not_there(format!("{}; import the file again to continue from here", with_causes(&unavailable))));
            }
        }
        let Summary { done, rejected, rejected_before, .. } = summary;
        bar.set_message(format!("{done} executed, {rejected} rejected, {rejected_before} of them before"));
    }
    bar.finish_and_clear();
    rejects.finish()?;
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

fn progress_bar(bytes: Option<u64>) -> ProgressBar {
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = match bytes {
        Some(_) => "{bar:40} {percent:>3}%  {msg}  {bytes_per_sec}, {eta} left",
        None => "{spinner} {msg}  {elapsed}",
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The lines of a file, with progress.
fn lines(input: Input, bar: ProgressBar) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send {
    let reader = BufReader::with_capacity(256 * 1024, input);
    futures::stream::unfold((reader, bar), |(mut reader, bar)| async move {
        let mut line = vec![];
        match read_line(&mut reader, &mut line).await {
            Ok(0) => None,
            Ok(length) => {
                bar.inc(length as u64);
                Some((Ok(line), (reader, bar)))
            }
            Err(error) => Some((Err(error), (reader, bar))),
        }
    })
}

/// Reads a line without its end and returns its number of bytes. Of a line that is too long, only as much is kept as
/// shows that.
async fn read_line(reader: &mut BufReader<Input>, line: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut taken = 0;
    loop {
        let piece = reader.fill_buf().await?;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let text = &piece[..end.unwrap_or(piece.len())];
        line.extend_from_slice(&text[..text.len().min((LINE_BYTES_MAX + 1).saturating_sub(line.len()))]);
        let (used, over) = (end.map_or(piece.len(), |end| end + 1), end.is_some() || piece.is_empty());
        reader.consume(used);
        taken += used;
        if over {
            return Ok(taken);
        }
    }
}

/// The file of lines that were not carried out. It is made when there is one.
struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::wrong_use(format!("{} cannot be written: {error}", self.path.display()))
    }

    fn write(&mut self, reject: &Reject) -> Result<(), Failure> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => BufWriter::new(File::create(&self.path).map_err(|error| self.failed(&error))?),
        };
        let written = serde_json::to_string(reject).map_err(std::io::Error::from).and_then(|line| writeln!(file, "{line}"));
        self.file = Some(file);
        written.map_err(|error| self.failed(&error))
    }

    fn finish(mut self) -> Result<(), Failure> {
        match self.file.take() {
            Some(mut file) => file.flush().map_err(|error| self.failed(&error)),
            None => Ok(()),
        }
    }
}
