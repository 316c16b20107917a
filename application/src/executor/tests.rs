//! What the executor asks of a log and makes of its answers. That the real log keeps its part is tested on PostgreSQL.

use super::*;
use crate::caller::{Role, Source};
use crate::ports::{Claim, LogError};
use crate::testing::{HISTORIES_AT_ONCE, MemoryLog, NOW, by, caller, command, node, project, send, task};
use domain::ids::{ProjectId, UserId};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::json;

fn log() -> Arc<MemoryLog> {
    Arc::new(MemoryLog::default())
}

#[tokio::test]
async fn a_stale_state_is_read_again_and_the_command_decided_anew() {
    let log = log();
    let (here, there) = (node(&log, 1), node(&log, 2));
    let project = project(&here, "APOLLO").await;
    let task = task(&here, project, "Known here").await;
    send(&there, "taskAssign", json!({ "id": task, "userId": Uuid::nil() })).await.expect("assigned elsewhere");
    let done = send(&here, "taskComplete", json!({ "id": task })).await.expect("done here");
    assert_eq!((done.version, log.asked().len()), (3, 5), "one try on version 1, one on version 2");
}

#[tokio::test]
async fn a_refusal_decided_on_a_stale_state_is_not_given() {
    let log = log();
    let (here, there) = (node(&log, 1), node(&log, 2));
    let project = project(&here, "APOLLO").await;
    send(&here, "projectArchive", json!({ "id": project })).await.expect("archived here");
    send(&there, "projectUnarchive", json!({ "id": project })).await.expect("unarchived elsewhere");
    send(&here, "taskCreate", json!({ "projectId": project, "title": "In time" })).await.expect("the refusal would be out of date");
}

#[tokio::test]
async fn a_decision_that_relied_on_a_moved_project_is_made_again() {
    let log = log();
    let (here, there) = (node(&log, 1), node(&log, 2));
    let project = project(&here, "APOLLO").await;
    let task = task(&here, project, "In it").await;
    send(&there, "projectArchive", json!({ "id": project })).await.expect("archived elsewhere");
    let refused = send(&here, "taskComplete", json!({ "id": task })).await.expect_err("the project rests");
    assert_eq!((refused.code(), log.names().len()), ("PROJECT_ARCHIVED", 3));
}

#[tokio::test]
async fn what_is_always_in_motion_is_given_up_after_three_retries() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    log.plan((0..10).map(|found| Ok(Appended::Moved { aggregate_id: project, found })));
    let contended = send(&node, "projectArchive", json!({ "id": project })).await.expect_err("it moves all the time");
    assert!(matches!(contended, CommandError::Contended) && contended.is_passing());
    assert_eq!(log.asked().len(), 1 + 1 + RETRIES_MAX as usize);
}

#[tokio::test]
async fn what_was_decided_on_an_earlier_generation_of_the_log_is_decided_again() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let task = task(&node, project, "First").await;
    send(&node, "taskUpdate", json!({ "id": task, "title": "Lost" })).await.expect("a new title");
    log.lose_last();
    log.generation.send_replace(1);
    log.plan([Ok(Appended::Outdated)]);
    // With the state in memory there would be nothing to do.
    let again = send(&node, "taskUpdate", json!({ "id": task, "title": "Lost" })).await.expect("the title is the first one again");
    assert_eq!((again.version, again.recorded.len()), (2, 1));
    let sent: Vec<_> = log.asked().iter().map(|unit| unit.generation).collect();
    assert_eq!(sent, [0, 0, 0, 1, 1]);
}

/// A clock by which the database is replaced whenever somebody looks at it.
struct Replacing(Arc<MemoryLog>);

#[async_trait::async_trait]
impl crate::ports::Clock for Replacing {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.generation.send_modify(|generation| *generation += 1);
        NOW.parse().expect("a moment")
    }

    async fn sleep_until(&self, _: chrono::DateTime<chrono::Utc>) {}
}

