//! A node in the test's own process, and a client of it.

use crate::clock::MovedClock;
use crate::database::TestDatabase;
use crate::kafka::TestTopics;
use crate::wait::until;
use api::http::auth::Tokens;
use application::caller::{Caller, Role};
use application::ports::{Clock, EventLog};
use chrono::{DateTime, Utc};
use domain::ids::{UserId, WorkspaceId};
use infrastructure::clock::SystemClock;
use infrastructure::config::{Configuration, Settings};
use infrastructure::kafka::catalogue::Catalogue;
use serde_json::{Value, json};
use server::wire::{Core, Node};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use uuid::Uuid;

/// The key of all tests' tokens.
pub const SECRET: &str = "a key for tests, long enough for HS256";

/// A node and the database it runs on.
pub struct TestApp {
    pub database: Arc<TestDatabase>,
    pub settings: Settings,
    pub clock: Option<Arc<MovedClock>>,
    node: Option<Node>,
    /// A client of its owner.
    pub client: Client,
}

/// A change of the settings.
pub type Change = Box<dyn FnOnce(&mut Settings) + Send>;

/// How a node is to be.
#[derive(Default)]
pub struct How {
    pub database: Option<Arc<TestDatabase>>,
    pub clock: Option<Arc<MovedClock>>,
    pub topics: Option<TestTopics>,
    /// Changes the settings before the start.
    pub settings: Option<Change>,
    /// The workspace of the client; a new one if none is given.
    pub workspace: Option<Uuid>,
}

impl TestApp {
    /// With a database of its own, without Kafka, by the real clock.
    pub async fn start() -> Self {
        Self::start_with(How::default()).await
    }

    /// The same by a clock that stands at a moment.
    pub async fn start_at(moment: DateTime<Utc>) -> Self {
        Self::start_with(How { clock: Some(Arc::new(MovedClock::at(moment))), ..How::default() }).await
    }

    /// As requested.
    pub async fn start_with(how: How) -> Self {
        let database = match how.database {
            Some(database) => database,
            None => Arc::new(TestDatabase::with_read_models().await),
        };
        let mut settings = settings(&database.url);
        let mut catalogue = Catalogue::read("").expect("the built-in catalogue reads");
        if let Some(topics) = how.topics {
            settings.kafka = topics.kafka;
            catalogue = topics.catalogue;
        }
        if let Some(change) = how.settings {
            change(&mut settings);
        }
        let clock: Arc<dyn Clock> = match &how.clock {
            Some(clock) => clock.clone(),
            None => Arc::new(SystemClock),
        };
        let core = Core::open_with(&settings, clock).await.expect("the database is there");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let node = Node::start(core, &settings, catalogue, listener).await.expect("a node starts");
        let workspace = how.workspace.unwrap_or_else(Uuid::now_v7);
        let client = Client::new(&format!("http://{}", node.address), workspace, Uuid::now_v7(), Role::Owner);
        Self { database, settings, clock: how.clock, node: Some(node), client }
    }

    /// The running node.
    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("the node runs until it is stopped")
    }

    /// The parts without doors.
    pub fn core(&self) -> &Core {
        self.node().core()
    }

    /// The highest position of the log.
    pub fn head(&self) -> i64 {
        *self.core().log.head().borrow()
    }

    /// Waits until every read model has seen everything.
    pub async fn settled(&self) {
        let progress = &self.core().run_context.progress;
        let names: Vec<_> = progress.all().into_iter().map(|(name, _)| name).collect();
        progress.reached(&names, self.head(), crate::wait::PATIENCE).await.expect("read models keep up");
    }

    /// Ends in order.
    pub async fn stop(mut self) {
        if let Some(node) = self.node.take() {
            node.stop().await;
        }
    }
}

/// Settings for a test's database.
pub fn settings(database_url: &str) -> Settings {
    let mut settings = Configuration::defaults();
    settings.database_url = database_url.to_owned();
    settings.auth.hs256_secret = SECRET.to_owned();
    settings.pools.worker = 8;
    settings.pools.service = 8;
    settings
}

/// Somebody who talks GraphQL.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub base: String,
    pub token: String,
    pub caller: Caller,
}

impl Client {
    /// In a workspace, as somebody, with a role.
    pub fn new(base: &str, workspace: Uuid, actor: Uuid, role: Role) -> Self {
        let caller = Caller { actor: UserId(actor), workspace: WorkspaceId(workspace), role };
        Self { http: reqwest::Client::new(), base: base.to_owned(), token: token(&caller), caller }
    }

