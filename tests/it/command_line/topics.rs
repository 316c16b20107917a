//! `milepost topics` and `milepost verify kafka`, as far as the command line goes.

use super::{MILEPOST, NO, NOT_THERE, WRONG_USE, assert_calm, assert_refused, done, json, milepost};
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::mock::MockKafka;
use serde_json::Value;
use tests::database::TestDatabase;
use tests::kafka::TestTopics;
use tests::process::{Output, Run, run};

const COMMANDS: [&[&str]; 4] = [&["topics", "list"], &["topics", "diff"], &["topics", "apply"], &["verify", "kafka", "--wait", "1s"]];

/// Runs the binary with topics of the test's own.
async fn with(topics: &TestTopics, catalogue: &str, arguments: &[&str]) -> Output {
    let mut run_of = Run::of(arguments);
    run_of.environment = vec![
        ("KAFKA_BOOTSTRAP_SERVERS", topics.kafka.bootstrap_servers.clone()),
        ("KAFKA_TRANSACTIONAL_ID", topics.kafka.transactional_id.clone()),
        ("MILEPOST_TOPICS", catalogue.to_owned()),
    ];
    let output = run(MILEPOST, run_of, None).await;
    assert_calm(&output.stderr);
    output
}

#[tokio::test]
async fn without_kafka_they_say_what_is_missing() {
    let database = TestDatabase::new().await;
    let url = ("DATABASE_URL", database.url.as_str());
    for arguments in COMMANDS {
        assert_refused(&milepost(arguments, &[url]).await, WRONG_USE, &["KAFKA_BOOTSTRAP_SERVERS is not set", "host:9092"]);
    }
    // Each of them waits for an answer for a while; the last one would for longest.
    let tries = COMMANDS[..3].iter().map(|&arguments| async move {
        let output = milepost(arguments, &[url, ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]).await;
        assert_refused(&output, NOT_THERE, &["Kafka at 127.0.0.1:1 does not answer"]);
    });
    futures::future::join_all(tries).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_topics_are_listed_told_apart_and_created() {
    let (topics, folder) = (TestTopics::new(), super::Folder::new());
    let catalogue = folder.file("topics.toml", &topics.toml);
    let diff = with(&topics, &catalogue, &["topics", "diff"]).await;
    assert_eq!(diff.status, NO, "{}", diff.stderr);
    let count = diff.stdout.lines().count();
    assert!(
        count >= 4 && diff.stdout.lines().all(|line| line.contains("missing; create it with `milepost topics apply`")),
        "{}",
        diff.stdout
    );
    assert!(diff.stderr.contains(&format!("{count} differences")), "{}", diff.stderr);
    let brokers = |list: &str| json(list).as_array().map(|all| all.iter().filter(|topic| topic["brokers"] != Value::Null).count());
    assert_eq!(brokers(&done(with(&topics, &catalogue, &["topics", "list", "--json"]).await)), Some(0));
    assert!(done(with(&topics, &catalogue, &["topics", "list"]).await).contains("missing"));

    let applied = done(with(&topics, &catalogue, &["topics", "apply"]).await);
    assert_eq!(applied.lines().filter(|line| line.starts_with("created ")).count(), count, "{applied}");
    assert!(applied.ends_with("the topics match the catalogue\n"), "{applied}");
    assert_eq!(done(with(&topics, &catalogue, &["topics", "apply"]).await), "the topics match the catalogue\n");
    assert_eq!(brokers(&done(with(&topics, &catalogue, &["topics", "list", "--json"]).await)), Some(count));
    assert_eq!(json(&done(with(&topics, &catalogue, &["topics", "diff", "--json"]).await)), Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_broker_is_told_from_a_kafka_that_does_not_answer() {
    let demo = MockKafka::start(&Catalogue::read("").expect("the built-in catalogue reads")).expect("a broker in this process");
    let servers = demo.bootstrap_servers();
    for arguments in [&["topics", "list"][..], &["topics", "list", "--json"], &["topics", "diff"], &["topics", "apply"]] {
        let output = milepost(arguments, &[("KAFKA_BOOTSTRAP_SERVERS", servers.as_str())]).await;
        assert_refused(&output, WRONG_USE, &[&servers, "the demo broker of `milepost dev`", "name a real Kafka"]);
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    }
    let database = TestDatabase::new().await;
    let environment = [("DATABASE_URL", database.url.as_str()), ("KAFKA_BOOTSTRAP_SERVERS", servers.as_str())];
    let verdict = milepost(&["verify", "kafka", "--wait", "0s"], &environment).await;
    assert!(verdict.stderr.contains("the demo broker of `milepost dev`"), "{}", verdict.stderr);
    assert!(verdict.stderr.contains("say nothing about a real Kafka"), "{}", verdict.stderr);
}
