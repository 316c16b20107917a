//! The appender: bounded queues and batches, and units that do not harm their neighbours.

use super::line::Line;
use super::*;
use application::ports::{Appended, Claim, CommandKey, Guard, LogError};
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use infrastructure::event_store::{BATCH_BYTES_MAX, BATCH_UNITS_MAX, QUEUE_BYTES_MAX, QUEUE_UNITS_MAX, RESEND_FOR, STATEMENT_TIMEOUT};
use std::time::Duration;
use tests::builders::{new_project, somebody};

/// Sends units in this order while the log is held, lets it go, and gives the answers.
async fn at_once(nodes: &Nodes, units: Vec<Unit>) -> Vec<Result<Appended, LogError>> {
    let holding = hold(&nodes.sql).await;
    let log = nodes.log();
    let releasing = async {
        held_append(&nodes.sql).await;
        holding.rollback().await.expect("the hold ends");
    };
    let (answers, ()) = tokio::join!(join_all(units.into_iter().map(|unit| log.append(unit))), releasing);
    answers
}

fn position(answer: &Result<Appended, LogError>) -> i64 {
    match answer {
        Ok(Appended::Done { position, .. }) => *position,
        other => panic!("{other:?}"),
    }
}

/// For each batch, how many units and how many bytes of events it brought: one transaction is one batch.
async fn batches(sql: &PgPool) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "SELECT count(unit_size), sum(octet_length(payload::text) + octet_length(metadata::text)) FROM milepost.events \
         GROUP BY xmin::text ORDER BY min(position)",
    )
    .fetch_all(sql)
    .await
    .expect("the log can be read")
}

/// A unit of a size, in events of 60 KiB.
fn unit_of(kilobytes: usize) -> Unit {
    let mut unit = small_unit();
    unit.events = (1..=kilobytes as i64 / 60).map(|version| large(unit.subject, version, 60 * 1024)).collect();
    unit
}

