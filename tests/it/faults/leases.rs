//! Leases that somebody else has taken, or that others keep a node from renewing.

use infrastructure::leases::{LEASE_LASTS, LeaseKeeper};
use infrastructure::postgres::{Database, Pools};
use tests::database::TestDatabase;
use tests::wait::{PATIENCE, until};
use tokio::sync::watch;

/// On one thread, so that what is told before the keeper waits for the database is seen before what is told after it.
#[tokio::test]
async fn that_a_lease_is_lost_is_told_before_transactions_of_others_are_ended() {
    let here = TestDatabase::new().await;
    let sql = here.pool().await;
    let database = Database::connect(&here.url, Pools { worker: 2, service: 1, request_timeout: PATIENCE }).await.expect("it is there");
    // It is of a node that has died.
    let dead = "INSERT INTO milepost.leases VALUES ('two', gen_random_uuid(), 3, clock_timestamp() + interval '1 hour')";
    sqlx::query(dead).execute(&sql).await.expect("leases can be written");
    let mut keeper = LeaseKeeper::new(&database);
    let (mut one, two) = (keeper.want("one"), keeper.want("two"));
    let (_stop, stop) = watch::channel(false);
    let steps = async {
        one.wait_for(Option::is_some).await.expect("the keeper lives");
        let change = "UPDATE milepost.leases SET holder = gen_random_uuid(), epoch = epoch + 1, \
                        expires_at = clock_timestamp() + CASE name WHEN 'one' THEN 1 ELSE -1 END * interval '1 hour'";
        sqlx::query(change).execute(&sql).await.expect("leases can be written");
        one.wait_for(Option::is_none).await.expect("the keeper lives");
        assert_eq!(*two.borrow(), None, "the loss was told with what was won");
    };
    tokio::select! {
        () = keeper.run(stop) => unreachable!("nobody stops it"),
        done = tokio::time::timeout(PATIENCE, steps) => done.expect("in time"),
    }
}

#[tokio::test]
async fn leases_are_renewed_while_others_have_all_connections_of_the_workers() {
    let here = TestDatabase::new().await;
    let sql = here.pool().await;
    let database = Database::connect(&here.url, Pools { worker: 2, service: 1, request_timeout: PATIENCE }).await.expect("it is there");
    let mut keeper = LeaseKeeper::new(&database);
    let mut one = keeper.want("one");
    let (_stop, stop) = watch::channel(false);
    let mut lost = one.clone();
    let steps = async {
        one.wait_for(Option::is_some).await.expect("the keeper lives");
        lost.mark_unchanged();
        // As long as statements of clients' commands take.
        let _taken = (database.worker.acquire().await.expect("a place"), database.worker.acquire().await.expect("the other one"));
        let renewed = || async {
            let until = sqlx::query_scalar("SELECT extract(epoch FROM expires_at)::float8 FROM milepost.leases WHERE name = 'one'");
            until.fetch_one(&sql).await.expect("leases can be read")
        };
        let before: f64 = renewed().await;
        until("it is renewed", || async { (renewed().await > before + LEASE_LASTS.as_secs_f64()).then_some(()) }).await;
        assert!(!lost.has_changed().expect("the keeper lives"), "it was lost meanwhile");
    };
    tokio::select! {
        () = keeper.run(stop) => unreachable!("nobody stops it"),
        done = tokio::time::timeout(PATIENCE, steps) => done.expect("in time"),
    }
}
