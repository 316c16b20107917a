//! Writers that die, servers that hang up, answers that get lost: nothing is half there, nothing is lost, nothing doubled.

use super::line::Line;
use super::*;
use application::Application;
use application::caller::Role;
use application::ports::{Appended, Claim, Guard, LogError};
use futures::future::join_all;
use infrastructure::event_store::STATEMENT_TIMEOUT;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;
use tests::app::Client;
use tests::builders::{new_project, new_task, somebody};
use tests::dice::Dice;
use tests::process::{Process, Run};

/// 40 events on five streams, with a claim and five numbers.
fn unit_of_forty() -> Unit {
    let project = ProjectId(Uuid::now_v7());
    let mut unit = unit(WorkspaceId(Uuid::now_v7()), project.0);
    for _ in 0..5 {
        let stream = Uuid::now_v7();
        unit.events.push(drawing(stream, project));
        unit.events.extend((2..=8).map(|version| small(stream, version)));
    }
    unit.claims.push(Claim { kind: "key", value: "FORTY".to_owned() });
    unit
}

async fn assert_nothing_there(sql: &PgPool) {
    for table in ["events", "claims", "draws", "settled_commands"] {
        assert_eq!(count(sql, &format!("milepost.{table}")).await, 0, "{table}");
    }
}

