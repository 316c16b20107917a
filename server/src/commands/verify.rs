//! `milepost verify`: proves that the published records match the log.

use super::table::thousands;
use super::topics::{failed, require_kafka};
use crate::cli::{Verify, VerifyCommand};
use crate::exit::Failure;
use crate::wire::Core;
use application::ports::EventLog;
use indicatif::{ProgressBar, ProgressStyle};
use infrastructure::config::Configuration;
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::relay::{Evidence, Refusal, RelayError, examine};
use infrastructure::kafka::topics::Topics;
use infrastructure::kafka::verify::{Report, read_topics};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the relay's position is queried while the command waits for it.
const QUERY_EVERY: Duration = Duration::from_millis(200);

/// A note for results of the demo broker.
const DEMO: &str = "this is the demo broker of `milepost dev`: it shows records of aborted transactions, retains 5 MiB per partition, and \
     lets a replaced relay continue to send; faults found here after a kill or a pause are the demo broker's and say nothing about a \
     real Kafka";

/// Compares the topics with the log.
pub async fn run(arguments: Verify, configuration: &Configuration) -> Result<(), Failure> {
    let VerifyCommand::Kafka { wait, json } = arguments.what;
    require_kafka(configuration)?;
    let catalogue = Catalogue::read(&configuration.settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    let topics = Topics::new(&configuration.settings.kafka, &catalogue).map_err(failed)?;
    topics.check_reachable().map_err(failed)?;
    if topics.is_demo() {
        eprintln!("milepost: {DEMO}");
    }
    let core = Core::open(&configuration.settings).await?;
    let result = compare(&core, configuration, Arc::new(catalogue), wait).await;
    core.close().await;
    let Compared { report, head, refusal } = result?;
    if json {
        crate::output::json(&report);
    } else {
        report.faults.iter().for_each(|fault| say!("- {fault}"));
    }
    if let Some(refusal) = refusal {
        return Err(Failure::no(format!(
            "the relay has stopped: {refusal}; {} faults up to position {}",
            report.faults_total, report.until
        )));
    }
    let behind = head - report.until;
    if !report.is_clean() {
        return Err(Failure::no(format!("{} faults up to position {}; the first are above", report.faults_total, report.until)));
    }
    if report.unchecked > 0 {
        return Err(Failure::no(format!(
            "{} of {} positions cannot be checked: their records were removed before the catalogue's retention_ms had passed; no other \
                faults",
            thousands(report.unchecked as i64),
            thousands(report.until)
        )));
    }
    if behind > 0 {
        return Err(Failure::no(format!("the relay is {behind} events behind the log; no faults up to position {}", report.until)));
    }
    if !json {
        let expired =
            if report.expired > 0 { format!(", {} of them expired by retention", thousands(report.expired as i64)) } else { String::new() };
        let skipped =
            if report.skipped > 0 { format!(", {} of them skipped by an admin", thousands(report.skipped as i64)) } else { String::new() };
        say!("{} positions{expired}{skipped}: each is on Kafka once, in order for each key, and nothing else is", thousands(report.until));
    }
    Ok(())
}

fn unreadable(configuration: &Configuration, error: &dyn std::fmt::Display) -> Failure {
    Failure::not_there(format!("Kafka at {} cannot be read: {error}", configuration.settings.kafka.bootstrap_servers))
}

/// The result, the end of the log at that time, and whether the relay's record agrees.
struct Compared {
    report: Report,
    head: i64,
    refusal: Option<Refusal>,
}

async fn compare(core: &Core, configuration: &Configuration, catalogue: Arc<Catalogue>, wait: Duration) -> Result<Compared, Failure> {
    let kafka = &configuration.settings.kafka;
    let head = *core.log.head().borrow();
    let started = Instant::now();
    let unknown = |error: RelayError| Failure::not_there(error.sentence(kafka));
    let examined = examine(kafka, &catalogue, &core.database.worker).await.map_err(unknown)?;
    let (mut evidence, mut refusal) = (examined.evidence, examined.verdict.err());
    let until = loop {
        // A record of another log is compared up to the end of this log.
        let position = evidence.stored.position().unwrap_or(0).min(evidence.log.head);
        if refusal.is_some() || position >= head || started.elapsed() >= wait {
            break position;
        }
        tokio::time::sleep(QUERY_EVERY).await;
        evidence = Evidence::read(kafka, &catalogue, &core.database.worker).await.map_err(unknown)?;
        refusal = evidence.verdict().err();
    };
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {human_pos} records read, {per_sec}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let (kafka, topics, shown) = (kafka.clone(), Arc::clone(&catalogue), bar.clone());
    let read = tokio::task::spawn_blocking(move || read_topics(&kafka, &topics, &|records| shown.set_position(records))).await;
    bar.finish_and_clear();
    let read = read.map_err(|error| Failure::not_there(error.to_string()))?.map_err(|error| unreadable(configuration, &error))?;
    let report = read.compare(&core.database.worker, &catalogue, until).await;
    let report = report.map_err(|error| Failure::of_database("the topics cannot be compared", &error))?;
    Ok(Compared { report, head, refusal })
}
