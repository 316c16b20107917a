//! People who go on working: each sends one command after the other, and each again until it is acknowledged.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tests::app::{Client, input_type};
use tests::dice::Dice;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many work at the same time.
const PEOPLE: usize = 16;
/// Longest wait for one answer before the command is sent again.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// What a service says that has trouble and wants the command again.
const AGAIN: [&str; 3] = ["UNAVAILABLE", "OVERLOADED", "POSITION_NOT_REACHED"];
/// Pause before a command is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// Many people, until they are stopped.
pub(super) struct Writers {
    people: JoinSet<Written>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    unanswered: Arc<AtomicUsize>,
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    /// Command ids, with the positions that were answered.
    pub(super) acknowledged: Vec<(Uuid, i64)>,
    /// How many tasks have a due date.
    pub(super) due: usize,
}

impl Writers {
    pub(super) fn start(client: &Client, project: &str, dice: &mut Dice) -> Self {
        let (stop, acknowledged, unanswered) = (Arc::default(), Arc::default(), Arc::default());
        let mut people = JoinSet::new();
        for _ in 0..PEOPLE {
            let person = Person {
                http: reqwest::Client::builder().timeout(ANSWER_WITHIN).build().expect("a client can be made"),
                address: format!("{}/graphql", client.base),
                token: client.token.clone(),
                project: project.to_owned(),
                dice: dice.another(),
                unanswered: Arc::clone(&unanswered),
            };
            people.spawn(person.work(Arc::clone(&stop), Arc::clone(&acknowledged)));
        }
        Self { people, stop, acknowledged, unanswered }
    }

    /// How often somebody got no answer at all: the connection ended, or it took too long.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// How many commands were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets everybody finish the command at hand.
    pub(super) async fn stop(mut self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        while let Some(person) = self.people.join_next().await {
            let written = person.expect("nobody met an error that is not worth another try");
            all.acknowledged.extend(written.acknowledged);
            all.due += written.due;
        }
        all
    }
}

struct Person {
    http: reqwest::Client,
    address: String,
    token: String,
    project: String,
    dice: Dice,
    unanswered: Arc<AtomicUsize>,
}

impl Person {
    async fn work(mut self, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicUsize>) -> Written {
        let (mut written, mut tasks) = (Written::default(), vec![]);
        while !stop.load(Ordering::Relaxed) {
            let command_id = Uuid::now_v7();
            let (name, mut input) = self.next_command(&mut tasks, &mut written.due);
            input["commandId"] = json!(command_id);
            let position = self.until_acknowledged(name, &input).await;
            written.acknowledged.push((command_id, position));
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    /// A new task, sometimes due in a moment, or another title for one of before.
    fn next_command(&mut self, tasks: &mut Vec<Uuid>, due: &mut usize) -> (&'static str, Value) {
        if tasks.is_empty() || self.dice.percent(40) {
            let id = Uuid::now_v7();
            tasks.push(id);
            let mut input = json!({ "id": id, "projectId": self.project, "title": "Begun" });
            if self.dice.percent(20) {
                *due += 1;
                input["due"] = json!({ "at": Utc::now() + TimeDelta::seconds(1) });
            }
            return ("taskCreate", input);
        }
        let id = *self.dice.one_of(tasks);
        ("taskUpdate", json!({ "id": id, "title": format!("Title {}", self.dice.roll()) }))
    }

    async fn until_acknowledged(&self, name: &str, input: &Value) -> i64 {
        let input_type = input_type(name);
        let query = format!("mutation($i: {input_type}!) {{ r: {name}(input: $i) {{ position userErrors {{ code message }} }} }}");
        let body = json!({ "query": query, "variables": { "i": input } });
        loop {
            if let Some(answer) = self.send(&body).await {
                let payload = &answer["data"]["r"];
                if let Some(position) = payload["position"].as_str() {
                    assert_eq!(payload["userErrors"], json!([]), "{name}");
                    return position.parse().expect("a position is a number");
                }
                let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
                assert!(AGAIN.contains(&code), "{name}: {answer}");
            } else {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The answer, if there is one.
    async fn send(&self, body: &Value) -> Option<Value> {
        let request = self.http.post(&self.address).bearer_auth(&self.token).header("content-type", "application/json");
        request.body(body.to_string()).send().await.ok()?.json().await.ok()
    }
}
