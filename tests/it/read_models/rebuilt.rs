//! Kept up to date, built anew, or folded in memory: a read model is always the same, whatever the batches were.

use super::history::{self, BEGIN};
use super::{Dice, content, core, live, plant};
use domain::event::{Event, Recorded};
use domain::ids::{ProjectId, WorkspaceId};
use domain::project::ProjectEvent;
use domain::task::{Status, TaskEvent};
use futures::future::join_all;
use projections::activity::Activity;
use projections::deadline_log::DeadlineLog;
use projections::model::{ReadModel, Rows};
use projections::page::Window;
use projections::project_overview::{Counts, ProjectFilter, ProjectOverview, ProjectSelection, list_projects};
use projections::runner::{Works, all};
use projections::schedules::Schedules;
use projections::task_comments::TaskComments;
use projections::task_list::TaskList;
use server::wire::Core;
use sqlx::PgPool;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tests::app::TestApp;
use tests::database::TestDatabase;

/// A version that no program made: what the model in memory holds.
const IN_MEMORY: i32 = 99;

/// A random history, written while a node kept the read models up to date.
struct Written {
    database: Arc<TestDatabase>,
    core: Core,
    pool: PgPool,
    events: Vec<Arc<Recorded>>,
    workspaces: Vec<WorkspaceId>,
    /// When it ended.
    now: chrono::DateTime<chrono::Utc>,
}

async fn written(dice: &mut Dice, events: i64) -> Written {
    let app = TestApp::start_at(BEGIN.parse().expect("an instant")).await;
    let workspaces = history::write(&app, dice, events).await;
    let now = application::ports::Clock::now(app.clock.as_deref().expect("time is moved"));
    let database = Arc::clone(&app.database);
    app.stop().await;
    let core = core(&database).await;
    let pool = database.pool().await;
    let facts = core.works.log.after(0, usize::MAX >> 1).await.expect("the log reads");
    let events = facts.iter().map(|fact| fact.recorded.clone().expect("every event reads")).collect();
    Written { database, core, pool, events, workspaces, now }
}

/// The hash of every live version.
async fn live_contents(pool: &PgPool) -> BTreeMap<&'static str, (i64, String)> {
    let mut contents = BTreeMap::new();
    for projection in all() {
        let (version, _) = live(pool, projection.name()).await;
        contents.insert(projection.name(), content(pool, &format!("{}_v{version}", projection.name())).await);
    }
    contents
}

/// Puts a model in memory beside the live version, and gives its hash.
async fn in_memory<M: ReadModel>(written: &Written) -> (&'static str, (i64, String)) {
    let mut rows = Rows::<M>::default();
    written.events.iter().for_each(|event| rows.apply(event));
    let rows: Vec<_> = rows.rows().iter().map(|(key, row)| (*key, row.clone())).collect();
    let mut connection = written.pool.acquire().await.expect("a connection");
    sqlx::raw_sql(&M::TABLES.replace("{v}", &IN_MEMORY.to_string())).execute(&mut *connection).await.expect("the tables are made");
    M::save(&mut connection, IN_MEMORY, &rows, &[]).await.expect("the rows are stored");
    (M::NAME, content(&written.pool, &format!("{}_v{IN_MEMORY}", M::NAME)).await)
}

/// Forgets every version, as if there had never been a read model.
async fn forget(pool: &PgPool) {
    for projection in all() {
        let name = projection.name();
        plant(pool, &format!("DROP VIEW IF EXISTS milepost.{name}")).await;
        let versions: Vec<i32> = sqlx::query_scalar("DELETE FROM milepost.projections WHERE name = $1 RETURNING version")
            .bind(name)
            .fetch_all(pool)
            .await
            .expect("versions can be deleted");
        for version in versions {
            plant(pool, &format!("DROP TABLE milepost.{name}_v{version}")).await;
        }
    }
}

