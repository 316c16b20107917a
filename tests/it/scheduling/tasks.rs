//! Random lives of tasks: whatever happens, each task's schedule ends up as the task says.

use super::audit::{audit, log};
use super::calendar::When;
use super::{Scene, command};
use application::error::CommandError;
use application::reactions;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use futures::future::{join, join_all};
use infrastructure::checkpoints::PostgresCheckpoints;
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::app::TestApp;
use tests::builders;
use tests::dice::Dice;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

const TASKS: usize = 12;

/// A task as it is, and the schedule that should follow it.
#[derive(Debug, Clone)]
struct Task {
    id: Uuid,
    project: usize,
    title: String,
    due: Option<NaiveDate>,
    status: Status,
    gone: bool,
    follower: Option<Follower>,
    /// What should have happened to the schedule, deadlines that fired left out.
    events: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Status {
    Open,
    Done,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
struct Follower {
    life: &'static str,
    revision: i64,
    title: String,
    due: DateTime<Utc>,
}

/// Every schedule that follows a task, by the task.
type Found = BTreeMap<Uuid, Follower>;

impl Task {
    fn wanted(&self) -> Option<NaiveDate> {
        self.due.filter(|_| !self.gone && self.status != Status::Cancelled)
    }

    fn due_at(day: NaiveDate) -> DateTime<Utc> {
        When::EndOf(day, Tz::UTC).at()
    }

    /// What becomes of the schedule when it sees the task as it is now.
    fn follow(&mut self) {
        let wanted = self.wanted().map(Self::due_at);
        match (&mut self.follower, wanted) {
            (None, Some(due)) if self.status == Status::Open => {
                self.follower = Some(Follower { life: "waiting", revision: 1, title: self.title.clone(), due });
                self.events.push("schedule_created");
            }
            (Some(follower), None) if follower.life == "waiting" => {
                follower.life = "deleted";
                self.events.push("schedule_deleted");
            }
            (Some(follower), Some(_)) if follower.life == "waiting" && self.status == Status::Done => {
                follower.life = "met";
                self.events.push("deadline_met");
            }
            (Some(follower), Some(_)) if follower.life == "met" && self.status == Status::Done && follower.title != self.title => {
                follower.title.clone_from(&self.title);
                self.events.push("schedule_updated");
            }
            (Some(follower), Some(due)) if self.status == Status::Open => {
                let begins_again = follower.life != "waiting";
                let (renamed, moved) = (follower.title != self.title, follower.due != due);
                *follower = Follower {
                    life: "waiting",
                    revision: follower.revision + i64::from(begins_again || moved),
                    title: self.title.clone(),
                    due,
                };
                if begins_again {
                    self.events.push("schedule_reopened")
                } else {
                    self.events.extend(renamed.then_some("schedule_updated"));
                    self.events.extend(moved.then_some("schedule_rescheduled"));
                }
            }
            _ => {}
        }
    }

    /// Changes the task at random and gives the command that does so.
    fn change(&mut self, dice: &mut Dice, today: NaiveDate, projects: &[(Uuid, bool)]) -> Option<(&'static str, Value)> {
        let id = self.id;
        let open = self.status == Status::Open;
        match dice.below(20) {
            0..6 if self.status != Status::Done => {
                let day = today + TimeDelta::days(dice.below(14) as i64 - 2);
                self.due = Some(day);
                Some(("taskSetDue", json!({ "id": id, "due": { "date": day } })))
            }
            6..8 if self.status != Status::Done => {
                self.due = None;
                Some(("taskClearDue", json!({ "id": id })))
            }
            8..11 if open => {
                self.status = Status::Done;
                Some(("taskComplete", json!({ "id": id })))
            }
            11 if open => {
                self.status = Status::Cancelled;
                Some(("taskChangeStatus", json!({ "id": id, "status": "CANCELLED" })))
            }
            8..15 if !open => {
                self.status = Status::Open;
                Some(("taskReopen", json!({ "id": id })))
            }
            15..17 => {
                self.title = format!("Title {}", dice.below(3));
                Some(("taskUpdate", json!({ "id": id, "title": self.title })))
            }
            17 if self.status != Status::Done => {
                let to = dice.below(projects.len());
                if projects[to].1 {
                    return None;
                }
                self.project = to;
                Some(("taskMove", json!({ "id": id, "projectId": projects[to].0 })))
            }
            18 if dice.percent(40) => {
                self.gone = true;
                Some(("taskDelete", json!({ "id": id })))
            }
            _ => Some(("taskComment", json!({ "id": id, "body": "Nothing to follow" }))),
        }
    }

    /// What may be there if the schedule saw only some of the states the task went through.
    fn may_have(&self, found: Option<&Follower>) -> bool {
        let life = if self.status == Status::Done { "met" } else { "waiting" };
        match (self.wanted().map(Self::due_at), found) {
            (Some(due), Some(found)) => found.life == life && found.due == due && found.title == self.title,
            (Some(_), None) => false,
            (None, found) => found.is_none_or(|found| found.life != "waiting"),
        }
    }
}

/// Projects, each with whether it rests, and tasks in them.
async fn begin(scene: &Scene, app: &TestApp) -> (Vec<(Uuid, bool)>, Vec<Task>) {
    let mut projects = vec![];
    for _ in 0..3 {
        projects.push((scene.project(app, "UTC").await, false));
    }
    let mut tasks = vec![];
    for n in 0..TASKS {
        tasks.push(create(scene, app, &projects, n % 3).await);
    }
    (projects, tasks)
}

async fn create(scene: &Scene, app: &TestApp, projects: &[(Uuid, bool)], project: usize) -> Task {
    let title = "Begun".to_owned();
    let id = scene.must(app, "taskCreate", json!({ "projectId": projects[project].0, "title": title })).await;
    Task { id, project, title, due: None, status: Status::Open, gone: false, follower: None, events: vec![] }
}

async fn found(scene: &Scene) -> Found {
    let rows = sqlx::query("SELECT task_id, state, due_revision::bigint, title, due_at FROM milepost.schedules WHERE follows_task")
        .fetch_all(&scene.pool)
        .await;
    let life = |state: &str| match state {
        "met" => "met",
        "deleted" => "deleted",
        _ => "waiting",
    };
    let follower = |row: &sqlx::postgres::PgRow| {
        let follower = Follower { life: life(row.get(1)), revision: row.get(2), title: row.get(3), due: row.get(4) };
        (row.get::<Uuid, _>(0), follower)
    };
    rows.expect("the read model can be read").iter().map(follower).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_sees_each_state_of_its_task_does_what_the_model_does() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let mut dice = Dice::thrown();
    let (mut projects, mut tasks) = begin(&scene, &app).await;
    for _ in 0..60 {
        let turned = dice.below(10);
        if let Some((project, rests)) = projects.get_mut(turned) {
            let name = if *rests { "projectUnarchive" } else { "projectArchive" };
            scene.must(&app, name, json!({ "id": project })).await;
            *rests = !*rests;
        }
        let today = scene.now().date_naive();
        let living = tasks.iter_mut().filter(|task| !task.gone && !projects[task.project].1);
        let commands: Vec<_> = living.filter_map(|task| task.change(&mut dice, today, &projects)).collect();
        join_all(commands.into_iter().map(|(name, input)| scene.must(&app, name, input))).await;
        scene.at_rest().await;
        tasks.iter_mut().for_each(Task::follow);
        let found = found(&scene).await;
        for task in &tasks {
            assert_eq!(found.get(&task.id), task.follower.as_ref(), "{task:?}");
        }
        let open = projects.iter().position(|(_, rests)| !rests);
        if let (Some(project), true) = (open, tasks.iter().filter(|task| !task.gone).count() < TASKS) {
            tasks.push(create(&scene, &app, &projects, project).await);
        }
        scene.moved_to(scene.now() + TimeDelta::hours(dice.below(40) as i64)).await;
    }
    audit(&scene.pool, scene.now()).await;
    let (mut events, mut followers): (BTreeMap<Uuid, Vec<String>>, BTreeMap<Uuid, Uuid>) = (BTreeMap::new(), BTreeMap::new());
    for fact in log(&scene.pool).await {
        if let Some(task) = fact.follows() {
            assert_eq!(followers.insert(task, fact.id), None, "a task has one follower");
        }
        if !["deadline_approaching", "deadline_overdue"].contains(&fact.kind.as_str()) {
            events.entry(fact.id).or_default().push(fact.kind);
        }
    }
    for task in &tasks {
        let of_follower = followers.get(&task.id).and_then(|id| events.remove(id));
        assert_eq!(of_follower.unwrap_or_default(), task.events, "{task:?}");
    }
    app.stop().await;
}

/// A reaction that goes on whether or not another node has the lease.
fn react_without_asking(workers: &mut JoinSet<()>, app: &TestApp) {
    for reaction in reactions::all() {
        let application = Arc::clone(&app.core().application);
        let checkpoints = PostgresCheckpoints::new(app.core().database.worker.clone());
        workers.spawn(async move {
            let (_held, lease) = watch::channel(Some(1));
            let reports = reactions::Reports { problem: watch::Sender::new(None), progress: watch::Sender::new(()) };
            reactions::run(&application, &checkpoints, &*reaction, lease, &reports).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_all_react_while_tasks_go_on_changing_leave_each_schedule_right() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let nodes = [scene.node().await, scene.node().await];
    let mut workers = JoinSet::new();
    nodes.iter().for_each(|node| react_without_asking(&mut workers, node));
    let mut dice = Dice::thrown();
    let (projects, mut tasks) = begin(&scene, &nodes[0]).await;
    for _ in 0..40 {
        let today = scene.now().date_naive();
        let lives = tasks.iter_mut().filter(|task| !task.gone).map(|task| {
            let node = dice.below(2);
            let commands: Vec<_> = (0..2).map_while(|_| (!task.gone).then(|| task.change(&mut dice, today, &projects))).flatten().collect();
            (node, commands)
        });
        let lives: Vec<_> = lives.collect();
        let lives = join_all(lives.into_iter().map(|(node, commands)| one_after_the_other(&scene, &nodes[node], commands)));
        let later = scene.now() + TimeDelta::hours(dice.below(20) as i64);
        join(lives, async { scene.clock.set(later) }).await;
    }
    scene.at_rest().await;
    audit(&scene.pool, scene.now()).await;
    let found = found(&scene).await;
    for task in &tasks {
        assert!(task.may_have(found.get(&task.id)), "{task:?} has {:?}", found.get(&task.id));
    }
    workers.shutdown().await;
    for node in nodes {
        node.stop().await;
    }
}

async fn one_after_the_other(scene: &Scene, node: &TestApp, commands: Vec<(&'static str, Value)>) {
    for (name, input) in commands {
        loop {
            match builders::send(&node.core().application, scene.caller, command(name, input.clone())).await {
                Err(CommandError::Contended) => {}
                sent => break drop(sent.unwrap_or_else(|error| panic!("{name} {input}: {error}"))),
            }
        }
    }
}
