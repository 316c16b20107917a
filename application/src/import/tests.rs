//! Lines are read strictly, rejected with a reason, and kept in order where the order matters.

use super::*;
use crate::caller::Role;
use crate::executor::RETRIES_MAX;
use crate::ports::{Appended, LogError};
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
    let reject = match parse(bytes, 3, &caller(role), now()) {
        Err(reject) => reject,
        Ok(Parsed { command: Err(RefusedLine { code, message, path }), key, record, .. }) => {
            Box::new(Reject { line: 3, command_id: Some(key.id), code, message, path, replayed: false, record })
        }
        Ok(_) => panic!("{} is taken", String::from_utf8_lossy(bytes)),
    };
    assert_eq!(reject.line, 3);
    reject
}

fn is_taken(bytes: &[u8], role: Role) -> bool {
    parse(bytes, 3, &caller(role), now()).is_ok_and(|parsed| parsed.command.is_ok())
}

#[test]
fn a_line_is_rejected_with_the_reason_and_the_line_itself() {
    let owner = |bytes: &[u8]| rejected(bytes, Role::Owner);
    let too_long = vec![b' '; LINE_BYTES_MAX + 1];
    assert_eq!((owner(&too_long).record, owner(&too_long).command_id), (Value::Null, None));
    assert_eq!(owner(b"{ nonsense").record, json!("{ nonsense"));
    assert!(owner(b"\xff").message.contains("UTF-8"));
    assert!(owner(b"[]").command_id.is_none());
    for (field, value) in
        [("actr", json!(ID)), ("commandId", json!("seven")), ("at", json!("yesterday")), ("at", json!("+012019-01-01T00:00:00Z"))]
    {
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
    assert_eq!(parsed.command, Ok(command("taskComplete", json!({ "id": ID, "commandId": ID }))));
    assert_eq!((parsed.actor, parsed.at), (UserId(Uuid::max()), "2001-02-03T04:05:06.789Z".parse().ok()));
}

#[test]
fn only_those_who_look_after_the_workspace_give_history() {
    for (field, value) in [("at", json!("2001-02-03T04:05:06Z")), ("actor", json!(ID))] {
        let bytes = line(|line| line[field] = value);
        assert_eq!(rejected(&bytes, Role::Member).code, "FORBIDDEN");
        for role in [Role::Admin, Role::Owner, Role::Service] {
            assert!(is_taken(&bytes, role), "{role}");
        }
    }
    assert!(is_taken(&line(|_| {}), Role::Member));
}

#[test]
fn what_happened_lies_in_the_years_that_are_kept_and_not_ahead() {
    let ahead = |more: TimeDelta| (now() + AT_AHEAD_MAX + more).to_rfc3339();
    for at in [format!("{YEAR_MIN}-01-01T00:00:00Z"), NOW.to_owned(), ahead(TimeDelta::zero())] {
        assert!(is_taken(&line(|line| line["at"] = json!(at)), Role::Owner), "{at}");
    }
    let (before, after) = (format!("{}-12-31T23:59:59Z", YEAR_MIN - 1), format!("{}-01-01T00:00:00Z", YEAR_MAX + 1));
    for at in
        [before, after, format!("{YEAR_MAX}-12-31T23:59:60Z"), ahead(TimeDelta::milliseconds(1)), format!("{YEAR_MAX}-01-01T00:00:00Z")]
    {
        let reject = rejected(&line(|line| line["at"] = json!(at)), Role::Owner);
        assert_eq!(
            (reject.code.as_str(), reject.path.as_slice(), reject.record["at"].as_str()),
            ("INVALID_VALUE", &["at".to_owned()][..], Some(at.as_str()))
        );
        assert!(reject.command_id.is_some(), "{at}");
    }
}

/// Whether the second command of a file waits for the first.
fn waits(first: &Command, second: &Command) -> bool {
    let mut before = LineOrder::new();
    let (first, second) = (before.slot(first), before.slot(second));
    assert!(first.ready().now_or_never().is_some(), "the first has nothing to wait for");
    let waits = second.ready().now_or_never().is_none();
    drop(first);
    assert!(second.ready().now_or_never().is_some(), "nothing is left to wait for");
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
    let mut before = LineOrder::new();
    let mut going_on = VecDeque::new();
    for id in 0..100_000_u128 {
        let (id, project) = (Uuid::from_u128(id), Uuid::from_u128(u128::MAX));
        let next = match id.as_u128() % 2 {
            0 => command("taskCreate", json!({ "id": id, "projectId": project, "title": "T" })),
            _ => command("taskComplete", json!({ "id": id })),
        };
        going_on.push_back(before.slot(&next));
        // Whether it was carried out or given up.
        if going_on.len() == COMMANDS_AT_ONCE {
            drop(going_on.pop_front());
        }
        let (lines, uses) = before.remembered();
        assert!(lines <= 4 * COMMANDS_AT_ONCE && uses <= 8 * COMMANDS_AT_ONCE, "{lines} lines and {uses} uses are remembered at {id}");
    }
}

async fn run_as(node: &Application, refused: Refused, lines: &[Vec<u8>]) -> Vec<LineOutcome> {
    let lines = futures::stream::iter(lines.iter().cloned().map(Ok).collect::<Vec<_>>());
    import(node, caller(Role::Owner), refused, lines).map(|outcome| outcome.expect("the import goes on")).collect().await
}

async fn run(node: &Application, lines: &[Vec<u8>]) -> Vec<LineOutcome> {
    run_as(node, Refused::Again, lines).await
}

fn with(command: &str, id: u128, input: Value) -> Vec<u8> {
    json!({ "command": command, "commandId": Uuid::from_u128(id), "input": input }).to_string().into_bytes()
}

/// The only outcome of an import of one line, in short.
async fn one(node: &Application, refused: Refused, line: &[u8]) -> String {
    match &run_as(node, refused, &[line.to_vec()]).await[..] {
        [LineOutcome::Rejected(reject)] => format!("{}{}", reject.code, if reject.replayed { " again" } else { "" }),
        [other] => format!("{other:?}"),
        several => panic!("{several:?}"),
    }
}

#[tokio::test]
async fn a_file_imported_twice_changes_nothing_the_second_time() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
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
    assert_eq!((&reject.path[..], reject.replayed), (&["input".to_owned(), "title".to_owned()][..], false));
    let second = run(&node, &lines).await;
    assert_eq!(second.iter().filter(|outcome| **outcome == LineOutcome::Replayed).count(), 3, "{second:?}");
    let again = Reject { replayed: true, ..(**reject).clone() };
    assert!(second.contains(&LineOutcome::Rejected(Box::new(again))), "{second:?}");
    assert_eq!(log.names(), ["project_created", "task_created"]);
}