async fn end(sql: &PgPool, pid: i32) {
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(sql).await.expect("a server process can be ended");
    gone(sql, pid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_dies_midway_leaves_nothing_and_is_made_once_by_the_next_try() {
    let nodes = Nodes::start(1).await;
    let holding = hold_midway(&nodes.sql).await;
    let log = nodes.log();
    let appending = tokio::spawn(async move { log.append(unit_of_forty()).await });
    for _ in 0..3 {
        let midway = held_append(&nodes.sql).await;
        assert_nothing_there(&nodes.sql).await;
        end(&nodes.sql, midway).await;
        assert_nothing_there(&nodes.sql).await;
    }
    held_append(&nodes.sql).await;
    holding.rollback().await.expect("the hold ends");
    let Ok(Appended::Done { recorded, position: 40 }) = appending.await.expect("no panic") else { panic!("it is done in the end") };
    let numbers: Vec<_> = recorded.iter().filter_map(|event| event.event.draw().map(|_| event.event.encode())).collect();
    assert!((1..=5).zip(&numbers).all(|(number, payload)| payload.contains(&format!(r#""number":{number},"#))), "{numbers:?}");
    assert_eq!((nodes.events().await, count(&nodes.sql, "milepost.claims").await), (40, 1));
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_killed_in_mid_append_leaves_nothing() {
    let database = TestDatabase::new().await;
    let sql = database.pool().await;
    let program = env!("CARGO_BIN_EXE_milepost-under-test");
    let mut writer = Process::start(program, Run::serve(&database.url));
    let client = Client::new(&writer.address().await, Uuid::now_v7(), Uuid::now_v7(), Role::Owner);
    let project = client.project().await;
    let holding = hold_midway(&sql).await;
    let input = json!({ "commandId": Uuid::now_v7(), "projectId": project, "title": "Interrupted" });
    let (body, sender) = (input.clone(), client.clone());
    let sending = tokio::spawn(async move { sender.mutate("taskCreate", "id", body).await });
    let midway = held_append(&sql).await;
    writer.kill().await;
    // The server notices by itself that nobody waits for the answer any more, though the append is still held.
    gone(&sql, midway).await;
    assert!(sending.await.is_err(), "nobody answered");
    assert_eq!(count(&sql, "milepost.events").await, 1, "the project and nothing else");
    assert_eq!(count(&sql, "milepost.draws").await, 0);
    holding.rollback().await.expect("the hold ends");

    let mut next = Process::start(program, Run::serve(&database.url));
    let client = Client::new(&next.address().await, client.caller.workspace.0, client.caller.actor.0, Role::Owner);
    let made = client.must("taskCreate", "key", input).await;
    assert_eq!((made["position"].as_str(), made["replayed"].as_bool()), (Some("2"), Some(false)));
    assert_whole(&sql).await;
    next.kill().await;
}

/// A line on which one append has gone already, so that the next is a single question and a single answer.
async fn warm_line(nodes: &Nodes) -> (Line, Arc<dyn EventLog>, Application) {
    let line = Line::to(&nodes.database.url).await;
    let (log, application) = line.log(&nodes.cores[0].database).await;
    log.append(small_unit()).await.expect("a first event");
    (line, log, application)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_is_lost_is_recognised_and_answered_as_done() {
    let nodes = Nodes::start(1).await;
    let (line, log, _) = warm_line(&nodes).await;
    line.lose_answer_after(0);
    // Without a command id: it is known again by the ids of its events.
    let Ok(Appended::Done { recorded, position: 41 }) = log.append(unit_of_forty()).await else { panic!("it is done") };
    assert_eq!(line.lost(), 1);
    let stored: Vec<(i64, Uuid, String)> =
        sqlx::query_as("SELECT position, event_id, payload::text FROM milepost.events WHERE position > 1 ORDER BY position")
            .fetch_all(&nodes.sql)
            .await
            .expect("the log can be read");
    let answered: Vec<_> = recorded.iter().map(|event| (event.position, event.event_id, event.event.encode())).collect();
    assert_eq!(answered, stored, "the answer holds what is stored, numbers too");
    let seen: Vec<i64> = log.after(0, 100).await.expect("the log can be read").iter().map(|fact| fact.position).collect();
    assert_eq!(seen, (1..=41).collect::<Vec<_>>(), "readers of this node hear of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_whose_answer_is_lost_are_neither_lost_nor_doubled() {
    let nodes = Nodes::start(1).await;
    let (line, _, application) = warm_line(&nodes).await;
    let owner = somebody();
    let create = under(Uuid::now_v7(), Command::ProjectCreate(new_project()));
    line.lose_answer_after(0);
    let project = application.execute(by(owner), create.clone()).await.expect("a project");
    assert_eq!((project.position, project.version, project.replayed, project.recorded.len()), (2, 1, false, 1));
    line.lose_question_after(0);
    let task = application.execute(by(owner), Command::TaskCreate(new_task(project.aggregate_id, "Asked twice"))).await.expect("a task");
    assert_eq!((task.position, task.version, task.recorded.len()), (3, 1, 1));
    let said = comment(task.aggregate_id, "Said once");
    line.lose_answer_after(0);
    let said = application.execute(by(owner), said).await.expect("a comment");
    assert_eq!((said.position, said.version, line.lost()), (4, 2, 3));
    let again = application.execute(by(owner), create).await.expect("the first answer");
    assert_eq!((again.position, again.replayed), (2, true));
    assert_eq!(nodes.events().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_settled_command_is_repeated() {
    let nodes = Nodes::start(1).await;
    let (line, log, _) = warm_line(&nodes).await;
    let mut unit = small_unit();
    log.append(unit.clone()).await.expect("a second event");
    unit.guards = vec![Guard { aggregate_id: unit.subject, version: 1 }];
    unit.events.clear();
    unit.key = Some(application::ports::CommandKey { source: Source::Client, id: Uuid::now_v7(), request_hash: [7; 32] });
    line.lose_answer_after(0);
    let answer = log.append(unit).await.expect("it is settled");
    let position = match answer {
        Appended::Done { position, .. } => position,
        Appended::Replayed(earlier) => earlier.position,
        other => panic!("{other:?}"),
    };
    assert_eq!((position, line.lost(), count(&nodes.sql, "milepost.settled_commands").await), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_of_losses_every_command_is_carried_out_once() {
    let nodes = Nodes::start(1).await;
    let (line, _, application) = warm_line(&nodes).await;
    let mut dice = Dice::thrown();
    let owner = somebody();
    let project = insist_on(&application, owner, under(Uuid::now_v7(), Command::ProjectCreate(new_project()))).await.aggregate_id;
    let mut answered = BTreeMap::new();
    for _ in 0..15 {
        let after = dice.below(6) as u32;
        if dice.percent(50) {
            line.lose_answer_after(after)
        } else {
            line.lose_question_after(after)
        }
        let sent = (0..16).map(|number| {
            let (key, unit) = (Uuid::now_v7(), Command::TaskCreate(new_task(project, &format!("Task {number}"))));
            let application = &application;
            async move { (key, insist_on(application, owner, under(key, unit)).await) }
        });
        answered.extend(join_all(sent).await);
    }
    assert!(line.lost() >= 3, "only {} were lost", line.lost());
    let stored: BTreeMap<Uuid, (String, i64)> =
        sqlx::query_as("SELECT command_id, aggregate_id, position FROM milepost.events WHERE event_type = 'task_created'")
            .fetch_all(&nodes.sql)
            .await
            .expect("the log can be read")
            .into_iter()
            .map(|(key, task, position): (Uuid, String, i64)| (key, (task, position)))
            .collect();
    let answered: BTreeMap<_, _> =
        answered.into_iter().map(|(key, outcome)| (key, (outcome.aggregate_id.to_string(), outcome.position))).collect();
    assert_eq!(stored, answered);
    assert_eq!(nodes.events().await, 2 + 15 * 16);
    assert_whole(&nodes.sql).await;
}

async fn insist_on(application: &Application, caller: application::caller::Caller, command: Command) -> Outcome {
    until("a command is carried out", || async {
        match application.execute(by(caller), command.clone()).await {
            Err(error) if error.is_passing() => None,
            settled => Some(settled.expect("it is carried out")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_not_called_failed_when_the_next_try_is_cancelled() {
    let nodes = Nodes::start(1).await;
    let (line, log, _) = warm_line(&nodes).await;
    let holding = hold(&nodes.sql).await;
    let sending = tokio::spawn(async move { log.append(small_unit()).await });
    let first = held_append(&nodes.sql).await;
    line.lose_answer_after(0);
    line.cut();
    holding.rollback().await.expect("the hold ends");
    gone(&nodes.sql, first).await;
    let holding = hold(&nodes.sql).await;
    line.mend();
    let second = held_append(&nodes.sql).await;
    let begun = async || -> Option<chrono::DateTime<chrono::Utc>> {
        let begun = sqlx::query_scalar("SELECT query_start FROM pg_stat_activity WHERE pid = $1");
        begun.bind(second).fetch_optional(&nodes.sql).await.expect("activity can be read")
    };
    let before = begun().await;
    sqlx::query("SELECT pg_cancel_backend($1)").bind(second).execute(&nodes.sql).await.expect("a statement can be cancelled");
    until("the next try", || async { (sending.is_finished() || begun().await != before).then_some(()) }).await;
    holding.rollback().await.expect("the hold ends");
    let answer = sending.await.expect("no panic");
    assert!(matches!(answer, Ok(Appended::Done { position: 2, .. })), "{answer:?}");
    assert_eq!(nodes.events().await, 2);
}

/// A part of the statement by which the appender looks for units that were sent before.
const LOOKUP: &str = "WHERE aggregate_id = $1 AND sequence = $2 AND event_id = $3";

fn done(answer: Result<Appended, LogError>) -> i64 {
    match answer {
        Ok(Appended::Done { position, .. }) => position,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_cannot_be_looked_up_wait_for_one_answer_and_not_each_for_its_own() {
    const UNITS: usize = 5;
    let nodes = Nodes::start(1).await;
    let (line, log, _) = warm_line(&nodes).await;
    let holding = hold(&nodes.sql).await;
    let first = log.append(small_unit());
    let others = async {
        held_append(&nodes.sql).await;
        // They wait, and go in one batch.
        let others = join_all((0..UNITS).map(|_| log.append(small_unit())));
        let releasing = async { holding.rollback().await.expect("the hold ends") };
        tokio::join!(others, releasing).0
    };
    line.lose_answer_after(1);
    line.be_silent_at(LOOKUP);
    let begun = Instant::now();
    let (first, others) = tokio::join!(first, others);
    let took = begun.elapsed();
    assert!(line.is_silent() && line.lost() == 1, "nothing was looked up in vain");
    let positions: Vec<i64> = others.into_iter().map(done).collect();
    assert_eq!((done(first), positions), (2, (3..3 + UNITS as i64).collect()), "in the order in which they were sent");
    assert_eq!(nodes.events().await, 2 + UNITS as i64);
    assert!(took < 2 * STATEMENT_TIMEOUT, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_was_not_sent_because_its_connection_was_given_up_is_sent_on_the_next() {
    let nodes = Nodes::start(1).await;
    let (line, log, _) = warm_line(&nodes).await;
    let holding = hold(&nodes.sql).await;
    let before = log.append(small_unit());
    let after = async {
        held_append(&nodes.sql).await;
        // As after a crash: what was decided before is looked for, and not sent.
        let generation = log.generation();
        sqlx::query("UPDATE milepost.incarnation SET id = gen_random_uuid()").execute(&nodes.sql).await.expect("a superuser may");
        until("the node has seen it", || async { (*generation.borrow() == 1).then_some(()) }).await;
        let after = log.append(Unit { generation: 1, ..small_unit() });
        let releasing = async { holding.rollback().await.expect("the hold ends") };
        tokio::join!(after, releasing).0
    };
    line.lose_answer_after(0);
    line.be_silent_at(LOOKUP);
    let (before, after) = tokio::join!(before, after);
    assert!(line.is_silent(), "nothing was looked up in vain");
    assert_eq!((done(before), done(after)), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_answer_cannot_be_read_nor_looked_up_is_known_to_have_been_sent() {
    let nodes = Nodes::start(1).await;
    let (line, log, _) = warm_line(&nodes).await;
    change_append(&nodes.sql, "d_value[i] := last_values[s];", "d_value[i] := null;").await;
    line.be_silent_at(LOOKUP);
    let project = ProjectId(Uuid::now_v7());
    let mut unit = unit(WorkspaceId(Uuid::now_v7()), project.0);
    unit.events.push(drawing(Uuid::now_v7(), project));
    // The next answer is that its stream has moved: by itself.
    assert_eq!(done(log.append(unit).await), 2);
    assert!(line.is_silent(), "nothing was looked up in vain");
    assert_eq!(nodes.events().await, 2);
}
