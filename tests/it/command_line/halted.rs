//! Ends that others would keep from coming: a second signal ends at once, and one is enough also where PostgreSQL hangs.

use super::demo::Demo;
use super::{Folder, KEY, exists, started};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, Executor, PgConnection};
use tests::database::TestDatabase;
use tests::wait::until_true;

/// Halts a demo's PostgreSQL with all its processes, and gives their ids.
fn halt_postgres(folder: &str) -> Vec<i32> {
    let server = Demo::postgres(folder);
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).expect("it runs");
    let all: Vec<i32> = std::iter::once(server).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect();
    assert!(all.len() > 3, "{all:?}");
    all.iter().for_each(|pid| kill(Pid::from_raw(*pid), Signal::SIGSTOP).expect("it can be halted"));
    all
}

async fn demo(folder: &str) -> Demo {
    Demo::start(folder, &["--listen", "127.0.0.1:0", "--no-seed"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_whose_postgresql_hangs_ends_all_the_same() {
    let home = Folder::new();
    let folder = home.at("data");
    let mut halted = demo(&folder).await;
    let postgres = halt_postgres(&folder);
    halted.process.signal(Signal::SIGINT);
    assert_eq!(halted.process.ended().await, 0, "{}", halted.process.log());
    until_true("PostgreSQL is gone", || postgres.iter().all(|pid| !exists(&format!("/proc/{pid}")) || is_dead(*pid))).await;
    demo(&folder).await.stop(&folder, Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_demo_at_once_and_the_next_one_takes_over() {
    let home = Folder::new();
    let folder = home.at("data");
    let mut halted = demo(&folder).await;
    let postgres = halt_postgres(&folder);
    halted.process.signal(Signal::SIGINT);
    halted.process.printed("press Ctrl-C again to stop immediately").await;
    halted.process.signal(Signal::SIGINT);
    assert_eq!(halted.process.ended().await, 130, "{}", halted.process.log());
    assert!(exists(&format!("/proc/{}", postgres[0])), "nothing was waited for");
    demo(&folder).await.stop(&folder, Signal::SIGTERM).await;
    until_true("the halted PostgreSQL is gone", || postgres.iter().all(|pid| !exists(&format!("/proc/{pid}")) || is_dead(*pid))).await;
}

/// Whether a process only waits for somebody to ask how it ended.
fn is_dead(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_node_at_once() {
    let database = TestDatabase::new().await;
    let environment = [("DATABASE_URL", database.url.as_str()), ("MILEPOST_AUTH_HS256_SECRET", KEY)];
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut node = started(&["serve", "--listen", "127.0.0.1:0"], &environment);
        node.address().await;
        // Leases cannot be handed back while they are held, so the node would not end for a while.
        let mut holder = PgConnection::connect(&database.url).await.expect("the database is there");
        holder.execute("BEGIN; LOCK TABLE milepost.leases IN ACCESS EXCLUSIVE MODE").await.expect("leases can be held");
        node.signal(Signal::SIGTERM);
        node.said("a second signal stops immediately").await;
        node.signal(signal);
        assert_eq!(node.ended().await, status, "{}", node.log());
    }
}
