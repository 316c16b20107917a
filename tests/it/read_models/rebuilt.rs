//! Kept up to date, built anew, or folded in memory: a read model is always the same, whatever the batches were.

use super::history::{self, BEGIN};
use super::{content, core, live, plant};
use chrono::{DateTime, Utc};
use domain::event::{Event, Fact, Recorded};
use domain::ids::{ProjectId, WorkspaceId};
use domain::project::ProjectEvent;
use domain::task::{Status, TaskEvent};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use projections::model::ReadModel;
use projections::models::{ForEach, for_each};
use projections::project_overview::{Counts, ProjectFilter, ProjectSelection, list_projects};
use projections::querying::page::Window;
use projections::runner::{GROUP_ROWS_MAX, all};
use projections::running::in_memory::InMemory;
use projections::running::rows::save;
use projections::running::run_context::RunContext;
use server::wire::Core;
use sqlx::PgPool;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tests::app::TestApp;
use tests::database::TestDatabase;
use tests::dice::Dice;

/// More than the largest batch.
const EVENTS: i64 = 1_050;
/// The largest batch.
const BATCH_MAX: usize = 1_000;
/// A version that no program made: what the model in memory holds.
const IN_MEMORY: i32 = 99;

/// A random history, written while a node kept the read models up to date.
struct Written {
    database: Arc<TestDatabase>,
    core: Core,
    pool: PgPool,
    facts: Vec<Arc<Fact>>,
    workspaces: Vec<WorkspaceId>,
    /// When it ended.
    now: DateTime<Utc>,
}

impl Written {
    fn events(&self) -> impl Iterator<Item = &Recorded> {
        self.facts.iter().map(|fact| &**fact.recorded.as_ref().expect("every event reads"))
    }
}

async fn written(dice: &mut Dice) -> Written {
    let app = TestApp::start_at(BEGIN.parse().expect("an instant")).await;
    let workspaces = history::write(&app, dice, EVENTS).await;
    let now = application::ports::Clock::now(app.clock.as_deref().expect("time is moved"));
    let database = Arc::clone(&app.database);
    app.stop().await;
    let core = core(&database).await;
    let pool = database.pool().await;
    let facts = core.run_context.log.after(0, usize::MAX >> 1).await.expect("the log reads");
    assert!(facts.len() > BATCH_MAX);
    Written { database, core, pool, facts, workspaces, now }
}

/// Gives the name and the content of a model in memory.
type InMemoryContent = fn(&Written) -> BoxFuture<'_, (&'static str, Content)>;

/// What is asked of every read model there is.
#[derive(Default)]
struct Checks {
    contents: Vec<InMemoryContent>,
    folds: Vec<fn(&[Arc<Fact>])>,
}

impl ForEach for Checks {
    fn read_model<M: ReadModel>(&mut self) {
        self.contents.push(|written| in_memory::<M>(written).boxed());
        self.folds.push(assert_same_in_every_batch_size::<M>);
    }
}

/// How many rows, and their hash.
type Content = (i64, String);
type Contents = BTreeMap<&'static str, Content>;

/// The hash of every live version.
async fn live_contents(pool: &PgPool) -> Contents {
    let mut contents = BTreeMap::new();
    for projection in all() {
        let (version, _) = live(pool, projection.name()).await;
        contents.insert(projection.name(), content(pool, &format!("{}_v{version}", projection.name())).await);
    }
    contents
}

/// Everything taken in at once, in memory.
fn whole<M: ReadModel>(facts: &[Arc<Fact>]) -> InMemory<M> {
    let mut model = InMemory::<M>::default();
    model.apply_batch(facts).expect("every event can be taken in");
    model
}

/// Puts a model in memory beside the live version, and gives its hash.
async fn in_memory<M: ReadModel>(written: &Written) -> (&'static str, Content) {
    let rows: Vec<_> = whole::<M>(&written.facts).rows().iter().map(|(key, row)| (*key, row.clone())).collect();
    plant(&written.pool, &M::TABLES.replace("{v}", &IN_MEMORY.to_string())).await;
    let mut connection = written.pool.acquire().await.expect("a connection");
    save::<M>(&mut connection, IN_MEMORY, &rows).await.expect("the rows are stored");
    drop(connection);
    (M::NAME, content(&written.pool, &format!("{}_v{IN_MEMORY}", M::NAME)).await)
}

