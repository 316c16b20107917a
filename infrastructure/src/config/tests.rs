//! Which settings can be used. How they are read from files and variables is tried on the binary.

use super::*;
use std::collections::BTreeSet;

/// What is wrong with the defaults after a change of Kafka's.
fn wrong(change: impl FnOnce(&mut Kafka)) -> Vec<String> {
    wrong_settings(|settings| change(&mut settings.kafka))
}

/// What is wrong with the defaults after a change.
fn wrong_settings(change: impl FnOnce(&mut Settings)) -> Vec<String> {
    let mut settings = Configuration::defaults();
    change(&mut settings);
    let configuration = Configuration { settings, origins: vec![] };
    configuration.check().into_iter().map(|error| error.to_string()).collect()
}

fn scram(kafka: &mut Kafka) {
    kafka.security_protocol = "SASL_SSL".to_owned();
    kafka.sasl_mechanism = "SCRAM-SHA-256".to_owned();
    kafka.sasl_username = "milepost".to_owned();
    kafka.sasl_password = "a password".to_owned();
}

#[test]
fn the_defaults_can_be_used() {
    assert_eq!(wrong(|_| {}), Vec::<String>::new());
    assert_eq!(wrong(scram), Vec::<String>::new());
}

#[test]
fn every_setting_has_one_key_and_one_variable() {
    assert_eq!(SETTINGS.iter().map(|setting| setting.key).collect::<BTreeSet<_>>().len(), SETTINGS.len());
    assert_eq!(SETTINGS.iter().map(|setting| setting.env).collect::<BTreeSet<_>>().len(), SETTINGS.len());
    for setting in SETTINGS.iter().filter(|setting| setting.key.starts_with("kafka.")) {
        assert_eq!(setting.env, setting.key.replace('.', "_").to_uppercase());
    }
}

#[test]
fn what_opens_a_door_is_secret() {
    for setting in SETTINGS {
        let opens = ["password", "secret", "database_url"].iter().any(|word| setting.key.ends_with(word));
        assert_eq!(setting.kind == Kind::Secret, opens, "{}", setting.key);
    }
}

#[test]
fn sasl_needs_a_mechanism_a_user_and_a_password() {
    assert_eq!(wrong(|kafka| kafka.security_protocol = "SASL_PLAINTEXT".to_owned()).len(), 3);
    let without_password = wrong(|kafka| {
        scram(kafka);
        kafka.sasl_password.clear();
    });
    assert_eq!(without_password, ["kafka.sasl_password is empty: expected a password, since KAFKA_SECURITY_PROTOCOL is SASL"]);
}

#[test]
fn brokers_are_hosts_with_ports() {
    let servers = |servers: &'static str| wrong(move |kafka| kafka.bootstrap_servers = servers.to_owned());
    for usable in ["", "a:1", "a:9092,b:9092", "a:9092, b:9092", "[::1]:9092"] {
        assert_eq!(servers(usable), Vec::<String>::new(), "{usable:?}");
    }
    for unusable in ["a", "a:", ":9092", "a:99999", "a:9092,b", ",", " "] {
        let expected = format!("kafka.bootstrap_servers is {unusable:?}: expected host:port, or several separated by commas");
        assert_eq!(servers(unusable), [expected]);
    }
}

#[test]
fn a_limit_that_would_leave_nothing_to_ask_is_refused() {
    let zero = wrong_settings(|Settings { limits, .. }| {
        *limits = Limits {
            body_bytes: 0,
            tokens: 0,
            depth: 0,
            introspection_depth: 0,
            selections: 0,
            root_fields: 0,
            directives: 0,
            cost: 0,
            page_rows: 0,
            answer_values: 0,
            answer_bytes: 0,
            principal_requests: 0,
            principal_bytes: 0,
            node_requests: 0,
            node_bytes: 0,
            connections: 0,
            timeout_ms: 0,
            headers_timeout_ms: 0,
            write_timeout_ms: 0,
            position_wait_ms: 0,
        };
    });
    let mut refused: Vec<_> = zero.iter().map(|error| error.split_once(" is \"0\": expected ").expect("its value")).collect();
    refused.sort_unstable();
    let expected = [
        ("limits.answer_bytes", "at least 1048576 bytes"),
        ("limits.answer_values", "at least 1"),
        ("limits.body_bytes", "at least 1"),
        ("limits.connections", "at least 1"),
        ("limits.cost", "at least 1"),
        ("limits.depth", "at least 1"),
        ("limits.headers_timeout_ms", "100 to 3600000 milliseconds"),
        ("limits.node_requests", "at least 1"),
        ("limits.page_rows", "1 to 10000 rows"),
        ("limits.principal_requests", "at least 1"),
        ("limits.root_fields", "at least 1"),
        ("limits.selections", "at least 1"),
        ("limits.timeout_ms", "100 to 3600000 milliseconds"),
        ("limits.tokens", "at least 1"),
        ("limits.write_timeout_ms", "100 to 3600000 milliseconds"),
    ];
    // No introspection, no directives and no waiting can be meant.
    assert_eq!(refused, expected);
}

#[test]
fn what_may_be_in_memory_holds_at_least_one_request_of_the_greatest_size() {
    let with = |principal, node| {
        wrong_settings(|Settings { limits, .. }| {
            limits.body_bytes = 1_000_000;
            limits.answer_bytes = 2_000_000;
            limits.answer_values = 10_000;
            limits.principal_bytes = principal;
            limits.node_bytes = node;
        })
    };
    assert_eq!(with(6_280_000, 6_280_000), Vec::<String>::new());
    let of_one = "expected at least 6280000 bytes, so that one request has room: limits.body_bytes (1000000), twice limits.answer_bytes \
                  (2000000), and 128 for each of limits.answer_values (10000); raise it, or lower one of these";
    assert_eq!(with(6_279_999, 6_280_000), [format!("limits.principal_bytes is \"6279999\": {of_one}")]);
    assert_eq!(
        with(7_000_000, 6_280_000),
        [
            "limits.node_bytes is \"6280000\": expected at least limits.principal_bytes (7000000), so that one principal has room; raise it, or \
          lower limits.principal_bytes"
        ]
    );
}

#[test]
fn a_secret_is_not_shown_by_what_is_printed_for_debugging() {
    let mut settings = Configuration::defaults();
    scram(&mut settings.kafka);
    assert!(!format!("{:?}", settings.kafka).contains("a password"));
}
