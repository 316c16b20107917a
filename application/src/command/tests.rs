//! Commands as they come in: names, words, fields left out, and everything that is wrong at once.

mod texts;

use super::*;
use crate::input::{Patch, Wire, Word};
use crate::testing::Counting;
use domain::task::Status;
use domain::values::{CollaboratorRole, Priority, ThresholdUnit};
use serde_json::{Value, from_value, json, to_value};

fn read(name: &str, input: Value) -> Result<Command, String> {
    from_value(json!({ "command": name, "input": input })).map_err(|error: serde_json::Error| error.to_string())
}

fn hash(name: &str, input: Value) -> [u8; 32] {
    read(name, input).expect("a command").request_hash(UserId(Uuid::nil()))
}

/// What is wrong with a command: codes and paths.
fn wrong(name: &str, input: Value) -> Vec<(&'static str, String)> {
    let refusals = read(name, input).expect("it reads").check(&Counting::from(1)).err().unwrap_or_default();
    refusals.into_iter().map(|refusal| (refusal.code, refusal.path.join("."))).collect()
}

const TASK: &str = "00000000-0000-0000-0000-000000000007";

#[test]
fn a_command_reads_under_the_name_of_its_mutation_only() {
    for name in Command::NAMES {
        let error = read(name, json!({ "unheard": 1 })).expect_err("no command has such a field");
        assert!(error.contains("unheard"), "{name}: {error}");
    }
    assert!(read("taskExplode", json!({})).expect_err("no such command").contains("taskCreate"));
    let complete = read("taskComplete", json!({ "id": TASK })).expect("a command");
    assert_eq!((complete.name(), complete.command_id()), ("taskComplete", None));
}

#[test]
fn the_request_hash_covers_name_actor_and_input_and_leaves_out_the_command_id() {
    let plain = hash("taskComplete", json!({ "id": TASK }));
    assert_eq!(plain, hash("taskComplete", json!({ "commandId": Uuid::from_u128(9), "id": TASK })));
    assert_ne!(plain, hash("taskReopen", json!({ "id": TASK })));
    assert_ne!(plain, hash("taskComplete", json!({ "id": Uuid::nil() })));
    assert_ne!(plain, hash("taskComplete", json!({ "id": TASK, "expectedVersion": 1 })));
    let complete = read("taskComplete", json!({ "id": TASK })).expect("a command");
    assert_ne!(plain, complete.request_hash(UserId(Uuid::max())));
}

/// The log keeps hashes of requests: a request that is written otherwise is taken for another one, and its repeat is refused.
#[test]
fn a_request_is_hashed_as_it_always_was() {
    let due = json!({ "at": "2031-03-31T12:00:00Z" });
    for (name, input, written) in [
        ("taskComplete", json!({ "id": TASK, "commandId": TASK }), format!(r#"{{"id":"{TASK}"}}"#)),
        ("taskUpdate", json!({ "category": null, "id": TASK, "title": "T" }), format!(r#"{{"id":"{TASK}","title":"T","category":null}}"#)),
        (
            "taskCreate",
            json!({ "due": due, "title": "T", "projectId": TASK, "priority": "HIGH" }),
            format!(r#"{{"projectId":"{TASK}","title":"T","priority":"HIGH","due":{{"at":"2031-03-31T12:00:00Z"}}}}"#),
        ),
    ] {
        let request = format!(r#"{{"command":"{name}","input":{written}}}"#);
        assert_eq!(hash(name, input)[..], Sha256::digest([&[0; 16], request.as_bytes()].concat())[..], "{request}");
    }
}

#[test]
fn a_field_left_out_differs_from_one_that_is_cleared_and_one_that_is_set() {
    let category = |input: Value| match read("taskUpdate", input).expect("a command") {
        Command::TaskUpdate(input) => input.category,
        other => panic!("{other:?}"),
    };
    assert_eq!(category(json!({ "id": TASK })), Patch::Absent);
    assert_eq!(category(json!({ "id": TASK, "category": null })), Patch::Null);
    assert_eq!(category(json!({ "id": TASK, "category": "rooms" })), Patch::Value("rooms".to_owned()));
    let hashes = [json!({ "id": TASK }), json!({ "id": TASK, "category": null }), json!({ "id": TASK, "category": "rooms" })];
    let [absent, null, value] = hashes.map(|input| hash("taskUpdate", input));
    assert!(absent != null && null != value && absent != value);
    assert_eq!(wrong("taskUpdate", json!({ "id": TASK, "title": null })), [("INVALID_VALUE", "title".to_owned())]);
}

fn words_go_round<T: Word + std::fmt::Debug>() {
    for (word, value) in T::WORDS {
        assert_eq!(to_value(Wire(*value)).expect("JSON"), json!(word));
        assert_eq!(from_value::<Wire<T>>(json!(word)).expect("a word"), Wire(*value));
        let error = from_value::<Wire<T>>(json!(word.to_lowercase())).expect_err("words are upper case").to_string();
        assert!(T::WORDS.iter().all(|(word, _)| error.contains(word)), "{error}");
    }
}

#[test]
fn every_value_has_a_word_and_a_wrong_word_is_answered_with_the_right_ones() {
    words_go_round::<Status>();
    words_go_round::<Priority>();
    words_go_round::<CollaboratorRole>();
    words_go_round::<ThresholdUnit>();
}

#[test]
fn everything_that_is_wrong_with_an_input_is_said_at_once() {
    let tags: Vec<String> = (0..51).map(|tag| format!("tag {tag}")).collect();
    let input = json!({
        "projectId": TASK, "title": " ", "category": "c".repeat(51), "tags": tags, "estimateMinutes": -1,
        "due": { "date": "1812-01-01", "timeZone": "Mars/Olympus" },
    });
    let wrong = wrong("taskCreate", input);
    let paths: Vec<&str> = wrong.iter().map(|(_, path)| path.as_str()).collect();
    for path in ["title", "category", "tags", "estimateMinutes", "due.date", "due.timeZone"] {
        assert!(paths.contains(&path), "{path} is missing in {wrong:?}");
    }
    assert!(wrong.contains(&("TOO_MANY_TAGS", "tags".to_owned())), "{wrong:?}");
    let project = json!({ "key": "1", "name": "", "timeZone": "Nowhere" });
    assert_eq!(self::wrong("projectCreate", project).len(), 3);
}

#[test]
fn a_due_moment_is_a_date_or_an_instant_and_not_both() {
    let due = |due: Value| wrong("taskSetDue", json!({ "id": TASK, "due": due }));
    assert_eq!(due(json!({ "date": "2031-03-31", "timeZone": "Europe/Zurich" })), []);
    assert_eq!(due(json!({ "at": "2031-03-31T12:00:00Z" })), []);
    for bad in [
        json!({}),
        json!({ "date": "2031-03-31", "at": "2031-03-31T12:00:00Z" }),
        json!({ "at": "2031-03-31T12:00:00Z", "timeZone": "Europe/Zurich" }),
    ] {
        assert!(!due(bad.clone()).is_empty(), "{bad}");
    }
}