#[tokio::test]
async fn what_was_refused_is_refused_again_though_it_would_be_taken_by_now_unless_it_is_decided_anew() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    run(&node, &[with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": "Apollo" }))]).await;
    let (archive, unarchive) = (with("projectArchive", 2, json!({ "id": ID })), with("projectUnarchive", 3, json!({ "id": ID })));
    let task = |title: &str| with("taskCreate", 4, json!({ "projectId": ID, "title": title }));
    run(&node, &[archive]).await;
    for expected in ["PROJECT_ARCHIVED", "PROJECT_ARCHIVED again"] {
        assert_eq!(one(&node, Refused::Again, &task("Launch")).await, expected);
    }
    assert_eq!(one(&node, Refused::DecidedAnew, &task("Launch")).await, "PROJECT_ARCHIVED", "decided anew, it is refused anew");
    run(&node, &[unarchive]).await;
    assert_eq!(one(&node, Refused::Again, &task("Launch")).await, "PROJECT_ARCHIVED again");
    assert_eq!(one(&node, Refused::DecidedAnew, &task("Launch")).await, "Done");
    assert_eq!(one(&node, Refused::Again, &task("Launch")).await, "Replayed", "what was carried out comes before what was refused");
    assert_eq!(one(&node, Refused::Again, &task("Land")).await, "COMMAND_ID_REUSED");
    assert_eq!(log.names(), ["project_created", "project_archived", "project_unarchived", "task_created"]);
}

#[tokio::test]
async fn a_refusal_does_not_use_up_the_id_a_line_of_other_content_is_decided_anew() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    run(&node, &[with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": "Apollo" }))]).await;
    let task = |title: &str| with("taskCreate", 4, json!({ "projectId": ID, "title": title }));
    assert_eq!(one(&node, Refused::Again, &task("")).await, "INVALID_VALUE");
    assert_eq!(one(&node, Refused::Again, &task(" ")).await, "INVALID_VALUE", "of other content, so not again");
    assert_eq!(one(&node, Refused::Again, &task("Launch")).await, "Done");
    // The first file again has its first answers.
    assert_eq!(one(&node, Refused::Again, &task("")).await, "INVALID_VALUE again");
    // Spaces and the order of names are not content; a line that no program understands has one.
    let unknown = format!(r#"{{ "commandId": "{ID}", "input": {{}}, "command": "taskExplode" }}"#);
    assert_eq!(one(&node, Refused::Again, unknown.as_bytes()).await, "BAD_USER_INPUT");
    let same = format!(r#"{{"command":"taskExplode","commandId":"{ID}","input":{{}}}}"#);
    assert_eq!(one(&node, Refused::Again, same.as_bytes()).await, "BAD_USER_INPUT again");
}

#[tokio::test]
async fn of_a_line_refused_while_another_import_carries_it_out_what_was_carried_out_is_the_answer() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let earlier = crate::ports::Settled { aggregate_id: Uuid::nil(), position: 7, version: 2, request_hash: [0; 32] };
    log.plan([Ok(crate::ports::Appended::Replayed(earlier))]);
    let lost = with("taskComplete", 4, json!({ "id": ID }));
    assert_eq!(one(&node, Refused::Again, &lost).await, "Replayed");
    assert_eq!(one(&node, Refused::Again, &lost).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_for_a_moment_rejects_no_line() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let create = with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": "Apollo" }));
    log.plan([Err(LogError::Unfit(Arc::new(std::io::Error::other("permission denied for table events"))))]);
    assert_eq!(run(&node, &[create]).await, [LineOutcome::Done]);
}

#[tokio::test]
async fn a_line_that_others_are_in_the_way_of_is_tried_again() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    run(&node, &[with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": "Apollo" }))]).await;
    let aggregate_id = ID.parse().expect("a UUID");
    // Each try decides several times by itself.
    log.plan((0..2 * i64::from(RETRIES_MAX + 1)).map(|found| Ok(Appended::Moved { aggregate_id, found })));
    assert_eq!(run(&node, &[with("projectArchive", 2, json!({ "id": ID }))]).await, [LineOutcome::Done]);
}

#[test]
fn only_a_failure_that_every_line_would_meet_stops_an_import() {
    let cause = || Arc::new(std::io::Error::other("a cause"));
    for (error, last) in [
        (CommandError::Contended, Next::Reject),
        (CommandError::OutcomeUnknown, Next::Stop),
        (CommandError::Overloaded { retry_after: Duration::ZERO }, Next::Stop),
        (CommandError::from(LogError::NoRoom(cause())), Next::Stop),
        (CommandError::from(LogError::Unreachable(cause())), Next::Stop),
        (CommandError::from(LogError::Unfit(cause())), Next::Stop),
    ] {
        let after = [0, TRIES_MAX - 1, TRIES_MAX].map(|tries| next(&error, tries));
        assert_eq!(after, [Next::Again, Next::Again, last], "{error:?}");
    }
    for error in [CommandError::CommandIdReused, CommandError::from(LogError::Rejected("too large".to_owned()))] {
        assert_eq!(next(&error, 0), Next::Reject, "{error:?}");
    }
}

#[tokio::test]
async fn what_ails_the_service_and_an_id_of_another_line_are_rejected_and_not_recorded() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let create = |name: &str| with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": name }));
    log.plan([Err(LogError::Rejected("too large".to_owned()))]);
    assert_eq!(one(&node, Refused::Again, &create("Apollo")).await, "INTERNAL");
    assert_eq!(one(&node, Refused::Again, &create("Apollo")).await, "Done");
    for _ in 0..2 {
        assert_eq!(one(&node, Refused::Again, &create("Other")).await, "COMMAND_ID_REUSED");
    }
}

#[tokio::test]
async fn the_same_id_with_another_time_or_actor_is_another_request() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let told = |change: &dyn Fn(&mut Value)| {
        let mut line = json!({ "command": "projectCreate", "commandId": ID, "input": { "id": ID, "key": "APOLLO", "name": "Apollo" } });
        line["at"] = json!("2001-02-03T04:05:06Z");
        line["actor"] = json!(Uuid::from_u128(9));
        change(&mut line);
        line.to_string().into_bytes()
    };
    assert_eq!(one(&node, Refused::Again, &told(&|_| {})).await, "Done");
    assert_eq!(one(&node, Refused::Again, &told(&|_| {})).await, "Replayed");
    for (name, other) in
        [("at", json!("2001-02-03T04:05:07Z")), ("at", Value::Null), ("actor", json!(Uuid::from_u128(10))), ("actor", Value::Null)]
    {
        assert_eq!(one(&node, Refused::Again, &told(&|line| line[name] = other.clone())).await, "COMMAND_ID_REUSED", "{name}: {other}");
    }
}

#[test]
fn a_name_given_twice_is_refused_wherever_it_is_and_nothing_is_carried_out() {
    for doubled in [
        format!(r#"{{"command":"taskUpdate","command":"taskDelete","commandId":"{ID}","input":{{"id":"{ID}"}}}}"#),
        format!(r#"{{"command":"taskDelete","commandId":"{ID}","input":{{"id":"{ID}","id":"{ID}"}}}}"#),
        format!(
            r#"{{"command":"taskSetDue","commandId":"{ID}","input":{{"id":"{ID}","due":{{"date":"2031-01-01","date":"2031-01-02"}}}}}}"#
        ),
    ] {
        let reject = rejected(doubled.as_bytes(), Role::Owner);
        assert_eq!(reject.code, "BAD_USER_INPUT");
        assert!(reject.message.contains("occurs twice in an object"), "{}", reject.message);
        assert_eq!(reject.record, json!(doubled));
    }
}

#[tokio::test]
async fn a_mark_at_the_beginning_line_ends_of_windows_and_blank_lines_are_accepted() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let create = with("projectCreate", 1, json!({ "id": ID, "key": "APOLLO", "name": "Apollo" }));
    let marked = [b"\xef\xbb\xbf".to_vec(), create, b"\r".to_vec()].concat();
    let task = [with("taskCreate", 2, json!({ "projectId": ID, "title": "" })), b"\r".to_vec()].concat();
    let outcomes = run(&node, &[marked, b"\r".to_vec(), b"\xef\xbb\xbf\r".to_vec(), b" \t\r".to_vec(), task]).await;
    let [LineOutcome::Done, LineOutcome::Rejected(reject)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(reject.line, 5, "lines are counted as they are in the file");
}

#[tokio::test]
async fn what_was_imported_is_answered_as_it_was_also_where_the_line_could_not_be_taken_by_now() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let create = || {
        let mut line = json!({ "command": "projectCreate", "commandId": ID, "input": { "id": ID, "key": "APOLLO", "name": "Apollo" } });
        line["at"] = json!(NOW);
        line.to_string().into_bytes()
    };
    assert_eq!(one(&node, Refused::Again, &create()).await, "Done");
    // The importer is a member by now, who may not say when something happened.
    let lines = futures::stream::iter([Ok(create())]);
    let outcomes: Vec<_> = import(&node, caller(Role::Member), Refused::Again, lines).collect().await;
    assert!(matches!(&outcomes[..], [Ok(LineOutcome::Replayed)]), "{outcomes:?}");
}
