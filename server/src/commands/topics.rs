//! `milepost topics`: manages the Kafka topics.

use super::table;
use crate::cli::{Topics as Arguments, TopicsCommand};
use crate::exit::Failure;
use infrastructure::config::Configuration;
use infrastructure::kafka::AskError;
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::topics::{Difference, TopicFound, TopicState, Topics, TopicsError};
use serde_json::{Value, json};

/// Lists, compares, or creates topics according to the catalogue.
pub async fn run(arguments: Arguments, configuration: &Configuration) -> Result<(), Failure> {
    let topics = open(configuration)?;
    match arguments.what {
        TopicsCommand::List { json } => list(&topics, json).await,
        TopicsCommand::Diff { json } => diff(&topics, json).await,
        TopicsCommand::Apply { reorder_keys } => apply(&topics, reorder_keys).await,
    }
}

async fn apply(topics: &Topics, reorder_keys: bool) -> Result<(), Failure> {
    for name in topics.create_missing().await.map_err(failed)? {
        say!("created {name}");
    }
    let mut changed = topics.mend().await.map_err(failed)?;
    if reorder_keys {
        changed.extend(topics.raise_partitions().await.map_err(failed)?);
    }
    for (name, difference) in changed {
        match difference {
            Difference::Drift { field, wanted, found } => say!("changed {name}: {field} from {found} to {wanted}"),
            Difference::Partitions { wanted, found } => {
                say!("changed {name}: partitions from {found} to {wanted}; keys belong to other partitions from now on");
            }
            Difference::Missing | Difference::MaxMessageBytes { .. } | Difference::Warning(_) => {}
        }
    }
    diff(topics, false).await
}

fn open(configuration: &Configuration) -> Result<Topics, Failure> {
    let settings = &configuration.settings;
    require_kafka(configuration)?;
    let catalogue = Catalogue::read(&settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    Topics::new(&settings.kafka, &catalogue).map_err(failed)
}

/// Some commands make no sense without brokers.
pub(super) fn require_kafka(configuration: &Configuration) -> Result<(), Failure> {
    if configuration.settings.kafka.bootstrap_servers.is_empty() {
        Err(Failure::wrong_use("KAFKA_BOOTSTRAP_SERVERS is not set: name the brokers, such as host:9092"))
    } else {
        Ok(())
    }
}

pub(super) fn failed(error: TopicsError) -> Failure {
    let message = error.to_string();
    match error {
        TopicsError::Demo { .. } => Failure::wrong_use(message),
        TopicsError::Ask(AskError::Login { .. } | AskError::Tls { .. } | AskError::Settings(_) | AskError::NotAllowed { .. }) => {
            Failure::wrong_use(message)
        }
        TopicsError::Ask(AskError::Unreachable { .. } | AskError::Topic { .. })
        | TopicsError::Create { .. }
        | TopicsError::Change { .. }
        | TopicsError::Kafka { .. } => Failure::not_there(message),
    }
}

fn words(state: &TopicState) -> String {
    let retention = state.retention_ms.map_or_else(String::new, |ms| format!(", {} h", ms / 3_600_000));
    format!("{} partitions, {}{retention}", state.partitions, state.cleanup_policy)
}

fn found_columns(found: &TopicFound) -> String {
    format!("{}, {} {}", words(&found.state), found.copies, if found.copies == 1 { "copy" } else { "copies" })
}

async fn list(topics: &Topics, json: bool) -> Result<(), Failure> {
    let found = topics.found().await.map_err(failed)?;
    if json {
        let all: Vec<Value> =
            topics.wanted().map(|(name, wanted)| json!({ "name": name, "catalogue": wanted, "brokers": found.get(name) })).collect();
        crate::output::json(&all);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = topics
        .wanted()
        .map(|(name, wanted)| vec![name.to_owned(), words(wanted), found.get(name).map_or_else(|| "missing".to_owned(), found_columns)])
        .collect();
    table::print(&["TOPIC", "CATALOGUE", "BROKERS"], &rows);
    Ok(())
}

async fn diff(topics: &Topics, json: bool) -> Result<(), Failure> {
    let differences = topics.differences().await.map_err(failed)?;
    if json {
        crate::output::json(&differences);
    }
    for (name, difference) in differences.iter().filter(|_| !json) {
        say!("- {name}: {}", sentence(topics.servers(), name, difference));
    }
    match differences.iter().filter(|(_, difference)| difference.is_drift()).count() {
        0 if json => Ok(()),
        0 => {
            say!("the topics match the catalogue");
            Ok(())
        }
        count => Err(Failure::no(format!("{count} differences between the catalogue and the brokers"))),
    }
}

/// The difference, and what to do about it.
fn sentence(servers: &str, name: &str, difference: &Difference) -> String {
    match difference {
        Difference::Missing => "missing; create it with `milepost topics apply`".to_owned(),
        Difference::Drift { field, wanted, found } => format!("{field} is {found}, the catalogue says {wanted}"),
        Difference::Partitions { wanted, found } if found > wanted => format!(
            "partitions is {found}, the catalogue says {wanted}: events still go to the first {wanted} partitions and the others stay \
                 empty; setting the catalogue to {found} would move keys, which breaks their order"
        ),
        Difference::Partitions { wanted, found } => format!(
            "partitions is {found}, the catalogue says {wanted}, and the relay sends nothing: set the catalogue to {found}, or raise the number with \
             `milepost topics apply --reorder-keys`, which moves keys to other partitions, so that consumers may see later events of a key before earlier ones"
        ),
        Difference::MaxMessageBytes { needed, found } => format!(
            "max.message.bytes is {found}, and the largest event has {needed} bytes: the relay would stop at one; raise it with \
             kafka-configs.sh --bootstrap-server {servers} --entity-type topics --entity-name {name} --alter --add-config max.message.bytes={needed}"
        ),
        Difference::Warning(warning) => format!("warning: {warning}"),
    }
}
