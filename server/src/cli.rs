//! The command line.

use application::caller::Role;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::values::line;
use infrastructure::config::Flags;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// Event-sourced project management: every change to projects, tasks and schedules is an event, published to Kafka exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "milepost",
    version,
    after_help = "Settings come from flags, then the environment, then the TOML file named by MILEPOST_CONFIG; see `milepost config show`.\nExit status: 0 success, 1 a check failed or was refused, 2 invalid usage or settings, 3 a required server is not available."
)]
pub struct Cli {
    /// PostgreSQL connection URL, such as postgres://user:password@host:5432/name [env: DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Kafka bootstrap servers, such as host:9092 [env: KAFKA_BOOTSTRAP_SERVERS]
    #[arg(long, global = true, value_name = "SERVERS")]
    kafka_bootstrap_servers: Option<String>,
    /// TOML file with the topic catalogue [env: MILEPOST_TOPICS]
    #[arg(long, global = true, value_name = "FILE")]
    catalogue: Option<String>,
    /// Log filter, such as info,sqlx=warn [env: MILEPOST_LOG]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// Log format: human or json [env: MILEPOST_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine, with a private PostgreSQL, a demo Kafka and demo data
    Dev(Dev),
    /// Run a node on your PostgreSQL and, if configured, your Kafka
    Serve(Serve),
    /// Create or update the database schema
    Migrate,
    /// Execute commands from a file of JSON lines
    Import(Import),
    /// Manage read models
    Projections(Projections),
    /// List, retry or skip parked events
    DeadLetters(DeadLetters),
    /// Manage Kafka topics
    Topics(Topics),
    /// Show the position of the relay to Kafka, or set it
    Relay(Relay),
    /// Compare what was published with the log
    Verify(Verify),
    /// Read the event log
    Events(Events),
    /// Create an access token
    Token(Token),
    /// Check or show the settings
    Config(Config),
}

#[derive(Debug, Args)]
pub struct Dev {
    /// Data folder, kept between runs [default: /var/lib/milepost/dev for root, else ~/.local/share/milepost/dev]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// HTTP address and port; if the port is in use, another one is chosen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Delete the contents of the data folder first
    #[arg(long)]
    pub fresh: bool,
    /// Do not create demo data
    #[arg(long)]
    pub no_seed: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// HTTP address and port [env: MILEPOST_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Do not create or update the database schema at startup
    #[arg(long)]
    pub no_migrate: bool,
}

