//! `milepost topics`: the catalogue, and the topics as brokers have them.

use super::{MILEPOST, Scene, all_events, each_event};
use domain::event::AggregateType;
use infrastructure::kafka::client_config;
use messages::RECORD_BYTES_MAX;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use tests::kafka::TestTopics;
use tests::process::{Output, Run, run};
use tests::wait::until;
use uuid::Uuid;

fn said(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

/// The scene with another catalogue from now on.
fn with_catalogue(scene: &Scene, change: impl FnOnce(String) -> String) {
    std::fs::write(&scene.catalogue, change(scene.topics.toml.clone())).expect("the temporary folder can be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_topics_are_told_and_created_as_the_catalogue_says() {
    let scene = Scene::new(1).await;
    with_catalogue(&scene, |toml| toml.replacen("partitions = 3", "partitions = 5", 1).replacen("604800000", "3600000", 1));
    let name = scene.topics.catalogue.full_name("project-events");

    let listed = scene.milepost(&["topics", "list"]).await;
    assert_eq!(listed.status, 0, "{}", said(&listed));
    let line = listed.stdout.lines().find(|line| line.starts_with(&name)).expect("every topic is listed");
    assert!(line.contains("5 partitions, delete, 1 h") && line.contains("missing"), "{line}");
    let diff = scene.milepost(&["topics", "diff"]).await;
    assert_eq!(diff.status, 1, "{}", said(&diff));
    assert_eq!(diff.stdout.matches("missing; create it with `milepost topics apply`").count(), 5, "{}", diff.stdout);

    let applied = scene.milepost(&["topics", "apply"]).await;
    assert_eq!(applied.status, 0, "{}", said(&applied));
    assert_eq!(applied.stdout.matches("created ").count(), 5, "{}", applied.stdout);
    let listed = scene.milepost(&["topics", "list", "--json"]).await;
    let all: Vec<Value> = serde_json::from_str(&listed.stdout).expect("a list in JSON");
    let project = all.iter().find(|topic| topic["name"] == json!(name)).expect("every topic is listed");
    assert_eq!(
        project["brokers"],
        json!({ "partitions": 5, "cleanup_policy": "delete", "retention_ms": 3_600_000, "copies": 1, "min_insync_replicas": 1, "max_message_bytes": 1_048_588 })
    );
    let relay = all.iter().find(|topic| topic["name"] == json!(scene.topics.catalogue.relay_topic())).expect("the relay's too");
    assert_eq!((&relay["brokers"]["cleanup_policy"], &relay["brokers"]["retention_ms"]), (&json!("compact"), &Value::Null));

    let again = scene.milepost(&["topics", "apply"]).await;
    assert_eq!((again.status, again.stdout.trim()), (0, "the topics match the catalogue"), "{}", said(&again));
    let diff = scene.milepost(&["topics", "diff", "--json"]).await;
    assert_eq!((diff.status, diff.stdout.trim()), (0, "[]"), "{}", said(&diff));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_told_and_mended_except_for_the_number_of_partitions() {
    let scene = Scene::new(1).await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    with_catalogue(&scene, |toml| toml.replacen("partitions = 3", "partitions = 6", 1).replacen("604800000", "7200000", 2));
    let (project, task) = (scene.topics.catalogue.full_name("project-events"), scene.topics.catalogue.full_name("task-events"));

    let diff = scene.milepost(&["topics", "diff"]).await;
    assert_eq!(diff.status, 1, "{}", said(&diff));
    assert!(diff.stdout.contains(&format!("{project}: partitions is 3, the catalogue says 6")), "{}", diff.stdout);
    assert!(diff.stdout.contains(&format!("{task}: retention.ms is 604800000, the catalogue says 7200000")), "{}", diff.stdout);
    assert!(diff.stderr.contains("3 differences"), "{}", diff.stderr);
    let found: Value = serde_json::from_str(&scene.milepost(&["topics", "diff", "--json"]).await.stdout).expect("differences in JSON");
    assert_eq!(found[0], json!([project, { "Partitions": { "wanted": 6, "found": 3 } }]));

    let applied = scene.milepost(&["topics", "apply"]).await;
    assert_eq!(applied.status, 1, "partitions stay, and that is told: {}", said(&applied));
    assert!(applied.stdout.contains(&format!("changed {task}: retention.ms from 604800000 to 7200000")), "{}", applied.stdout);
    assert!(applied.stdout.contains("milepost topics apply --reorder-keys"), "{}", applied.stdout);
    let diff = scene.milepost(&["topics", "diff"]).await;
    assert!(diff.stderr.contains("1 differences"), "only the partitions are left: {}", said(&diff));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_creates_no_topics_where_it_must_not_and_says_what_to_do() {
    let scene = Scene::new(1).await;
    let mut run = Run::serve(&scene.database.url);
    run.environment = scene.environment();
    run.environment.push(("KAFKA_CREATE_TOPICS", "false".to_owned()));
    let mut node = tests::process::Process::start(MILEPOST, run);
    node.said("project-events does not exist; run `milepost topics apply`").await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_could_not_take_the_largest_event_is_told_and_left_as_it_is() {
    let scene = Scene::new(1).await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    let task = scene.topics.catalogue.full_name("task-events");
    let set = async |bytes: usize| {
        let admin: AdminClient<DefaultClientContext> = client_config(&scene.topics.kafka).create().expect("a client can be made");
        let change = AlterConfig::new(ResourceSpecifier::Topic(&task));
        let bytes = bytes.to_string();
        for result in admin.alter_configs(&[change.set("max.message.bytes", &bytes)], &AdminOptions::new()).await.expect("Kafka answers") {
            result.expect("the topic is changed");
        }
    };
    set(RECORD_BYTES_MAX - 1).await;
    let sentence = format!("{task}: max.message.bytes is {}, and the largest event has {RECORD_BYTES_MAX} bytes", RECORD_BYTES_MAX - 1);
    let diff = until("brokers show the change", || async {
        let diff = scene.milepost(&["topics", "diff"]).await;
        diff.stdout.contains("max.message.bytes").then_some(diff)
    })
    .await;
    assert_eq!(diff.status, 1, "{}", said(&diff));
    assert!(diff.stdout.contains(&sentence) && diff.stderr.contains("1 differences"), "{}", said(&diff));
    let applied = scene.milepost(&["topics", "apply"]).await;
    assert!(applied.status == 1 && applied.stdout.contains(&sentence) && !applied.stdout.contains("changed"), "{}", said(&applied));
    set(RECORD_BYTES_MAX).await;
    until("it is large enough", || async { (scene.milepost(&["topics", "diff"]).await.status == 0).then_some(()) }).await;
}

/// What the program says of a catalogue.
async fn refused(catalogue: &str) -> String {
    let file = std::env::temp_dir().join(format!("milepost-catalogue-{}.toml", Uuid::now_v7()));
    std::fs::write(&file, catalogue).expect("the temporary folder can be written");
    let mut check = Run::of(&["config", "check"]);
    check.environment.push(("MILEPOST_TOPICS", file.display().to_string()));
    let output = run(MILEPOST, check, None).await;
    let _ = std::fs::remove_file(file);
    assert_eq!(output.status, 2, "{catalogue}\n{}", said(&output));
    output.stderr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_that_cannot_be_used_is_refused_with_its_reason() {
    let built_in = TestTopics::on("").toml;
    // With the events of tasks by their names, one of them changed.
    let by_name = |from: &str, to: &str| {
        let (all, each) = (all_events(AggregateType::Task), each_event(AggregateType::Task));
        assert!(built_in.contains(&all) && each.contains(from), "nothing is wrong with it");
        built_in.replacen(&all, &each.replacen(from, to, 1), 1)
    };
    let cases = [
        (built_in.replacen("partitions = 3", "partitions = 0", 1), "topic project-events: partitions is 0: expected 1 or more"),
        (built_in.replacen("partitions = 3", "partitions = \"three\"", 1), "partitions = \"three\""),
        (built_in.replacen("name = \"task-events\"", "name = \"project-events\"", 1), "topic project-events: two topics have this name"),
        (built_in.replacen("name = \"task-events\"", "name = \"task events\"", 1), "topic task events: a name has 1 to 249 letters"),
        (by_name("\"task_moved\"", "\"task_mooved\""), "topic task-events: \"task_mooved\" is not an event"),
        (by_name("\"task_moved\"", "\"task_deleted\""), "the event \"task_deleted\" goes to another topic already"),
        (by_name(", \"task_moved\"", ""), "the event \"task_moved\" goes to no topic"),
        (built_in.replacen("[\"task\"]", "[\"tasks\"]", 1), "topic task-events: \"tasks\" is not an aggregate"),
        (built_in.replacen("retention_ms =", "retention =", 1), "unknown field `retention`"),
        (built_in.replacen("[relay]", "[relay", 1), "the topic catalogue cannot be parsed"),
    ];
    for (catalogue, expected) in cases {
        assert_ne!(catalogue, built_in, "{expected}: nothing is wrong with it");
        let said = refused(&catalogue).await;
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let mut absent = Run::of(&["config", "check"]);
    absent.environment.push(("MILEPOST_TOPICS", "/nowhere/topics.toml".to_owned()));
    let output = run(MILEPOST, absent, None).await;
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("MILEPOST_TOPICS: the file /nowhere/topics.toml cannot be read"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_not_there_are_named() {
    let mut list = Run::of(&["topics", "list"]);
    list.environment.push(("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1".to_owned()));
    let output = run(MILEPOST, list, None).await;
    assert_eq!(output.status, 3, "{}", said(&output));
    assert!(output.stderr.contains("Kafka at 127.0.0.1:1 does not answer"), "{}", output.stderr);
}
