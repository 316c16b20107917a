//! Reads are bounded by bytes too, and nobody takes a read that ended early for the end of the log.

use super::*;
use futures::{StreamExt, stream};
use infrastructure::event_store::READ_BYTES_MAX;
use projections::runner::all;
use tests::builders::{new_task, project, send, somebody};

const DESCRIPTION_BYTES: usize = 64 * 1024;
/// More than one read takes.
const TASKS: usize = READ_BYTES_MAX / DESCRIPTION_BYTES + 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_are_read_in_pieces_and_all_of_them() {
    let nodes = Nodes::start(1).await;
    let (application, caller) = (&nodes.cores[0].application, somebody());
    let project = project(application, caller).await;
    let tasks = stream::iter(0..TASKS).map(|number| async move {
        let mut command = new_task(project, &format!("Task {number}"));
        command.description = Some("d".repeat(DESCRIPTION_BYTES));
        send(application, caller, Command::TaskCreate(command)).await.expect("a task is created");
    });
    tasks.buffer_unordered(16).collect::<Vec<()>>().await;

    // One that has nothing of it in memory.
    let reader = open(&nodes.database).await;
    let (head, few) = (nodes.events().await, READ_BYTES_MAX / DESCRIPTION_BYTES + 2);
    let mut pieces = vec![];
    let mut position = 0;
    while position < head {
        let facts = reader.log.after(position, 2_000).await.expect("the log can be read");
        assert!(facts.iter().map(|fact| fact.position).eq(position + 1..=position + facts.len() as i64), "after {position}");
        position += facts.len() as i64;
        pieces.push(facts.len());
    }
    assert!(pieces.len() > 1 && pieces.iter().all(|&piece| (1..=few).contains(&piece)), "{pieces:?}");

    let (first, to) = reader.log.after_of_types(0, head, &["task_created"], 2_000).await.expect("the log can be read");
    assert_eq!(first.last().map(|last| last.position), Some(to));
    let (rest, end) = reader.log.after_of_types(to, head, &["task_created"], 2_000).await.expect("the log can be read");
    assert_eq!((first.len() + rest.len(), end), (TASKS, head));

    let list = all().into_iter().find(|projection| projection.name() == "task_list").expect("there is a list of tasks");
    list.catch_up(&reader.run_context, head).await.expect("it can be kept");
    list.rebuild(&reader.run_context, &|_| {}).await.expect("it can be built");
    for version in [1, 2] {
        assert_eq!(count(&nodes.sql, &format!("milepost.task_list_v{version}")).await, TASKS as i64, "version {version}");
    }
}
