//! Many writers and many readers: one order that everybody sees, without gaps and without waiting for strangers.

use super::*;
use application::inputs::{TaskChangePriorityInput, Wire};
use std::collections::BTreeMap;
use tests::builders::{new_task, project, somebody, task};
use tokio::sync::watch;
use tokio::task::JoinSet;

const MOST_AT_ONCE: usize = 37;

/// Reads the log of a node until it has seen the last position, and gives the positions in the order they were seen.
async fn read_tail(log: Arc<dyn EventLog>, mut last: watch::Receiver<i64>) -> Vec<i64> {
    let mut head = log.head();
    let mut seen: Vec<i64> = vec![];
    loop {
        let from = seen.last().copied().unwrap_or(0);
        let facts = log.after(from, MOST_AT_ONCE).await.expect("the log can be read");
        seen.extend(facts.iter().map(|fact| fact.position));
        if facts.is_empty() {
            tokio::select! {
                moved = head.wait_for(|head| *head > from) => { moved.expect("the log is open"); }
                _ = last.wait_for(|last| *last == from) => return seen,
            }
        }
    }
}

/// The same by plain SQL, as an outsider would.
async fn poll(sql: PgPool, last: watch::Receiver<i64>) -> Vec<i64> {
    let mut seen: Vec<i64> = vec![];
    loop {
        let from = seen.last().copied().unwrap_or(0);
        if *last.borrow() == from {
            return seen;
        }
        let rows: Vec<i64> = sqlx::query_scalar("SELECT position FROM milepost.events WHERE position > $1 ORDER BY position")
            .bind(from)
            .fetch_all(&sql)
            .await
            .expect("the log can be read");
        seen.extend(rows);
    }
}

/// Runs writers with readers beside them, and checks what both saw. `writer` gives the outcomes of its commands.
async fn write_and_read<F, W>(nodes: &Nodes, writers: usize, writer: F) -> Vec<Outcome>
where
    F: Fn(usize) -> W,
    W: Future<Output = Vec<Outcome>> + Send + 'static,
{
    let (end, last) = watch::channel(-1);
    let mut readers = JoinSet::new();
    for core in &nodes.cores {
        readers.spawn(read_tail(core.log.clone(), last.clone()));
    }
    readers.spawn(poll(nodes.sql.clone(), last.clone()));
    readers.spawn(poll(nodes.sql.clone(), last));
    let mut writing = JoinSet::new();
    (0..writers).for_each(|number| drop(writing.spawn(writer(number))));
    let acknowledged = writing.join_all().await.concat();
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(position) FROM milepost.events").fetch_one(&nodes.sql).await.expect("a position");
    end.send_replace(last.unwrap_or(0));
    let gapless: Vec<i64> = (1..=nodes.events().await).collect();
    let readings = tokio::time::timeout(tests::wait::PATIENCE, readers.join_all()).await.expect("every reader comes to the end");
    for seen in readings {
        assert_eq!(seen, gapless, "a reader saw another order");
    }
    assert_whole(&nodes.sql).await;
    acknowledged
}