/// In memory, every batch size gives the same.
fn assert_same_in_every_batch_size<M: ReadModel>(facts: &[Arc<Fact>]) {
    let (whole, types) = (whole::<M>(facts), M::event_types());
    // Where batches end is decided by all facts; those that are nothing to it need not be gone through a thousand times.
    let facts: Vec<_> = facts.iter().filter(|fact| types.contains(&fact.event_type.as_str())).cloned().collect();
    for size in 1..=BATCH_MAX as i64 {
        let mut model = InMemory::<M>::default();
        let batches = facts.chunk_by(|before, after| (before.position - 1) / size == (after.position - 1) / size);
        batches.for_each(|batch| model.apply_batch(batch).expect("every event can be taken in"));
        assert!(model.rows() == whole.rows(), "{} differs in batches of {size}", M::NAME);
    }
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

/// Keeps all read models up to date from the beginning, in batches of these sizes, with so many rows of groups in memory.
async fn keep_up(core: &Core, group_rows: usize, sizes: impl Fn() -> Box<dyn FnMut() -> usize + Send>) {
    let head = core.run_context.log.head_now();
    join_all(all().into_iter().map(|projection| {
        let (mut run_context, mut size) = (RunContext { group_rows, ..core.run_context.clone() }, sizes());
        async move {
            let mut position = 0;
            while position < head {
                run_context = RunContext { batch: size(), ..run_context };
                projection.catch_up(&run_context, position + 1).await.expect("a batch is taken in");
                position = run_context.progress.watch(projection.name()).and_then(|position| *position.borrow()).expect("it is known");
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_and_rebuilt_and_in_memory_are_the_same_in_batches_of_any_size() {
    let mut dice = Dice::thrown();
    let written = written(&mut dice).await;
    let mut checks = Checks::default();
    for_each(&mut checks);
    let facts = Arc::new(written.facts.clone());
    let folds = checks.folds.into_iter().map(|assert_same| {
        let facts = Arc::clone(&facts);
        tokio::task::spawn_blocking(move || assert_same(&facts))
    });
    let folds: Vec<_> = folds.collect();

    let mut expected = Contents::new();
    for in_memory in checks.contents {
        expected.extend([in_memory(&written).await]);
    }
    assert!(expected.values().all(|(rows, _)| *rows > 0), "a read model is empty: {expected:?}");
    assert_eq!(live_contents(&written.pool).await, expected, "as the node kept them");
    assert_rebuilt(&written, &expected).await;
    assert_stored_in_batches(&written, &expected, &mut dice).await;
    assert_counts(&written).await;
    join_all(folds).await.into_iter().for_each(|fold| fold.expect("every batch size gives the same"));
    let Written { core, pool, database, .. } = written;
    pool.close().await;
    core.close().await;
    drop(database);
}

async fn assert_rebuilt(written: &Written, expected: &Contents) {
    for projection in all() {
        let compared = projection.verify(&written.core.run_context, &|_| {}).await.expect("a version is built");
        assert!(compared.equal, "{} differs from its rebuild", projection.name());
        projection.rebuild(&written.core.run_context, &|_| {}).await.expect("a version is built");
    }
    assert_eq!(live_contents(&written.pool).await, *expected, "rebuilt");
}

/// Every size would take too long here; that all of them fold to the same is shown in memory.
async fn assert_stored_in_batches(written: &Written, expected: &Contents, dice: &mut Dice) {
    let by_chance = [(); 3].map(|()| 1 + dice.below(BATCH_MAX));
    for size in [1, 2, 3, 7, 64, 333, BATCH_MAX - 1, BATCH_MAX].into_iter().chain(by_chance) {
        forget(&written.pool).await;
        keep_up(&written.core, GROUP_ROWS_MAX, || Box::new(move || size)).await;
        assert_eq!(live_contents(&written.pool).await, *expected, "in batches of {size}");
    }
    for (most, group_rows) in [(10, GROUP_ROWS_MAX), (BATCH_MAX, GROUP_ROWS_MAX), (10, 1), (100, 2), (BATCH_MAX, 1), (BATCH_MAX, 3)] {
        let seed = std::sync::Mutex::new(dice.another());
        forget(&written.pool).await;
        keep_up(&written.core, group_rows, || {
            let mut dice = seed.lock().expect("nobody panics with it").another();
            Box::new(move || 1 + dice.below(most))
        })
        .await;
        assert_eq!(live_contents(&written.pool).await, *expected, "in batches of 1 to {most}, {group_rows} rows of a group at a time");
    }
}

/// What is known of a task where only counting matters.
struct Counted {
    project: ProjectId,
    status: Status,
    due: Option<DateTime<Utc>>,
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
    for event in written.events() {
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
            _ => continue,
        };
        let due_at = |due: &Option<domain::values::Due>| due.map(|due| due.at.utc());
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
    let (window, selection) =
        (Window { limit: 100, ..Window::default() }, ProjectSelection { overdue: true, ..ProjectSelection::default() });
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
