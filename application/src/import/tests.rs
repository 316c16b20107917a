//! Lines are read strictly, rejected with a reason, and kept in order where the order matters.

use super::*;
use crate::caller::Role;
use crate::testing::{MemoryLog, NOW, caller, command, node};
use domain::values::limits::{YEAR_MAX, YEAR_MIN};
use futures::FutureExt;
use serde_json::json;
use std::collections::VecDeque;

const ID: &str = "00000000-0000-0000-0000-000000000007";

fn line(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut line = json!({ "command": "taskComplete", "commandId": ID, "input": { "id": ID } });
    change(&mut line);
    line.to_string().into_bytes()
}

fn now() -> DateTime<Utc> {
    NOW.parse().expect("a moment")
}

fn rejected(bytes: &[u8], role: Role) -> Box<Reject> {
    let Err(reject) = parse(bytes, 3, &caller(role), now()) else { panic!("{} is taken", String::from_utf8_lossy(bytes)) };
    assert_eq!(reject.line, 3);
    reject
}

#[test]
fn a_line_is_rejected_with_the_reason_and_the_line_itself() {
    let owner = |bytes: &[u8]| rejected(bytes, Role::Owner);
    let too_long = vec![b' '; LINE_BYTES_MAX + 1];
    assert_eq!((owner(&too_long).record, owner(&too_long).command_id), (Value::Null, None));
    assert_eq!(owner(b"{ nonsense").record, json!("{ nonsense"));
    assert!(owner(b"\xff").message.contains("UTF-8"));
    assert!(owner(b"[]").command_id.is_none());
    for (field, value) in [("actr", json!(ID)), ("commandId", json!("seven")), ("at", json!("yesterday"))] {
        let reject = owner(&line(|line| line[field] = value));
        assert_eq!((reject.code.as_str(), reject.record["command"].as_str()), ("BAD_USER_INPUT", Some("taskComplete")));
    }
    let unknown = owner(&line(|line| line["command"] = json!("taskExplode")));
    assert_eq!(unknown.command_id.map(|id| id.to_string()).as_deref(), Some(ID), "what is known of the line is named");
    let two_ids = owner(&line(|line| line["input"]["commandId"] = json!(Uuid::nil())));
    assert!(two_ids.message.contains("differs"), "{}", two_ids.message);
}

#[test]
fn a_line_is_read_with_its_id_and_its_history_to_the_millisecond() {
    let bytes = line(|line| {
        line["at"] = json!("2001-02-03T04:05:06.789999Z");
        line["actor"] = json!(Uuid::max());
    });
    let Ok(parsed) = parse(&bytes, 1, &caller(Role::Admin), now()) else { panic!("an admin gives history") };
    assert_eq!(parsed.command, command("taskComplete", json!({ "id": ID, "commandId": ID })));
    assert_eq!((parsed.actor, parsed.at), (Some(UserId(Uuid::max())), "2001-02-03T04:05:06.789Z".parse().ok()));
}

#[test]
fn only_those_who_look_after_the_workspace_give_history() {
    for (field, value) in [("at", json!("2001-02-03T04:05:06Z")), ("actor", json!(ID))] {
        let bytes = line(|line| line[field] = value);
        assert_eq!(rejected(&bytes, Role::Member).code, "FORBIDDEN");
        for role in [Role::Admin, Role::Owner, Role::Service] {
            assert!(parse(&bytes, 1, &caller(role), now()).is_ok(), "{role}");
        }
    }
    assert!(parse(&line(|_| {}), 1, &caller(Role::Member), now()).is_ok());
}

#[test]
fn what_happened_lies_in_the_years_that_are_kept_and_not_ahead() {
    let taken = |at: String| parse(&line(|line| line["at"] = json!(at)), 1, &caller(Role::Owner), now());
    let ahead = |more: TimeDelta| (now() + AT_AHEAD_MAX + more).to_rfc3339();
    for at in [format!("{YEAR_MIN}-01-01T00:00:00Z"), NOW.to_owned(), ahead(TimeDelta::zero())] {
        assert!(taken(at.clone()).is_ok(), "{at}");
    }
    let (before, after) = (format!("{}-12-31T23:59:59Z", YEAR_MIN - 1), format!("{}-01-01T00:00:00Z", YEAR_MAX + 1));
    for at in
        [before, after, "+012019-01-01T00:00:00Z".to_owned(), ahead(TimeDelta::milliseconds(1)), format!("{YEAR_MAX}-01-01T00:00:00Z")]
    {
        let Err(reject) = taken(at.clone()) else { panic!("{at} is taken") };
        assert_eq!(
            (reject.code.as_str(), reject.path.as_slice(), reject.record["at"].as_str()),
            ("INVALID_VALUE", &["at".to_owned()][..], Some(at.as_str()))
        );
        assert!(reject.command_id.is_some(), "{at}");
    }
}

/// Whether the second command of a file waits for the first.
fn waits(first: &Command, second: &Command) -> bool {
    let mut order = Order::new();
    let (first, second) = (order.turn(first), order.turn(second));
    assert!(first.come().now_or_never().is_some(), "the first has nothing to wait for");
    let waits = second.come().now_or_never().is_none();
    drop(first);
    assert!(second.come().now_or_never().is_some(), "nothing is left to wait for");
    waits
}

