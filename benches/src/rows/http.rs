//! `taskCreate` over HTTP. Against the peer, which is stock and well tuned.

use super::Pairs;
use crate::cpu::Counted;
use crate::filling::title;
use crate::load::{self, Run, To};
use crate::numbers::{median, short};
use crate::people::signed_in;
use crate::process::Serving;
use crate::report::Row;
use crate::stand::{Stand, connect};
use anyhow::Result;
use domain::ids::WorkspaceId;
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

const CLIENTS: usize = 64;
/// Projects that the tasks are spread over.
const PROJECTS: usize = 20;

const CREATE_PROJECT: &str = "mutation($i: ProjectCreateInput!) { projectCreate(input: $i) { project { id } userErrors { code } } }";
const CREATE_TASK: &str = "mutation($i: TaskCreateInput!) { taskCreate(input: $i) { task { id key title status version } \
                           userErrors { code message path } version replayed } }";

/// A server with projects to create tasks in.
pub(super) struct Side {
    serving: Serving,
    pub(super) to: To,
    projects: Arc<Vec<Uuid>>,
}

impl Side {
    pub(super) async fn begin(stand: &Stand, serving: Serving) -> Result<Self> {
        let to = signed_in(stand, &serving.address, WorkspaceId(Uuid::now_v7()))?;
        let projects: Vec<Uuid> = (0..PROJECTS).map(|_| Uuid::now_v7()).collect();
        let ids = projects.clone();
        let create = move |number: usize| {
            let input = json!({ "id": ids[number], "key": format!("P{number}X"), "name": format!("Line {number}") });
            json!({ "query": CREATE_PROJECT, "variables": { "i": input } }).to_string()
        };
        load::clients(&to, 1, PROJECTS, create).await?;
        Ok(Self { serving, to, projects: Arc::new(projects) })
    }

    /// The body of a request that creates a task.
    pub(super) fn create_task(&self) -> impl Fn(usize) -> String + Send + Sync + Clone + 'static {
        let projects = Arc::clone(&self.projects);
        move |number| {
            let input = json!({ "projectId": projects[number % PROJECTS], "title": title(number).to_string(), "priority": "HIGH",
                "description": "The old one has been patched three times.", "tags": ["line", "before-winter"] });
            json!({ "query": CREATE_TASK, "variables": { "i": input } }).to_string()
        }
    }

    async fn run(&self, clients: usize, requests: usize) -> Result<Run> {
        load::clients(&self.to, clients, requests, self.create_task()).await
    }

    /// A run, and the processor time of the server and of PostgreSQL for each request.
    async fn counted(&self, stand: &Stand, clients: usize, requests: usize) -> Result<(Run, f64, f64)> {
        stand.settle().await?;
        let (server, postgres) = (Counted::Process(self.serving.pid).start()?, stand.postgres().await?.start()?);
        let run = self.run(clients, requests).await?;
        Ok((run, server.micros()? / requests as f64, postgres.micros()? / requests as f64))
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.serving.stop().await
    }
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let sizes = stand.sizes;
    let our_url = stand.database("http").await?;
    let peer_url = stand.empty_database("http_peer").await?;
    let ours = Side::begin(stand, Serving::milepost(stand, &our_url, None).await?).await?;
    let peer = Side::begin(stand, Serving::peer(stand, &peer_url).await?).await?;
    for side in [&ours, &peer] {
        side.run(CLIENTS, sizes.requests / 10).await?;
    }
    let (mut rates, mut p99, mut alone) = (Pairs::default(), Pairs::default(), Pairs::default());
    let (mut server_us, mut postgres_us) = (Pairs::default(), Pairs::default());
    for _ in 0..sizes.pairs {
        let (our_run, our_server, our_postgres) = ours.counted(stand, CLIENTS, sizes.requests).await?;
        // The peer takes several times as long for as many.
        let (peer_run, peer_server, peer_postgres) = peer.counted(stand, CLIENTS, sizes.requests / 3).await?;
        rates.add(our_run.per_second, peer_run.per_second);
        p99.add(our_run.percentile_ms(0.99), peer_run.percentile_ms(0.99));
        server_us.add(our_server, peer_server);
        postgres_us.add(our_postgres, peer_postgres);
        let (our_run, peer_run) = (ours.run(1, sizes.requests_alone).await?, peer.run(1, sizes.requests_alone).await?);
        alone.add(our_run.percentile_ms(0.5), peer_run.percentile_ms(0.5));
    }
    let lost = lost_share(&peer_url).await?;
    ours.stop().await?;
    peer.stop().await?;
    stand.drop_database("http").await?;
    stand.drop_database("http_peer").await?;
    let (ratio, our_p99, our_alone) = (rates.ratio(), median(&p99.ours), median(&alone.ours));
    let cpu = |values: fn(&Pairs) -> &Vec<f64>| format!("{:.0} + {:.0} µs", median(values(&server_us)), median(values(&postgres_us)));
    let note = format!(
        "CPU of server + PostgreSQL for each command, read models included: {} against {}; the peer keeps two read models, not six, and lost \
         {:.0}% of the counts in its shared one",
        cpu(|pairs| &pairs.ours),
        cpu(|pairs| &pairs.peer),
        lost * 100.0
    );
    let latency = |work: &str, pairs: &Pairs| {
        let figure = |values: &[f64]| format!("{} ms", short(median(values)));
        Row::of(work, figure(&pairs.ours)).against(figure(&pairs.peer), pairs.ratio())
    };
    Ok(vec![
        rates.row(&format!("`taskCreate` over HTTP, {CLIENTS} clients"), "commands/s").target("≥ 4 x", ratio >= 4.0).note(note),
        latency("– its p99", &p99).target("≤ 15 ms", our_p99 <= 15.0),
        latency("– p50 of one client alone", &alone).target("≤ 2.5 ms", our_alone <= 2.5),
    ])
}

/// The share of the updates of its shared view that the peer lost.
async fn lost_share(url: &str) -> Result<f64> {
    let (counted, created): (f64, f64) = sqlx::query_as(
        "SELECT (SELECT coalesce(sum((payload ->> 'tasks')::float8), 0) FROM project_view), (SELECT count(*)::float8 FROM task_view)",
    )
    .fetch_one(&connect(url, 1).await?)
    .await?;
    Ok(1.0 - counted / created.max(1.0))
}
