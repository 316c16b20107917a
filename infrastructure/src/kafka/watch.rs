//! Looks at the topics while the relay serves: somebody may give them more partitions, or run them with one copy.

use super::catalogue::Catalogue;
use super::probe::{AskError, Cluster, Probe};
use super::topics::warning;
use crate::config::Kafka;
use application::notices::{Notice, NoticeName};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the topics are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for the brokers. The relay itself says when they do not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is said of a topic that brokers tell nothing of at the moment.
const UNKNOWN: &str = "as last reported by the brokers; they do not answer now";

/// Sends what an admin should know of the topics, while this node holds the relay's lease. Returns once nobody holds or
/// wants the lease any more.
pub async fn watch_topics(
    kafka: Kafka,
    catalogue: Arc<Catalogue>,
    mut lease: watch::Receiver<Option<i64>>,
    notices: watch::Sender<Vec<Notice>>,
) {
    let mut probe = None;
    let mut seen = vec![];
    loop {
        let held = lease.borrow_and_update().is_some();
        if held && probe.is_none() {
            probe = Probe::new(&kafka).ok().map(|probe| Arc::new(probe.with_patience(PATIENCE)));
        }
        let found = match (&probe, held) {
            (Some(probe), true) => look(Arc::clone(probe), Arc::clone(&catalogue)).await,
            _ => Some(vec![]),
        };
        let told = told(&mut seen, found);
        notices.send_if_modified(|notices| {
            let news = *notices != told;
            *notices = told;
            news
        });
        if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, lease.changed()).await {
            return;
        }
    }
}

/// What to tell of what was found, or of what was seen last where the topics could not be looked at.
fn told(seen: &mut Vec<Notice>, found: Option<Vec<Notice>>) -> Vec<Notice> {
    match found {
        Some(found) => {
            for notice in found.iter().filter(|notice| !seen.contains(notice)) {
                tracing::warn!(notice = notice.name.word(), "{}", notice.message);
            }
            seen.clone_from(&found);
            found
        }
        None => seen.iter().map(|notice| Notice::new(notice.name, format!("{} ({UNKNOWN})", notice.message))).collect(),
    }
}

/// Nothing where brokers do not tell.
async fn look(probe: Arc<Probe>, catalogue: Arc<Catalogue>) -> Option<Vec<Notice>> {
    let look = move || -> Result<Vec<Notice>, AskError> {
        let wanted = wanted(&catalogue);
        Ok(notices(&probe.cluster(wanted.iter().map(|(topic, _)| topic.as_str()))?, &wanted))
    };
    tokio::task::spawn_blocking(look).await.ok()?.ok()
}

/// The topics that a relay writes to with their number of partitions, the relay's topic last.
pub(super) fn wanted(catalogue: &Catalogue) -> Vec<(String, i32)> {
    let mut wanted: Vec<_> = catalogue.topics.iter().map(|topic| (catalogue.full_name(&topic.name), topic.partitions)).collect();
    wanted.push((catalogue.dead_letter_topic(), 1));
    wanted.push((catalogue.relay_topic(), 1));
    wanted
}

/// What an admin should know of the topics. Too few partitions the relay tells itself: it sends nothing.
fn notices(cluster: &Cluster, wanted: &[(String, i32)]) -> Vec<Notice> {
    let topic_notices = |(topic, wanted): &(String, i32)| {
        let Some(found) = cluster.topics.get(topic) else { return vec![] };
        let mut notices = vec![];
        if found.partitions() > *wanted {
            notices.push(Notice::new(
                NoticeName::TopicPartitionsDiffer,
                format!(
                    "the topic {topic} has {} partitions and the catalogue says {wanted}: events still go to the first {wanted}, each key where it was, \
                     and the others stay empty; to use them, stop all nodes, set the new number and run `milepost topics apply --reorder-keys`",
                    found.partitions()
                ),
            ));
        }
        if let Some(warning) = warning(found.copies, None, cluster.brokers) {
            notices.push(Notice::new(NoticeName::TopicOneCopy, format!("the topic {topic}: {warning}")));
        }
        notices
    };
    wanted.iter().flat_map(topic_notices).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::probe::TopicOnBrokers;

    fn names(partitions: usize, copies: usize, brokers: usize) -> Vec<NoticeName> {
        let topic = TopicOnBrokers { leaders: vec![Some(1); partitions], copies };
        let cluster = Cluster { brokers, topics: [("task-events".to_owned(), topic)].into() };
        notices(&cluster, &[("task-events".to_owned(), 3), ("missing".to_owned(), 1)]).iter().map(|notice| notice.name).collect()
    }

    #[test]
    fn what_was_seen_last_is_told_while_brokers_do_not_answer_and_does_not_vanish() {
        let mut seen = vec![];
        let notice = Notice::new(NoticeName::TopicOneCopy, "one copy".to_owned());
        assert_eq!(told(&mut seen, None), []);
        assert_eq!(told(&mut seen, Some(vec![notice.clone()])), std::slice::from_ref(&notice));
        let unknown = told(&mut seen, None);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].message, format!("one copy ({UNKNOWN})"));
        assert_eq!(told(&mut seen, None), unknown, "each time the same");
        assert_eq!(told(&mut seen, Some(vec![notice.clone()])), [notice]);
        assert_eq!(told(&mut seen, Some(vec![])), []);
        assert_eq!(told(&mut seen, None), []);
    }

    #[test]
    fn more_partitions_than_in_the_catalogue_and_one_copy_among_several_brokers_are_told() {
        assert_eq!(names(3, 1, 1), []);
        assert_eq!(names(3, 3, 3), []);
        assert_eq!(names(2, 3, 3), [], "the relay tells that itself");
        assert_eq!(names(4, 3, 3), [NoticeName::TopicPartitionsDiffer]);
        assert_eq!(names(3, 1, 2), [NoticeName::TopicOneCopy]);
        assert_eq!(names(4, 1, 3), [NoticeName::TopicPartitionsDiffer, NoticeName::TopicOneCopy]);
    }
}