#[test]
fn lines_that_name_the_same_thing_keep_their_order_and_others_do_not_wait() {
    let of = |name: &str, id: u128| command(name, json!({ "id": Uuid::from_u128(id) }));
    let create = |id: u128, project: u128| {
        command("taskCreate", json!({ "id": Uuid::from_u128(id), "projectId": Uuid::from_u128(project), "title": "T" }))
    };
    let project = |id: u128, key: &str| command("projectCreate", json!({ "id": Uuid::from_u128(id), "key": key, "name": "P" }));
    assert!(waits(&of("taskComplete", 1), &of("taskReopen", 1)));
    assert!(!waits(&of("taskComplete", 1), &of("taskComplete", 2)));
    assert!(waits(&project(1, "ONE"), &create(2, 1)), "a task waits for its project");
    assert!(!waits(&create(2, 1), &create(3, 1)), "two tasks only rely on their project");
    assert!(waits(&project(1, "ONE"), &project(2, "ONE")), "two projects of one key");
    assert!(!waits(&project(1, "ONE"), &project(2, "TWO")));
    assert!(waits(&create(2, 1), &of("projectArchive", 9)), "what changes a whole project waits for everything");
    assert!(waits(&of("projectArchive", 9), &create(2, 1)), "and everything waits for it");
}

#[test]
fn what_a_day_means_waits_for_what_its_zone_hangs_on() {
    let about = |id: u128, name: &str, mut input: Value| {
        input["id"] = json!(Uuid::from_u128(id));
        command(name, input)
    };
    let (of, other) = (|name: &str, input: Value| about(1, name, input), |name: &str, input: Value| about(2, name, input));
    let zone = of("projectUpdate", json!({ "timeZone": "Asia/Tokyo" }));
    let on_a_day = other("taskSetDue", json!({ "due": { "date": "2031-05-01" } }));
    assert!(waits(&zone, &on_a_day) && waits(&on_a_day, &zone), "the day's end moves with the project's zone");
    assert!(!waits(&of("projectUpdate", json!({ "name": "N" })), &on_a_day), "a name moves nothing");
    let moved = of("taskMove", json!({ "projectId": Uuid::from_u128(9) }));
    let again = other("taskMove", json!({ "projectId": Uuid::from_u128(9) }));
    assert!(!waits(&moved, &again), "moves pass each other");
    for (due, hangs) in [
        (json!({ "date": "2031-05-01" }), true),
        (json!({ "date": "2031-05-01", "timeZone": "UTC" }), false),
        (json!({ "at": "2031-05-01T00:00:00Z" }), false),
    ] {
        let rescheduled = other("scheduleReschedule", json!({ "due": due }));
        assert_eq!((waits(&moved, &rescheduled), waits(&rescheduled, &moved)), (hangs, hangs), "{due}");
    }
}

#[test]
fn what_is_over_is_forgotten_however_many_lines_nobody_waits_for() {
    let mut order = Order::new();
    let mut going_on = VecDeque::new();
    for id in 0..100_000_u128 {
        let (id, project) = (Uuid::from_u128(id), Uuid::from_u128(u128::MAX));
        let wish = match id.as_u128() % 2 {
            0 => command("taskCreate", json!({ "id": id, "projectId": project, "title": "T" })),
            _ => command("taskComplete", json!({ "id": id })),
        };
        going_on.push_back(order.turn(&wish));
        // Whether it was carried out or given up.
        if going_on.len() == COMMANDS_AT_ONCE {
            drop(going_on.pop_front());
        }
        let (lines, uses) = order.remembered();
        assert!(lines <= 4 * COMMANDS_AT_ONCE && uses <= 8 * COMMANDS_AT_ONCE, "{lines} lines and {uses} uses are remembered at {id}");
    }
}

async fn run(node: &Application, lines: &[Vec<u8>]) -> Vec<LineOutcome> {
    let lines = futures::stream::iter(lines.iter().cloned().map(Ok).collect::<Vec<_>>());
    import(node, caller(Role::Owner), lines).map(|outcome| outcome.expect("the import goes on")).collect().await
}

#[tokio::test]
async fn a_file_imported_twice_changes_nothing_the_second_time() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let with = |command: &str, id: u128, input: Value| {
        json!({ "command": command, "commandId": Uuid::from_u128(id), "input": input }).to_string().into_bytes()
    };
    let lines = [
        with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": "Apollo" })),
        b"  ".to_vec(),
        with("projectUnarchive", 2, json!({ "id": ID })),
        with("taskCreate", 3, json!({ "projectId": ID, "title": "" })),
        with("taskCreate", 4, json!({ "projectId": ID, "title": "Launch" })),
    ];
    let first = run(&node, &lines).await;
    let [LineOutcome::Done, LineOutcome::NothingToDo, LineOutcome::Rejected(reject), LineOutcome::Done] = &first[..] else {
        panic!("{first:?}")
    };
    assert_eq!((reject.line, reject.code.as_str(), reject.record["input"]["title"].as_str()), (4, "INVALID_VALUE", Some("")));
    assert_eq!(reject.path, ["input", "title"]);
    let second = run(&node, &lines).await;
    assert_eq!(second.iter().filter(|outcome| **outcome == LineOutcome::Replayed).count(), 3, "{second:?}");
    assert_eq!(log.names(), ["project_created", "task_created"]);
}
