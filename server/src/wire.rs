//! Puts the parts together.

use crate::adapters::{NodeHealth, ProjectionLog, RelayProgress, ScheduleDeadlines, show_notices};
use crate::exit::Failure;
use crate::standstill::Standstills;
use crate::telemetry;
use api::graphql::{Limits, Services};
use api::http::auth::Tokens;
use api::http::{Endpoints, serve};
use application::deadline_scheduler::TICK_WITHIN;
use application::ports::{Checkpoints, Clock, EventLog};
use application::reactions::SETTLE_WITHIN;
use application::{Application, deadline_scheduler, reactions};
use infrastructure::checkpoints::PostgresCheckpoints;
use infrastructure::clock::{SystemClock, TimeOrderedIds};
use infrastructure::config::Settings;
use infrastructure::event_store::PostgresEventLog;
use infrastructure::kafka::catalogue::Catalogue;
use infrastructure::kafka::relay::{self, BROKERS_TIMEOUT, Relay};
use infrastructure::kafka::watch::watch_topics;
use infrastructure::leases::{LeaseKeeper, PROGRESS_WITHIN};
use infrastructure::postgres::{Database, Pools, STATEMENT_WITHIN};
use projections::registry::{self, Fit};
use projections::runner::{self, BATCH_EVENTS_MAX, GROUP_ROWS_MAX};
use projections::running::heartbeat::Heartbeat;
use projections::running::progress::Progress;
use projections::running::run_context::RunContext;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Longest time for requests that are being served when a node stops.
pub const FINISH_WITHIN: Duration = Duration::from_secs(6);
/// Timeout, from the same time, for the open transaction of the relay.
pub const RELAYED_WITHIN: Duration = Duration::from_secs(7);
/// How often the command checks whether read models are built.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// Longest time without progress until a reaction's lease is released: longer than the attempts of one event before it
/// is parked and the statement that reads the next ones.
const REACTION_PROGRESS_WITHIN: Duration = SETTLE_WITHIN.saturating_add(STATEMENT_WITHIN);
/// The same of the scheduler: longer than one tick is tried before its schedule is left alone.
const SCHEDULER_PROGRESS_WITHIN: Duration = TICK_WITHIN.saturating_mul(2).saturating_add(Duration::from_secs(1));
/// The same of the relay: longer than brokers may take for one answer.
const RELAY_PROGRESS_WITHIN: Duration = BROKERS_TIMEOUT.saturating_add(Duration::from_secs(10));
/// Interval of the upkeep of metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// The service without HTTP and workers: what the admin commands need.
pub struct Core {
    pub database: Database,
    pub log: Arc<PostgresEventLog>,
    pub application: Arc<Application>,
    pub run_context: RunContext,
}

impl Core {
    /// On the database of the settings, which has its tables already.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        Self::open_with(settings, Arc::new(SystemClock)).await
    }

    /// The same with a clock of one's own.
    pub async fn open_with(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        // Must be first: a metric that is registered before the recorder exists is lost permanently.
        telemetry::metrics();
        if settings.database_url.is_empty() {
            return Err(Failure::wrong_use(
                "DATABASE_URL is not set: name the PostgreSQL to use, such as postgres://user:password@host:5432/name",
            ));
        }
        let pools = Pools {
            worker: settings.pools.worker,
            service: settings.pools.service,
            request_timeout: Duration::from_millis(settings.limits.timeout_ms),
        };
        let database = Database::connect(&settings.database_url, pools).await?;
        let log = PostgresEventLog::open(database.clone()).await?;
        let log = Arc::new(log);
        let application = Arc::new(Application::new(log.clone(), clock, Arc::new(TimeOrderedIds)));
        let run_context = RunContext {
            pool: database.projector.clone(),
            log: Arc::new(ProjectionLog(Arc::clone(&log))),
            progress: Arc::new(Progress::of(runner::all().iter().map(|projection| projection.name()), log.generation())),
            batch: BATCH_EVENTS_MAX,
            group_rows: GROUP_ROWS_MAX,
            heartbeat: Heartbeat::default(),
            fence: None,
        };
        Ok(Self { database, log, application, run_context })
    }

    /// Creates the read models of an empty log. Those of a log with events are built once a node serves.
    pub async fn prepare(&self) -> Result<(), Failure> {
        for projection in runner::all() {
            projection.prepare(&self.run_context).await.map_err(|error| Failure::of_database("failed to prepare a read model", &error))?;
        }
        Ok(())
    }

    /// Answers accepted requests, then closes all connections.
    pub async fn close(self) {
        self.log.close().await;
        self.database.close().await;
    }
}

