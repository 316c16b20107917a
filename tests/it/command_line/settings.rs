//! Settings: flags before the environment before the file before defaults, and complaints that help.

use super::{Folder, WRONG_USE, assert_refused, done, json, milepost};
use infrastructure::config::{Kind, SETTINGS};
use serde_json::Value;

/// What `config show` says of a setting: its value and where it came from.
async fn shown(key: &str, arguments: &[&str], environment: &[(&str, &str)]) -> (String, String) {
    let all = json(&done(milepost(&[&["config", "show", "--json"], arguments].concat(), environment).await));
    let found = all.as_array().and_then(|all| all.iter().find(|setting| setting["key"] == key)).expect("the setting is shown");
    let text = |name: &str| found[name].as_str().expect("a text").to_owned();
    (text("value"), text("origin"))
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let folder = Folder::new();
    let file = folder.file("milepost.toml", "[log]\nfilter = \"warn\"\n");
    let (toml, env) = (("MILEPOST_CONFIG", file.as_str()), ("MILEPOST_LOG", "debug"));
    let (value, origin) = shown("log.filter", &[], &[]).await;
    assert!(value.starts_with("info") && origin == "default", "{value} from {origin}");
    let (value, origin) = shown("log.filter", &[], &[toml]).await;
    assert!(value == "warn" && origin.ends_with("milepost.toml"), "{value} from {origin}");
    assert_eq!(shown("log.filter", &[], &[toml, env]).await, ("debug".to_owned(), "environment".to_owned()));
    assert_eq!(shown("log.filter", &["--log", "error"], &[toml, env]).await, ("error".to_owned(), "flag".to_owned()));
    let (value, origin) = shown("log.filter", &[], &[toml, ("MILEPOST_LOG", "")]).await;
    assert!(value == "warn" && origin.ends_with("milepost.toml"), "an empty variable sets nothing: {value} from {origin}");
}

#[tokio::test]
async fn every_setting_is_shown_with_its_variable() {
    let all = json(&done(milepost(&["config", "show", "--json"], &[]).await));
    let table = done(milepost(&["config", "show"], &[]).await);
    assert_eq!(all.as_array().map(Vec::len), Some(SETTINGS.len()));
    for setting in SETTINGS {
        let found = all.as_array().and_then(|all| all.iter().find(|one| one["key"] == setting.key)).unwrap_or(&Value::Null);
        assert_eq!((&found["env"], &found["value"]), (&Value::from(setting.env), &Value::from(setting.default)));
        let row = table.lines().find(|row| row.split_whitespace().next() == Some(setting.key)).expect("a row of the table");
        assert!(row.contains(setting.env) && row.contains(setting.default), "{row}");
    }
}

#[tokio::test]
async fn settings_that_can_be_used_are_said_to_be() {
    let folder = Folder::new();
    let file = folder.file(
        "milepost.toml",
        "listen = \"127.0.0.1:7000\"\n[limits]\ndepth = 9\n[kafka]\nbootstrap_servers = \"a:9092,b:9092\"\ncreate_topics = false\n",
    );
    assert_eq!(done(milepost(&["config", "check"], &[("MILEPOST_CONFIG", &file)]).await), "the settings can be used\n");
}

