//! The command line.

use application::caller::Role;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::values::line;
use infrastructure::config::Flags;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// Event-sourced project management: projects, tasks and schedules, every change an event, every event on Kafka once.
#[derive(Debug, Parser)]
#[command(
    name = "milepost",
    version,
    after_help = "Settings come from flags, then the environment, then the TOML file named by MILEPOST_CONFIG; see `milepost config show`.\nExit status: 0 done, 1 the answer is no, 2 wrong use or settings, 3 a server that is needed is not there."
)]
pub struct Cli {
    /// PostgreSQL, such as postgres://user:password@host:5432/name [env: DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Kafka brokers, such as host:9092 [env: KAFKA_BOOTSTRAP_SERVERS]
    #[arg(long, global = true, value_name = "SERVERS")]
    kafka_bootstrap_servers: Option<String>,
    /// File with the topic catalogue [env: MILEPOST_TOPICS]
    #[arg(long, global = true, value_name = "FILE")]
    catalogue: Option<String>,
    /// Which log lines are written, such as info,sqlx=warn [env: MILEPOST_LOG]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// human or json [env: MILEPOST_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine, with a private PostgreSQL, a demo Kafka and demo data
    Dev(Dev),
    /// Serve, on a PostgreSQL of yours and, if configured, a Kafka of yours
    Serve(Serve),
    /// Create or update the tables
    Migrate,
    /// Carry out commands from a file of JSON lines
    Import(Import),
    /// Look after the read models
    Projections(Projections),
    /// See what is parked, try it again, or skip it
    DeadLetters(DeadLetters),
    /// Look after the Kafka topics
    Topics(Topics),
    /// See where the relay to Kafka is, and say where it continues
    Relay(Relay),
    /// Prove that what was published is what happened
    Verify(Verify),
    /// Read the log of events
    Events(Events),
    /// Make an access token
    Token(Token),
    /// Check or show the settings
    Config(Config),
}

