//! given / when / then: for every command what the rules allow, what they forbid, and when there is nothing to do.
//! What is planned for a task is in `plan`, its statuses in `status`.

mod plan;
mod sequences;
mod status;

use super::*;
use crate::ids::{CommentId, UserId};
use crate::issued::Issued;
use crate::project::{Home, Phase};
use crate::testing::{
    ANNA, APOLLO, BEN, BORA, ELSEWHERE, HERE, SOME_DAY, day, given, home, home_elsewhere, home_that_is, instant, issued, issued_elsewhere,
    other_home, text,
};
use crate::values::{Assignees, BlockedReason, Change, Due, DueRequest, Priority, Tags};
use chrono_tz::Tz;
use uuid::Uuid;

/// A task by Anna with everything set but assignees.
fn creation() -> TaskCreated {
    TaskCreated {
        number: 0,
        workspace_id: HERE,
        project_id: APOLLO,
        project_key: text("APOLLO"),
        title: text("Paint the hall"),
        description: text("White, twice."),
        priority: Priority::High,
        category: Some(text("rooms")),
        tags: Tags::new([text("paint"), text("hall")]).expect("two tags"),
        assignee_ids: Assignees::default(),
        due: Some(end_of_march()),
        estimate_minutes: Some(240),
        created_at: instant(SOME_DAY),
    }
}

fn end_of_march() -> Due {
    Due::on(day("2031-03-31"), Tz::Europe__Zurich)
}

fn end_of_april() -> Due {
    Due::on(day("2031-04-30"), Tz::Europe__Zurich)
}

fn created_as(creation: TaskCreated) -> TaskEvent {
    TaskEvent::TaskCreated(Box::new(creation))
}

/// The creation as the log holds it, with number 7.
fn created() -> TaskEvent {
    created_as(creation()).with_drawn(7)
}

fn completed() -> TaskEvent {
    completed_from(Status::Todo)
}

fn completed_from(from: Status) -> TaskEvent {
    TaskEvent::TaskCompleted(TaskCompleted { title: text("Paint the hall"), from, completed_at: instant(SOME_DAY), time_to_complete_ms: 0 })
}

fn status_changed(from: Status, to: Status) -> TaskEvent {
    let blocked_reason = (to == Status::Blocked).then(no_paint);
    TaskEvent::TaskStatusChanged(TaskStatusChanged { from, to, blocked_reason })
}

fn no_paint() -> BlockedReason {
    text("no paint")
}

fn reopened(from: Status) -> TaskEvent {
    TaskEvent::TaskReopened(TaskReopened { from, due: Some(end_of_march()) })
}

fn deleted() -> TaskEvent {
    TaskEvent::TaskDeleted(TaskDeleted { title: text("Paint the hall"), status: Status::Todo })
}

fn assigned(user_id: UserId) -> TaskEvent {
    TaskEvent::TaskAssigned(TaskAssigned { user_id })
}

fn unassigned(user_id: UserId) -> TaskEvent {
    TaskEvent::TaskUnassigned(TaskUnassigned { user_id })
}

fn due_changed(from: Option<Due>, to: Option<Due>) -> TaskEvent {
    TaskEvent::TaskDueDateChanged(TaskDueDateChanged { from, to })
}

fn updated(changes: TaskChanges) -> TaskEvent {
    TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes }))
}

/// The task in a status, by the shortest way there.
fn task_that_is(status: Status) -> Vec<TaskEvent> {
    match status {
        Status::Todo => vec![created()],
        Status::Done => vec![created(), completed()],
        Status::InProgress | Status::InReview | Status::Blocked | Status::Cancelled => {
            vec![created(), status_changed(Status::Todo, status)]
        }
    }
}

/// A command on a task in the active project APOLLO. A move may go to BORA.
fn sent(command: TaskCommand) -> Issued<TaskCommand, TaskContext> {
    sent_in(home(), command)
}

fn sent_in(home: Home, command: TaskCommand) -> Issued<TaskCommand, TaskContext> {
    let target = Some(other_home());
    issued(command).in_context(TaskContext { home, target })
}

/// A move of a task of APOLLO to any project.
fn move_to(to: Home) -> Issued<TaskCommand, TaskContext> {
    issued(to_move(&to)).in_context(TaskContext { home: home(), target: Some(to) })
}

/// The command that results in `creation`.
fn create() -> CreateTask {
    let TaskCreated { title, description, priority, category, tags, assignee_ids, estimate_minutes, .. } = creation();
    let due = Some(DueRequest::On(day("2031-03-31"), None));
    CreateTask { project_id: APOLLO, title, description, priority, category, tags, assignee_ids, due, estimate_minutes }
}

fn to_create(create: CreateTask) -> TaskCommand {
    TaskCommand::Create(Box::new(create))
}

fn to_update(update: UpdateTask) -> TaskCommand {
    TaskCommand::Update(Box::new(update))
}