#[tokio::test]
async fn a_bad_value_is_named_with_what_is_expected() {
    for (name, value, expected) in [
        ("MILEPOST_LISTEN", "8080", "an address and a port, such as 127.0.0.1:8080"),
        ("MILEPOST_LISTEN", "127.0.0.1:70000", "an address and a port"),
        ("MILEPOST_LOG_FORMAT", "xml", "human or json"),
        ("MILEPOST_LOG", "milepost=loud", "info,sqlx=warn"),
        ("MILEPOST_TOPICS", "/no/such/catalogue.toml", "No such file"),
        ("MILEPOST_POOLS_WORKER", "1", "2 to 1000 connections"),
        ("MILEPOST_POOLS_SERVICE", "many", "a whole number"),
        ("MILEPOST_LIMITS_DEPTH", "-1", "a whole number"),
        ("MILEPOST_LIMITS_TIMEOUT_MS", "10", "100 to 3600000 milliseconds"),
        ("KAFKA_BOOTSTRAP_SERVERS", "broker", "host:port"),
        ("KAFKA_ACKS", "1", "all, since sending exactly once rests on it"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("KAFKA_COMPRESSION_TYPE", "zip", "one of none, gzip, snappy, lz4, zstd"),
        ("KAFKA_LINGER_MS", "101", "0 to 100 milliseconds"),
        ("KAFKA_CREATE_TOPICS", "maybe", "true or false"),
        ("KAFKA_SSL_CA_LOCATION", "/no/such/file.pem", "a file that is there"),
    ] {
        for arguments in [["config", "check"], ["events", "tail"]] {
            // The catalogue is read where it is needed.
            if name != "MILEPOST_TOPICS" || arguments[0] == "config" {
                let output = milepost(&arguments, &[(name, value)]).await;
                assert_refused(&output, WRONG_USE, &[name, value, expected]);
            }
        }
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_at_once() {
    let environment = [("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("MILEPOST_LOG_FORMAT", "xml"), ("KAFKA_ACKS", "0")];
    let output = milepost(&["config", "check"], &environment).await;
    let names = ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "MILEPOST_LOG_FORMAT", "KAFKA_ACKS"];
    assert_refused(&output, WRONG_USE, &names);
    assert!(output.stderr.lines().all(|line| line.starts_with("milepost: ")), "{}", output.stderr);
}

#[tokio::test]
async fn a_bad_flag_is_known_from_a_bad_variable() {
    for (arguments, environment, origin) in
        [(vec!["--log-format", "xml"], vec![], "(from flag)"), (vec![], vec![("MILEPOST_LOG_FORMAT", "xml")], "(from environment)")]
    {
        let output = milepost(&[&["config", "check"], arguments.as_slice()].concat(), &environment).await;
        assert_refused(&output, WRONG_USE, &["MILEPOST_LOG_FORMAT", origin, "\"xml\""]);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_with_the_place() {
    let folder = Folder::new();
    for (content, texts) in [
        ("listn = \"127.0.0.1:0\"\n", vec!["bad.toml", "\"listn\"", "perhaps listen"]),
        ("[kafka]\nack = \"all\"\n", vec!["\"kafka.ack\"", "perhaps kafka.acks"]),
        ("[kafka]\nlinger_ms = \"soon\"\n", vec!["KAFKA_LINGER_MS", "bad.toml", "\"soon\"", "a whole number"]),
        ("[colours]\nsky = \"blue\"\n", vec!["\"colours.sky\"", "docs/CONFIGURATION.md"]),
        ("listen = \n", vec!["MILEPOST_CONFIG", "bad.toml", "line 1, column 10"]),
        ("listen = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n", vec!["MILEPOST_CONFIG", "line 2"]),
    ] {
        let file = folder.file("bad.toml", content);
        assert_refused(&milepost(&["config", "check"], &[("MILEPOST_CONFIG", &file)]).await, WRONG_USE, &texts);
    }
    let missing = folder.at("missing.toml");
    let output = milepost(&["config", "check"], &[("MILEPOST_CONFIG", &missing)]).await;
    assert_refused(&output, WRONG_USE, &["MILEPOST_CONFIG", &missing, "a file that is there"]);
}

#[tokio::test]
async fn a_secret_that_is_given_twice_is_refused() {
    let folder = Folder::new();
    let file = folder.file("secret", "0123456789 0123456789 0123456789 01\n");
    for setting in SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret) {
        let second = format!("{}_FILE", setting.env);
        let output = milepost(&["config", "check"], &[(setting.env, "hush"), (&second, &file)]).await;
        let sentence = format!("milepost: {} is set, and so is {second}: expected one of the two\n", setting.env);
        assert_refused(&output, WRONG_USE, &[&sentence]);
        assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    }
    let (env, empty) = ("MILEPOST_AUTH_HS256_SECRET", folder.file("empty", "\n"));
    assert!(done(milepost(&["config", "show"], &[(env, ""), ("MILEPOST_AUTH_HS256_SECRET_FILE", &file)]).await).contains("(hidden)"));
    let output = milepost(&["config", "check"], &[("MILEPOST_AUTH_HS256_SECRET_FILE", &empty)]).await;
    assert_refused(&output, WRONG_USE, &["MILEPOST_AUTH_HS256_SECRET_FILE", &empty, "a file that holds something"]);
}