#[tokio::test]
async fn a_refusal_that_was_decided_on_an_earlier_generation_is_not_recorded_under_the_present_one() {
    let log = log();
    let before = node(&log, 1);
    let project = project(&before, "APOLLO").await;
    send(&before, "projectArchive", json!({ "id": project })).await.expect("it rests");
    let ids = Arc::new(crate::testing::Counting::from(2));
    let node = crate::Application::new(log.clone(), Arc::new(Replacing(log.clone())), ids);
    log.plan([Ok(Appended::Outdated)]);
    let task = command("taskCreate", json!({ "projectId": project, "title": "A task" }));
    let key = CommandKey { source: Source::Import, id: Uuid::from_u128(9), request_hash: [9; 32] };
    let line = crate::ports::Line { hash: [9; 32], anew: false, refusal: None };
    let error = node.execute_line(&by(caller(Role::Owner)), &key, &line, Ok(task)).await.expect_err("it is refused");
    let unit = log.asked().pop().expect("a unit");
    assert!(unit.line.is_some_and(|line| line.refusal.is_some()), "the refusal is to be recorded");
    assert_eq!((unit.generation, *log.generation.borrow()), (0, 1));
    assert!(matches!(error, CommandError::Contended), "it is decided again: {error:?}");
}

#[tokio::test]
async fn a_stale_expected_version_conflicts_only_where_the_same_field_changed() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let task = task(&node, project, "First").await;
    send(&node, "taskChangePriority", json!({ "id": task, "priority": "HIGH" })).await.expect("another field");
    let update = |title: &str, version: i64| json!({ "id": task, "title": title, "expectedVersion": version });
    let changed = send(&node, "taskUpdate", update("Second", 1)).await.expect("nobody changed the title since");
    assert_eq!(changed.version, 3);
    for (version, fields) in [(2, ["title"]), (9, ["version"]), (0, ["version"])] {
        let conflict = send(&node, "taskUpdate", update("Third", version)).await.expect_err("a conflict");
        let CommandError::Conflict { current_version: 3, conflicting_fields } = &conflict else { panic!("{conflict:?}") };
        assert_eq!((conflicting_fields.as_slice(), conflict.code()), (fields.as_slice(), "VERSION_CONFLICT"));
    }
}

#[tokio::test]
async fn of_what_has_changed_only_what_tells_something_new_is_read() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let task = task(&node, project, "First").await;
    for number in 0..20 {
        send(&node, "taskComment", json!({ "id": task, "body": "Hello" })).await.expect("a comment");
        let name = if number % 2 == 0 { "title" } else { "category" };
        send(&node, "taskUpdate", json!({ "id": task, name: format!("Number {number}") })).await.expect("an update");
    }
    let send = async |name: &str, input: serde_json::Value| {
        let mut input = input;
        (input["id"], input["expectedVersion"]) = (json!(task), json!(1));
        let answer = send(&node, name, input).await;
        let fields = match answer {
            Ok(_) => vec![],
            Err(CommandError::Conflict { conflicting_fields, .. }) => conflicting_fields,
            Err(error) => panic!("{error:?}"),
        };
        (fields, log.take_read())
    };
    let step = crate::testing::STEP_EVENTS;
    assert_eq!(send("taskChangePriority", json!({ "priority": "HIGH" })).await, (vec![], vec![]), "nothing there changes a priority");
    assert_eq!(send("taskUpdate", json!({ "title": "Mine" })).await, (vec!["title"], vec!["task_updated"; step]));
    let both = send("taskUpdate", json!({ "title": "Mine", "category": "mine" })).await;
    assert_eq!(both, (vec!["category", "title"], vec!["task_updated"; step]));
    let (changed, read) = send("taskDelete", json!({})).await;
    assert_eq!(changed, ["category", "comments", "priority", "title"]);
    let comments = read.iter().filter(|name| **name == "task_commented").count();
    assert!((1..=step).contains(&comments), "one tells all that comments can: {read:?}");
}

