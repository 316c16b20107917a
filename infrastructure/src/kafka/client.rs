//! Settings as librdkafka wants them.

use crate::config::Kafka;
use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use std::time::Duration;

/// Largest record that the client sends. Beyond any event, so that the topic's own limit decides.
const CLIENT_RECORD_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Longest wait for the brokers.
pub(super) const BROKERS_TIMEOUT: Duration = Duration::from_secs(15);

/// How the ids of librdkafka's own clusters begin.
const MOCK_CLUSTER: &str = "mockCluster";

/// Whether the brokers are the one inside `milepost dev`.
pub(super) fn is_demo<C: ClientContext>(client: &Client<C>, within: Duration) -> bool {
    client.fetch_cluster_id(within).is_some_and(|id| id.starts_with(MOCK_CLUSTER))
}

/// What every client has in common.
pub fn client_config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("client.id", &kafka.client_id)
        .set("security.protocol", kafka.security_protocol.to_lowercase())
        .set("reconnect.backoff.max.ms", "2000")
        .set("topic.metadata.refresh.interval.ms", "60000")
        // Lost connections are said again and again by librdkafka; the relay says once what it means.
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    let optional = [
        ("ssl.ca.location", &kafka.ssl_ca_location),
        ("ssl.certificate.location", &kafka.ssl_certificate_location),
        ("ssl.key.location", &kafka.ssl_key_location),
        ("ssl.key.password", &kafka.ssl_key_password),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        config.set(name, value);
    }
    if kafka.security_protocol.starts_with("SASL") {
        config
            .set("sasl.mechanism", &kafka.sasl_mechanism)
            .set("sasl.username", &kafka.sasl_username)
            .set("sasl.password", &kafka.sasl_password);
    }
    config
}

/// A consumer that sees only what was committed and notices the end of a partition.
pub fn consumer_config(kafka: &Kafka) -> ClientConfig {
    let mut config = client_config(kafka);
    config
        .set("group.id", &kafka.group_id)
        .set("auto.offset.reset", &kafka.auto_offset_reset)
        .set("session.timeout.ms", kafka.session_timeout_ms.to_string())
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        // The end of a partition is told only with an answer, and brokers hold an empty one back for so long.
        .set("fetch.wait.max.ms", "20")
        .set("enable.partition.eof", "true");
    config
}

/// The relay's producer: idempotent and transactional. Each record names its partition.
pub(super) fn producer_config(kafka: &Kafka) -> ClientConfig {
    let delivery_timeout_ms = kafka.transaction_timeout_ms.saturating_sub(2_000).clamp(3_000, 30_000);
    let mut config = client_config(kafka);
    config
        .set("transactional.id", &kafka.transactional_id)
        .set("transaction.timeout.ms", kafka.transaction_timeout_ms.to_string())
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("delivery.timeout.ms", delivery_timeout_ms.to_string())
        .set("linger.ms", kafka.linger_ms.to_string())
        .set("batch.size", kafka.batch_size.to_string())
        .set("message.max.bytes", CLIENT_RECORD_BYTES_MAX.to_string())
        .set("compression.type", &kafka.compression_type)
        .set("queue.buffering.max.messages", "200000");
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    /// Makes clients of the defaults after a change; librdkafka looks at numbers only then.
    fn clients(change: impl Fn(&mut Kafka)) {
        let mut kafka = Configuration::defaults().kafka;
        kafka.bootstrap_servers = "127.0.0.1:1".to_owned();
        change(&mut kafka);
        let said = format!("{} {} {} {}", kafka.linger_ms, kafka.batch_size, kafka.transaction_timeout_ms, kafka.session_timeout_ms);
        producer_config(&kafka).create::<BaseProducer>().unwrap_or_else(|error| panic!("{said}: {error}"));
        consumer_config(&kafka).create::<BaseConsumer>().unwrap_or_else(|error| panic!("{said}: {error}"));
    }

    #[test]
    fn every_number_that_may_be_set_is_taken_by_the_client() {
        for linger_ms in [0, 100] {
            clients(|kafka| kafka.linger_ms = linger_ms);
        }
        for batch_size in [1, 100_000_000] {
            clients(|kafka| kafka.batch_size = batch_size);
        }
        for transaction_timeout_ms in [5_000, 900_000] {
            clients(|kafka| kafka.transaction_timeout_ms = transaction_timeout_ms);
        }
        for session_timeout_ms in [1_000, 300_000] {
            clients(|kafka| kafka.session_timeout_ms = session_timeout_ms);
        }
    }
}