/// Every acknowledged event is in the log as it was acknowledged, and nothing else is.
async fn assert_nothing_lost(sql: &PgPool, acknowledged: &[Outcome]) {
    let mut answered: Vec<_> = acknowledged
        .iter()
        .flat_map(|outcome| &outcome.recorded)
        .map(|event| (event.position, event.event_id, event.aggregate_id.to_string(), event.version, event.recorded_at))
        .collect();
    answered.sort_unstable();
    let stored: Vec<(i64, Uuid, String, i64, chrono::DateTime<chrono::Utc>)> =
        sqlx::query_as("SELECT position, event_id, aggregate_id, sequence, recorded_at FROM milepost.events ORDER BY position")
            .fetch_all(sql)
            .await
            .expect("the log can be read");
    assert_eq!(answered, stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_on_one_aggregate_lose_nothing_and_every_reader_sees_one_order() {
    let nodes = Arc::new(Nodes::start(2).await);
    let owner = somebody();
    let home = insist(&nodes.cores[0], &by(owner), &Command::ProjectCreate(tests::builders::new_project())).await.expect("a project");
    let made = insist(&nodes.cores[0], &by(owner), &Command::TaskCreate(new_task(home.aggregate_id, "Contested"))).await.expect("a task");
    let task = made.aggregate_id;
    let mut acknowledged = write_and_read(&nodes, 16, |writer| {
        let nodes = nodes.clone();
        async move {
            let mut outcomes = vec![];
            for number in 0..20 {
                let said = under(Uuid::now_v7(), comment(task, &format!("{writer}: {number}")));
                outcomes.push(insist(&nodes.cores[writer % 2], &by(owner), &said).await.expect("a comment is taken"));
            }
            outcomes
        }
    })
    .await;
    let mut versions: Vec<i64> = acknowledged.iter().map(|outcome| outcome.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=321).collect::<Vec<_>>());
    acknowledged.extend([home, made]);
    assert_nothing_lost(&nodes.sql, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_on_many_aggregates_lose_nothing_and_every_reader_sees_one_order() {
    let nodes = Arc::new(Nodes::start(2).await);
    let acknowledged = write_and_read(&nodes, 64, |writer| {
        let nodes = nodes.clone();
        async move {
            let core = &nodes.cores[writer % 2];
            let how = by(somebody());
            let mut outcomes = vec![insist(core, &how, &Command::ProjectCreate(tests::builders::new_project())).await.expect("a project")];
            let project = outcomes[0].aggregate_id;
            for number in 0..4 {
                let made = insist(core, &how, &Command::TaskCreate(new_task(project, &format!("Task {number}")))).await.expect("a task");
                let hurry = TaskChangePriorityInput {
                    command_id: None,
                    expected_version: Some(made.version),
                    id: made.aggregate_id,
                    priority: Wire(Priority::High),
                };
                outcomes.push(insist(core, &how, &Command::TaskChangePriority(hurry)).await.expect("a priority"));
                outcomes.push(insist(core, &how, &comment(made.aggregate_id, "Seen")).await.expect("a comment"));
                outcomes.push(made);
            }
            outcomes
        }
    })
    .await;
    assert_eq!(acknowledged.len(), 64 * 13);
    let mut streams: BTreeMap<Uuid, Vec<(i64, i64)>> = BTreeMap::new();
    for outcome in &acknowledged {
        streams.entry(outcome.aggregate_id).or_default().push((outcome.position, outcome.version));
    }
    for (stream, mut versions) in streams {
        versions.sort_unstable();
        assert!((1..).zip(&versions).all(|(expected, (_, version))| *version == expected), "{stream}: {versions:?}");
    }
    assert_nothing_lost(&nodes.sql, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_held_open_stalls_nobody() {
    let nodes = Nodes::start(2).await;
    let elsewhere = TestDatabase::new().await;
    let elsewhere_sql = elsewhere.pool().await;
    // Both write, so that their transaction ids are the oldest of the server for as long as they last.
    let mut stranger = elsewhere_sql.begin().await.expect("a transaction");
    let mut neighbour = nodes.sql.begin().await.expect("a transaction");
    for held in [&mut stranger, &mut neighbour] {
        sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; INSERT INTO milepost.checkpoints VALUES ('held', 0)")
            .execute(&mut **held)
            .await
            .expect("a row");
    }
    let (writing, reading) = (&nodes.cores[0], &nodes.cores[1]);
    let owner = somebody();
    let project = project(&writing.application, owner).await;
    let mut head = reading.log.head();
    for number in 2..=20 {
        task(&writing.application, owner, project, "Under way").await;
        let seen: i64 = sqlx::query_scalar("SELECT max(position) FROM milepost.events").fetch_one(&nodes.sql).await.expect("a position");
        assert_eq!(seen, number, "an outsider sees it at once");
        let arrived = tokio::time::timeout(tests::wait::PATIENCE, head.wait_for(|head| *head >= number)).await;
        arrived.expect("the other node hears of it").expect("the log is open");
    }
    assert_eq!(reading.log.after(0, 100).await.expect("the log can be read").len(), 20);
    let still: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.checkpoints").fetch_one(&mut *stranger).await.expect("a row");
    assert_eq!(still, 1, "the transaction was open all the while");
    neighbour.rollback().await.expect("it ends");
    stranger.rollback().await.expect("it ends");
    assert_whole(&nodes.sql).await;
}
