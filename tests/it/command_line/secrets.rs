//! Secrets: read from files, and never shown.

use super::{Folder, KEY, WRONG_USE, assert_refused, done, json, milepost};
use infrastructure::config::{Kind, SETTINGS, Setting};

fn secrets() -> Vec<&'static Setting> {
    SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret).collect()
}

/// A value that a secret may have, and the part of it that must not be seen.
fn value_of(setting: &Setting) -> (String, String) {
    let hush = format!("hush-{}", setting.key.replace('.', "-"));
    if setting.key.ends_with("database_url") {
        (format!("postgres://milepost:{hush}@127.0.0.1:1/none"), hush)
    } else {
        (format!("{hush} and some more bytes to be long enough"), hush)
    }
}

#[tokio::test]
async fn no_secret_is_shown_wherever_it_comes_from() {
    let folder = Folder::new();
    for setting in secrets() {
        let (value, hush) = value_of(setting);
        let secret_file = folder.file("secret", format!("{value}\n"));
        let toml = match setting.key.split_once('.') {
            Some((table, name)) => format!("[{table}]\n{name} = \"{value}\"\n"),
            None => format!("{} = \"{value}\"\n", setting.key),
        };
        let toml = folder.file("milepost.toml", toml);
        let file_variable = format!("{}_FILE", setting.env);
        for environment in
            [[(setting.env, value.as_str())], [(file_variable.as_str(), secret_file.as_str())], [("MILEPOST_CONFIG", toml.as_str())]]
        {
            for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
                let output = milepost(arguments, &environment).await;
                assert!(!output.stdout.contains(&hush) && !output.stderr.contains(&hush), "{arguments:?} {environment:?}");
                let row = |line: &&str| line.contains(setting.env);
                assert!(
                    arguments.len() > 2 || output.stdout.lines().find(row).is_some_and(|row| row.contains("(hidden)")),
                    "{environment:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_not_shown_either() {
    let folder = Folder::new();
    let broken = folder.file("broken.toml", "[auth]\nhs256_secret = \"hush\n");
    for (name, value, texts) in [
        ("MILEPOST_AUTH_HS256_SECRET", "hush", vec!["MILEPOST_AUTH_HS256_SECRET", "4 bytes", "at least 32 bytes"]),
        ("DATABASE_URL", "mysql://me:hush@here/there", vec!["DATABASE_URL", "postgres://user:password@host:5432/name"]),
        ("MILEPOST_MIGRATE_DATABASE_URL", "hush", vec!["MILEPOST_MIGRATE_DATABASE_URL", "postgres://"]),
        ("MILEPOST_CONFIG", &broken, vec!["MILEPOST_CONFIG", "line 2"]),
    ] {
        let output = milepost(&["config", "check"], &[(name, value)]).await;
        assert_refused(&output, WRONG_USE, &texts);
        assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    }
}

#[tokio::test]
async fn a_secret_from_a_file_is_the_same_secret() {
    let folder = Folder::new();
    let arguments = ["config", "show", "--json"];
    let file = folder.file("key", format!("{KEY}\n"));
    let all = json(&done(milepost(&arguments, &[("MILEPOST_AUTH_HS256_SECRET_FILE", &file)]).await));
    let key = all.as_array().and_then(|all| all.iter().find(|one| one["key"] == "auth.hs256_secret")).expect("it is shown");
    assert_eq!((&key["value"], &key["origin"]), (&"(hidden)".into(), &"environment".into()));
    let missing = folder.at("missing");
    let output = milepost(&arguments, &[("MILEPOST_AUTH_HS256_SECRET_FILE", &missing)]).await;
    assert_refused(&output, WRONG_USE, &["MILEPOST_AUTH_HS256_SECRET_FILE", &missing, "a file that can be read"]);
}
