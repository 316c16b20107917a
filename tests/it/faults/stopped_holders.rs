//! A node that holds leases is stopped, or cut off, in the middle of a transaction: its locks hold nobody up.

use super::{PROGRAM, rounds};
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::time::{Duration, Instant};
use tests::app::Client;
use tests::database::TestDatabase;
use tests::kafka::TestTopics;
use tests::process::{Process, Run};
use tests::proxy::Proxy;
use tests::wait::until;
use uuid::Uuid;

/// Longest time from the moment a holder stops until another node has done its work.
const WITHIN: Duration = Duration::from_secs(10);
/// How often a holder is stopped in a round; `MILEPOST_TEST_FAULT_ROUNDS` says how many rounds there are.
const TRIALS: u32 = 2;
/// How many read models there are, and leases for them.
const READ_MODELS: i64 = 6;

/// What the holder of each kind of lease does, and how it is told that it has done that with everything in the log, where so many
/// schedules of tasks and late ones were created.
const WORK: [(&str, &str); 4] = [
    ("relay", "SELECT (SELECT position FROM milepost.checkpoints WHERE name = 'relay') = max(position) FROM milepost.events WHERE $1 > 0"),
    ("reaction", "SELECT count(*) = $1 FROM milepost.schedules WHERE task_id IS NOT NULL"),
    ("scheduler", "SELECT count(*) = $1 FROM milepost.events WHERE event_type = 'deadline_overdue'"),
    (
        "projection",
        "SELECT min(position) >= (SELECT max(position) FROM milepost.events) FROM milepost.projections WHERE state = 'live' AND $1 > 0",
    ),
];

/// Two nodes on a database with a login that is no superuser.
struct Pair {
    database: TestDatabase,
    pool: PgPool,
    login: String,
    url: String,
    project: String,
}

impl Pair {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let pool = database.pool().await;
        let login = format!("login_{}", Uuid::now_v7().simple());
        let roles =
            format!("CREATE ROLE {login} LOGIN PASSWORD 'hush'; GRANT milepost_worker, milepost_service, milepost_reader TO {login}");
        pool.execute(roles.as_str()).await.expect("a login can be made");
        let (_, place) = database.url.rsplit_once('@').expect("a URL with a user");
        let url = format!("postgres://{login}:hush@{place}");
        Self { database, pool, login, url, project: String::new() }
    }

    /// A node that has come up, and a client of it. It takes every lease that nobody holds.
    async fn node(&self, url: &str) -> (Process, Client) {
        self.node_with(Run::serve(url)).await
    }

    async fn node_with(&self, run: Run<'_>) -> (Process, Client) {
        let mut node = Process::start(PROGRAM, run);
        let client = Client::new(&node.address().await, Uuid::nil(), Uuid::nil(), application::caller::Role::Owner);
        (node, client)
    }

    async fn held_by(&self, node: &Process) {
        let held = "SELECT count(*) FROM milepost.leases WHERE expires_at > clock_timestamp() AND name LIKE 'projection/%' \
                    GROUP BY holder HAVING right(replace(holder::text, '-', ''), 8) = ANY($1)";
        until("a node holds the leases of all read models", || async {
            let held: Option<i64> = sqlx::query_scalar(held).bind(self.ids(node).await).fetch_optional(&self.pool).await.ok()?;
            (held == Some(READ_MODELS)).then_some(())
        })
        .await;
    }

    /// Waits until a node holds every lease, of each kind of work.
    async fn holds_everything(&self, node: &Process) {
        let held = "SELECT count(DISTINCT split_part(name, '/', 1)) = $1 AND bool_and(right(replace(holder::text, '-', ''), 8) = ANY($2)) \
                      AND count(*) FILTER (WHERE name LIKE 'projection/%') = $3 \
                    FROM milepost.leases WHERE expires_at > clock_timestamp()";
        until("a node holds all leases", || async {
            let held = sqlx::query_scalar(held).bind(WORK.len() as i64).bind(self.ids(node).await).bind(READ_MODELS);
            let held: Option<bool> = held.fetch_one(&self.pool).await.expect("leases can be read");
            (held == Some(true)).then_some(())
        })
        .await;
    }

    /// What is in the names of the connections of a process: the end of its node's id. Its log does not tell, but its sockets do.
    async fn ids(&self, node: &Process) -> Vec<String> {
        let ports = ports_of(node.pid());
        sqlx::query_scalar("SELECT DISTINCT right(application_name, 8) FROM pg_stat_activity WHERE client_port = ANY($1) AND application_name LIKE 'milepost projector %'")
            .bind(ports)
            .fetch_all(&self.pool)
            .await
            .expect("activity can be read")
    }

    /// Keeps rows of the list of tasks from being written, as long as what is given lives.
    async fn gate(&self) -> PgConnection {
        let mut gate = PgConnection::connect(&self.database.url).await.expect("the database is there");
        gate.execute("BEGIN; LOCK TABLE milepost.task_list_v1 IN EXCLUSIVE MODE").await.expect("a table can be locked");
        gate
    }

    /// The server process that waits at the gate, with its transaction open.
    async fn waiting(&self) -> i32 {
        let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost projector %' \
                       AND wait_event_type = 'Lock' AND wait_event = 'relation'";
        until("a transaction waits at the gate", || async {
            sqlx::query_scalar(waiting).fetch_optional(&self.pool).await.expect("activity can be read")
        })
        .await
    }

    /// Whether a server process is there, in one of these states.
    async fn is(&self, pid: i32, state: &str) -> bool {
        let there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state LIKE $2)";
        sqlx::query_scalar(there).bind(pid).bind(state).fetch_one(&self.pool).await.expect("activity can be read")
    }

    async fn task_list_has_everything(&self) {
        let behind = "SELECT (SELECT position FROM milepost.projections WHERE state = 'live' AND name = 'task_list') < max(position) FROM milepost.events";
        until("the list of tasks has everything", || async {
            let behind: bool = sqlx::query_scalar(behind).fetch_one(&self.pool).await.expect("positions can be read");
            (!behind).then_some(())
        })
        .await;
    }

    async fn end(self) {
        let _ = self.pool.execute(format!("DROP OWNED BY {0}; DROP ROLE {0}", self.login).as_str()).await;
    }
}

