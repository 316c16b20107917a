//! The contract with the stock crates: cqrs-es and postgres-es read our log as if it were their own.

use super::*;
use application::commands::{ProjectCollaboratorInput, TaskInput, Wire};
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore, SerializedEvent};
use cqrs_es::{Aggregate, AggregateContext, EventStore};
use domain::event::AggregateType;
use domain::project::{Project, ProjectEvent};
use domain::schedule::{Schedule, ScheduleEvent};
use domain::task::Task;
use domain::values::CollaboratorRole;
use postgres_es::PostgresEventRepository;
use sqlx::postgres::PgPoolOptions;
use tests::builders::{new_task, project, send, somebody};

/// A project, a task and a schedule with some history.
async fn history(core: &Core) -> (Uuid, Uuid, Uuid) {
    let (owner, application) = (somebody(), &core.application);
    let project = project(application, owner).await;
    let guest = ProjectCollaboratorInput {
        command_id: None,
        expected_version: None,
        id: project,
        user_id: Uuid::now_v7(),
        role: Wire(CollaboratorRole::Viewer),
    };
    send(application, owner, Command::ProjectCollaboratorAdd(guest)).await.expect("a guest");
    let made = send(application, owner, under(Uuid::now_v7(), Command::TaskCreate(new_task(project, "Read by others")))).await;
    let task = made.expect("a task").aggregate_id;
    send(application, owner, comment(task, "Ünïcode, \"quotes\" and \\ backslashes")).await.expect("a comment");
    send(application, owner, Command::TaskComplete(TaskInput { command_id: None, expected_version: None, id: task })).await.expect("done");
    let schedule = serde_json::json!({ "command": "scheduleCreate", "input": { "title": "Launch", "due": { "date": "2031-03-31" } } });
    let schedule = send(application, owner, serde_json::from_value(schedule).expect("a command")).await.expect("a schedule");
    (project, task, schedule.aggregate_id)
}

/// The stock repository just as its manual sets it up, but for the schema.
async fn stock(database: &TestDatabase) -> PostgresEventRepository {
    let options = infrastructure::postgres::connect_options(&database.url).expect("a URL").options([("search_path", "milepost")]);
    PostgresEventRepository::new(PgPoolOptions::new().max_connections(2).connect_with(options).await.expect("a connection"))
}

/// The stock events of an aggregate must be those of our own log, one for one.
async fn assert_same<A: Aggregate>(nodes: &Nodes, repository: &PostgresEventRepository, kind: AggregateType, id: Uuid, names: &[&str]) {
    let stock: Vec<SerializedEvent> = repository.get_events::<A>(&id.to_string()).await.expect("the stock crate reads");
    let types: Vec<&str> = stock.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, names);
    let ours = nodes.log().stream(kind, id, 0).await.expect("our log reads").events;
    let recorded = nodes.log().stream_after(id, 0).await.expect("our log reads");
    assert_eq!((stock.len(), recorded.len()), (ours.len(), ours.len()));
    for ((stock, ours), recorded) in stock.into_iter().zip(ours).zip(recorded) {
        assert_eq!((stock.aggregate_type.as_str(), stock.aggregate_id), (kind.word(), id.to_string()));
        assert_eq!((stock.sequence as i64, stock.event_version.as_str()), (recorded.version, "1"));
        assert_eq!(stock.payload, serde_json::from_str::<serde_json::Value>(&ours.encode()).expect("JSON"));
        assert_eq!(stock.metadata, serde_json::from_str::<serde_json::Value>(&recorded.metadata.encode()).expect("JSON"));
    }
    let last = repository.get_last_events::<A>(&id.to_string(), names.len() - 1).await.expect("the stock crate reads");
    assert_eq!(last.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>(), names[names.len() - 1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_repository_reads_our_log() {
    let nodes = Nodes::start(1).await;
    let (project, task, schedule) = history(&nodes.cores[0]).await;
    let repository = stock(&nodes.database).await;
    assert_same::<Project>(&nodes, &repository, AggregateType::Project, project, &["project_created", "project_collaborator_added"]).await;
    assert_same::<Task>(&nodes, &repository, AggregateType::Task, task, &["task_created", "task_commented", "task_completed"]).await;
    assert_same::<Schedule>(&nodes, &repository, AggregateType::Schedule, schedule, &["schedule_created"]).await;
    let strangers = repository.get_events::<Task>(&project.to_string()).await.expect("the stock crate reads");
    assert!(strangers.is_empty(), "a project is no task");
}

/// What the stock store folds must be what our own events fold to.
async fn fold<A>(repository: PostgresEventRepository, id: Uuid, ours: Vec<A::Event>) -> (A, Vec<std::collections::HashMap<String, String>>)
where
    A: Aggregate<Services = ()>,
{
    let store = PersistedEventStore::<PostgresEventRepository, A>::new_event_store(repository);
    let events = store.load_events(&id.to_string()).await.expect("the stock store loads");
    assert!(events.iter().zip(&ours).all(|(stock, ours)| stock.payload == *ours) && events.len() == ours.len());
    let mut context = store.load_aggregate(&id.to_string()).await.expect("the stock store folds");
    assert_eq!(context.current_sequence, ours.len());
    let mut folded = A::default();
    ours.into_iter().for_each(|event| folded.apply(event));
    assert_eq!(serde_json::to_value(context.aggregate()).expect("JSON"), serde_json::to_value(&folded).expect("JSON"));
    (folded, events.into_iter().map(|event| event.metadata).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_store_folds_our_events_to_the_same_state() {
    let nodes = Nodes::start(1).await;
    let (project, task, schedule) = history(&nodes.cores[0]).await;
    let events = async |kind, id| nodes.log().stream(kind, id, 0).await.expect("our log reads").events;
    let of_project = events(AggregateType::Project, project).await.into_iter().filter_map(|event| match event {
        Event::Project(event) => Some::<ProjectEvent>(event),
        _ => None,
    });
    fold::<Project>(stock(&nodes.database).await, project, of_project.collect()).await;
    let of_schedule = events(AggregateType::Schedule, schedule).await.into_iter().filter_map(|event| match event {
        Event::Schedule(event) => Some::<ScheduleEvent>(event),
        _ => None,
    });
    fold::<Schedule>(stock(&nodes.database).await, schedule, of_schedule.collect()).await;
    let of_task = events(AggregateType::Task, task).await.into_iter().filter_map(|event| match event {
        Event::Task(event) => Some::<TaskEvent>(event),
        _ => None,
    });
    let (_, metadata) = fold::<Task>(stock(&nodes.database).await, task, of_task.collect()).await;
    assert!(metadata.iter().all(|metadata| metadata["project_id"] == project.to_string() && metadata.contains_key("occurred_at")));
    assert!(metadata[0].contains_key("command_id") && !metadata[1].contains_key("command_id"));
}
