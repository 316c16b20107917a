//! Reads the whole log like a bookkeeper who knows the rules but not the program, and finds every firing that should not
//! be, or is missing.

use super::calendar::When;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::values::Threshold;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// An event as stored.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) body: Value,
    pub(super) at: DateTime<Utc>,
}

impl Fact {
    /// The task that a schedule begins to follow here, if it does.
    pub(super) fn follows(&self) -> Option<Uuid> {
        let follows = self.kind == "schedule_created" && self.body["subject"]["kind"] == "task_due_date";
        follows.then(|| read(&self.body["subject"]["task_id"]))
    }
}

/// A deadline that was announced.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Firing {
    pub(super) schedule: Uuid,
    pub(super) revision: i64,
    /// `None` where the due moment itself passed.
    pub(super) threshold: Option<Threshold>,
    pub(super) scheduled_for: DateTime<Utc>,
    pub(super) fired_at: DateTime<Utc>,
    pub(super) late_by_ms: i64,
}

/// What the books say of one schedule.
#[derive(Debug)]
struct Account {
    project: Option<Uuid>,
    task: Option<Uuid>,
    follows: bool,
    life: &'static str,
    due: When,
    revision: i64,
    leads: Vec<Threshold>,
    fired_through: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Task {
    project: Option<Uuid>,
    closed: bool,
    gone: bool,
}

#[derive(Debug, Default)]
struct Books {
    resting: HashMap<Uuid, bool>,
    tasks: HashMap<Uuid, Task>,
    accounts: HashMap<Uuid, Account>,
    firings: Vec<Firing>,
}

/// Every event, in order.
pub(super) async fn log(pool: &PgPool) -> Vec<Fact> {
    let rows = sqlx::query(
        "SELECT aggregate_id, event_type, payload -> event_type, metadata ->> 'occurred_at' FROM milepost.events ORDER BY position",
    )
    .fetch_all(pool)
    .await
    .expect("the log can be read");
    let fact = |row: &sqlx::postgres::PgRow| Fact {
        id: row.get::<&str, _>(0).parse().expect("an id"),
        kind: row.get(1),
        body: row.get(2),
        at: super::instant(row.get(3)),
    };
    rows.iter().map(fact).collect()
}

/// Goes through the log and the read models. Gives the firings in order.
pub(super) async fn audit(pool: &PgPool, now: DateTime<Utc>) -> Vec<Firing> {
    let mut books = Books::default();
    for fact in log(pool).await {
        books.enter(&fact);
    }
    let waiting = books.accounts.iter().filter(|(_, account)| account.life == "waiting" && !books.is_silent(account));
    for (id, account) in waiting {
        assert_eq!(account.passed(now), None, "schedule {id} has not fired by {now}: {account:?}");
    }
    books.agree_with_read_models(pool).await;
    books.firings
}

impl Account {
    /// The latest moment that has passed and not fired.
    fn passed(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pending().into_iter().rfind(|moment| *moment <= now)
    }

    fn pending(&self) -> Vec<DateTime<Utc>> {
        let after = self.fired_through;
        self.due.moments(&self.leads).into_iter().filter(|moment| after.is_none_or(|fired| *moment > fired)).collect()
    }

    fn open(&mut self, body: &Value, due: &str) {
        let revision = body["due_revision"].as_i64().expect("a revision");
        assert_eq!(revision, self.revision + 1, "revisions count up: {body}");
        self.revision = revision;
        self.due = due_of(&body[due]);
        self.leads = leads_of(self.due, &body["thresholds"]);
        self.life = "waiting";
        self.fired_through = None;
    }
}

impl Books {
    fn enter(&mut self, fact: &Fact) {
        let Fact { id, body, .. } = fact;
        let named = |field: &str| body[field].as_str().map(|id| id.parse::<Uuid>().expect("an id"));
        match fact.kind.as_str() {
            "project_archived" | "project_deleted" => _ = self.resting.insert(*id, true),
            "project_unarchived" => _ = self.resting.insert(*id, false),
            "task_created" => _ = self.tasks.insert(*id, Task { project: named("project_id"), ..Task::default() }),
            "task_moved" => self.task(*id).project = named("project_id"),
            "task_completed" => self.task(*id).closed = true,
            "task_reopened" => self.task(*id).closed = false,
            "task_status_changed" => self.task(*id).closed = body["to"] == "cancelled",
            "task_deleted" => self.task(*id).gone = true,
            "schedule_created" => {
                if let Some(task) = fact.follows() {
                    let another = self.accounts.values().find(|account| account.follows && account.task == Some(task));
                    assert!(another.is_none(), "a task has one follower: {fact:?} {another:?}");
                }
                let due = due_of(&body["due"]);
                let account = Account {
                    project: named("project_id"),
                    task: named("task_id"),
                    follows: body["subject"]["kind"] == "task_due_date",
                    life: "waiting",
                    due,
                    revision: 1,
                    leads: leads_of(due, &body["thresholds"]),
                    fired_through: None,
                };
                assert!(self.accounts.insert(*id, account).is_none(), "a schedule begins once: {fact:?}");
            }
            "schedule_updated" => {
                if let Some(change) = body["changes"].get("thresholds") {
                    let account = self.account(*id);
                    account.leads = leads_of(account.due, &change["to"]);
                }
            }
            "schedule_rescheduled" => self.account(*id).open(body, "to"),
            "schedule_reopened" => self.account(*id).open(body, "due"),
            "schedule_deleted" => self.account(*id).life = "deleted",
            "deadline_met" => self.account(*id).life = "met",
            "deadline_approaching" | "deadline_overdue" => self.enter_firing(fact),
            _ => {}
        }
    }