#[derive(Debug, Args)]
pub struct Import {
    /// File to import; - for standard input
    pub file: PathBuf,
    /// Workspace to import into
    #[arg(long, value_name = "UUID")]
    pub workspace: Uuid,
    /// User ID of the importer; lines may name other actors
    #[arg(long, value_name = "UUID")]
    pub actor: Option<Uuid>,
    /// File for rejected lines [default: FILE.rejects.ndjson]
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Execute lines again that an earlier import rejected; by default they are rejected again with the same error
    #[arg(long)]
    pub retry_rejected: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Projections {
    #[command(subcommand)]
    pub what: ProjectionsCommand,
}

#[derive(Debug, Subcommand)]
pub enum ProjectionsCommand {
    /// List all versions of all read models
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Build new versions beside the live ones and switch to them; resumes an interrupted rebuild
    Rebuild {
        /// Names of read models
        #[arg(value_name = "NAME", required_unless_present = "all")]
        names: Vec<String>,
        /// All read models
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
    /// Switch back to the version that was live before the last switch
    Rollback {
        /// Name of the read model
        name: String,
    },
    /// Cancel a running or interrupted rebuild and drop the version it was building
    Cancel {
        /// Name of the read model
        name: String,
    },
    /// Drop the version that is retained for rollback
    DropOld {
        /// Name of the read model
        name: String,
    },
    /// Build a version, compare it with the live one, and drop it
    Verify {
        /// Name of a read model; all if omitted
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Events that a read model could not apply; alias of `milepost dead-letters --source projections`
    DeadLetters {
        #[command(subcommand)]
        what: OfReadModelsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum OfReadModelsCommand {
    /// List parked events
    List {
        /// Name of a read model; all if omitted
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Retry the parked events of an aggregate and rebuild the read model
    Retry {
        /// Name of the read model
        name: String,
        /// ID of the aggregate
        aggregate: Uuid,
    },
    /// Skip the first parked event of an aggregate permanently and apply the others
    Skip {
        /// Name of the read model
        name: String,
        /// ID of the aggregate
        aggregate: Uuid,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, Args)]
pub struct DeadLetters {
    #[command(subcommand)]
    pub what: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List parked events
    List {
        /// Only events parked by this source
        #[arg(long)]
        source: Option<Source>,
        /// Only events parked by this read model or reaction
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one parked event in full
    Show {
        #[command(flatten)]
        which: WhichLetter,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Retry a parked event and those that wait behind it in its aggregate
    Retry {
        #[command(flatten)]
        which: WhichLetter,
    },
    /// Skip a parked event permanently, record why, and retry those that wait behind it in its aggregate
    Skip {
        #[command(flatten)]
        which: WhichLetter,
        #[command(flatten)]
        why: Why,
    },
}

/// What parks events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// Read models
    Projections,
    /// Reactions, which issue commands in response to events
    Reactions,
    /// The relay to Kafka: the event at which it is stuck, because it cannot be sent. Skipping it sends a dead letter instead
    Relay,
}

#[derive(Debug, Args)]
pub struct WhichLetter {
    /// Source that parked the event
    #[arg(long)]
    pub source: Source,
    /// Name of the read model or reaction, if several have parked the event
    #[arg(long)]
    pub name: Option<String>,
    /// Position of the event in the log
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub position: i64,
}

#[derive(Debug, Args)]
pub struct Why {
    /// Reason, recorded permanently; at most 500 characters
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Name of the person who skips it, at most 100 characters [default: the operating system user]
    #[arg(long, value_name = "WHO", value_parser = who)]
    by: Option<String>,
}

impl Why {
    /// Who skips it.
    pub fn by(&self) -> String {
        let user = || ["USER", "LOGNAME"].iter().find_map(|name| who(&std::env::var(name).ok()?).ok());
        self.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// Most characters in the reason for skipping an event.
pub const REASON_CHARS_MAX: usize = 500;
/// Most characters in the name of who skips it.
pub const WHO_CHARS_MAX: usize = 100;

fn reason(text: &str) -> Result<String, String> {
    line("a reason", text.to_owned(), REASON_CHARS_MAX).map_err(|refused| refused.message)
}

fn who(text: &str) -> Result<String, String> {
    line("who skips an event", text.to_owned(), WHO_CHARS_MAX).map_err(|refused| refused.message)
}

#[derive(Debug, Args)]
pub struct Topics {
    #[command(subcommand)]
    pub what: TopicsCommand,
}

#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// List the topics of the catalogue and whether they exist
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare the catalogue with the topics on the brokers; exit status 1 if they differ
    Diff {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create missing topics and correct their settings, then compare again
    Apply {
        /// Also add partitions to topics that have fewer than the catalogue says. Keys move to other partitions: a consumer
        /// may see later events of a key before earlier ones, and `verify kafka` reports such keys. Stop all nodes first
        #[arg(long)]
        reorder_keys: bool,
    },
}

#[derive(Debug, Args)]
pub struct Relay {
    #[command(subcommand)]
    pub what: RelayCommand,
}

#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Show the log's end, the relay's record on Kafka, and whether they match; exit status 1 if the relay has stopped
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set the position from which the relay continues; prints what will be repeated or left out
    Resume {
        /// Continue after this position of the log; events up to it count as sent
        #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..), required_unless_present = "from_start")]
        from: Option<i64>,
        /// Send all events again; the same as --from 0
        #[arg(long, conflicts_with = "from")]
        from_start: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set the position to the last event of this log that the topics contain
    ///
    /// Reads all committed records of the catalogue's topics and compares them with the log. The last event of the log that
    /// is found proves that all events before it were sent, because events are sent in order. Records that retention has
    /// removed count as sent. Fails with exit status 1, without a change, if the topics contain no event of this log, if an
    /// event before the last one is missing and was not removed by retention, or if records of another log are mixed with
    /// those of this one. Records of events that the log has lost, after its last event, are reported and left in place.
    Adopt {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(subcommand)]
    pub what: VerifyCommand,
}

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Read the topics and compare them with the log: each event exactly once, in order per key, and no unknown records
    Kafka {
        /// Maximum time to wait for the relay to reach the end of the log, such as 10s
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
        wait: Duration,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Events {
    #[command(subcommand)]
    pub what: EventsCommand,
}

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Print events in order
    Tail(Tail),
}

#[derive(Debug, Args)]
pub struct Tail {
    /// Only events after this position; by default the last twenty events
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,
    /// Continue with new events until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Only events of this type, such as task_created; can be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only events of this aggregate
    #[arg(long, value_name = "UUID")]
    pub aggregate: Option<Uuid>,
    /// Only events of this workspace
    #[arg(long, value_name = "UUID")]
    pub workspace: Option<Uuid>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Token {
    /// User ID (the token's `sub`)
    #[arg(long, value_name = "UUID")]
    pub actor: Uuid,
    /// Workspace of the user
    #[arg(long, value_name = "UUID")]
    pub workspace: Uuid,
    /// Role in the workspace: viewer, member, admin, owner or service
    #[arg(long)]
    pub role: Role,
    /// Validity, such as 1h or 30days; at most ten years
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    pub ttl: Duration,
}

/// Longest time that a token is valid.
const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (1..=TTL_MAX.as_secs()).contains(&ttl.as_secs()) { Ok(ttl) } else { Err("must be between 1 second and 10 years".to_owned()) }
}

#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    pub what: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the settings
    Check,
    /// Show all settings with their values and sources; secrets are masked
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// What the flags set, by the keys of the settings.
    pub fn flags(&self) -> Flags {
        let listen = match &self.command {
            Command::Serve(serve) => serve.listen.clone(),
            _ => None,
        };
        [
            ("database_url", self.database_url.clone()),
            ("kafka.bootstrap_servers", self.kafka_bootstrap_servers.clone()),
            ("topics", self.catalogue.clone()),
            ("log.filter", self.log.clone()),
            ("log.format", self.log_format.clone()),
            ("listen", listen),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(reason: &str, by: &str) -> Result<Cli, String> {
        let skip = ["milepost", "dead-letters", "skip", "--source", "reactions", "7", "--reason", reason, "--by", by];
        Cli::try_parse_from(skip).map_err(|error| error.to_string())
    }

    #[test]
    fn why_and_by_whom_an_event_is_skipped_are_texts_of_one_line() {
        assert!(skip(&"r".repeat(REASON_CHARS_MAX), &"w".repeat(WHO_CHARS_MAX)).is_ok());
        for bad in ["", " ", "two\nlines", "a \u{7} bell", "\u{200b}", "\u{202e}turned"] {
            for (option, refused) in [("--reason", skip(bad, "Anna")), ("--by", skip("A test", bad))] {
                assert!(refused.as_ref().is_err_and(|error| error.contains(option)), "{option} {bad:?}: {refused:?}");
            }
        }
        for (limit, refused) in
            [("1 to 500", skip(&"r".repeat(REASON_CHARS_MAX + 1), "Anna")), ("1 to 100", skip("A test", &"w".repeat(WHO_CHARS_MAX + 1)))]
        {
            assert!(refused.as_ref().is_err_and(|error| error.contains(limit)), "{limit}: {refused:?}");
        }
    }
}
