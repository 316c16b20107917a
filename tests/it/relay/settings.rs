//! The settings of Kafka: refused by name where they cannot be used, never shown where they are secret, and understood
//! by the client that is built in.

use super::MILEPOST;
use infrastructure::config::{Configuration, Kafka, SETTINGS};
use infrastructure::kafka::client_config;
use rdkafka::producer::BaseProducer;
use std::path::PathBuf;
use tests::process::{Output, Run, run};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

/// A run with these variables.
async fn with(arguments: &[&str], environment: &[(&'static str, &str)]) -> Output {
    let mut command = Run::of(arguments);
    command.environment = environment.iter().map(|&(name, value)| (name, value.to_owned())).collect();
    run(MILEPOST, command, None).await
}

fn text(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

struct File(PathBuf);

impl File {
    fn of(content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("milepost-settings-{}", Uuid::now_v7()));
        std::fs::write(&path, content).expect("the temporary folder can be written");
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_cannot_be_used_is_refused_with_its_name_its_value_and_what_is_expected() {
    let cases = [
        ("KAFKA_BOOTSTRAP_SERVERS", "broker", "host:port, or several separated by commas"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,b:none", "host:port, or several separated by commas"),
        ("KAFKA_BOOTSTRAP_SERVERS", ",", "host:port, or several separated by commas"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("KAFKA_ACKS", "1", "all, since sending exactly once rests on it"),
        ("KAFKA_COMPRESSION_TYPE", "zip", "one of none, gzip, snappy, lz4, zstd"),
        ("KAFKA_LINGER_MS", "101", "0 to 100 milliseconds"),
        ("KAFKA_LINGER_MS", "soon", "a whole number"),
        ("KAFKA_BATCH_SIZE", "0", "1 to 100000000 bytes"),
        ("KAFKA_BATCH_SIZE", "-1", "a whole number"),
        ("KAFKA_TRANSACTION_TIMEOUT_MS", "4999", "5000 to 900000 milliseconds"),
        ("KAFKA_AUTO_OFFSET_RESET", "first", "one of earliest, latest"),
        ("KAFKA_SESSION_TIMEOUT_MS", "999", "1000 to 300000 milliseconds"),
        ("KAFKA_SESSION_TIMEOUT_MS", "300001", "1000 to 300000 milliseconds"),
        ("KAFKA_CREATE_TOPICS", "perhaps", "true or false"),
        ("KAFKA_SSL_CA_LOCATION", "/nowhere/ca.pem", "a file that is there"),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", "/nowhere/client.pem", "a file that is there"),
        ("KAFKA_SSL_KEY_LOCATION", "/nowhere/client.key", "a file that is there"),
    ];
    for (name, value, expected) in cases {
        let output = with(&["config", "check"], &[(name, value)]).await;
        assert_eq!(output.status, 2, "{name}={value}: {}", text(&output));
        let message = format!("{name} (from environment) is {value:?}: expected {expected}");
        assert_eq!(output.stderr.trim(), format!("milepost: {message}"), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_wrong_is_told_at_once() {
    let output = with(&["config", "check"], &[("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("KAFKA_ACKS", "0")]).await;
    assert_eq!(output.status, 2);
    for expected in [
        "KAFKA_SASL_MECHANISM (from default) is \"\": expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME (from default) is empty: expected a user name",
        "KAFKA_SASL_PASSWORD (from default) is empty: expected a password",
        "KAFKA_ACKS (from environment) is \"0\"",
    ] {
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
    assert_eq!(output.stderr.lines().count(), 4, "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_of_kafka_is_taken_from_its_variable() {
    let file = File::of("");
    for setting in SETTINGS.iter().filter(|setting| setting.key.starts_with("kafka.")) {
        let path = file.path();
        let value = match setting.env {
            "KAFKA_BOOTSTRAP_SERVERS" => "[::1]:9092, broker.example:9093",
            "KAFKA_SECURITY_PROTOCOL" => "SSL",
            "KAFKA_COMPRESSION_TYPE" => "zstd",
            "KAFKA_AUTO_OFFSET_RESET" => "latest",
            "KAFKA_CREATE_TOPICS" => "false",
            "KAFKA_ACKS" => "-1",
            "KAFKA_LINGER_MS" => "7",
            "KAFKA_BATCH_SIZE" | "KAFKA_TRANSACTION_TIMEOUT_MS" | "KAFKA_SESSION_TIMEOUT_MS" => "77777",
            name if name.ends_with("_LOCATION") => &path,
            _ => "a value",
        };
        let output = with(&["config", "show", "--json"], &[(setting.env, value)]).await;
        assert_eq!(output.status, 0, "{}: {}", setting.env, text(&output));
        let all: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).expect("settings in JSON");
        let shown = all.iter().find(|origin| origin["env"] == setting.env).expect("every setting is shown");
        let secret = matches!(setting.kind, infrastructure::config::Kind::Secret);
        assert_eq!(shown["value"], if secret { "(hidden)" } else { value }, "{}", setting.env);
        assert_eq!(shown["origin"], "environment", "{}", setting.env);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_never_printed() {
    let password = File::of(&format!("{PASSWORD}\n"));
    let sasl = [("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"), ("KAFKA_SASL_USERNAME", "milepost")];
    let given: [(&'static str, &str); 2] = [("KAFKA_SASL_PASSWORD", PASSWORD), ("KAFKA_SASL_PASSWORD_FILE", &password.path())];
    for secret in given {
        let path = with(&["config", "show"], &[&sasl[..], &[secret]].concat()).await;
        assert_eq!(path.status, 0, "{}", text(&path));
        assert!(path.stdout.contains("(hidden)") && !text(&path).contains("horse"), "{}", text(&path));
        // Also where something else is wrong, where brokers are not there, and in the log.
        let mut all = [&sasl[..], &[secret, ("KAFKA_ACKS", "0"), ("MILEPOST_LOG", "trace")]].concat();
        let refused = with(&["config", "check"], &all).await;
        assert!(refused.status == 2 && !text(&refused).contains("horse"), "{}", text(&refused));
        all.retain(|(name, _)| *name != "KAFKA_ACKS");
        all.push(("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"));
        let absent = with(&["topics", "list"], &all).await;
        assert!(absent.status == 3 && !text(&absent).contains("horse"), "{}", text(&absent));
    }
    let unreadable = with(&["config", "check"], &[("KAFKA_SASL_PASSWORD_FILE", "/nowhere/password")]).await;
    assert_eq!(unreadable.status, 2);
    assert!(unreadable.stderr.contains("KAFKA_SASL_PASSWORD_FILE is \"/nowhere/password\": expected a file that can be read"));
    // A number is no text, and a secret all the same.
    let file = File::of("[kafka]\nsasl_password = 271828182845\n");
    let wrong = with(&["config", "check"], &[("MILEPOST_CONFIG", &file.path())]).await;
    assert!(wrong.status == 2 && wrong.stderr.contains("KAFKA_SASL_PASSWORD"), "{}", text(&wrong));
    assert!(!text(&wrong).contains("271828182845"), "{}", text(&wrong));
}

fn kafka(change: impl FnOnce(&mut Kafka)) -> Kafka {
    let mut kafka = Configuration::defaults().kafka;
    kafka.bootstrap_servers = "127.0.0.1:1".to_owned();
    change(&mut kafka);
    kafka
}

#[test]
fn secrets_are_not_in_what_is_printed_for_debugging() {
    let secret = |kafka: &mut Kafka| (kafka.sasl_password, kafka.ssl_key_password) = (PASSWORD.to_owned(), PASSWORD.to_owned());
    let mut settings = Configuration::defaults();
    settings.kafka = kafka(secret);
    assert!(!format!("{settings:?}").contains("horse"));
}

/// Makes a client, which fails where the library was built without what the settings want.
fn client(kafka: &Kafka) -> Result<BaseProducer, rdkafka::error::KafkaError> {
    client_config(kafka).create()
}

#[test]
fn the_client_can_do_sasl_and_ssl() {
    for protocol in ["SSL", "SASL_PLAINTEXT", "SASL_SSL"] {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let made = client(&kafka(|kafka| {
                kafka.security_protocol = protocol.to_owned();
                kafka.sasl_mechanism = mechanism.to_owned();
                (kafka.sasl_username, kafka.sasl_password) = ("milepost".to_owned(), PASSWORD.to_owned());
            }));
            assert!(made.is_ok(), "{protocol} with {mechanism}: {:?}", made.err());
        }
    }
    let mut unknown = client_config(&kafka(|kafka| kafka.security_protocol = "SASL_SSL".to_owned()));
    assert!(unknown.set("sasl.mechanism", "ROT13").create::<BaseProducer>().is_err(), "the library looks at what it is given");
}

#[test]
fn the_client_can_compress_in_every_way_that_may_be_set() {
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let made = client_config(&kafka(|_| {})).set("compression.type", compression).create::<BaseProducer>();
        assert!(made.is_ok(), "{compression}: {:?}", made.err());
    }
}
