//! Months of random schedules in seconds.

use super::Scene;
use super::audit::audit;
use super::calendar::When;
use super::model::{Life, Model};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::values::{Threshold, ThresholdUnit};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::app::TestApp;
use tests::dice::Dice;
use uuid::Uuid;

/// Clocks that change by an hour or by half of one, on both sides of the equator, at midnight or not, or never.
pub(super) const ZONES: [Tz; 10] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Africa__Cairo,
    Tz::America__Havana,
    Tz::America__Santiago,
    Tz::Atlantic__Azores,
    Tz::Pacific__Chatham,
    Tz::Asia__Kolkata,
    Tz::UTC,
];
const STEPS: usize = 100;
const SCHEDULES_MAX: usize = 50;

struct Project {
    id: Uuid,
    zone: Tz,
    archived: bool,
}

/// Some projects, and schedules in them or by themselves.
struct World {
    scene: Scene,
    app: TestApp,
    dice: Dice,
    projects: Vec<Project>,
    schedules: Vec<(Option<usize>, Model)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_deadline_of_random_months_fires_once_at_its_moment_or_not_at_all() {
    let mut world = World::begin().await;
    for _ in 0..STEPS {
        if world.dice.percent(15) {
            world.turn_a_project().await;
        }
        world.send_commands().await;
        world.pass_time().await;
    }
    let (begun, now) = (super::instant("2031-02-01T09:30:00Z"), world.scene.now());
    assert!(now - begun > TimeDelta::days(60), "months have passed");
    let mut fired: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
    for firing in audit(&world.scene.pool, now).await {
        fired.entry(firing.schedule).or_default().push(firing);
    }
    assert!(fired.len() > 10, "there was something to see");
    for (_, model) in &world.schedules {
        assert_eq!(fired.remove(&model.id).unwrap_or_default(), model.firings, "{model:?}");
    }
    world.app.stop().await;
}

impl World {
    async fn begin() -> Self {
        let scene = Scene::at("2031-02-01T09:30:00Z").await;
        let app = scene.node().await;
        let dice = Dice::thrown();
        let mut projects = vec![];
        for zone in ZONES {
            projects.push(Project { id: scene.project(&app, zone.name()).await, zone, archived: false });
        }
        Self { scene, app, dice, projects, schedules: vec![] }
    }

    /// Archives a project, or takes it up again.
    async fn turn_a_project(&mut self) {
        let place = self.dice.below(self.projects.len());
        let project = &mut self.projects[place];
        let name = if project.archived { "projectUnarchive" } else { "projectArchive" };
        self.scene.must(&self.app, name, json!({ "id": project.id })).await;
        project.archived = !project.archived;
        self.rest().await;
    }

    /// Several commands at the same time, at most one for each schedule.
    async fn send_commands(&mut self) {
        let mut commands = vec![];
        let mut untouched: Vec<usize> = (0..self.schedules.len()).filter(|place| !self.rests(self.schedules[*place].0)).collect();
        for _ in 0..5 {
            let create = self.schedules.len() < SCHEDULES_MAX && self.dice.percent(40);
            if !create && !untouched.is_empty() {
                let place = untouched.swap_remove(self.dice.below(untouched.len()));
                commands.extend(self.change(place));
            } else if create {
                commands.extend(self.create());
            }
        }
        join_all(commands.into_iter().map(|(name, input)| self.scene.must(&self.app, name, input))).await;
        self.rest().await;
    }

    fn create(&mut self) -> Option<(&'static str, Value)> {
        let project = self.dice.percent(70).then(|| self.dice.below(self.projects.len()));
        if self.rests(project) {
            return None;
        }
        let (id, (when, due), leads) = (Uuid::now_v7(), self.due(project), self.leads());
        let project_id = project.map(|place| self.projects[place].id);
        let input = json!({ "id": id, "projectId": project_id, "title": "A deadline", "due": due, "thresholds": words(&leads) });
        self.schedules.push((project, Model::new(id, when, leads)));
        Some(("scheduleCreate", input))
    }