/// A node that serves.
pub struct Node {
    pub address: SocketAddr,
    core: Core,
    stops: Stops,
    http: JoinHandle<()>,
    leases: JoinHandle<()>,
    relay: Option<relay::Running>,
    workers: JoinSet<()>,
}

/// Stop signals in their order: requests wait for read models, and the relay and projections must hold their leases.
#[derive(Default)]
struct Stops {
    endpoints: watch::Sender<bool>,
    relay: watch::Sender<bool>,
    leases: watch::Sender<bool>,
}

impl Node {
    /// Starts workers and HTTP.
    pub async fn start(core: Core, settings: &Settings, catalogue: Catalogue, listener: TcpListener) -> Result<Self, Failure> {
        core.prepare().await?;
        let stops = Stops::default();
        let mut leases = LeaseKeeper::new(&core.database);
        let mut workers = JoinSet::new();
        start_projections(&core, &mut leases, &mut workers);
        let reactions = start_reactions(&core, &mut leases, &mut workers);
        start_scheduler(&core, &mut leases, &mut workers);
        let configured = !settings.kafka.bootstrap_servers.is_empty();
        let (topics, topic_notices) = watch::channel(vec![]);
        let relay = if configured {
            let catalogue = Arc::new(catalogue);
            workers.spawn(watch_topics(settings.kafka.clone(), Arc::clone(&catalogue), leases.want(relay::LEASE), topics));
            Some(start_relay(&core, settings, catalogue, &mut leases, stops.relay.subscribe())?)
        } else {
            None
        };
        let health = Arc::new(NodeHealth {
            pool: core.database.health.clone(),
            log: Arc::clone(&core.log),
            metrics: telemetry::metrics(),
            relay: relay.as_ref().map(|relay| relay.state.clone()),
            reactions,
            scheduler: core.application.scheduler_notice(),
            topics: topic_notices,
            standstills: Standstills::default(),
            writes_refused: leases.refused(),
            stopping: stops.endpoints.subscribe(),
        });
        workers.spawn(upkeep(Arc::clone(&health)));
        let leases = tokio::spawn(leases.run(stops.leases.subscribe()));
        let endpoints = Endpoints {
            services: Arc::new(Services {
                application: Arc::clone(&core.application),
                pool: core.database.service.clone(),
                progress: Arc::clone(&core.run_context.progress),
                limits: limits(settings),
                relay: Arc::new(RelayProgress { pool: core.database.service.clone(), configured }),
            }),
            tokens: Arc::new(tokens(settings)),
            health,
        };
        let address = listener.local_addr().map_err(|error| Failure::wrong_use(format!("the address cannot be read: {error}")))?;
        let http = tokio::spawn(serve(listener, endpoints, stops.endpoints.subscribe()));
        Ok(Self { address, core, stops, http, leases, relay, workers })
    }