/// The local ports of a process's TCP connections.
fn ports_of(pid: i32) -> Vec<i32> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let sockets: Vec<String> = links
        .filter_map(|link| std::fs::read_link(link.path()).ok()?.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned))
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux tells");
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = sockets.iter().any(|socket| fields.get(9) == Some(&socket.as_str()));
        ours.then(|| i32::from_str_radix(fields[1].rsplit(':').next()?, 16).ok()).flatten()
    };
    table.lines().filter_map(port).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_holder_in_mid_transaction_holds_nobody_up() {
    let mut pair = Pair::new().await;
    let (mut holder, client) = pair.node(&pair.url).await;
    pair.held_by(&holder).await;
    pair.project = client.project().await;
    let (mut other, mut client) = pair.node(&pair.url).await;
    let mut longest = Duration::ZERO;
    for trial in 0..TRIALS * rounds() {
        let mut gate = pair.gate().await;
        client.task(&pair.project, "Interrupted").await;
        let left_open = pair.waiting().await;
        holder.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        if trial % 2 == 0 {
            // The server has nothing to do any more, and waits for the next statement of a client that does not run.
            gate.execute("ROLLBACK").await.expect("the gate opens");
            until("its transaction is idle", || async { pair.is(left_open, "idle in transaction").await.then_some(()) }).await;
        } else {
            // The server is still busy with the statement: no limit for idle transactions helps.
            until("the other node ends it", || async { (!pair.is(left_open, "%").await).then_some(()) }).await;
            gate.execute("ROLLBACK").await.expect("the gate opens");
        }
        pair.task_list_has_everything().await;
        let took = stopped.elapsed();
        eprintln!("trial {trial}: {took:?}");
        longest = longest.max(took);
        assert!(took < WITHIN, "trial {trial}: it took {took:?}");
        holder.signal(Signal::SIGCONT);
        pair.held_by(&other).await;
        std::mem::swap(&mut holder, &mut other);
        client = Client::new(&other.address().await, Uuid::nil(), Uuid::nil(), application::caller::Role::Owner);
    }
    eprintln!("longest: {longest:?}");
    holder.kill().await;
    other.kill().await;
    pair.end().await;
}