fn to_comment() -> TaskCommand {
    TaskCommand::Comment(Comment { comment_id: CommentId(Uuid::from_u128(9)), body: text("Looks good.") })
}

fn to_become(to: Status) -> TaskCommand {
    TaskCommand::ChangeStatus(ChangeStatus { to, blocked_reason: (to == Status::Blocked).then(no_paint) })
}

fn to_move(to: &Home) -> TaskCommand {
    TaskCommand::Move(MoveTask { project_id: to.id })
}

/// Every command but creation, each with something to do on an open task and most also on a closed one.
fn commands_on_a_task() -> [TaskCommand; 12] {
    [
        to_update(UpdateTask { title: Some(text("Paint the stairs")), ..Default::default() }),
        TaskCommand::Assign(BEN),
        TaskCommand::Unassign(ANNA),
        to_become(Status::InReview),
        TaskCommand::ChangePriority(Priority::Low),
        TaskCommand::SetDue(DueRequest::On(day("2031-04-30"), None)),
        TaskCommand::ClearDue,
        TaskCommand::Complete,
        TaskCommand::Reopen,
        to_move(&other_home()),
        to_comment(),
        TaskCommand::Delete,
    ]
}

// Create

#[test]
fn a_creation_is_one_event_whatever_it_sets() {
    let people = Assignees::new([BEN, ANNA]).expect("two people");
    given::<Task>([])
        .when(sent(to_create(CreateTask { assignee_ids: people.clone(), ..create() })))
        .then([created_as(TaskCreated { assignee_ids: people, ..creation() })]);
}

#[test]
fn a_creation_needs_no_more_than_a_title() {
    let bare = CreateTask {
        project_id: APOLLO,
        title: text("Paint"),
        description: text(""),
        priority: Priority::Medium,
        category: None,
        tags: Tags::default(),
        assignee_ids: Assignees::default(),
        due: None,
        estimate_minutes: None,
    };
    let event = TaskCreated {
        title: text("Paint"),
        description: text(""),
        priority: Priority::Medium,
        category: None,
        tags: Tags::default(),
        due: None,
        estimate_minutes: None,
        ..creation()
    };
    given::<Task>([]).when(sent(to_create(bare))).then([created_as(event)]);
}

#[test]
fn a_new_task_is_to_do_in_the_project_of_the_wish() {
    let then = given::<Task>([]).when(sent_in(other_home(), to_create(CreateTask { due: None, ..create() })));
    let Task::Live(live) = then.state() else { panic!("the task is not there") };
    assert_eq!((live.project_id, live.project_key, live.status), (BORA, text("BORA"), Status::Todo));
}

#[test]
fn a_task_is_not_created_in_a_project_that_rests_or_is_gone_or_is_elsewhere() {
    for (home, refusal) in unfit_homes() {
        given::<Task>([]).when(sent_in(home, to_create(create()))).then_refused(refusal);
    }
}

#[test]
fn an_id_names_one_task_for_ever() {
    for history in [vec![created()], vec![created(), deleted()]] {
        given::<Task>(history.clone()).when(sent(to_create(create()))).then_refused(TaskError::IdTaken);
        let elsewhere = issued_elsewhere(to_create(create())).in_context(TaskContext::new(home_elsewhere()));
        given::<Task>(history).when(elsewhere).then_refused(TaskError::IdTaken);
    }
}

// What is not there, and homes that do not fit

/// Homes in which nothing about a task changes, each with its refusal.
fn unfit_homes() -> [(Home, TaskError); 3] {
    [
        (home_that_is(Phase::Archived), TaskError::ProjectArchived),
        (home_that_is(Phase::Deleted), TaskError::ProjectDeleted),
        (home_elsewhere(), TaskError::ProjectNotFound),
    ]
}

#[test]
fn a_task_that_was_never_created_is_not_found() {
    for command in commands_on_a_task() {
        given::<Task>([]).when(sent(command)).then_refused(TaskError::NotFound);
    }
}

#[test]
fn a_task_of_another_workspace_is_not_found() {
    for history in [vec![created()], vec![created(), deleted()]] {
        for command in commands_on_a_task() {
            let elsewhere = issued_elsewhere(command).in_context(TaskContext::new(home_elsewhere()));
            given::<Task>(history.clone()).when(elsewhere).then_refused(TaskError::NotFound);
        }
    }
}

#[test]
fn a_project_that_rests_or_is_gone_refuses_every_command_on_its_tasks() {
    for (home, refusal) in unfit_homes() {
        for command in commands_on_a_task() {
            for history in [vec![created()], vec![created(), completed()], vec![created(), deleted()]] {
                given::<Task>(history).when(sent_in(home.clone(), command.clone())).then_refused(refusal.clone());
            }
        }
    }
}

#[test]
fn a_deleted_task_refuses_all_but_deletion() {
    for command in commands_on_a_task() {
        if !matches!(command, TaskCommand::Delete) {
            given::<Task>([created(), deleted()]).when(sent(command)).then_refused(TaskError::TaskDeleted);
        }
    }
}

