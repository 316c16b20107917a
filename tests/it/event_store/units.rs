//! A unit is there whole or not at all, whatever its size and whoever looks.

use super::*;
use application::ports::{Appended, Claim, CommandKey, Guard};
use tokio::sync::watch;

const STREAMS: usize = 300;
const EVENTS: usize = 1_000;

fn streams() -> Vec<Uuid> {
    (0..STREAMS).map(|_| Uuid::now_v7()).collect()
}

/// 1,000 events on 300 streams, in turn.
fn large_unit(streams: &[Uuid]) -> Unit {
    let mut unit = unit(WorkspaceId(Uuid::now_v7()), streams[0]);
    unit.events = (0..EVENTS).map(|event| small(streams[event % STREAMS], 1 + (event / STREAMS) as i64)).collect();
    unit
}

/// Counts the events in one snapshot after another, and gives every count that was seen.
async fn counts(sql: PgPool, until: watch::Receiver<bool>) -> Vec<i64> {
    let mut seen = vec![];
    while !*until.borrow() {
        seen.push(count(&sql, "milepost.events").await);
    }
    seen.dedup();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_of_a_thousand_events_on_three_hundred_streams_appears_at_once() {
    let nodes = Nodes::start(1).await;
    let (end, until) = watch::channel(false);
    let looking = tokio::spawn(counts(nodes.sql.clone(), until));
    for round in 1..=3 {
        let appended = nodes.log().append(large_unit(&streams())).await;
        let Ok(Appended::Done { recorded, position }) = appended else { panic!("{appended:?}") };
        assert_eq!((recorded.len(), position), (EVENTS, round * EVENTS as i64));
    }
    end.send_replace(true);
    let seen = looking.await.expect("no panic");
    assert!(seen.iter().all(|count| count % EVENTS as i64 == 0), "somebody saw a part: {seen:?}");
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wrong_version_among_three_hundred_keeps_out_all_thousand_events() {
    let nodes = Nodes::start(1).await;
    let streams = streams();
    let mut first = unit(WorkspaceId(Uuid::now_v7()), streams[299]);
    first.events.push(small(streams[299], 1));
    nodes.log().append(first).await.expect("one stream is ahead");
    let (end, until) = watch::channel(false);
    let looking = tokio::spawn(counts(nodes.sql.clone(), until));
    let appended = nodes.log().append(large_unit(&streams)).await;
    assert!(matches!(appended, Ok(Appended::Moved { aggregate_id, found: 1 }) if aggregate_id == streams[299]), "{appended:?}");
    end.send_replace(true);
    let seen = looking.await.expect("no panic");
    assert!(seen.iter().all(|count| *count == 1), "somebody saw a part: {seen:?}");
    assert_eq!(nodes.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_events_that_die_midway_leave_nothing() {
    let nodes = Nodes::start(1).await;
    let holding = hold_midway(&nodes.sql).await;
    let log = nodes.log();
    let streams = streams();
    let appending = tokio::spawn(async move { log.append(large_unit(&streams)).await });
    let midway = held_append(&nodes.sql).await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(midway).execute(&nodes.sql).await.expect("a server process can be ended");
    gone(&nodes.sql, midway).await;
    assert_eq!(nodes.events().await, 0);
    holding.rollback().await.expect("the hold ends");
    assert!(matches!(appending.await.expect("no panic"), Ok(Appended::Done { position: 1_000, .. })), "the next try brings all");
    assert_eq!(nodes.events().await, EVENTS as i64);
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_may_not_claim_or_lean_on_what_moved_leaves_nothing_of_itself() {
    let nodes = Nodes::start(1).await;
    let claim = |value: &str| Claim { kind: "key", value: value.to_owned() };
    let mut holder = small_unit();
    holder.claims = vec![claim("TAKEN")];
    nodes.log().append(holder.clone()).await.expect("the value is free");

    let mut greedy = Unit { workspace: holder.workspace, ..small_unit() };
    greedy.claims = vec![claim("FREE"), claim("TAKEN")];
    greedy.key = Some(CommandKey { source: Source::Client, id: Uuid::now_v7(), request_hash: [1; 32] });
    assert!(matches!(nodes.log().append(greedy.clone()).await, Ok(Appended::ClaimTaken)));
    greedy.claims = vec![claim("FREE")];
    greedy.guards = vec![Guard { aggregate_id: holder.subject, version: 2 }];
    let moved = nodes.log().append(greedy.clone()).await;
    assert!(matches!(moved, Ok(Appended::Moved { aggregate_id, found: 1 }) if aggregate_id == holder.subject), "{moved:?}");
    assert_eq!((nodes.events().await, count(&nodes.sql, "milepost.claims").await), (1, 1));

    // Neither its value nor its command id is used up.
    greedy.guards = vec![Guard { aggregate_id: holder.subject, version: 1 }];
    assert!(matches!(nodes.log().append(greedy).await, Ok(Appended::Done { position: 2, .. })));
    // A released value is free again, in the workspace that held it.
    let mut release = unit(holder.workspace, holder.subject);
    release.events.push(small(holder.subject, 2));
    release.releases = vec![claim("TAKEN")];
    nodes.log().append(release).await.expect("it is released");
    let mut next = Unit { workspace: holder.workspace, ..small_unit() };
    next.claims = vec![claim("TAKEN")];
    assert!(matches!(nodes.log().append(next).await, Ok(Appended::Done { position: 4, .. })));
}