/// One node holds the leases of the relay, the reactions, the scheduler and all read models, and is stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_stopped_node_did_another_does() {
    let (pair, topics) = (Pair::new().await, TestTopics::new());
    let start = async || pair.node_with(Run { topics: Some(&topics), ..Run::serve(&pair.url) }).await;
    let (mut holder, client) = start().await;
    pair.holds_everything(&holder).await;
    let project = client.project().await;
    let (mut other, mut client) = start().await;
    let mut other_client = Client::new(&holder.address().await, Uuid::nil(), Uuid::nil(), application::caller::Role::Owner);
    let mut longest = [Duration::ZERO; WORK.len()];
    for trial in 0..TRIALS * rounds() {
        holder.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        let due = json!({ "at": "2101-01-01T00:00:00Z" });
        client.must("taskCreate", "id", json!({ "projectId": project, "title": "Interrupted", "due": due })).await;
        client.must("scheduleCreate", "id", json!({ "title": "Late", "due": { "at": "2001-01-01T00:00:00Z" } })).await;
        let each = WORK.map(async |(work, is_done)| {
            until(work, || async {
                let done = sqlx::query_scalar::<_, Option<bool>>(is_done).bind(i64::from(trial) + 1);
                (done.fetch_one(&pair.pool).await.expect("it can be read") == Some(true)).then_some(())
            })
            .await;
            stopped.elapsed()
        });
        let took = futures::future::join_all(each).await;
        for (((work, _), took), longest) in WORK.iter().zip(took).zip(&mut longest) {
            eprintln!("trial {trial}, {work}: {took:?}");
            assert!(took < WITHIN, "trial {trial}: {work} took {took:?}");
            *longest = took.max(*longest);
        }
        holder.signal(Signal::SIGCONT);
        pair.holds_everything(&other).await;
        std::mem::swap(&mut holder, &mut other);
        std::mem::swap(&mut client, &mut other_client);
    }
    for ((work, _), longest) in WORK.iter().zip(longest) {
        eprintln!("longest, {work}: {longest:?}");
    }
    holder.kill().await;
    other.kill().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_builder_that_is_stopped_while_the_server_makes_indexes_holds_nobody_up() {
    let pair = Pair::new().await;
    let (builder, client) = pair.node(&pair.url).await;
    pair.held_by(&builder).await;
    let project = client.project().await;
    let (other, client) = pair.node(&pair.url).await;
    let mut gate = PgConnection::connect(&pair.database.url).await.expect("the database is there");
    gate.execute("SELECT pg_advisory_lock(hashtext('milepost indexes'), hashtext('task_list'))").await.expect("a lock");
    // What is live is of older rules now: whoever holds the lease builds anew as soon as it looks.
    let older = "UPDATE milepost.projections SET shape = 'other', rules = 0 WHERE name = 'task_list'";
    pair.pool.execute(older).await.expect("a superuser may");
    client.task(&project, "Makes it look").await;
    let at_gate = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'milepost projector %' \
                   AND wait_event = 'advisory'";
    let busy: i32 = until("the builder waits at the gate", || async {
        sqlx::query_scalar(at_gate).fetch_optional(&pair.pool).await.expect("activity can be read")
    })
    .await;
    builder.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    // The server is busy with the statement: no limit for idle transactions helps.
    until("the other node ends it", || async { (!pair.is(busy, "%").await).then_some(()) }).await;
    assert!(stopped.elapsed() < WITHIN, "it took {:?}", stopped.elapsed());
    gate.execute("SELECT pg_advisory_unlock_all()").await.expect("the gate opens");
    let built = "SELECT count(*) = 1 FROM milepost.projections WHERE name = 'task_list' AND state = 'live' AND version = 2";
    until("the other node switches", || async { sqlx::query_scalar(built).fetch_one(&pair.pool).await.ok().filter(|built: &bool| *built) })
        .await;
    pair.task_list_has_everything().await;
    builder.kill().await;
    other.kill().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_whose_host_is_gone_in_mid_transaction_holds_nobody_up() {
    let mut pair = Pair::new().await;
    let proxy = Proxy::before(&pair.url).await;
    let (holder, client) = pair.node(&proxy.url).await;
    until("the first node holds the leases", || async {
        let held = "SELECT count(*) FROM milepost.leases WHERE expires_at > clock_timestamp() AND name LIKE 'projection/%'";
        let held: i64 = sqlx::query_scalar(held).fetch_one(&pair.pool).await.expect("leases can be read");
        (held == READ_MODELS).then_some(())
    })
    .await;
    pair.project = client.project().await;
    let (other, client) = pair.node(&pair.url).await;
    let mut gate = pair.gate().await;
    client.task(&pair.project, "Interrupted").await;
    let left_open = pair.waiting().await;
    proxy.halt();
    let gone = Instant::now();
    gate.execute("ROLLBACK").await.expect("the gate opens");
    until("its transaction is idle", || async { pair.is(left_open, "idle in transaction").await.then_some(()) }).await;
    pair.task_list_has_everything().await;
    assert!(gone.elapsed() < WITHIN, "it took {:?}", gone.elapsed());
    holder.kill().await;
    other.kill().await;
    pair.end().await;
}
