//! Brokers that do not know the user, or do not let it see everything: each command, and a node, says so.

use super::{MILEPOST, Scene, client};
use std::sync::atomic::AtomicUsize;
use tests::kafka::TestTopics;
use tests::own_kafka::OwnKafka;
use tests::process::{Output, Process, Run, run};

const WRONG_PASSWORD: &str = "swordfish";

/// A broker with users, and topics on it.
struct Stage {
    kafka: OwnKafka,
    scene: Scene,
}

impl Stage {
    async fn set(name: &'static str) -> Self {
        let kafka = OwnKafka::start_with_users(name);
        let scene = Scene::on(TestTopics::on(&kafka.bootstrap_servers), 2).await;
        let applied = scene.milepost(&["topics", "apply"]).await;
        assert_eq!(applied.status, 0, "whoever comes without a login may do everything: {}{}", applied.stdout, applied.stderr);
        Self { kafka, scene }
    }

    fn environment(&self, user: &str, password: &str) -> Vec<(&'static str, String)> {
        let mut environment = self.scene.environment();
        environment.retain(|(name, _)| *name != "KAFKA_BOOTSTRAP_SERVERS");
        environment.extend([
            ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.users_servers()),
            ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT".to_owned()),
            ("KAFKA_SASL_MECHANISM", "PLAIN".to_owned()),
            ("KAFKA_SASL_USERNAME", user.to_owned()),
            ("KAFKA_SASL_PASSWORD", password.to_owned()),
        ]);
        environment
    }

    async fn milepost(&self, user: &str, password: &str, arguments: &[&str]) -> Output {
        let mut command = Run::of(arguments);
        command.environment = self.environment(user, password);
        run(MILEPOST, command, None).await
    }

    fn node(&self, user: &str, password: &str) -> Process {
        let mut serve = Run::serve(&self.scene.database.url);
        serve.environment = self.environment(user, password);
        Process::start(MILEPOST, serve)
    }

    /// Lets a user do something with the topics of the test.
    fn grant(&self, user: &str, kind: &str, operations: &[&str]) {
        let (principal, prefix) = (format!("User:{user}"), &self.scene.topics.catalogue.prefix);
        let operations = operations.iter().flat_map(|operation| ["--operation", operation]);
        let rest = ["--allow-principal", &principal, kind, prefix, "--resource-pattern-type", "prefixed"];
        self.kafka.command("acls", &["--add"].into_iter().chain(operations).chain(rest).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_with_the_user_and_the_settings_and_the_right_one_works() {
    let stage = Stage::set("relay-login").await;
    for arguments in [
        &["topics", "list"][..],
        &["topics", "diff"],
        &["topics", "apply"],
        &["verify", "kafka", "--wait", "0s"],
        &["relay", "status"],
        &["relay", "resume", "--from-start"],
        &["relay", "adopt"],
    ] {
        let refused = stage.milepost("milepost", WRONG_PASSWORD, arguments).await;
        assert_eq!(refused.status, 2, "{arguments:?}: {}{}", refused.stdout, refused.stderr);
        for words in ["rejects the login of the user \"milepost\"", "Authentication failed", "KAFKA_SASL_PASSWORD"] {
            assert!(refused.stderr.contains(words), "{arguments:?}: {words}: {}", refused.stderr);
        }
        assert!(!refused.stderr.contains(WRONG_PASSWORD) && refused.stdout.is_empty(), "{}{}", refused.stdout, refused.stderr);
    }
    let mut node = stage.node("milepost", WRONG_PASSWORD);
    let message = client(&mut node).await.notice("relay_stuck").await;
    assert!(message.contains("rejects the login of the user \"milepost\"") && message.contains("KAFKA_SASL_PASSWORD"), "{message}");
    assert!(!node.log().contains(WRONG_PASSWORD), "{}", node.log());
    node.kill().await;

    stage.grant("milepost", "--topic", &["All"]);
    stage.grant("milepost", "--transactional-id", &["All"]);
    stage.grant("milepost", "--group", &["All"]);
    let node = stage.node("milepost", "milepost-secret");
    stage.scene.write(10, &AtomicUsize::new(0)).await;
    stage.scene.relayed().await;
    stage.scene.assert_exactly_once().await;
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_may_not_see_is_told_and_is_no_difference() {
    let stage = Stage::set("relay-rights").await;
    let diff = async || stage.milepost("guest", "guest-secret", &["topics", "diff"]).await;
    let name = stage.scene.topics.catalogue.full_name("");
    let refused = diff().await;
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
    let words = "the user \"guest\" is not allowed to see the partitions (DESCRIBE) of the topic";
    assert!(refused.stderr.contains(&format!("{words} {name}")), "{}", refused.stderr);

    stage.grant("guest", "--topic", &["Describe"]);
    let refused = diff().await;
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
    let words = "the user \"guest\" is not allowed to read the configuration (DESCRIBE_CONFIGS) of the topic";
    assert!(refused.stderr.contains(&format!("{words} {name}")), "{}", refused.stderr);

    stage.grant("guest", "--topic", &["DescribeConfigs"]);
    let same = diff().await;
    assert_eq!(same.status, 0, "{}{}", same.stdout, same.stderr);
}