    /// Somebody else of the same workspace.
    pub fn with_role(&self, role: Role) -> Self {
        Self::new(&self.base, self.caller.workspace.0, Uuid::now_v7(), role)
    }

    /// The owner of another workspace.
    pub fn elsewhere(&self) -> Self {
        Self::new(&self.base, Uuid::now_v7(), Uuid::now_v7(), Role::Owner)
    }

    /// A request with any body and headers. Gives the status and the body.
    pub async fn raw(&self, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.http.post(format!("{}/graphql", self.base)).body(body).bearer_auth(&self.token);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the node answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// The whole answer to a query.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.raw(body, &[]).await.1
    }

    /// The data of a query that must succeed.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.ask(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].clone()
    }

    /// The code of the error that a query must end with.
    pub async fn error(&self, query: &str, variables: Value) -> String {
        let answer = self.ask(query, variables).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer:#}")).to_owned()
    }

    /// The payload of a mutation. `TaskCreateInput` and the fields of the entity are worked out from its name.
    pub async fn mutate(&self, name: &str, fields: &str, input: Value) -> Value {
        let (query, variables) = mutation(name, fields, input);
        self.data(&query, variables).await["r"].clone()
    }

    /// The payload of a mutation that must be carried out.
    pub async fn must(&self, name: &str, fields: &str, input: Value) -> Value {
        let payload = self.mutate(name, fields, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{name} was refused");
        payload
    }

    /// The code of the refusal that a mutation must end with.
    pub async fn refused(&self, name: &str, input: Value) -> String {
        let payload = self.mutate(name, "id", input).await;
        payload["userErrors"][0]["code"].as_str().unwrap_or_else(|| panic!("{name} was carried out: {payload:#}")).to_owned()
    }

    /// A new project's id.
    pub async fn project(&self) -> String {
        let key = format!("T{}", &Uuid::new_v4().simple().to_string()[..8].to_uppercase());
        let made = self.must("projectCreate", "id", json!({ "key": key, "name": "A project" })).await;
        made["project"]["id"].as_str().expect("an id").to_owned()
    }

    /// A new task's id.
    pub async fn task(&self, project: &str, title: &str) -> String {
        let made = self.must("taskCreate", "id", json!({ "projectId": project, "title": title })).await;
        made["task"]["id"].as_str().expect("an id").to_owned()
    }

    /// The message of the notice of a name in `/readyz`, once it is there.
    pub async fn notice(&self, name: &str) -> String {
        until("the notice is there", || async {
            let health: Value = serde_json::from_str(&self.get("/readyz").await.1).ok()?;
            let notices = health["notices"].as_array()?;
            Some(notices.iter().find(|notice| notice["name"] == name)?["message"].as_str()?.to_owned())
        })
        .await
    }

    /// The value of a metric, over all labels that the name does not give. `None` if the node does not show it.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, metrics) = self.get("/metrics").await;
        let lines = metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|sum, value| sum + value)
    }

    /// A page that is not GraphQL: status and text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.http.get(format!("{}{path}", self.base)).send().await.expect("the node answers");
        (response.status().as_u16(), response.text().await.unwrap_or_default())
    }
}

/// The input type that a mutation takes, by the contract.
pub fn input_type(mutation: &str) -> String {
    match mutation {
        "projectArchive" | "projectUnarchive" | "projectDelete" => "ProjectInput".to_owned(),
        "projectCollaboratorAdd" | "projectCollaboratorChangeRole" => "ProjectCollaboratorInput".to_owned(),
        "taskAssign" | "taskUnassign" => "TaskAssigneeInput".to_owned(),
        "taskClearDue" | "taskComplete" | "taskReopen" | "taskDelete" => "TaskInput".to_owned(),
        "scheduleMeet" | "scheduleDelete" => "ScheduleInput".to_owned(),
        other => format!("{}{}Input", other[..1].to_uppercase(), &other[1..]),
    }
}

fn mutation(name: &str, fields: &str, input: Value) -> (String, Value) {
    let entity = ["project", "task", "schedule"].into_iter().find(|entity| name.starts_with(entity)).expect("a mutation of the contract");
    let input_type = input_type(name);
    let query = format!(
        "mutation($i: {input_type}!) {{ r: {name}(input: $i) {{ {entity} {{ {fields} }} userErrors {{ code message path }} position version replayed }} }}"
    );
    (query, json!({ "i": input }))
}

/// A token of somebody, valid for an hour.
pub fn token(caller: &Caller) -> String {
    Tokens::new(SECRET.as_bytes(), "milepost", "milepost").issue(caller, Duration::from_secs(3_600)).expect("a token can be made")
}