#[test]
fn the_limits_are_those_that_are_documented() {
    assert_eq!((BATCH_UNITS_MAX, BATCH_BYTES_MAX), (512, 4 << 20));
    assert_eq!((QUEUE_UNITS_MAX, QUEUE_BYTES_MAX), (4_096, 64 << 20));
    assert_eq!((STATEMENT_TIMEOUT, RESEND_FOR), (Duration::from_secs(10), Duration::from_secs(15)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_goes_in_batches_of_at_most_512_units() {
    let nodes = Nodes::start(1).await;
    let answers = at_once(&nodes, (0..1_300).map(|_| small_unit()).collect()).await;
    assert_eq!(answers.iter().map(position).max(), Some(1_300));
    let units: Vec<i64> = batches(&nodes.sql).await.into_iter().map(|(units, _)| units).collect();
    assert_eq!(units.iter().max(), Some(&(BATCH_UNITS_MAX as i64)), "{units:?}");
    assert!(units.len() <= 4, "everything waited, so all batches but the first and the last are full: {units:?}");
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_goes_in_batches_of_at_most_four_megabytes() {
    let nodes = Nodes::start(1).await;
    let answers = at_once(&nodes, (0..10).map(|_| unit_of(1_260)).collect()).await;
    assert!(answers.iter().all(|answer| position(answer) > 0));
    let batches = batches(&nodes.sql).await;
    assert!(batches.iter().all(|(_, bytes)| *bytes <= BATCH_BYTES_MAX as i64), "{batches:?}");
    assert_eq!(batches.iter().map(|(units, _)| *units).max(), Some(3), "three of them fit: {batches:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_larger_than_a_batch_is_refused() {
    let nodes = Nodes::start(1).await;
    let refused = nodes.log().append(unit_of(4_200)).await;
    assert!(matches!(&refused, Err(LogError::Rejected(words)) if words.contains("4194304")), "{refused:?}");
    assert_eq!(nodes.events().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_turns_commands_away_at_once_and_keeps_what_it_took() {
    let nodes = Nodes::start(1).await;
    let holding = hold(&nodes.sql).await;
    let log = nodes.log();
    let mut waiting: FuturesUnordered<_> = (0..QUEUE_UNITS_MAX + 1_000).map(|_| log.append(small_unit())).collect();
    for _ in 0..1_000 {
        // Nothing is answered while the log is held, except those for whom there is no room.
        let refused_overloaded = waiting.next().await.expect("1,000 find no room");
        assert!(
            matches!(refused_overloaded, Err(LogError::Overloaded { retry_after }) if !retry_after.is_zero()),
            "{refused_overloaded:?}"
        );
    }
    let refused = nodes.cores[0].application.execute(by(somebody()), Command::ProjectCreate(new_project())).await;
    let refused = refused.expect_err("the queue is full");
    assert_eq!((refused.code(), refused.is_passing()), ("OVERLOADED", true));
    assert!(matches!(refused, CommandError::Overloaded { retry_after } if !retry_after.is_zero()));

    holding.rollback().await.expect("the hold ends");
    let mut positions: Vec<i64> = waiting.map(|answer| position(&answer)).collect().await;
    positions.sort_unstable();
    assert_eq!(positions, (1..=QUEUE_UNITS_MAX as i64).collect::<Vec<_>>());
    log.append(small_unit()).await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_full_by_its_bytes_too_and_who_gives_up_waiting_leaves_nothing() {
    let nodes = Nodes::start(1).await;
    let holding = hold(&nodes.sql).await;
    let log = nodes.log();
    let mut waiting: FuturesUnordered<_> = (0..20).map(|_| log.append(unit_of(3_960))).collect();
    for _ in 0..4 {
        let refused_overloaded = waiting.next().await.expect("four find no room");
        assert!(matches!(refused_overloaded, Err(LogError::Overloaded { .. })), "{refused_overloaded:?}");
    }
    held_append(&nodes.sql).await;
    drop(waiting);
    holding.rollback().await.expect("the hold ends");
    log.append(small_unit()).await.expect("there is room again");
    // Only what was under way already was carried out.
    assert_eq!(count(&nodes.sql, "milepost.events WHERE unit_size IS NOT NULL").await, 2);
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_units_in_a_batch_do_not_harm_the_others() {
    let nodes = Nodes::start(1).await;
    let key = |byte| Some(CommandKey { source: Source::Client, id: Uuid::from_u128(1), request_hash: [byte; 32] });
    let claim = Claim { kind: "key", value: "HELD".to_owned() };
    let first = Unit { key: key(1), claims: vec![claim.clone()], ..small_unit() };
    nodes.log().append(first.clone()).await.expect("a first event");

    let mut stale = small_unit();
    stale.events = vec![small(stale.subject, 7)];
    // Several rely on one and the same aggregate, some at a version that it has, others at one that it has not.
    let relied_on = small_unit();
    nodes.log().append(relied_on.clone()).await.expect("another event");
    let leaning = |version| Unit { guards: vec![Guard { aggregate_id: relied_on.subject, version }], ..small_unit() };
    let greedy = Unit { workspace: first.workspace, claims: vec![claim], ..small_unit() };
    let reused = Unit { workspace: first.workspace, key: key(2), ..small_unit() };
    // The index of a bad unit after every good one, and the other way round.
    let bad = vec![stale, leaning(4), greedy, reused, leaning(4)];
    let units: Vec<Unit> = bad.into_iter().flat_map(|bad| [leaning(1), bad]).chain([small_unit(), first]).collect();
    let answers = at_once(&nodes, units).await;
    let good: Vec<i64> = answers.iter().step_by(2).map(position).collect();
    assert_eq!(good, [3, 4, 5, 6, 7, 8]);
    assert!(matches!(answers[1], Ok(Appended::Moved { found: 0, .. })));
    for leaning in [&answers[3], &answers[9]] {
        assert!(matches!(leaning, Ok(Appended::Moved { aggregate_id, found: 1 }) if *aggregate_id == relied_on.subject));
    }
    assert!(matches!(answers[5], Ok(Appended::ClaimTaken)));
    assert!(matches!(answers[7], Ok(Appended::CommandIdReused)));
    assert!(matches!(&answers[11], Ok(Appended::Replayed(earlier)) if (earlier.position, earlier.version) == (1, 1)));
    assert_eq!(nodes.events().await, 8);
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_known_is_an_error_and_never_a_guess() {
    for (name, from, to) in [
        ("a code of another version", "u_code[k] := 3;", "u_code[k] := 9;"),
        ("no code at all", "u_code[k] := 3;", "u_code[k] := null;"),
        (
            "a version that is missing",
            "u_found[k] := coalesce((select e.sequence from events e where e.aggregate_id = e_aggregate[i]",
            "u_from[k] := coalesce((select e.sequence from events e where e.aggregate_id = e_aggregate[i]",
        ),
        ("an aggregate that is missing", "u_aggregate[k] := e_aggregate[i];", "u_aggregate[k] := null;"),
        ("an aggregate that is none", "u_aggregate[k] := e_aggregate[i];", "u_aggregate[k] := 'task 7';"),
    ] {
        let nodes = Nodes::start(1).await;
        change_append(&nodes.sql, from, to).await;
        let mut stale = small_unit();
        stale.events = vec![small(stale.subject, 7)];
        let answers = at_once(&nodes, vec![small_unit(), stale, small_unit()]).await;
        assert!(matches!(&answers[1], Err(LogError::Corrupt(_))), "{name}: {:?}", answers[1]);
        assert_eq!((position(&answers[0]), position(&answers[2])), (1, 2), "{name}: its neighbours are told what became of them");
        assert_eq!(nodes.events().await, 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_is_found_also_where_the_answer_to_it_cannot_be_read() {
    let nodes = Nodes::start(1).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let project = tests::builders::project(application, owner).await;
    tests::builders::task(application, owner, project, "First").await;
    change_append(&nodes.sql, "d_value[i] := last_values[s];", "d_value[i] := null;").await;
    let create = Command::TaskCreate(tests::builders::new_task(project, "Second"));
    let made = tests::builders::send(application, owner, create).await.expect("it is in the log");
    let Event::Task(TaskEvent::TaskCreated(created)) = &made.recorded[0].event else { panic!("{made:?}") };
    assert_eq!((made.position, created.number), (3, 2), "the number that the log has, not 0");
    // A replay without its version is not of version 0.
    change_append(&nodes.sql, "u_found[k] := old.version;", "").await;
    let key = Uuid::now_v7();
    let command = under(key, Command::ProjectCreate(new_project()));
    let first = tests::builders::send(application, owner, command.clone()).await.expect("a first sending");
    let again = tests::builders::send(application, owner, command).await.expect("the log tells it where the append does not");
    assert_eq!((again.position, again.version, again.replayed), (first.position, 1, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_the_database_cannot_store_fails_alone() {
    let nodes = Nodes::start(1).await;
    let mut poison = small_unit();
    // PostgreSQL keeps no NUL in jsonb, so it refuses the whole statement.
    poison.events[0].metadata.traceparent = Some("\0".to_owned());
    let answers = at_once(&nodes, vec![small_unit(), poison, small_unit()]).await;
    assert_eq!((position(&answers[0]), position(&answers[2])), (1, 2));
    assert!(matches!(&answers[1], Err(LogError::Rejected(_))), "{:?}", answers[1]);
    assert_eq!(nodes.events().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_touch_the_same_things_are_appended_one_after_the_other() {
    let nodes = Nodes::start(1).await;
    let stream = Uuid::now_v7();
    let workspace = WorkspaceId(Uuid::now_v7());
    let write = |version| {
        let mut unit = unit(workspace, stream);
        unit.events.push(small(stream, version));
        unit
    };
    let lean = |version| Unit { workspace, guards: vec![Guard { aggregate_id: stream, version }], ..small_unit() };
    let claim = vec![Claim { kind: "key", value: "PASSED-ON".to_owned() }];
    let key = Some(CommandKey { source: Source::Client, id: Uuid::now_v7(), request_hash: [1; 32] });
    let units = vec![
        Unit { claims: claim.clone(), key: key.clone(), ..write(1) },
        lean(1),
        Unit { releases: claim.clone(), ..write(2) },
        Unit { claims: claim, ..write(3) },
        Unit { workspace, key, ..small_unit() },
    ];
    let answers = at_once(&nodes, units).await;
    let mut positions: Vec<i64> = answers[..4].iter().map(position).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    positions.dedup();
    assert_eq!(positions, [1, 2, 3, 4]);
    assert!(matches!(&answers[4], Ok(Appended::Replayed(earlier)) if earlier.position == 1), "{:?}", answers[4]);
    assert_eq!(nodes.events().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_closes_answers_what_it_took_and_takes_no_more() {
    let nodes = Nodes::start(1).await;
    let holding = hold(&nodes.sql).await;
    let log = nodes.log();
    let accepted = tokio::spawn(async move { join_all((0..20).map(|_| log.append(small_unit()))).await });
    held_append(&nodes.sql).await;
    let releasing = async {
        let late = until("the log closes", || async { nodes.log().append(small_unit()).await.err() }).await;
        assert!(matches!(late, LogError::Unreachable(_)), "{late:?}");
        holding.rollback().await.expect("the hold ends");
    };
    tokio::join!(nodes.cores[0].log.close(), releasing);
    assert!(accepted.await.expect("no panic").iter().all(|answer| position(answer) > 0));
    assert_eq!(nodes.events().await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_cancelled_can_be_sent_again() {
    let nodes = Nodes::start(1).await;
    let holding = hold(&nodes.sql).await;
    let log = nodes.log();
    let appending = tokio::spawn(async move { log.append(small_unit()).await });
    let pid = held_append(&nodes.sql).await;
    sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(&nodes.sql).await.expect("a statement can be cancelled");
    let answer = appending.await.expect("no panic");
    assert!(matches!(answer, Err(LogError::Unreachable(_))), "nothing is wrong with the unit: {answer:?}");
    holding.rollback().await.expect("the hold ends");
    nodes.log().append(small_unit()).await.expect("the next one is appended");
    assert_eq!(nodes.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_given_up_and_its_unit_appended_once() {
    let nodes = Nodes::start(1).await;
    let holding = hold(&nodes.sql).await;
    let log = nodes.log();
    let appending = tokio::spawn(async move { log.append(small_unit()).await });
    let first = held_append(&nodes.sql).await;
    gone(&nodes.sql, first).await;
    held_append(&nodes.sql).await;
    holding.rollback().await.expect("the hold ends");
    assert_eq!(position(&appending.await.expect("no panic")), 1);
    assert_eq!(nodes.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_database_stays_away_the_outcome_is_unknown_and_the_command_id_tells_it_later() {
    let nodes = Nodes::start(1).await;
    let line = Line::to(&nodes.database.url).await;
    let (log, application) = line.log(&nodes.cores[0].database).await;
    log.append(small_unit()).await.expect("a first event");
    let (owner, command) = (by(somebody()), under(Uuid::now_v7(), Command::ProjectCreate(new_project())));
    line.lose_answer_after(0);
    line.cut();
    let unknown = application.execute(owner.clone(), command.clone()).await.expect_err("nobody knows");
    assert!(matches!(unknown, CommandError::OutcomeUnknown) && unknown.is_passing(), "{unknown:?}");
    let unsent = log.append(small_unit()).await;
    assert!(matches!(unsent, Err(LogError::Unreachable(_))), "what was never sent fails at once: {unsent:?}");
    line.mend();
    let told = until("the line is back", || async { application.execute(owner.clone(), command.clone()).await.ok() }).await;
    assert_eq!((told.position, told.replayed), (2, true));
    assert_eq!(nodes.events().await, 2);
}
