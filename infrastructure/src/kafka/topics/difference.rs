//! How a topic differs from what the catalogue says, and from what exactly-once needs.

/// A topic as the catalogue wants it or the brokers have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TopicState {
    pub partitions: i32,
    /// `delete` or `compact`.
    pub cleanup_policy: String,
    /// Not compared for a compacted topic.
    pub retention_ms: Option<i64>,
}

/// A topic as the brokers have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TopicFound {
    #[serde(flatten)]
    pub state: TopicState,
    /// Copies of each partition.
    pub copies: usize,
    /// Copies that must have a record before it is acknowledged.
    pub min_insync_replicas: Option<usize>,
    /// The largest record that is taken.
    pub max_message_bytes: Option<usize>,
}

/// What is wrong with a topic.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Difference {
    Missing,
    /// Field, as the catalogue wants it, as it is.
    Drift {
        field: &'static str,
        wanted: String,
        found: String,
    },
    /// More or fewer partitions than in the catalogue.
    Partitions {
        wanted: i32,
        found: i32,
    },
    /// The largest event may exceed what the topic takes.
    MaxMessageBytes {
        needed: usize,
        found: usize,
    },
    /// Not a difference from the catalogue, but something that exactly-once needs.
    Warning(Warning),
}

/// Why a topic does not survive the loss of a broker.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Warning {
    OneCopy { brokers: usize },
    OneCopyInSync { copies: usize },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Without their number, which changes while one of them is down.
            Self::OneCopy { .. } => f.write_str(
                "each partition has one copy although there are several brokers: when a broker fails, its partitions stop, and records of aborted \
                 transactions may be left on them; give the topic three copies and min.insync.replicas=2",
            ),
            Self::OneCopyInSync { copies } => write!(
                f,
                "min.insync.replicas is 1 although there are {copies} copies: a record that only the leader has is acknowledged, and lost with it; \
                 set min.insync.replicas=2"
            ),
        }
    }
}

impl Difference {
    /// Whether it is a difference from what Milepost needs.
    pub fn is_drift(&self) -> bool {
        !matches!(self, Self::Warning(_))
    }
}

/// What differs for one topic on a cluster of so many brokers. `needed` is the size of the largest record.
pub(super) fn differences(wanted: &TopicState, found: &TopicFound, brokers: usize, needed: usize) -> Vec<Difference> {
    let mut differences = vec![];
    if wanted.partitions != found.state.partitions {
        differences.push(Difference::Partitions { wanted: wanted.partitions, found: found.state.partitions });
    }
    let mut drift = |field, wanted: String, found: String| {
        if wanted != found {
            differences.push(Difference::Drift { field, wanted, found });
        }
    };
    let retention = |state: &TopicState| state.retention_ms.map_or_else(String::new, |ms| ms.to_string());
    drift("cleanup.policy", wanted.cleanup_policy.clone(), found.state.cleanup_policy.clone());
    drift("retention.ms", retention(wanted), retention(&found.state));
    if let Some(found) = found.max_message_bytes.filter(|found| *found < needed) {
        differences.push(Difference::MaxMessageBytes { needed, found });
    }
    differences.extend(warning(found.copies, found.min_insync_replicas, brokers).map(Difference::Warning));
    differences
}

/// What a topic lacks to survive the loss of a broker, if there are others.
pub fn warning(copies: usize, min_insync_replicas: Option<usize>, brokers: usize) -> Option<Warning> {
    match (copies, min_insync_replicas) {
        (1, _) if brokers > 1 => Some(Warning::OneCopy { brokers }),
        (2.., Some(1)) => Some(Warning::OneCopyInSync { copies }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> TopicState {
        TopicState { partitions: 3, cleanup_policy: "delete".to_owned(), retention_ms: Some(1_000) }
    }

    fn found() -> TopicFound {
        TopicFound { state: wanted(), copies: 3, min_insync_replicas: Some(2), max_message_bytes: Some(100) }
    }

    #[test]
    fn each_thing_that_differs_is_told_by_itself() {
        let differences = |found: TopicFound, brokers| differences(&wanted(), &found, brokers, 100);
        assert_eq!(differences(found(), 3), []);
        let state = TopicState { partitions: 4, cleanup_policy: "compact".to_owned(), retention_ms: None };
        let drift = |field, wanted: &str, found: &str| Difference::Drift { field, wanted: wanted.to_owned(), found: found.to_owned() };
        let all = vec![
            Difference::Partitions { wanted: 3, found: 4 },
            drift("cleanup.policy", "delete", "compact"),
            drift("retention.ms", "1000", ""),
            Difference::MaxMessageBytes { needed: 100, found: 99 },
        ];
        assert_eq!(differences(TopicFound { state, max_message_bytes: Some(99), ..found() }, 3), all);
        let one_copy = [Difference::Warning(Warning::OneCopy { brokers: 3 })];
        assert_eq!(differences(TopicFound { copies: 1, ..found() }, 3), one_copy);
        assert_eq!(differences(TopicFound { copies: 1, ..found() }, 1), [], "there is no other broker");
        let one_in_sync = [Difference::Warning(Warning::OneCopyInSync { copies: 3 })];
        assert_eq!(differences(TopicFound { min_insync_replicas: Some(1), ..found() }, 3), one_in_sync);
        assert!(!one_copy[0].is_drift() && all.iter().all(Difference::is_drift));
    }
}