#[tokio::test]
async fn others_on_an_aggregate_do_not_wait_while_a_long_history_is_read() {
    let log = log();
    let node = Arc::new(node(&log, 1));
    let project = project(&node, "APOLLO").await;
    let task = task(&node, project, "First").await;
    for number in 0..100 {
        send(&node, "taskUpdate", json!({ "id": task, "category": format!("Number {number}") })).await.expect("an update");
    }
    for (title, conflicts) in [("Changed meanwhile", true), ("First", false)] {
        log.holds_reads.send_replace(true);
        log.reads.send_replace(0);
        let input = json!({ "id": task, "title": "Mine", "expectedVersion": 1 });
        let slow = tokio::spawn({
            let node = Arc::clone(&node);
            async move { send(&node, "taskUpdate", input).await }
        });
        log.reads.subscribe().wait_for(|reads| *reads > 0).await.expect("it reads what has changed");
        send(&node, "taskUpdate", json!({ "id": task, "title": title })).await.expect("the aggregate is free");
        log.holds_reads.send_replace(false);
        let slow = slow.await.expect("no panic");
        if conflicts {
            assert!(matches!(slow, Err(CommandError::Conflict { .. })), "what came meanwhile is seen as well: {slow:?}");
            log.lose_last();
            log.generation.send_modify(|generation| *generation += 1);
        } else {
            assert_eq!(slow.expect("nobody changed the title").version, 102);
        }
    }
}