#[derive(Debug, Args)]
pub struct Dev {
    /// Where the data are kept between runs [default: /var/lib/milepost/dev for root, else ~/.local/share/milepost/dev]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Address and port for HTTP; if it is taken, another port is used [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Begin with nothing: deletes what is in the data folder
    #[arg(long)]
    pub fresh: bool,
    /// No demo data
    #[arg(long)]
    pub no_seed: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port for HTTP [env: MILEPOST_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Do not create or update the tables at the start
    #[arg(long)]
    pub no_migrate: bool,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The file; - for standard input
    pub file: PathBuf,
    /// The workspace to import into
    #[arg(long, value_name = "UUID")]
    pub workspace: Uuid,
    /// Who imports; lines may name others
    #[arg(long, value_name = "UUID")]
    pub actor: Option<Uuid>,
    /// Where lines go that were not carried out [default: FILE.rejects.ndjson]
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Decide lines anew that an earlier import rejected; otherwise they are rejected again as they were
    #[arg(long)]
    pub retry_rejected: bool,
    /// Print the outcome as JSON
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
    /// Every version of every read model
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Build new versions beside the live ones, compare, and switch; goes on where one was interrupted
    Rebuild {
        /// Which read models
        #[arg(value_name = "NAME", required_unless_present = "all")]
        names: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
    /// Go back to the version that was live before the last switch
    Rollback {
        /// Which read model
        name: String,
    },
    /// Drop what an interrupted rebuild has built so far; one that runs stops
    Cancel {
        /// Which read model
        name: String,
    },
    /// Drop the version that is kept for going back
    DropOld {
        /// Which read model
        name: String,
    },
    /// Build a version and compare it with the live one; nothing is switched
    Verify {
        /// Which read model; all if none is named
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Events that a read model could not take in: the same as `milepost dead-letters --source projections`
    DeadLetters {
        #[command(subcommand)]
        what: OfReadModelsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum OfReadModelsCommand {
    /// Every parked event
    List {
        /// Which read model; all if none is named
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take in what is parked of an aggregate, if that works by now, by a rebuild
    Retry {
        /// Which read model
        name: String,
        /// Whose events
        aggregate: Uuid,
    },
    /// Skip the first parked event of an aggregate for good, and take in the rest
    Skip {
        /// Which read model
        name: String,
        /// Whose events
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
    /// Every parked event
    List {
        /// Only those of one source
        #[arg(long)]
        source: Option<Source>,
        /// Only those of one read model or reaction
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One parked event with all that is known of it
    Show {
        #[command(flatten)]
        which: WhichLetter,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a parked event again, and what waits behind it in its aggregate
    Retry {
        #[command(flatten)]
        which: WhichLetter,
    },
    /// Skip a parked event for good, on the record, and go on with what waits behind it in its aggregate
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
    /// Reactions, which answer events with commands
    Reactions,
    /// The relay to Kafka: the event before which it stands, since it cannot be sent. A dead letter is sent for one that is skipped
    Relay,
}

#[derive(Debug, Args)]
pub struct WhichLetter {
    /// What has parked it
    #[arg(long)]
    pub source: Source,
    /// Which read model or reaction, where several have parked it
    #[arg(long)]
    pub name: Option<String>,
    /// Its position in the log
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub position: i64,
}

#[derive(Debug, Args)]
pub struct Why {
    /// Why it is skipped; kept with it for good, up to 500 characters
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Who skips it, up to 100 characters [default: the user of the operating system]
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
    /// The topics of the catalogue, and whether they are there
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What differs between the catalogue and the brokers
    Diff {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create the topics that are missing, set what differs, then check all
    Apply {
        /// Give topics as many partitions as the catalogue says. Keys move to other partitions: a consumer may see later
        /// events of a key before earlier ones, and `verify kafka` reports such keys. Stop all nodes first
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
    /// The log, the relay's record on Kafka, and whether the two agree; exit status 1 if the relay refuses to send
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Continue where you say, whatever the record says; prints what is sent again and what is left out
    Resume {
        /// Continue with the event after this position of the log; those up to it count as sent
        #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..), required_unless_present = "from_start")]
        from: Option<i64>,
        /// Send everything again, from the first event on; the same as --from 0
        #[arg(long, conflicts_with = "from")]
        from_start: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Continue after the last event of this log that the topics hold
    ///
    /// Reads all committed records of the catalogue's topics and compares them with the log. The last event of the log that
    /// is found there proves that everything before it was sent, since events are sent in order. What retention has removed
    /// counts as sent. Nothing is adopted, and the exit status is 1, if no event of this log is there, if an event before the
    /// last is missing and was not removed by retention, or if records of another log are among those of this one. Records
    /// of events that the log has lost, behind the last that it has, are told and left alone.
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
    /// Read the topics back and compare them with the log: every position once, in order per key, no stranger
    Kafka {
        /// How long to wait for the relay to reach the end of the log, such as 10s
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
    /// Print events, in order
    Tail(Tail),
}

#[derive(Debug, Args)]
pub struct Tail {
    /// Only events after this position; without it the last twenty
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,
    /// Go on with new events until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Only events of this type, such as task_created; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only events of this aggregate
    #[arg(long, value_name = "UUID")]
    pub aggregate: Option<Uuid>,
    /// Only events of this workspace
    #[arg(long, value_name = "UUID")]
    pub workspace: Option<Uuid>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Token {
    /// Who it is for
    #[arg(long, value_name = "UUID")]
    pub actor: Uuid,
    /// In which workspace
    #[arg(long, value_name = "UUID")]
    pub workspace: Uuid,
    /// viewer, member, admin, owner or service
    #[arg(long)]
    pub role: Role,
    /// How long it is valid, such as 1h or 30days; at most ten years
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    pub ttl: Duration,
}

/// Longest time that a token is valid.
const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match (1..=TTL_MAX.as_secs()).contains(&ttl.as_secs()) {
        true => Ok(ttl),
        false => Err("a token is valid for one second to ten years".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    pub what: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Whether the settings can be used
    Check,
    /// Every setting, its value and where it came from; secrets are hidden
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