/// Keeps all read models up to date from the beginning, in batches of these sizes.
async fn keep_up(core: &Core, sizes: impl Fn() -> Box<dyn FnMut() -> usize + Send>) {
    let head = core.works.log.head_now();
    join_all(all().into_iter().map(|projection| {
        let (mut works, mut size) = (core.works.clone(), sizes());
        async move {
            let mut position = 0;
            while position < head {
                works = Works { batch: size(), ..works };
                projection.catch_up(&works, position + 1).await.expect("a batch is taken in");
                position = *works.progress.watch(projection.name()).expect("it is followed").borrow();
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_and_rebuilt_and_in_memory_are_the_same_in_batches_of_any_size() {
    let mut dice = Dice::new();
    for events in [250, 400] {
        let written = written(&mut dice, events).await;
        let expected = BTreeMap::from([
            in_memory::<ProjectOverview>(&written).await,
            in_memory::<TaskList>(&written).await,
            in_memory::<TaskComments>(&written).await,
            in_memory::<Schedules>(&written).await,
            in_memory::<DeadlineLog>(&written).await,
            in_memory::<Activity>(&written).await,
        ]);
        assert!(expected.values().all(|(rows, _)| *rows > 0), "a read model is empty: {expected:?}");
        assert_eq!(live_contents(&written.pool).await, expected, "as the node kept them");
        for projection in all() {
            let compared = projection.verify(&written.core.works, &|_| {}).await.expect("a version is built");
            assert!(compared.equal, "{} differs from its rebuild", projection.name());
            projection.rebuild(&written.core.works, &|_| {}).await.expect("a version is built");
        }
        assert_eq!(live_contents(&written.pool).await, expected, "rebuilt");
        for size in [1, 2, 3, 1_000] {
            forget(&written.pool).await;
            keep_up(&written.core, || Box::new(move || size)).await;
            assert_eq!(live_contents(&written.pool).await, expected, "in batches of {size}");
        }
        for _ in 0..4 {
            let most = 1 + dice.below(1_000);
            let seed = std::sync::Mutex::new(dice.fork());
            forget(&written.pool).await;
            keep_up(&written.core, || {
                let mut dice = seed.lock().expect("nobody panics with it").fork();
                Box::new(move || 1 + dice.below(most))
            })
            .await;
            assert_eq!(live_contents(&written.pool).await, expected, "in batches of 1 to {most}");
        }
        assert_counts(&written).await;
        let Written { core, pool, database, .. } = written;
        pool.close().await;
        core.close().await;
        drop(database);
    }
}

/// The events that a read model is about, each with its place among all.
type Relevant<'a> = [(usize, &'a Recorded)];

/// Folds events in batches of one size, each as a transaction would: what the batch needs, and nothing else, is at hand.
fn folded_in_batches<M: ReadModel>(events: &Relevant<'_>, size: usize) -> BTreeMap<M::Key, M::Row> {
    let mut stored = BTreeMap::new();
    for batch in events.chunk_by(|(before, _), (after, _)| before / size == after / size) {
        let keys: BTreeSet<M::Key> = batch.iter().flat_map(|(_, event)| M::touches(event)).collect();
        let groups: BTreeSet<M::Group> = batch.iter().filter_map(|(_, event)| M::spreads_to(event)).collect();
        let needed = |key: &M::Key, row: &M::Row| keys.contains(key) || groups.iter().any(|group| M::belongs(row, *group));
        let at_hand: Vec<_> = match groups.is_empty() {
            true => keys.iter().filter_map(|key| stored.remove_entry(key)).collect(),
            false => {
                let needed: Vec<M::Key> = stored.iter().filter(|(key, row)| needed(key, row)).map(|(key, _)| *key).collect();
                needed.iter().filter_map(|key| stored.remove_entry(key)).collect()
            }
        };
        let mut rows = Rows::<M>::with(at_hand);
        batch.iter().for_each(|(_, event)| rows.apply(event));
        stored.extend(rows.rows().iter().map(|(key, row)| (*key, row.clone())));
    }
    stored
}

fn assert_same_in_every_batch_size<M: ReadModel>(events: &[Arc<Recorded>]) {
    let types = M::event_types();
    let relevant = |event: &&Arc<Recorded>| types.contains(&event.event.name());
    let mut whole = Rows::<M>::default();
    events.iter().filter(relevant).for_each(|event| whole.apply(event));
    let events: Vec<_> = events.iter().enumerate().filter(|(_, event)| relevant(event)).map(|(place, event)| (place, &**event)).collect();
    for size in 1..=1_000 {
        assert!(folded_in_batches::<M>(&events, size) == *whole.rows(), "{} differs in batches of {size}", M::NAME);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_is_the_same_in_batches_of_every_size_from_1_to_1000() {
    let mut dice = Dice::new();
    // Longer than the largest batch.
    let events = Arc::new(written(&mut dice, 1_050).await.events);
    let checks: [fn(&[Arc<Recorded>]); 6] = [
        assert_same_in_every_batch_size::<TaskList>,
        assert_same_in_every_batch_size::<ProjectOverview>,
        assert_same_in_every_batch_size::<Schedules>,
        assert_same_in_every_batch_size::<TaskComments>,
        assert_same_in_every_batch_size::<DeadlineLog>,
        assert_same_in_every_batch_size::<Activity>,
    ];
    let checks = checks.map(|check| {
        let events = Arc::clone(&events);
        tokio::task::spawn_blocking(move || check(&events))
    });
    join_all(checks).await.into_iter().for_each(|check| check.expect("every batch size gives the same"));
}

/// What is known of a task where only counting matters.
struct Counted {
    project: ProjectId,
    status: Status,
    due: Option<chrono::DateTime<chrono::Utc>>,
}

fn count(counts: &mut Counts, status: Status) {
    let slot = match status {
        Status::Todo => &mut counts.todo,
        Status::InProgress => &mut counts.in_progress,
        Status::InReview => &mut counts.in_review,
        Status::Blocked => &mut counts.blocked,
        Status::Done => &mut counts.done,
        Status::Cancelled => &mut counts.cancelled,
    };
    *slot += 1;
}

/// Counts and overdue tasks by project, from the events by rules of its own.
fn counted(written: &Written) -> BTreeMap<ProjectId, (Counts, i64)> {
    let (mut tasks, mut gone, mut projects) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for event in &written.events {
        let id = event.aggregate_id;
        let task = match &event.event {
            Event::Task(task) => task,
            Event::Project(ProjectEvent::ProjectDeleted(_)) => {
                gone.insert(ProjectId(id));
                continue;
            }
            Event::Project(_) => {
                projects.insert(ProjectId(id));
                continue;
            }
            Event::Schedule(_) => continue,
        };
        let due_at = |due: &Option<domain::values::Due>| due.map(|due| due.at);
        if let TaskEvent::TaskCreated(created) = task {
            tasks.insert(id, Counted { project: created.project_id, status: Status::Todo, due: due_at(&created.due) });
        }
        let Some(known) = tasks.get_mut(&id) else { continue };
        match task {
            TaskEvent::TaskStatusChanged(changed) => known.status = changed.to,
            TaskEvent::TaskCompleted(_) => known.status = Status::Done,
            TaskEvent::TaskReopened(_) => known.status = Status::Todo,
            TaskEvent::TaskMoved(moved) => known.project = moved.project_id,
            TaskEvent::TaskDueDateChanged(changed) => known.due = due_at(&changed.to),
            TaskEvent::TaskDeleted(_) => {
                tasks.remove(&id);
            }
            _ => {}
        }
    }
    let mut counted: BTreeMap<_, _> = projects.into_iter().map(|project| (project, (Counts::default(), 0))).collect();
    for task in tasks.values() {
        let (counts, overdue) = counted.get_mut(&task.project).expect("tasks are in projects");
        count(counts, task.status);
        let late = !task.status.is_closed() && task.due.is_some_and(|due| due <= written.now);
        *overdue += i64::from(late && !gone.contains(&task.project));
    }
    counted
}

async fn assert_counts(written: &Written) {
    let phase = Some(["active", "archived", "deleted"].map(str::to_owned).to_vec());
    let filter = ProjectFilter { phase, ..ProjectFilter::default() };
    let (window, selection) = (Window { limit: 100, ..Window::default() }, ProjectSelection { overdue: true });
    let mut answered = BTreeMap::new();
    for workspace in &written.workspaces {
        let page = list_projects(&written.core.database.service, *workspace, &filter, &window, selection, written.now).await;
        for (view, _) in page.expect("projects are listed").rows {
            answered.insert(view.project.id, (view.project.counts, view.overdue.expect("it was asked for")));
        }
    }
    let expected = counted(written);
    assert!(expected.values().any(|(_, overdue)| *overdue > 0), "nothing is overdue, so nothing is shown");
    assert_eq!(answered, expected);
}
