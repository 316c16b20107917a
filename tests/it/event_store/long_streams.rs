//! A stream has no bound, so it is read in steps that have one: to load an aggregate, and to see what has changed in it.

use super::*;
use application::inputs::TaskUpdateInput;
use domain::event::AggregateType;
use infrastructure::event_store::READ_BYTES_MAX;
use tests::builders::{new_task, project, send, somebody};

const BODY_BYTES: usize = 64 * 1024;
/// More than two steps take.
const COMMENTS: usize = 2 * READ_BYTES_MAX / BODY_BYTES + 20;

fn update(task: Uuid, expected_version: i64, input: serde_json::Value) -> Command {
    let mut input = input;
    input["id"] = task.to_string().into();
    input["expectedVersion"] = expected_version.into();
    let input: TaskUpdateInput = serde_json::from_value(input).expect("an input");
    Command::TaskUpdate(input)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_is_read_in_steps_and_all_of_it() {
    let nodes = Nodes::start(1).await;
    let (application, caller) = (&nodes.cores[0].application, somebody());
    let project = project(application, caller).await;
    let task = send(application, caller, Command::TaskCreate(new_task(project, "Long"))).await.expect("a task").aggregate_id;
    for number in 0..COMMENTS {
        let body = format!("{number} {}", "c".repeat(BODY_BYTES - 10));
        send(application, caller, comment(task, &body)).await.expect("a comment");
    }
    let version = COMMENTS as i64 + 1;

    // One that has nothing of it in memory.
    let reader = open(&nodes.database).await;
    let few = READ_BYTES_MAX / BODY_BYTES + 2;
    let (mut seen, mut steps) = (0, vec![]);
    loop {
        let step = reader.log.stream(AggregateType::Task, task, seen).await.expect("the log can be read");
        let recorded = reader.log.stream_after(task, seen).await.expect("the log can be read");
        assert_eq!(
            recorded.iter().map(|recorded| recorded.version).collect::<Vec<_>>(),
            (seen + 1..).take(step.events.len()).collect::<Vec<_>>()
        );
        seen += step.events.len() as i64;
        steps.push(step.events.len());
        if !step.more {
            break;
        }
    }
    assert_eq!(seen, version);
    assert!(steps.len() > 2 && steps.iter().all(|&step| (1..=few).contains(&step)), "{steps:?}");
    assert!(
        reader.log.stream(AggregateType::Project, task, 0).await.expect("the log can be read").events.is_empty(),
        "a task is not a project"
    );

    // What has changed is found at the end of it, and so is what has not.
    send(application, caller, update(task, version, serde_json::json!({ "title": "Renamed" }))).await.expect("a new title");
    let done = send(&reader.application, caller, update(task, 1, serde_json::json!({ "category": "new" }))).await.expect("nobody set it");
    assert_eq!(done.version, version + 2);
    let conflict = send(&reader.application, caller, update(task, 1, serde_json::json!({ "title": "Mine" }))).await;
    let Err(CommandError::Conflict { current_version, conflicting_fields }) = conflict else { panic!("{conflict:?}") };
    assert_eq!((current_version, conflicting_fields), (version + 2, vec!["title"]));
    reader.close().await;
}