// Update

#[test]
fn an_update_is_one_event_that_says_what_each_field_was_and_became() {
    let tags = Tags::new([text("stairs")]).expect("one tag");
    let all = UpdateTask {
        title: Some(text("Paint the stairs")),
        description: Some(text("")),
        category: Some(Some(text("ways"))),
        tags: Some(tags.clone()),
        estimate_minutes: Some(None),
    };
    given::<Task>([created()]).when(sent(to_update(all))).then([updated(TaskChanges {
        title: Some(Change { from: text("Paint the hall"), to: text("Paint the stairs") }),
        description: Some(Change { from: text("White, twice."), to: text("") }),
        category: Some(Change { from: Some(text("rooms")), to: Some(text("ways")) }),
        tags: Some(Change { from: creation().tags, to: tags }),
        estimate_minutes: Some(Change { from: Some(240), to: None }),
    })]);
}

#[test]
fn an_update_leaves_out_what_stays_as_it_was() {
    let one = UpdateTask { title: Some(text("Paint the hall")), category: Some(None), ..Default::default() };
    given::<Task>([created()])
        .when(sent(to_update(one)))
        .then([updated(TaskChanges { category: Some(Change { from: Some(text("rooms")), to: None }), ..Default::default() })]);
}

#[test]
fn an_update_to_what_already_is_changes_nothing() {
    let TaskCreated { title, description, category, tags, estimate_minutes, .. } = creation();
    let same = UpdateTask {
        title: Some(title),
        description: Some(description),
        category: Some(category),
        tags: Some(tags),
        estimate_minutes: Some(estimate_minutes),
    };
    for unchanged in [same, UpdateTask::default()] {
        given::<Task>([created()]).when(sent(to_update(unchanged))).then_nothing();
    }
}

#[test]
fn words_about_a_closed_task_may_still_change() {
    for status in [Status::Done, Status::Cancelled] {
        let commands = [
            to_update(UpdateTask { title: Some(text("Paint")), ..Default::default() }),
            TaskCommand::ChangePriority(Priority::Low),
            to_comment(),
        ];
        for allowed in commands {
            assert_eq!(given::<Task>(task_that_is(status)).when(sent(allowed)).events().len(), 1);
        }
    }
}

// Priority

#[test]
fn a_priority_changes_and_says_what_it_was() {
    given::<Task>([created()])
        .when(sent(TaskCommand::ChangePriority(Priority::Critical)))
        .then([TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: Priority::High, to: Priority::Critical })]);
}

#[test]
fn a_priority_that_it_has_is_not_changed() {
    given::<Task>([created()]).when(sent(TaskCommand::ChangePriority(Priority::High))).then_nothing();
}

// Comment

#[test]
fn a_comment_is_a_fact_each_time() {
    let said = TaskEvent::TaskCommented(TaskCommented { comment_id: CommentId(Uuid::from_u128(9)), body: text("Looks good.") });
    given::<Task>([created()]).when(sent(to_comment())).then([said.clone()]);
    given::<Task>([created(), said.clone()]).when(sent(to_comment())).then([said]);
}

// Delete

#[test]
fn a_deletion_shows_the_last_title_and_status() {
    for status in Status::ALL {
        given::<Task>(task_that_is(status))
            .when(sent(TaskCommand::Delete))
            .then([TaskEvent::TaskDeleted(TaskDeleted { title: text("Paint the hall"), status })]);
    }
}

#[test]
fn a_task_is_deleted_once() {
    given::<Task>([created(), deleted()]).when(sent(TaskCommand::Delete)).then_nothing();
}

#[test]
fn a_deleted_task_still_belongs_where_it_was() {
    let folded = |history: Vec<TaskEvent>| history.into_iter().fold(Task::Absent, evolve);
    for there in [folded(vec![created()]), folded(vec![created(), deleted()])] {
        assert_eq!((there.project_id(), there.workspace_id()), (Some(APOLLO), Some(HERE)));
    }
    assert_eq!((Task::Absent.project_id(), Task::Absent.workspace_id()), (None, None));
}

// Numbers

#[test]
fn a_number_is_drawn_by_creation_and_move_alone() {
    let moved = given::<Task>([created()]).when(move_to(other_home())).events().remove(0);
    assert_eq!(created().draw(), Some(APOLLO));
    assert_eq!(moved.draw(), Some(BORA));
    for command in commands_on_a_task() {
        let history = if matches!(command, TaskCommand::Reopen) { task_that_is(Status::Done) } else { vec![created(), assigned(ANNA)] };
        for event in given::<Task>(history).when(sent(command)).events() {
            let draws = matches!(event, TaskEvent::TaskMoved(_));
            assert_eq!(event.draw().is_some(), draws, "{event:?}");
            assert_eq!(event.clone().with_drawn(8) != event, draws, "{event:?}");
        }
    }
}