    fn change(&mut self, place: usize) -> Option<(&'static str, Value)> {
        let (project, Model { id, life, .. }) = self.schedules[place].clone();
        let roll = self.dice.below(100);
        match (life, roll) {
            (Life::Deleted, _) | (Life::Met, 30..) => None,
            (Life::Met, _) | (Life::Waiting, 0..10) => {
                self.schedules[place].1.life = Life::Deleted;
                Some(("scheduleDelete", json!({ "id": id })))
            }
            (Life::Waiting, 10..25) => {
                self.schedules[place].1.life = Life::Met;
                Some(("scheduleMeet", json!({ "id": id })))
            }
            (Life::Waiting, 25..50) => {
                let leads = self.leads();
                self.schedules[place].1.warn(leads.clone());
                Some(("scheduleUpdate", json!({ "id": id, "thresholds": words(&leads) })))
            }
            (Life::Waiting, _) => {
                let (when, due) = self.due(project);
                self.schedules[place].1.reschedule(when);
                Some(("scheduleReschedule", json!({ "id": id, "due": due })))
            }
        }
    }

    /// A due moment and how it is requested.
    fn due(&mut self, project: Option<usize>) -> (When, Value) {
        let own_zone = project.map_or(Tz::UTC, |place| self.projects[place].zone);
        let seconds = self.dice.below(60 * 86_400) as i64 - 2 * 86_400;
        let at = self.scene.now() + TimeDelta::seconds(seconds);
        let day: NaiveDate = at.date_naive();
        match self.dice.below(3) {
            0 => (When::At(at, own_zone), json!({ "at": at })),
            1 => (When::EndOf(day, own_zone), json!({ "date": day })),
            _ => {
                let zone = *self.dice.one_of(&ZONES);
                (When::EndOf(day, zone), json!({ "date": day, "timeZone": zone.name() }))
            }
        }
    }

    fn leads(&mut self) -> Vec<Threshold> {
        let any = [
            (ThresholdUnit::Minutes, 300),
            (ThresholdUnit::Hours, 100),
            (ThresholdUnit::Days, 20),
            // Often the same moment, in two words.
            (ThresholdUnit::Days, 1),
        ];
        let mut leads = vec![];
        for _ in 0..self.dice.below(4) {
            let (unit, most) = *self.dice.one_of(&any);
            leads.push(Threshold { amount: 1 + self.dice.below(most) as u32, unit });
        }
        if leads.iter().any(|lead| lead.unit == ThresholdUnit::Days) {
            leads.push(Threshold { amount: 24, unit: ThresholdUnit::Hours });
        }
        leads
    }

    /// Minutes, hours, days, or to just before the next deadline and then upon it.
    async fn pass_time(&mut self) {
        let now = self.scene.now();
        let next = self.schedules.iter().filter(|(project, _)| !self.rests(*project)).filter_map(|(_, model)| model.next()).min();
        let moments = match (self.dice.below(5), next) {
            (0..2, Some(next)) => vec![next - TimeDelta::milliseconds(1), next],
            (2, _) => vec![now + TimeDelta::minutes(self.dice.below(90) as i64)],
            (3, _) => vec![now + TimeDelta::hours(self.dice.below(30) as i64)],
            _ => vec![now + TimeDelta::days(self.dice.below(10) as i64)],
        };
        for moment in moments {
            self.move_to(moment).await;
        }
    }

    async fn move_to(&mut self, moment: DateTime<Utc>) {
        self.scene.clock.set(moment);
        self.rest().await;
    }

    async fn rest(&mut self) {
        self.scene.at_rest().await;
        let now = self.scene.now();
        for (project, model) in &mut self.schedules {
            if project.is_none_or(|place| !self.projects[place].archived) {
                model.pass(now);
            }
        }
    }

    fn rests(&self, project: Option<usize>) -> bool {
        project.is_some_and(|place| self.projects[place].archived)
    }
}

fn words(leads: &[Threshold]) -> Value {
    leads.iter().map(|lead| json!({ "amount": lead.amount, "unit": lead.unit.word().to_uppercase() })).collect()
}