    fn enter_firing(&mut self, fact: &Fact) {
        let Fact { id, body, .. } = fact;
        let silent = self.is_silent(&self.accounts[id]);
        let account = self.account(*id);
        assert_eq!((account.life, silent), ("waiting", false), "it must be silent: {fact:?} {account:?}");
        assert_eq!(body["due_revision"], account.revision, "an old revision fired: {fact:?}");
        let threshold: Option<Threshold> = body.get("threshold").map(read);
        let scheduled_for = threshold.map_or(account.due.at(), |lead| account.due.before(lead));
        assert!(threshold.is_none_or(|lead| account.leads.contains(&lead)), "no user set this: {fact:?}");
        assert!(threshold.is_none() || body["scheduled_for"] == read::<Value>(&serde_json::json!(scheduled_for)), "{fact:?}");
        assert!(fact.at >= scheduled_for, "fired early: {fact:?}, due {scheduled_for}");
        assert!(account.fired_through.is_none_or(|fired| fired < scheduled_for), "fired twice, or after a later one: {fact:?}");
        assert_eq!(account.passed(fact.at), Some(scheduled_for), "a more severe one was pending: {fact:?}");
        let late_by_ms = body["late_by_ms"].as_i64().expect("a lateness");
        assert_eq!(late_by_ms, (fact.at - scheduled_for).num_milliseconds(), "{fact:?}");
        account.fired_through = Some(scheduled_for);
        let revision = account.revision;
        self.firings.push(Firing { schedule: *id, revision, threshold, scheduled_for, fired_at: fact.at, late_by_ms });
    }

    fn task(&mut self, id: Uuid) -> &mut Task {
        self.tasks.get_mut(&id).expect("a task begins before anything else happens to it")
    }

    fn account(&mut self, id: Uuid) -> &mut Account {
        self.accounts.get_mut(&id).expect("a schedule begins before anything else happens to it")
    }

    fn is_silent(&self, account: &Account) -> bool {
        let task = account.task.map(|task| &self.tasks[&task]);
        let project = task.map_or(account.project, |task| task.project);
        let rests = project.is_some_and(|project| self.resting.get(&project) == Some(&true));
        rests || task.is_some_and(|task| task.gone || (account.follows && task.closed))
    }

    /// What people and the scheduler read is what the log says.
    async fn agree_with_read_models(&self, pool: &PgPool) {
        let rows = sqlx::query("SELECT id, state, next_fire_at FROM milepost.schedules").fetch_all(pool).await.expect("a read model");
        assert_eq!(rows.len(), self.accounts.len(), "one row for each schedule");
        for row in rows {
            let account = &self.accounts[&row.get::<Uuid, _>(0)];
            let state = match (account.life, account.fired_through) {
                ("waiting", None) => "pending",
                ("waiting", Some(fired)) if fired == account.due.at() => "overdue",
                ("waiting", Some(_)) => "approaching",
                (closed, _) => closed,
            };
            let next = account.pending().first().copied().filter(|_| account.life == "waiting");
            assert_eq!((row.get::<&str, _>(1), row.get::<Option<DateTime<Utc>>, _>(2)), (state, next), "{account:?}");
        }
        let listed = sqlx::query(
            "SELECT schedule_id, due_revision::bigint, threshold_amount, threshold_unit, scheduled_for, fired_at, late_by_ms \
             FROM milepost.deadline_log ORDER BY position",
        );
        let listed = listed.fetch_all(pool).await.expect("a read model");
        let firing = |row: &sqlx::postgres::PgRow| Firing {
            schedule: row.get(0),
            revision: row.get(1),
            threshold: row
                .get::<Option<i32>, _>(2)
                .map(|amount| read(&serde_json::json!({ "amount": amount, "unit": row.get::<String, _>(3) }))),
            scheduled_for: row.get(4),
            fired_at: row.get(5),
            late_by_ms: row.get(6),
        };
        assert_eq!(listed.iter().map(firing).collect::<Vec<_>>(), self.firings, "the deadline log has every firing once");
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// The due moment as requested; the stored instant must be what that means.
fn due_of(due: &Value) -> When {
    let (zone, at) = (read::<Tz>(&due["time_zone"]), read::<DateTime<Utc>>(&due["at"]));
    let when = due.get("date").map_or(When::At(at, zone), |date| When::EndOf(read(date), zone));
    assert_eq!(at, when.at(), "{due}");
    when
}

/// The leads as requested; the stored instants must be what they mean.
fn leads_of(due: When, thresholds: &Value) -> Vec<Threshold> {
    #[derive(Deserialize)]
    struct Stored {
        #[serde(flatten)]
        lead: Threshold,
        at: DateTime<Utc>,
    }
    let stored: Vec<Stored> = read(thresholds);
    stored.iter().for_each(|stored| assert_eq!(stored.at, due.before(stored.lead), "{thresholds} before {due:?}"));
    stored.iter().map(|stored| stored.lead).collect()
}
