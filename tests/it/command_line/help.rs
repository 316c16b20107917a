//! Help, versions, and wrong use.

use super::{WRONG_USE, assert_refused, done, milepost};
use std::collections::BTreeMap;

/// Every command and subcommand with its help, as the help itself lists them.
async fn all_help() -> BTreeMap<String, String> {
    let (mut open, mut all) = (vec![vec![]], BTreeMap::new());
    while let Some(path) = open.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = milepost(&arguments, &[]).await;
        assert_eq!(output.stderr, "");
        let text = done(output);
        let commands = text.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
        for command in commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|&command| command != "help") {
            open.push(path.iter().cloned().chain([command.to_owned()]).collect());
        }
        all.insert(path.join(" "), text);
    }
    all
}

/// The flags and arguments in a help text, each with what is said about it.
fn described(help: &str) -> Vec<(String, String)> {
    let parts = help.split("\n\n").filter(|part| part.starts_with("Options:") || part.starts_with("Arguments:"));
    let mut found: Vec<(String, String)> = vec![];
    for line in parts.flat_map(|part| part.lines().skip(1)) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        match text.split_once("  ") {
            Some((name, about)) if indent <= 6 => found.push((name.to_owned(), about.trim().to_owned())),
            None if indent <= 6 => found.push((text.to_owned(), String::new())),
            _ => found.last_mut().expect("a flag comes before its words").1.push_str(text),
        }
    }
    found
}

#[tokio::test]
async fn every_command_and_every_flag_is_explained() {
    let all = all_help().await;
    for command in [
        "dev",
        "serve",
        "migrate",
        "import",
        "projections list",
        "projections rebuild",
        "projections verify",
        "projections dead-letters list",
        "projections dead-letters retry",
        "projections dead-letters skip",
        "dead-letters list",
        "dead-letters show",
        "dead-letters retry",
        "dead-letters skip",
        "topics list",
        "topics diff",
        "topics apply",
        "relay status",
        "relay resume",
        "relay adopt",
        "verify kafka",
        "events tail",
        "token",
        "config check",
        "config show",
    ] {
        assert!(all.contains_key(command), "{command} is not in {:?}", all.keys());
    }
    for (command, help) in &all {
        let about = help.lines().next().unwrap_or_default();
        assert!(about.contains(' ') && !about.starts_with("Usage"), "{command}: {help}");
        for (name, words) in described(help) {
            assert!(words.len() > 5, "{command}: nothing is said about {name}");
        }
    }
}

#[tokio::test]
async fn help_tells_units_defaults_and_where_a_setting_may_come_from() {
    let all = all_help().await;
    for (command, texts) in [
        (
            "",
            vec![
                "MILEPOST_CONFIG",
                "0 success, 1 a check failed or was refused, 2 invalid usage or settings, 3 a required server is not available",
            ],
        ),
        ("dev", vec!["[default: 127.0.0.1:8080]", "/var/lib/milepost/dev for root", "another one is chosen", "--fresh", "--no-seed"]),
        ("serve", vec!["[env: MILEPOST_LISTEN]", "[default: 127.0.0.1:8080]", "[env: DATABASE_URL]", "[env: KAFKA_BOOTSTRAP_SERVERS]"]),
        ("import", vec!["- for standard input", "[default: FILE.rejects.ndjson]", "<UUID>", "JSON lines"]),
        ("token", vec!["viewer, member, admin, owner or service", "such as 1h", "[default: 1h]", "ten years"]),
        ("verify kafka", vec!["such as 10s", "[default: 10s]"]),
        ("events tail", vec!["by default the last twenty events", "such as task_created", "until interrupted"]),
    ] {
        for text in texts {
            assert!(all[command].contains(text), "{text:?} is not in the help of {command:?}:\n{}", all[command]);
        }
    }
}

#[tokio::test]
async fn what_lists_can_print_json() {
    for (command, help) in all_help().await {
        let lists = command.ends_with(" list")
            || ["dead-letters show", "projections verify", "topics diff", "verify kafka", "events tail", "config show"]
                .contains(&command.as_str());
        if lists {
            assert!(help.contains("--json"), "{command}");
        }
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    for flag in ["--version", "-V"] {
        assert_eq!(done(milepost(&[flag], &[]).await), format!("milepost {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[tokio::test]
async fn wrong_use_is_named_and_ends_with_status_two() {
    for (arguments, texts) in [
        (&[][..], vec!["Usage:", "Commands:"]),
        (&["frob"], vec!["unrecognized subcommand 'frob'"]),
        (&["projection", "list"], vec!["unrecognized subcommand 'projection'", "'projections'"]),
        (&["serve", "--lisen", "127.0.0.1:0"], vec!["unexpected argument '--lisen'", "'--listen'"]),
        (&["dev", "--fresh=yes"], vec!["--fresh"]),
        (&["config"], vec!["Usage:", "show"]),
        (&["projections", "rebuild"], vec!["required arguments", "<NAME>"]),
        (&["projections", "dead-letters", "skip", "task_list", "mine"], vec!["<AGGREGATE>", "mine"]),
        (&["dead-letters", "skip", "--source", "reactions", "7"], vec!["required arguments", "--reason <TEXT>"]),
        (
            &["dead-letters", "skip", "--source", "reactions", "7", "--reason", " "],
            vec!["--reason", "1 to 500 characters", "this one is blank"],
        ),
        (&["dead-letters", "retry", "--source", "reaction", "7"], vec!["'reaction'", "projections, reactions"]),
        (&["dead-letters", "retry", "--source", "reactions", "0"], vec!["0 is not in 1.."]),
        (&["verify", "kafka", "--wait", "long"], vec!["--wait", "long"]),
        (&["events", "tail", "extra"], vec!["unexpected argument 'extra'"]),
    ] {
        assert_refused(&milepost(arguments, &[]).await, WRONG_USE, &texts);
    }
}
