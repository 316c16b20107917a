//! Rules that span aggregates hold exactly, though everybody decides at the same time.

use super::*;
use application::caller::Caller;
use application::inputs::{ProjectCreateInput, TaskInput, TaskMoveInput};
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use tests::builders::{new_project, new_task, project, send, somebody, task};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_creations_race_with_the_archiving_and_none_comes_after_it() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    let project = project(&nodes.cores[0].application, owner).await;
    let mut creations: FuturesUnordered<_> = (0..200)
        .map(|number| {
            let core = &nodes.cores[number % 2];
            let command = under(Uuid::now_v7(), Command::TaskCreate(new_task(project, &format!("Task {number}"))));
            async move { insist(core, &by(owner), &command).await }
        })
        .collect();
    let mut results = vec![];
    // The archiving joins in when some are through and the rest is under way.
    while results.len() < 40 {
        results.push(creations.next().await.expect("200 creations"));
    }
    let archiving = under(Uuid::now_v7(), Command::ProjectArchive(the_project(project)));
    let how = by(owner);
    let (rest, archived) = tokio::join!(creations.collect::<Vec<_>>(), insist(&nodes.cores[1], &how, &archiving));
    results.extend(rest);
    let archived = archived.expect("the project is archived").position;

    let (accepted, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(accepted.len() + refused.len(), 200);
    assert!(refused.iter().all(|result| matches!(result, Err(error) if error.code() == "PROJECT_ARCHIVED")), "{refused:?}");
    let mut positions: Vec<i64> = accepted.into_iter().map(|result| result.expect("accepted").position).collect();
    positions.sort_unstable();
    let stored: Vec<i64> = sqlx::query_scalar("SELECT position FROM milepost.events WHERE event_type = 'task_created' ORDER BY position")
        .fetch_all(&nodes.sql)
        .await
        .expect("the log can be read");
    assert_eq!(positions, stored, "what was accepted is there, and nothing else");
    assert!(positions.iter().all(|position| *position < archived), "one came after the archiving at {archived}: {positions:?}");
    assert_whole(&nodes.sql).await;
}

fn with_key(key: &str) -> Command {
    Command::ProjectCreate(ProjectCreateInput { key: key.to_owned(), ..new_project() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_projects_begun_at_once_with_one_key_exactly_one_wins() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    for round in 0..25 {
        let key = format!("K{round}");
        let (one, two) = tokio::join!(
            send(&nodes.cores[0].application, owner, with_key(&key)),
            send(&nodes.cores[round % 2].application, owner, with_key(&key))
        );
        let (won, lost): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1), "round {round}: {won:?} {lost:?}");
        assert_eq!(lost[0].as_ref().expect_err("it lost").code(), "KEY_TAKEN");
    }
    assert_eq!((nodes.events().await, count(&nodes.sql, "milepost.claims").await), (25, 25));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_stays_reserved_after_deletion_and_is_free_in_another_workspace() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let made = send(application, owner, with_key("APOLLO")).await.expect("the key is free");
    send(application, owner, Command::ProjectDelete(the_project(made.aggregate_id))).await.expect("it is deleted");
    for core in &nodes.cores {
        let taken = send(&core.application, owner, with_key("APOLLO")).await.expect_err("it is reserved");
        assert_eq!(taken.code(), "KEY_TAKEN");
    }
    send(application, somebody(), with_key("APOLLO")).await.expect("another workspace has keys of its own");
}

/// The number that the events of an outcome drew.
fn number(outcome: &Outcome) -> i64 {
    let event = outcome.recorded.iter().find(|event| event.event.draw().is_some()).expect("an event that draws");
    let payload: serde_json::Value = serde_json::from_str(&event.event.encode()).expect("JSON");
    payload[event.event.name()]["number"].as_i64().expect("a number")
}

async fn numbers(nodes: &Nodes, project: Uuid) -> Vec<i64> {
    sqlx::query_scalar(
        "SELECT (payload -> event_type ->> 'number')::bigint FROM milepost.events \
         WHERE event_type IN ('task_created', 'task_moved') AND payload -> event_type ->> 'project_id' = $1 ORDER BY position",
    )
    .bind(project.to_string())
    .fetch_all(&nodes.sql)
    .await
    .expect("numbers can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_begun_at_once_get_the_numbers_in_order() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    let (one, two) = (project(&nodes.cores[0].application, owner).await, project(&nodes.cores[1].application, owner).await);
    let made = join_all((0..64).map(|task| {
        let core = &nodes.cores[task % 2];
        let command = under(Uuid::now_v7(), Command::TaskCreate(new_task([one, two][task / 2 % 2], "Numbered")));
        async move { insist(core, &by(owner), &command).await.expect("a task") }
    }))
    .await;
    for project in [one, two] {
        assert_eq!(numbers(&nodes, project).await, (1..=32).collect::<Vec<_>>(), "they rise with the positions");
    }
    let mut answered: Vec<i64> = made.iter().map(number).collect();
    answered.sort_unstable();
    assert_eq!(answered, (2..66).map(|half| half / 2).collect::<Vec<_>>(), "the answers name the numbers that were stored");
}

fn moving(task: Uuid, to: Uuid) -> Command {
    Command::TaskMove(TaskMoveInput { command_id: None, expected_version: None, id: task, project_id: to })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_never_used_again() {
    let nodes = Nodes::start(2).await;
    let (owner, application) = (somebody(), &nodes.cores[0].application);
    let (one, two) = (project(application, owner).await, project(application, owner).await);
    let next = async |caller: Caller, core: usize| {
        let command = Command::TaskCreate(new_task(one, "Next"));
        number(&send(&nodes.cores[core].application, caller, command).await.expect("a task"))
    };
    let (first, second) = (task(application, owner, one, "First").await, task(application, owner, one, "Second").await);
    let deletion = Command::TaskDelete(TaskInput { command_id: None, expected_version: None, id: second });
    send(application, owner, deletion).await.expect("it is deleted");
    assert_eq!(next(owner, 1).await, 3, "the number of a deleted task stays used");
    let moved = send(application, owner, moving(first, two)).await.expect("it moves");
    assert_eq!(number(&moved), 1, "it gets a number of the other project");
    let back = send(application, owner, moving(first, one)).await.expect("it moves back");
    assert_eq!(number(&back), 4, "coming back, it gets a new one");
    // A refused creation uses up none.
    let mut unnamed = new_task(one, "Taken id");
    unnamed.id = Some(first);
    let refused = send(application, owner, Command::TaskCreate(unnamed)).await.expect_err("the id is in use");
    assert_eq!(refused.code(), "ID_TAKEN");
    assert_eq!(next(owner, 0).await, 5);
}