#[tokio::test]
async fn of_long_histories_one_principal_reads_one_at_a_time_and_all_together_a_few() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let (long, other) = (task(&node, project, "First").await, task(&node, project, "Other").await);
    for number in 0..100 {
        send(&node, "taskUpdate", json!({ "id": long, "category": format!("Number {number}") })).await.expect("an update");
    }
    let update = |actor: u128| {
        let caller = Caller { actor: UserId(Uuid::from_u128(actor)), ..caller(Role::Owner) };
        let title = format!("By {actor}");
        node.execute(by(caller), command("taskUpdate", json!({ "id": long, "title": title, "expectedVersion": 1 })))
    };
    log.holds_reads.send_replace(true);
    log.reads.send_replace(0);
    let mut slow = FuturesUnordered::new();
    // A crowd of one principal, a second one, and more of others than are read at once.
    for (actors, reads) in [(vec![1; 20], 1), (vec![2], 2), (vec![3, 4, 5], HISTORIES_AT_ONCE as u64)] {
        slow.extend(actors.iter().map(|actor| update(*actor)));
        assert!(slow.next().now_or_never().is_none(), "nothing of them is read yet");
        assert_eq!(*log.reads.borrow(), reads, "after those of {actors:?}");
        let input = json!({ "id": other, "title": format!("After {reads} reads of {actors:?}") });
        send(&node, "taskUpdate", input).await.expect("other commands do not wait");
    }
    log.holds_reads.send_replace(false);
    while let Some(answer) = slow.next().await {
        assert!(matches!(answer, Ok(_) | Err(CommandError::Conflict { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn of_long_streams_that_are_not_in_memory_a_few_are_read_at_a_time() {
    let log = log();
    let before = node(&log, 1);
    let project = project(&before, "APOLLO").await;
    let mut long = vec![];
    for number in 0..10 {
        let id = task(&before, project, &format!("Task {number}")).await;
        for number in 0..10 {
            send(&before, "taskUpdate", json!({ "id": id, "category": format!("Number {number}") })).await.expect("an update");
        }
        long.push(id);
    }
    let short = task(&before, project, "Short").await;
    // One that has nothing in memory.
    let node = node(&log, 2);
    log.holds_steps.send_replace(true);
    let mut slow: FuturesUnordered<_> =
        long.iter().map(|id| send(&node, "taskUpdate", json!({ "id": id, "title": "Changed", "expectedVersion": 1 }))).collect();
    assert!(slow.next().now_or_never().is_none(), "nothing of them is read yet");
    assert_eq!(log.steps.load(std::sync::atomic::Ordering::SeqCst), HISTORIES_AT_ONCE as u64);
    send(&node, "taskUpdate", json!({ "id": short, "title": "Changed" })).await.expect("what is short does not wait");
    log.holds_steps.send_replace(false);
    while let Some(answer) = slow.next().await {
        answer.expect("nobody changed the title");
    }
}

#[tokio::test]
async fn a_unit_holds_what_the_decision_relied_on_and_says_who_and_when() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let key = Uuid::from_u128(77);
    let how =
        Circumstances { at: Some("2001-01-01T00:00:00Z".parse().expect("a moment")), source: Source::Import, ..by(caller(Role::Owner)) };
    let create = command("taskCreate", json!({ "projectId": project, "title": "Old", "commandId": key }));
    node.execute(how.clone(), create).await.expect("a task");
    let [creation, unit] = &log.asked()[..] else { panic!("two units") };
    assert_eq!(creation.claims, [Claim { kind: crate::PROJECT_KEY_CLAIM, value: "APOLLO".to_owned() }]);
    assert!(creation.guards.is_empty() && creation.key.is_none());
    assert_eq!(unit.guards, [Guard { aggregate_id: project, version: 1 }]);
    assert_eq!(unit.key.as_ref().map(|key| (key.source, key.id)), Some((Source::Import, key)));
    let metadata = &unit.events[0].metadata;
    assert_eq!((Some(metadata.occurred_at.utc()), metadata.actor), (how.at, how.caller.actor));
    assert_eq!((metadata.command_id, metadata.project_id), (Some(key), Some(ProjectId(project))));
    assert_eq!(creation.events[0].metadata.occurred_at, NOW.parse::<Instant>().expect("a moment"));
}

#[tokio::test]
async fn nothing_to_do_is_proved_and_kept_under_its_id() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let input = json!({ "id": project, "commandId": Uuid::from_u128(5) });
    let first = send(&node, "projectUnarchive", input.clone()).await.expect("it is active");
    let again = send(&node, "projectUnarchive", input).await.expect("the same answer");
    assert_eq!((first.replayed, first.version, first.recorded.len()), (false, 1, 0));
    assert_eq!((again.replayed, again.version, again.position), (true, first.version, first.position));
    let unit = &log.asked()[1];
    assert!(unit.events.is_empty() && unit.key.is_some());
    assert_eq!((unit.subject, unit.guards.as_slice()), (project, [Guard { aggregate_id: project, version: 1 }].as_slice()));
}

#[tokio::test]
async fn an_id_or_a_key_in_use_is_refused_by_its_own_code() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let used = send(&node, "taskCreate", json!({ "projectId": project, "id": project, "title": "Twice" })).await.expect_err("in use");
    assert_eq!(used.code(), "ID_TAKEN");
    let taken = send(&node, "projectCreate", json!({ "key": "APOLLO", "name": "Another" })).await.expect_err("in use");
    assert_eq!(taken.code(), "KEY_TAKEN");
}

#[tokio::test]
async fn trouble_with_the_log_is_sorted_by_who_must_act() {
    let log = log();
    let node = node(&log, 1);
    let away = || Arc::new(std::io::Error::other("away")) as Arc<dyn std::error::Error + Send + Sync>;
    let troubles = [
        (LogError::Overloaded { retry_after: Duration::from_millis(5) }, "OVERLOADED", true),
        (LogError::Unreachable(away()), "UNAVAILABLE", true),
        (LogError::NoRoom(away()), "UNAVAILABLE", true),
        (LogError::OutcomeUnknown, "UNAVAILABLE", true),
        (LogError::Corrupt(away()), "INTERNAL", false),
        (LogError::Unfit(away()), "INTERNAL", true),
        (LogError::Rejected("too large".to_owned()), "INTERNAL", false),
    ];
    for (trouble, code, passing) in troubles {
        log.plan([Err(trouble)]);
        let error = send(&node, "projectCreate", json!({ "key": "APOLLO", "name": "A" })).await.expect_err("the log is in trouble");
        assert_eq!((error.code(), error.is_passing()), (code, passing));
    }
    project(&node, "APOLLO").await;
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let log = log();
    let create = command("projectCreate", json!({ "key": "APOLLO", "name": "A" }));
    let forbidden = node(&log, 1).execute(by(caller(Role::Viewer)), create).await.expect_err("a viewer");
    assert_eq!((forbidden.code(), log.asked().len()), ("FORBIDDEN", 0));
}

#[tokio::test]
async fn what_was_carried_out_is_answered_again_also_after_the_right_to_it_is_gone() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let task = task(&node, project, "Anna's").await;
    let anna = Caller { actor: UserId(Uuid::from_u128(7)), ..caller(Role::Member) };
    let own = |id: Uuid| json!({ "id": id, "userId": anna.actor });
    send(&node, "taskAssign", own(task)).await.expect("it is hers");
    let mut manager = own(project);
    manager["role"] = json!("MANAGER");
    send(&node, "projectCollaboratorAdd", manager).await.expect("she manages the project");
    let commands =
        [("projectCollaboratorChangeRole", json!({ "id": project, "userId": anna.actor, "role": "VIEWER" })), ("taskUnassign", own(task))];
    for (key, (name, mut input)) in (1..).zip(commands) {
        input["commandId"] = json!(Uuid::from_u128(key));
        let (carried_out, stored) = (node.execute(by(anna), command(name, input.clone())).await.expect("she may"), log.names().len());
        let again = node.execute(by(anna), command(name, input.clone())).await.expect("the answer to a retry");
        assert_eq!((again.replayed, again.position, again.version), (true, carried_out.position, carried_out.version), "{name}");
        input["commandId"] = json!(Uuid::from_u128(key + 100));
        let forbidden = node.execute(by(anna), command(name, input)).await.expect_err("a new command is forbidden");
        assert_eq!((forbidden.code(), log.names().len()), ("FORBIDDEN", stored), "{name}");
    }
}

#[tokio::test]
async fn what_begins_something_is_refused_for_what_it_relies_on_also_where_its_id_is_taken() {
    let log = log();
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let mut input = json!({ "projectId": project, "title": "Launch", "id": Uuid::from_u128(5), "commandId": Uuid::from_u128(6) });
    let begun = send(&node, "taskCreate", input.clone()).await.expect("a task");
    send(&node, "projectArchive", json!({ "id": project })).await.expect("it rests");
    let again = send(&node, "taskCreate", input.clone()).await.expect("the answer to a retry");
    assert_eq!((again.replayed, again.position), (true, begun.position));
    input["commandId"] = json!(Uuid::from_u128(7));
    let refused = send(&node, "taskCreate", input).await.expect_err("nothing is begun in it");
    assert_eq!(refused.code(), "PROJECT_ARCHIVED");
}

#[tokio::test]
async fn what_was_carried_out_is_answered_again_to_who_is_a_viewer_by_now_and_to_nobody_else() {
    let log = log();
    let node = node(&log, 1);
    let id = Uuid::from_u128(5);
    let input = json!({ "key": "APOLLO", "name": "A", "commandId": id });
    let create = || command("projectCreate", input.clone());
    let carried_out = node.execute(by(caller(Role::Member)), create()).await.expect("a member creates projects");
    let again = node.execute(by(caller(Role::Viewer)), create()).await.expect("the answer to a retry");
    assert_eq!((again.replayed, again.position, again.version), (true, carried_out.position, carried_out.version));
    assert_eq!((again.aggregate_id, log.names().len()), (carried_out.aggregate_id, 1));
    // Another viewer, or another request, learns nothing.
    let other = Caller { actor: UserId(Uuid::from_u128(8)), ..caller(Role::Viewer) };
    assert_eq!(node.execute(by(other), create()).await.expect_err("not theirs").code(), "FORBIDDEN");
    let another = command("projectCreate", json!({ "key": "APOLLO", "name": "B", "commandId": id }));
    assert_eq!(node.execute(by(caller(Role::Viewer)), another).await.expect_err("another request").code(), "FORBIDDEN");
}

#[tokio::test]
async fn what_was_carried_out_is_answered_again_also_where_a_limit_was_tightened_since() {
    let log = log();
    let node = node(&log, 1);
    let create = command("projectCreate", json!({ "key": "APOLLO", "name": " ", "commandId": Uuid::from_u128(5) }));
    assert_eq!(node.execute(by(caller(Role::Owner)), create.clone()).await.expect_err("a blank name").code(), "INVALID_VALUE");
    // An earlier program took it.
    let request_hash = create.request_hash(caller(Role::Owner).actor);
    log.settle(
        Source::Client,
        Uuid::from_u128(5),
        crate::ports::Settled { aggregate_id: Uuid::from_u128(9), position: 7, version: 3, request_hash },
    );
    let again = node.execute(by(caller(Role::Owner)), create).await.expect("the answer to a retry");
    assert_eq!((again.replayed, again.position, again.version), (true, 7, 3));
}
