//! A command id is one command: however often and wherever it is sent, it is carried out once and answered alike.

use super::*;
use application::caller::Caller;
use application::inputs::{Patch, ScheduleCreateInput, TaskChangeStatusInput, TaskInput, TaskUpdateInput, Wire};
use futures::future::join_all;
use tests::builders::{new_project, new_task, project, send, somebody, task};

fn the_task(id: Uuid) -> TaskInput {
    TaskInput { command_id: None, expected_version: None, id }
}

fn status(task: Uuid, status: Status) -> Command {
    Command::TaskChangeStatus(TaskChangeStatusInput {
        command_id: None,
        expected_version: None,
        id: task,
        status: Wire(status),
        blocked_reason: None,
    })
}

/// Sends a command eight times at once from two nodes. The answers must be equal, and all but one replayed.
async fn eight_times(nodes: &Nodes, caller: Caller, command: Command) -> Outcome {
    let sent = (0..8).map(|number| {
        let (core, command) = (&nodes.cores[number % nodes.cores.len()], command.clone());
        async move { insist(core, &by(caller), &command).await.expect("it is carried out") }
    });
    let answers = join_all(sent).await;
    let same = |outcome: &Outcome| (outcome.aggregate_id, outcome.position, outcome.version);
    assert!(answers.iter().all(|answer| same(answer) == same(&answers[0])), "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| answer.replayed).count(), 7, "{answers:#?}");
    answers.into_iter().find(|answer| !answer.replayed).expect("one of eight")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_eight_times_at_once_is_one_event_and_eight_equal_answers() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    // Each sending makes an id of its own for the project; the answers name the one that was stored.
    let made = eight_times(&nodes, owner, under(Uuid::now_v7(), Command::ProjectCreate(new_project()))).await;
    assert_eq!((nodes.events().await, made.position, made.version), (1, 1, 1));
    let task = eight_times(&nodes, owner, under(Uuid::now_v7(), Command::TaskCreate(new_task(made.aggregate_id, "Once")))).await;
    eight_times(&nodes, owner, under(Uuid::now_v7(), comment(task.aggregate_id, "Once"))).await;
    let last = eight_times(&nodes, owner, under(Uuid::now_v7(), Command::ProjectArchive(the_project(made.aggregate_id)))).await;
    assert_eq!((nodes.events().await, last.position, last.version), (4, 4, 2));
    assert_whole(&nodes.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_do_is_settled_once_and_its_late_retry_undoes_nothing() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let project = project(application, owner).await;
    let task = task(application, owner, project, "Moving").await;
    let command = under(Uuid::now_v7(), status(task, Status::Todo));
    let settled = eight_times(&nodes, owner, command.clone()).await;
    assert_eq!((settled.position, settled.version), (2, 1), "the last position and version of the task");
    assert_eq!((nodes.events().await, count(&nodes.sql, "milepost.settled_commands").await), (2, 1));

    let moved = send(application, owner, status(task, ON)).await.expect("the task moves");
    let late = send(&nodes.cores[1].application, owner, command).await.expect("the first answer");
    assert_eq!((late.position, late.version, late.replayed), (2, 1, true));
    assert_eq!(nodes.events().await, moved.position, "the task is where it was moved to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_retry_is_answered_as_it_was_whatever_has_become_of_its_aggregate() {
    let nodes = Nodes::start(2).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let project = project(application, owner).await;
    let task = task(application, owner, project, "Short-lived").await;
    let key = Uuid::now_v7();
    let command = Command::TaskUpdate(TaskUpdateInput {
        command_id: Some(key),
        expected_version: Some(1),
        id: task,
        title: Patch::Value("New title".to_owned()),
        description: Patch::Absent,
        category: Patch::Absent,
        tags: Patch::Absent,
        estimate_minutes: Patch::Absent,
    });
    let first = send(application, owner, command.clone()).await.expect("the title changes");
    let expected = (first.aggregate_id, first.position, first.version);
    let changes = [
        // By now version 1 is stale, then the task is gone, then its project rests.
        status(task, ON),
        Command::TaskDelete(the_task(task)),
        Command::ProjectArchive(the_project(project)),
    ];
    for change in changes {
        send(application, owner, change).await.expect("the change is taken");
        for core in &nodes.cores {
            let again = send(&core.application, owner, command.clone()).await.expect("the first answer");
            assert_eq!((again.aggregate_id, again.position, again.version), expected);
            assert!(again.replayed && again.recorded.is_empty());
        }
    }
    assert_eq!(nodes.events().await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_kept_so_its_retry_is_judged_by_what_is_then() {
    let nodes = Nodes::start(1).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let project = project(application, owner).await;
    send(application, owner, Command::ProjectArchive(the_project(project))).await.expect("it is archived");
    let command = under(Uuid::now_v7(), Command::TaskCreate(new_task(project, "Too late")));
    for _ in 0..3 {
        let refused = send(application, owner, command.clone()).await.expect_err("the project rests");
        assert_eq!(refused.code(), "PROJECT_ARCHIVED");
    }
    assert_eq!((nodes.events().await, count(&nodes.sql, "milepost.settled_commands").await), (2, 0));
    send(application, owner, Command::ProjectUnarchive(the_project(project))).await.expect("it goes on");
    let made = send(application, owner, command).await.expect("now it is in time");
    assert_eq!((made.position, made.replayed), (4, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_was_used_for_another_request_is_refused() {
    let nodes = Nodes::start(1).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let project = project(application, owner).await;
    let task = task(application, owner, project, "One").await;
    let (done, settled) = (Uuid::now_v7(), Uuid::now_v7());
    send(application, owner, under(done, comment(task, "One"))).await.expect("a comment");
    send(application, owner, under(settled, status(task, Status::Todo))).await.expect("nothing to do");
    for key in [done, settled] {
        let others = [
            comment(task, "Two"),
            status(task, ON),
            // These would be refused or not found by themselves; the answer is about the id.
            comment(Uuid::now_v7(), "Nowhere"),
            Command::TaskReopen(the_task(task)),
            Command::ScheduleCreate(milestone("2031-03-01")),
        ];
        for other in others {
            let name = other.name();
            let refused = send(application, owner, under(key, other)).await.expect_err("the id is used");
            assert_eq!(refused.code(), "COMMAND_ID_REUSED", "{name}");
        }
    }
    let somebody_else = Caller { actor: UserId(Uuid::now_v7()), ..owner };
    let refused = send(application, somebody_else, under(done, comment(task, "One"))).await.expect_err("another actor is another request");
    assert_eq!(refused.code(), "COMMAND_ID_REUSED");
    assert_eq!(nodes.events().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_means_nothing_in_another_workspace_or_at_another_door() {
    let nodes = Nodes::start(1).await;
    let owner = somebody();
    let application = &nodes.cores[0].application;
    let key = Uuid::now_v7();
    send(application, owner, under(key, Command::ProjectCreate(new_project()))).await.expect("at one door");
    send(application, somebody(), under(key, Command::ProjectCreate(new_project()))).await.expect("in another workspace");
    let imported = Circumstances { source: Source::Import, ..by(owner) };
    let made = application.execute(imported, under(key, Command::ProjectCreate(new_project()))).await.expect("at another door");
    assert_eq!((made.position, made.replayed), (3, false));
}

fn milestone(day: &str) -> ScheduleCreateInput {
    serde_json::from_value(serde_json::json!({ "title": "M", "due": { "date": day } })).expect("an input")
}