    /// The parts without HTTP.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Returns once no read model has to be built any more before it answers.
    pub async fn built(&self) {
        let to_build = |versions: &[registry::Version]| runner::all().iter().any(|one| matches!(one.fit(versions), Fit::ToBuild));
        while registry::versions(&self.core.database.service).await.is_ok_and(|versions| to_build(&versions)) {
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }

    /// Finishes accepted requests, releases the leases, and ends.
    pub async fn stop(mut self) {
        let stop_requested_at = Instant::now();
        self.stops.endpoints.send_replace(true);
        if tokio::time::timeout_at(stop_requested_at + FINISH_WITHIN, &mut self.http).await.is_err() {
            tracing::warn!("requests that took too long were cancelled");
            self.http.abort();
        }
        self.stops.relay.send_replace(true);
        if let Some(relay) = self.relay.take() {
            let _ = tokio::time::timeout_at(stop_requested_at + RELAYED_WITHIN, relay.stopped()).await;
        }
        self.stops.leases.send_replace(true);
        let _ = self.leases.await;
        self.workers.shutdown().await;
        self.core.close().await;
    }
}

/// Runs the upkeep of metrics and exports the notices, periodically. Never returns.
async fn upkeep(health: Arc<NodeHealth>) {
    loop {
        show_notices(&*health).await;
        tokio::time::sleep(UPKEEP).await;
        telemetry::metrics().run_upkeep();
    }
}

fn start_projections(core: &Core, leases: &mut LeaseKeeper, workers: &mut JoinSet<()>) {
    for projection in runner::all() {
        let lease = leases.want_by_progress(projection.lease(), PROGRESS_WITHIN);
        let run_context = RunContext { heartbeat: Heartbeat::of(lease.signs), ..core.run_context.clone() };
        workers.spawn(async move { projection.run(&run_context, lease.held).await });
    }
    let (progress, pool) = (Arc::clone(&core.run_context.progress), core.database.worker.clone());
    workers.spawn(async move { progress.follow(&pool).await });
}

/// Starts the reactions. Returns the problem of each.
fn start_reactions(
    core: &Core,
    leases: &mut LeaseKeeper,
    workers: &mut JoinSet<()>,
) -> Vec<(&'static str, watch::Receiver<reactions::Problem>)> {
    let checkpoints: Arc<dyn Checkpoints> = Arc::new(PostgresCheckpoints::new(core.database.worker.clone()));
    let mut problems = vec![];
    for reaction in reactions::all() {
        let lease = leases.want_by_checkpoint(reactions::lease_name(reaction.name()), reaction.name(), REACTION_PROGRESS_WITHIN);
        let (application, checkpoints) = (Arc::clone(&core.application), Arc::clone(&checkpoints));
        let (problem, seen) = watch::channel(None);
        problems.push((reaction.name(), seen));
        let reports = reactions::Reports { problem, progress: lease.signs };
        workers.spawn(async move { reactions::run(&application, &*checkpoints, &*reaction, lease.held, &reports).await });
    }
    problems
}

fn start_scheduler(core: &Core, leases: &mut LeaseKeeper, workers: &mut JoinSet<()>) {
    let lease = leases.want_by_progress(deadline_scheduler::LEASE, SCHEDULER_PROGRESS_WITHIN);
    let application = Arc::clone(&core.application);
    let deadlines = ScheduleDeadlines { pool: core.database.worker.clone(), progress: Arc::clone(&core.run_context.progress) };
    workers.spawn(async move { deadline_scheduler::run(&application, &deadlines, lease.held, &lease.signs).await });
}

fn start_relay(
    core: &Core,
    settings: &Settings,
    catalogue: Arc<Catalogue>,
    leases: &mut LeaseKeeper,
    stop: watch::Receiver<bool>,
) -> Result<relay::Running, Failure> {
    let lease = leases.want_by_progress(relay::LEASE, RELAY_PROGRESS_WITHIN);
    let relay = Relay {
        kafka: settings.kafka.clone(),
        catalogue,
        log: core.log.clone(),
        pool: core.database.worker.clone(),
        lease: lease.held,
        signs: lease.signs,
        stop,
    };
    relay.start().map_err(|error| Failure::not_there(format!("the relay could not be started: {error}")))
}

/// Tokens by the settings.
pub fn tokens(settings: &Settings) -> Tokens {
    Tokens::new(settings.auth.hs256_secret.as_bytes(), &settings.auth.issuer, &settings.auth.audience)
}

/// The limits of one request, from the settings.
pub fn limits(settings: &Settings) -> Limits {
    let limits = settings.limits;
    Limits {
        body_bytes: limits.body_bytes,
        tokens: limits.tokens,
        depth: limits.depth,
        introspection_depth: limits.introspection_depth,
        selections: limits.selections,
        root_fields: limits.root_fields,
        directives: limits.directives,
        cost: limits.cost,
        page_rows: limits.page_rows,
        answer_values: limits.answer_values,
        answer_bytes: limits.answer_bytes,
        principal_requests: limits.principal_requests,
        principal_bytes: limits.principal_bytes,
        node_requests: limits.node_requests,
        node_bytes: limits.node_bytes,
        connections: limits.connections,
        timeout: Duration::from_millis(limits.timeout_ms),
        headers_timeout: Duration::from_millis(limits.headers_timeout_ms),
        write_timeout: Duration::from_millis(limits.write_timeout_ms),
        position_wait: Duration::from_millis(limits.position_wait_ms),
    }
}
