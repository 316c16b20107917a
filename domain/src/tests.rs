//! What holds across the aggregates: codes of refusals, stored events and metadata, fields, ids.

use crate::event::{AggregateType, DecodeError, Event, Metadata};
use crate::fields::Fields;
use crate::ids::{ProjectId, UserId, derived, system};
use crate::project::ProjectError;
use crate::rule::{CODES, Rule};
use crate::schedule::ScheduleError;
use crate::shapes;
use crate::task::{Status, TaskError, TaskEvent, TaskPriorityChanged, TaskUnassigned};
use crate::testing::{APOLLO, BEN, day, instant, text};
use crate::values::Priority;
use cqrs_es::{Aggregate, DomainEvent};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::{Uuid, uuid};

// Refusals

/// A refusal with the code and the path it must have.
type Refusal = (Box<dyn Rule>, &'static str, Option<&'static str>);

/// One line for each variant. A variant that is missing here does not compile.
macro_rules! refusals {
    ($error:ident: $($variant:ident $(($($argument:expr),*))? $({$($field:ident: $value:expr),*})? => $code:literal, $path:expr;)*) => {{
        let _ = |error: &$error| match error { $($error::$variant { .. } => {})* };
        let refusals: Vec<Refusal> =
            vec![$((Box::new($error::$variant $(($($argument),*))? $({$($field: $value),*})?), $code, $path)),*];
        refusals
    }};
}

fn refusals_of_projects() -> Vec<Refusal> {
    refusals! { ProjectError:
        NotFound => "NOT_FOUND", Some("id");
        IdTaken => "ID_TAKEN", Some("id");
        KeyTaken(text("APOLLO")) => "KEY_TAKEN", Some("key");
        ProjectArchived => "PROJECT_ARCHIVED", Some("id");
        ProjectDeleted => "PROJECT_DELETED", Some("id");
        LastOwner => "LAST_OWNER", Some("userId");
        NotACollaborator(BEN) => "NOT_A_COLLABORATOR", Some("userId");
        AlreadyACollaborator(BEN) => "ALREADY_A_COLLABORATOR", Some("userId");
        TooManyCollaborators(1_000) => "TOO_MANY_COLLABORATORS", Some("userId");
        DateRange { start_on: day("2031-03-02"), due_on: day("2031-03-01") } => "DATE_RANGE", Some("dueOn");
    }
}

fn refusals_of_tasks() -> Vec<Refusal> {
    refusals! { TaskError:
        NotFound => "NOT_FOUND", Some("id");
        ProjectNotFound => "NOT_FOUND", Some("projectId");
        IdTaken => "ID_TAKEN", Some("id");
        ProjectArchived => "PROJECT_ARCHIVED", Some("projectId");
        ProjectDeleted => "PROJECT_DELETED", Some("projectId");
        TaskDeleted => "TASK_DELETED", Some("id");
        TaskDone => "TASK_DONE", Some("id");
        TransitionNotAllowed { from: Status::Done, to: Status::Todo } => "TRANSITION_NOT_ALLOWED", Some("status");
        ReasonMissing => "INVALID_VALUE", Some("blockedReason");
        ReasonWithoutBlock => "INVALID_VALUE", Some("blockedReason");
        TooManyAssignees(50) => "TOO_MANY_ASSIGNEES", Some("userId");
    }
}

fn refusals_of_schedules() -> Vec<Refusal> {
    refusals! { ScheduleError:
        NotFound => "NOT_FOUND", Some("id");
        ProjectNotFound => "NOT_FOUND", Some("projectId");
        TaskNotFound => "NOT_FOUND", Some("taskId");
        IdTaken => "ID_TAKEN", Some("id");
        ProjectArchived => "PROJECT_ARCHIVED", Some("projectId");
        ProjectDeleted => "PROJECT_DELETED", Some("projectId");
        TaskDeleted => "TASK_DELETED", Some("taskId");
        OtherProject => "INVALID_VALUE", Some("projectId");
        ScheduleDeleted => "SCHEDULE_DELETED", Some("id");
        ScheduleMet => "SCHEDULE_MET", Some("id");
        FollowsTask => "FOLLOWS_TASK", Some("id");
        TaskClosed => "TASK_CLOSED", None;
        NotYetDue(instant("2031-03-01T12:00:00Z")) => "NOT_YET_DUE", None;
    }
}

