//! The contract with the stock crates: cqrs-es and postgres-es read our log as if it were their own.

use super::*;
use application::inputs::{ProjectCollaboratorInput, TaskInput, Wire};
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore, SerializedEvent};
use cqrs_es::{Aggregate, AggregateContext, EventStore};
use domain::aggregates::*;
use domain::event::AggregateType;
use domain::values::CollaboratorRole;
use postgres_es::PostgresEventRepository;
use sqlx::postgres::PgPoolOptions;
use std::collections::HashMap;
use tests::builders::{new_task, project, send, somebody};

/// An aggregate of each kind, with some history.
async fn history(core: &Core) -> HashMap<AggregateType, Uuid> {
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
    HashMap::from([(AggregateType::Project, project), (AggregateType::Task, task), (AggregateType::Schedule, schedule.aggregate_id)])
}

/// The stock repository just as its manual sets it up, but for the schema.
async fn stock(database: &TestDatabase) -> PostgresEventRepository {
    let options = infrastructure::postgres::connect_options(&database.url).expect("a URL").options([("search_path", "milepost")]);
    PostgresEventRepository::new(PgPoolOptions::new().max_connections(2).connect_with(options).await.expect("a connection"))
}

/// The stock events of an aggregate must be those of our own log, one for one.
async fn assert_same<A: Aggregate>(nodes: &Nodes, repository: &PostgresEventRepository, kind: AggregateType, id: Uuid) {
    let stock: Vec<SerializedEvent> = repository.get_events::<A>(&id.to_string()).await.expect("the stock crate reads");
    let types: Vec<String> = stock.iter().map(|event| event.event_type.clone()).collect();
    let ours = nodes.log().stream(kind, id, 0).await.expect("our log reads").events;
    let recorded = nodes.log().stream_after(id, 0).await.expect("our log reads");
    assert_eq!(types, ours.iter().map(Event::name).collect::<Vec<_>>());
    assert!(!ours.is_empty(), "no history of a {}", kind.word());
    assert_eq!((stock.len(), recorded.len()), (ours.len(), ours.len()));
    for ((stock, ours), recorded) in stock.into_iter().zip(ours).zip(recorded) {
        assert_eq!((stock.aggregate_type.as_str(), stock.aggregate_id), (kind.word(), id.to_string()));
        assert_eq!(
            (stock.sequence as i64, stock.event_version.as_str()),
            (recorded.version, recorded.event.version().to_string().as_str())
        );
        assert_eq!(stock.payload, serde_json::from_str::<serde_json::Value>(&ours.encode()).expect("JSON"));
        assert_eq!(stock.metadata, serde_json::from_str::<serde_json::Value>(&recorded.metadata.encode()).expect("JSON"));
    }
    let last = repository.get_last_events::<A>(&id.to_string(), types.len() - 1).await.expect("the stock crate reads");
    assert_eq!(last.iter().map(|event| event.event_type.clone()).collect::<Vec<_>>(), types[types.len() - 1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_repository_reads_our_log() {
    let nodes = Nodes::start(1).await;
    let ids = history(&nodes.cores[0]).await;
    let repository = stock(&nodes.database).await;
    macro_rules! each_is_the_same {
        ($($state:ident($events:ident) = $word:literal,)+) => {$({
            let kind = AggregateType::$state;
            let id = *ids.get(&kind).unwrap_or_else(|| panic!("`history` has no {}", kind.word()));
            assert_same::<$state>(&nodes, &repository, kind, id).await;
        })+};
    }
    domain::for_each_aggregate!(each_is_the_same);
    let strangers = repository.get_events::<Task>(&ids[&AggregateType::Project].to_string()).await.expect("the stock crate reads");
    assert!(strangers.is_empty(), "a project is not a task");
}

/// What the stock store folds must be what our own events fold to. The metadata of its events.
async fn fold<A>(nodes: &Nodes, kind: AggregateType, id: Uuid) -> Vec<HashMap<String, String>>
where
    A: Aggregate<Services = ()>,
    A::Event: TryFrom<Event>,
{
    let ours = nodes.log().stream(kind, id, 0).await.expect("our log reads").events;
    let ours: Vec<A::Event> = ours.into_iter().filter_map(|event| event.try_into().ok()).collect();
    let store = PersistedEventStore::<PostgresEventRepository, A>::new_event_store(stock(&nodes.database).await);
    let events = store.load_events(&id.to_string()).await.expect("the stock store loads");
    assert!(events.iter().zip(&ours).all(|(stock, ours)| stock.payload == *ours) && events.len() == ours.len());
    let mut context = store.load_aggregate(&id.to_string()).await.expect("the stock store folds");
    assert_eq!(context.current_sequence, ours.len());
    let mut folded = A::default();
    ours.into_iter().for_each(|event| folded.apply(event));
    assert_eq!(serde_json::to_value(context.aggregate()).expect("JSON"), serde_json::to_value(&folded).expect("JSON"));
    events.into_iter().map(|event| event.metadata).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_store_folds_our_events_to_the_same_state() {
    let nodes = Nodes::start(1).await;
    let ids = history(&nodes.cores[0]).await;
    let mut metadata = HashMap::new();
    macro_rules! fold_each {
        ($($state:ident($events:ident) = $word:literal,)+) => {$({
            let kind = AggregateType::$state;
            metadata.insert(kind, fold::<$state>(&nodes, kind, ids[&kind]).await);
        })+};
    }
    domain::for_each_aggregate!(fold_each);
    let (project, of_task) = (ids[&AggregateType::Project], &metadata[&AggregateType::Task]);
    assert!(of_task.iter().all(|metadata| metadata["project_id"] == project.to_string() && metadata.contains_key("occurred_at")));
    assert!(of_task[0].contains_key("command_id") && !of_task[1].contains_key("command_id"));
}
