//! Read models on a real database: they say what the events say, whatever happens to whoever keeps them, and queries
//! answer from them as the contract has it.

mod answers;
mod beside;
mod deployments;
mod filters;
mod going_back;
mod history;
mod overdue;
mod pages;
mod parked;
mod rebuilt;
mod rows;
mod runner;
mod statements;
mod wakes;
mod workspaces;

use projections::runner::{Projection, all};
use server::wire::Core;
use sqlx::PgPool;
use std::sync::Arc;
use tests::app::settings;
use tests::database::TestDatabase;
use uuid::Uuid;

/// Choices that are the same again with the same seed.
struct Dice(u64);

impl Dice {
    /// By the seed in `MILEPOST_TEST_SEED`, or else a new one, which is printed.
    fn new() -> Self {
        let given = std::env::var("MILEPOST_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
        eprintln!("MILEPOST_TEST_SEED={seed}");
        Self(seed)
    }

    /// Other choices, from these.
    fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to and without another.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }
}

/// The parts of a node on a database, with nobody at work.
async fn core(database: &TestDatabase) -> Core {
    Core::open(&settings(&database.url)).await.expect("the database is there")
}

/// A read model by its name.
fn projection(name: &str) -> Arc<dyn Projection> {
    all().into_iter().find(|projection| projection.name() == name).expect("there is such a read model")
}

/// How many rows a table has, and a hash of them all.
async fn content(pool: &PgPool, table: &str) -> (i64, String) {
    let sql =
        format!("SELECT count(*), md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"), '')) FROM milepost.{table} t");
    sqlx::query_as(&sql).fetch_one(pool).await.expect("the table can be read")
}

/// The live version of a read model and its position.
async fn live(pool: &PgPool, name: &str) -> (i32, i64) {
    sqlx::query_as("SELECT version, position FROM milepost.projections WHERE name = $1 AND state = 'live'")
        .bind(name)
        .fetch_one(pool)
        .await
        .expect("there is a live version")
}

/// Runs statements as the superuser.
async fn plant(pool: &PgPool, statements: &str) {
    sqlx::raw_sql(statements).execute(pool).await.expect("the statements run");
}