fn refusals() -> impl Iterator<Item = Refusal> {
    refusals_of_projects().into_iter().chain(refusals_of_tasks()).chain(refusals_of_schedules())
}

#[test]
fn every_refusal_has_its_code_and_its_path() {
    for (refusal, code, path) in refusals() {
        assert_eq!((refusal.code(), refusal.path()), (code, path), "{refusal:?}");
    }
}

#[test]
fn the_list_of_codes_is_that_of_the_refusals_and_of_values() {
    let of_values = ["INVALID_VALUE", "TOO_MANY_ASSIGNEES", "TOO_MANY_TAGS", "TOO_MANY_THRESHOLDS"];
    let used: BTreeSet<&str> = refusals().map(|(refusal, _, _)| refusal.code()).chain(of_values).collect();
    assert_eq!(CODES.iter().map(|(code, _)| *code).collect::<BTreeSet<_>>(), used);
}

#[test]
fn every_refusal_is_one_sentence_in_lower_case_without_full_stop() {
    for (refusal, _, _) in refusals() {
        let sentence = refusal.to_string();
        assert!(sentence.starts_with(|first: char| !first.is_uppercase()) && !sentence.ends_with('.'), "{sentence}");
    }
}

#[test]
fn a_refusal_names_what_it_is_about() {
    let ben = BEN.to_string();
    for (refusal, named) in [
        (ProjectError::KeyTaken(text("APOLLO")), vec!["APOLLO"]),
        (ProjectError::NotACollaborator(BEN), vec![&ben[..]]),
        (ProjectError::AlreadyACollaborator(BEN), vec![&ben[..]]),
        (ProjectError::TooManyCollaborators(1_000), vec!["1000"]),
        (ProjectError::DateRange { start_on: day("2031-03-02"), due_on: day("2031-03-01") }, vec!["2031-03-02", "2031-03-01"]),
    ] {
        let sentence = refusal.to_string();
        assert!(named.iter().all(|name| sentence.contains(name)), "{sentence}");
    }
    assert!(TaskError::TooManyAssignees(50).to_string().contains("50"));
    assert!(ScheduleError::NotYetDue(instant("2031-03-01T12:00:00Z")).to_string().contains("2031-03-01 12:00:00 UTC"));
}

// Stored events

fn decoded(aggregate_type: &str, event_type: &str, event_version: &str, payload: &str) -> Result<Event, DecodeError> {
    Event::decode(aggregate_type, event_type, event_version, payload)
}

const PRIORITY_CHANGED: &str = r#"{"task_priority_changed":{"from":"low","to":"high"}}"#;

fn payload_error(result: Result<Event, DecodeError>) -> (String, String) {
    match result {
        Err(DecodeError::Payload { event_type, reason }) => (event_type, reason),
        other => panic!("not a payload that cannot be parsed: {other:?}"),
    }
}

#[test]
fn a_stored_event_is_read_by_its_aggregate_type_and_version() {
    let event = TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: Priority::Low, to: Priority::High });
    assert_eq!(decoded("task", "task_priority_changed", "1", PRIORITY_CHANGED), Ok(Event::Task(event)));
}

#[test]
fn an_event_of_an_unknown_aggregate_is_not_read() {
    for unknown in ["sprint", "Task", ""] {
        let error = decoded(unknown, "task_priority_changed", "1", PRIORITY_CHANGED).expect_err("an unknown aggregate was read");
        assert_eq!(error, DecodeError::UnknownAggregate(unknown.to_owned()));
        assert_eq!(error.to_string(), format!("aggregate type {unknown:?} is unknown to this version of Milepost"));
    }
}

#[test]
fn an_event_of_an_unknown_version_is_not_read() {
    for unknown in ["2", "0", "", "1.0", "01", "+1", " 1", "99999999999"] {
        assert_eq!(
            decoded("task", "task_priority_changed", unknown, PRIORITY_CHANGED),
            Err(DecodeError::UnknownVersion { event_type: "task_priority_changed".to_owned(), event_version: unknown.to_owned() })
        );
    }
}

