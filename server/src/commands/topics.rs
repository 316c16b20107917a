//! `milepost topics`: look after the Kafka topics.

use super::table;
use crate::cli::{Topics as Arguments, TopicsCommand};
use crate::exit::Failure;
use infrastructure::config::Configuration;
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::topics::{Difference, TopicState, Topics, TopicsError};
use serde_json::{Value, json};

/// Lists, compares, or makes topics as the catalogue says.
pub async fn run(arguments: Arguments, configuration: &Configuration) -> Result<(), Failure> {
    let topics = open(configuration)?;
    match arguments.what {
        TopicsCommand::List { json } => list(&topics, json).await,
        TopicsCommand::Diff { json } => diff(&topics, json).await,
        TopicsCommand::Apply => {
            for name in topics.create_missing().await.map_err(failed)? {
                say!("created {name}");
            }
            for (name, difference) in topics.mend().await.map_err(failed)? {
                if let Difference::Drift { field, wanted, found } = difference {
                    say!("changed {name}: {field} from {found} to {wanted}");
                }
            }
            diff(&topics, false).await
        }
    }
}

fn open(configuration: &Configuration) -> Result<Topics, Failure> {
    let settings = &configuration.settings;
    require_kafka(configuration)?;
    let catalogue = Catalogue::read(&settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    Topics::new(&settings.kafka, &catalogue).map_err(failed)
}

/// Some commands make no sense without brokers.
pub(super) fn require_kafka(configuration: &Configuration) -> Result<(), Failure> {
    match configuration.settings.kafka.bootstrap_servers.is_empty() {
        true => Err(Failure::wrong_use("KAFKA_BOOTSTRAP_SERVERS is not set: name the brokers, such as host:9092")),
        false => Ok(()),
    }
}

fn failed(error: TopicsError) -> Failure {
    let message = error.to_string();
    match error {
        TopicsError::Demo { .. } => Failure::wrong_use(message),
        TopicsError::Unreachable { .. } | TopicsError::Create { .. } | TopicsError::Change { .. } | TopicsError::Kafka(_) => {
            Failure::not_there(message)
        }
    }
}

fn words(state: &TopicState) -> String {
    let retention = state.retention_ms.map_or_else(String::new, |ms| format!(", {} h", ms / 3_600_000));
    format!("{} partitions, {}{retention}", state.partitions, state.cleanup_policy)
}

async fn list(topics: &Topics, json: bool) -> Result<(), Failure> {
    let found = topics.found().await.map_err(failed)?;
    if json {
        let all: Vec<Value> =
            topics.wanted().map(|(name, wanted)| json!({ "name": name, "catalogue": wanted, "brokers": found.get(name) })).collect();
        say!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
        return Ok(());
    }
    let rows: Vec<Vec<String>> = topics
        .wanted()
        .map(|(name, wanted)| vec![name.to_owned(), words(wanted), found.get(name).map_or_else(|| "missing".to_owned(), words)])
        .collect();
    table::print(&["TOPIC", "CATALOGUE", "BROKERS"], &rows);
    Ok(())
}

async fn diff(topics: &Topics, json: bool) -> Result<(), Failure> {
    let differences = topics.differences().await.map_err(failed)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&differences).unwrap_or_default());
    }
    for (name, difference) in differences.iter().filter(|_| !json) {
        match difference {
            Difference::Missing => say!("- {name}: missing; create it with `milepost topics apply`"),
            Difference::Drift { field: "partitions", wanted, found } => say!(
                "- {name}: partitions is {found}, the catalogue says {wanted}; another number would break the order of keys, so it is not changed"
            ),
            Difference::Drift { field, wanted, found } => say!("- {name}: {field} is {found}, the catalogue says {wanted}"),
        }
    }
    match differences.len() {
        0 if json => Ok(()),
        0 => {
            say!("the topics are as the catalogue says");
            Ok(())
        }
        count => Err(Failure::no(format!("{count} differences between the catalogue and the brokers"))),
    }
}
