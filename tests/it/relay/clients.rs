//! Programs of others read the topics: Python's client, and Java's own console consumer.

use super::Scene;
use infrastructure::kafka::client_config;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use tests::process::Process;
use tests::python::python;
use tests::servers::workspace;
use tests::wait::PATIENCE;
use tokio::process::Command;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/relay/reader.py");

/// What a program prints, which must end well.
async fn output(command: &mut Command) -> String {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE * 2, running).await.expect("it ends").expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn reader() -> Command {
    let mut command = Command::new(python());
    command.arg(READER).env("SCHEMAS", workspace().join("schemas/kafka"));
    command
}

/// Events of three types on Kafka, and records between them that were never committed.
async fn published() -> (Scene, Process) {
    let scene = Scene::new(3).await;
    let node = scene.node("");
    scene.relayed().await;
    let mut config = client_config(&scene.topics.kafka);
    config.set("transactional.id", format!("{}somebody", scene.topics.catalogue.prefix));
    let somebody: BaseProducer = config.create().expect("a producer can be made");
    somebody.init_transactions(PATIENCE).expect("Kafka answers");
    somebody.begin_transaction().expect("a transaction begins");
    let topic = scene.topics.catalogue.full_name("task-events");
    somebody.send(BaseRecord::to(&topic).key("never").payload("committed")).expect("a record is taken");
    while somebody.in_flight_count() > 0 {
        somebody.poll(std::time::Duration::from_millis(1));
    }
    somebody.abort_transaction(PATIENCE).expect("it is aborted");
    scene.write(30, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    (scene, node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reads_every_event_and_each_record_is_as_its_schema_says() {
    let (scene, node) = published().await;
    let names = scene.topics.catalogue.topics.iter().map(|topic| scene.topics.catalogue.full_name(&topic.name));
    let kafka = &scene.topics.kafka;
    let read = output(reader().args([&kafka.bootstrap_servers, &kafka.group_id, &scene.head().to_string()]).args(names)).await;
    let mut read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let position = |record: &Value| record["position"].as_str().and_then(|position| position.parse::<i64>().ok()).expect("a position");
    read.sort_by_key(position);
    assert_eq!(read.iter().map(position).collect::<Vec<_>>(), (1..=scene.head()).collect::<Vec<_>>());
    for record in &read {
        assert_eq!(record["headers"]["ce_subject"], record["key"], "{record}");
        assert_eq!(record["headers"]["ce_sequence"], format!("{:020}", position(record)), "{record}");
    }
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_of_every_event_is_as_its_schema_says() {
    let records = workspace().join("schemas/kafka/records");
    let checked = output(reader().arg("--records").arg(&records)).await;
    let files = std::fs::read_dir(records).expect("there are records").count();
    assert_eq!(checked.trim(), files.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_consumer_of_java_reads_every_event() {
    let (scene, node) = published().await;
    let topic = scene.topics.catalogue.full_name("task-events");
    let expected: BTreeMap<i64, String> = scene
        .topics
        .records()
        .await
        .into_iter()
        .filter(|record| record.topic == topic)
        .map(|record| (record.position(), format!("{}\t{}", record.key, record.value["event_type"].as_str().unwrap_or_default())))
        .collect();
    assert_eq!(expected.len(), 33);
    let mut consume = Command::new(workspace().join("scripts/kafka"));
    consume.args(["consume", &topic, "--name", "test", "--max-messages", "33", "--timeout-ms", "60000"]);
    let printed = output(&mut consume).await;
    let read: BTreeMap<i64, String> = printed
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split('\t').collect();
            let [headers, key, value] = parts[..] else { panic!("headers, key and value: {line}") };
            assert!(headers.contains("content-type:application/json") && headers.contains("ce_specversion:1.0"), "{line}");
            let value: Value = serde_json::from_str(value).expect("a value is JSON");
            let position = value["position"].as_str().and_then(|position| position.parse().ok()).expect("a position");
            (position, format!("{key}\t{}", value["event_type"].as_str().unwrap_or_default()))
        })
        .collect();
    assert_eq!(read, expected);
    node.kill().await;
}