#[test]
fn a_payload_that_does_not_fit_is_not_read() {
    for bad in [
        "",
        "{}",
        "null",
        r#"{"task_priority_changed":{"from":"low"}}"#,
        r#"{"task_priority_changed":{"from":"low","to":"high"}} and more"#,
        r#"{"task_priority_changed":{"from":"low","to":"urgent"}}"#,
        r#"{"task_renamed":{"from":"low","to":"high"}}"#,
    ] {
        assert_eq!(payload_error(decoded("task", "task_priority_changed", "1", bad)).0, "task_priority_changed");
    }
}

#[test]
fn a_payload_of_another_event_is_not_read() {
    let (event_type, reason) = payload_error(decoded("task", "task_assigned", "1", PRIORITY_CHANGED));
    assert_eq!((event_type.as_str(), reason.as_str()), ("task_assigned", r#"found "task_priority_changed" instead"#));
    payload_error(decoded("project", "task_priority_changed", "1", PRIORITY_CHANGED));
}

#[test]
fn a_payload_with_a_field_of_a_newer_version_is_read_without_it() {
    let newer = r#"{"task_priority_changed":{"from":"low","to":"high","why":"the guests come early"}}"#;
    assert_eq!(decoded("task", "task_priority_changed", "1", newer), decoded("task", "task_priority_changed", "1", PRIORITY_CHANGED));
}

#[test]
fn each_aggregate_has_one_word() {
    macro_rules! types {
        ($($aggregate:ident($events:ident) = $word:literal,)+) => { [$(crate::aggregates::$aggregate::TYPE),+] };
    }
    let words = AggregateType::ALL.map(AggregateType::word);
    assert!(words.starts_with(&["project", "task", "schedule"]), "{words:?}");
    assert_eq!(crate::for_each_aggregate!(types), words);
    for kind in AggregateType::ALL {
        assert_eq!(AggregateType::from_word(kind.word()), Some(kind));
    }
    assert_eq!(AggregateType::from_word("sprint"), None);
}

#[test]
fn each_event_name_belongs_to_one_aggregate() {
    let names = AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).collect::<Vec<_>>();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

/// The second shape of `task_priority_changed` as a test has it: `from` was `was` in the first.
fn rename_was(mut payload: Value) -> Value {
    let body = &mut payload["task_priority_changed"];
    body["from"] = body["was"].take();
    payload
}

#[test]
fn a_version_that_is_raised_is_written_and_read_everywhere_and_the_older_shape_is_still_read() {
    let event = TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: Priority::Low, to: Priority::High });
    let first = r#"{"task_priority_changed":{"was":"low","to":"high"}}"#;
    shapes::planted::with("task_priority_changed", rename_was, || {
        assert_eq!((event.event_version().as_str(), Event::Task(event.clone()).version().to_string().as_str()), ("2", "2"));
        for (version, payload) in [("1", first), ("2", PRIORITY_CHANGED)] {
            let parsed = || serde_json::from_str(payload).expect("JSON");
            assert_eq!(decoded("task", "task_priority_changed", version, payload), Ok(Event::Task(event.clone())), "{version}");
            let read = Event::decode_value("task", "task_priority_changed", version, parsed());
            assert_eq!(read, Ok(Event::Task(event.clone())), "{version}");
        }
        assert!(matches!(decoded("task", "task_priority_changed", "3", PRIORITY_CHANGED), Err(DecodeError::UnknownVersion { .. })));
        // Other events stay where they are.
        let other = TaskEvent::TaskUnassigned(TaskUnassigned { user_id: BEN });
        assert_eq!((other.event_version(), Event::newest_version("task_unassigned").to_string()), ("1".to_owned(), "1".to_owned()));
    });
    assert_eq!(event.event_version(), "1");
}

#[test]
fn cqrs_es_stores_the_name_and_the_version_that_decoding_expects() {
    let event = TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: Priority::Low, to: Priority::High });
    assert_eq!((event.event_type().as_str(), event.event_version().as_str()), ("task_priority_changed", "1"));
    assert_eq!(Event::Task(event).encode(), PRIORITY_CHANGED);
}

// Stored metadata

