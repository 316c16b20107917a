//! A Kafka cluster inside the process, for the demo: reachable by other programs, gone with the process.
//!
//! It keeps 5 MiB a partition and shows records of aborted transactions, so it proves nothing; it lets people look.

use super::catalogue::Catalogue;
use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// The cluster. It ends when it is dropped.
pub struct MockKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl MockKafka {
    /// Starts one broker with the topics of a catalogue.
    pub fn start(catalogue: &Catalogue) -> KafkaResult<Self> {
        let cluster = MockCluster::new(1)?;
        for topic in &catalogue.topics {
            cluster.create_topic(&catalogue.full_name(&topic.name), topic.partitions, 1)?;
        }
        cluster.create_topic(&catalogue.relay_topic(), 1, 1)?;
        cluster.create_topic(&catalogue.dead_letter_topic(), 1, 1)?;
        Ok(Self { cluster })
    }

    /// Where it listens.
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