fn metadata() -> Metadata {
    Metadata {
        occurred_at: instant("2031-03-01T09:30:00.125Z"),
        actor: BEN,
        command_id: Some(Uuid::from_u128(1)),
        correlation_id: Uuid::from_u128(2),
        causation_id: Some(Uuid::from_u128(3)),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        project_id: Some(APOLLO),
    }
}

#[test]
fn metadata_are_one_flat_object_of_texts() {
    let stored = serde_json::from_str::<serde_json::Value>(&metadata().encode()).expect("metadata are JSON");
    assert_eq!(
        stored,
        json!({
            "occurred_at": "2031-03-01T09:30:00.125Z",
            "actor": "00000000-0000-0000-0000-00000000be11",
            "command_id": "00000000-0000-0000-0000-000000000001",
            "correlation_id": "00000000-0000-0000-0000-000000000002",
            "causation_id": "00000000-0000-0000-0000-000000000003",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "project_id": "00000000-0000-0000-0000-00000000a701",
        })
    );
    assert_eq!(Metadata::decode(&stored.to_string()), Ok(metadata()));
}

#[test]
fn metadata_leave_out_what_is_not_known() {
    let bare = Metadata { command_id: None, causation_id: None, traceparent: None, project_id: None, ..metadata() };
    let stored = bare.encode();
    let expected = r#"{"occurred_at":"2031-03-01T09:30:00.125Z","actor":"00000000-0000-0000-0000-00000000be11","correlation_id":"00000000-0000-0000-0000-000000000002"}"#;
    assert_eq!(stored, expected);
    assert_eq!(Metadata::decode(&stored), Ok(bare));
}

#[test]
fn metadata_that_do_not_fit_are_not_read() {
    for bad in ["", "{}", r#"{"occurred_at":"yesterday"}"#] {
        assert!(matches!(Metadata::decode(bad), Err(DecodeError::Metadata(_))), "{bad:?}");
    }
}

// Fields

#[test]
fn a_command_with_an_old_version_conflicts_only_with_what_it_sets() {
    let some = |names: &[&'static str]| Fields::Some(names.to_vec());
    for (mine, theirs, shared) in [
        (Fields::All, Fields::All, vec!["everything"]),
        (Fields::All, some(&["title"]), vec!["title"]),
        (some(&["title", "due"]), Fields::All, vec!["title", "due"]),
        (some(&["title", "due"]), some(&["due", "tags"]), vec!["due"]),
        (some(&["title"]), some(&["due"]), vec![]),
        // A comment sets nothing and a firing changes nothing that a caller sets, so they meet nothing.
        (some(&[]), Fields::All, vec![]),
        (Fields::All, some(&[]), vec![]),
    ] {
        assert_eq!(mine.shared(&theirs), shared, "{mine:?} and {theirs:?}");
    }
}

#[test]
fn fields_are_those_whose_condition_holds() {
    assert_eq!(Fields::which([("title", true), ("due", false), ("tags", true)]), Fields::Some(vec!["title", "tags"]));
    assert_eq!(Fields::one("title"), Fields::Some(vec!["title"]));
}

// Ids

#[test]
fn an_id_is_the_text_of_its_uuid() {
    let id = ProjectId(uuid!("8d0f1b3a-6f0c-4c55-9d5e-2f1f6f4b7a10"));
    assert_eq!(id.to_string(), "8d0f1b3a-6f0c-4c55-9d5e-2f1f6f4b7a10");
    assert_eq!("8D0F1B3A-6F0C-4C55-9D5E-2F1F6F4B7A10".parse(), Ok(id));
    assert_eq!(serde_json::to_value(id).expect("a text"), json!("8d0f1b3a-6f0c-4c55-9d5e-2f1f6f4b7a10"));
    assert_eq!(Uuid::from(id), id.0);
    "apollo".parse::<ProjectId>().expect_err("no UUID");
}

#[test]
fn ids_that_are_stored_for_ever_never_change() {
    assert_eq!(derived(&["a", "b"]).to_string(), "030b9aed-60c0-507d-961c-40eaffb80b36");
    assert_eq!(
        [system::SCHEDULER, system::REACTIONS, system::IMPORT].map(|id: UserId| id.to_string()),
        ["6d696c65-706f-5374-8000-000000000001", "6d696c65-706f-5374-8000-000000000002", "6d696c65-706f-5374-8000-000000000003"]
    );
}
