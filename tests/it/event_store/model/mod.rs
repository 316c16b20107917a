//! The append function against a model: random batches by two writers at once, every answer and every table compared.

mod batches;
mod call;
mod reference;

use super::*;
use batches::Rumours;
use chrono::{DateTime, Utc};
use reference::{Answer, Model, Request, Row};
use sqlx::{ConnectOptions, Executor, PgConnection};
use std::collections::BTreeMap;
use tests::dice::Dice;

/// A batch with the time it was given and its answers.
type Call = (DateTime<Utc>, Vec<Request>, Vec<Answer>);

/// Ticks once for each batch, so that the times say in which order the batches were taken.
const TICKING: &str = "'2031-01-01'::timestamptz + nextval('milepost.ticks') * interval '1 millisecond'";

async fn write(mut connection: PgConnection, rumours: Arc<Rumours>, mut dice: Dice, rounds: usize) -> Result<Vec<Call>, String> {
    let mut calls = vec![];
    for _ in 0..rounds {
        let batch = rumours.batch(&mut dice);
        let (at, answers) = call::append(&mut connection, &batch).await?;
        batch.iter().zip(&answers).for_each(|(request, answer)| rumours.heard(request, answer));
        calls.push((at, batch, answers));
    }
    Ok(calls)
}

async fn connection(database: &TestDatabase) -> PgConnection {
    let options = infrastructure::postgres::connect_options(&database.url).expect("a URL");
    let mut connection = options.options([("plan_cache_mode", "force_generic_plan")]).connect().await.expect("a connection");
    connection.execute("SET ROLE milepost_worker").await.expect("the role is there");
    connection
}

/// How many answers there were of each kind, or where function and model differ first.
async fn compare(database: &TestDatabase, sql: &PgPool, mut dice: Dice, rounds: usize) -> Result<BTreeMap<&'static str, usize>, String> {
    plant_clock(sql, TICKING).await;
    let rumours = Arc::new(Rumours::new());
    let one = tokio::spawn(write(connection(database).await, rumours.clone(), dice.another(), rounds));
    let two = tokio::spawn(write(connection(database).await, rumours, dice.another(), rounds));
    let mut calls = one.await.expect("no panic")?;
    calls.extend(two.await.expect("no panic")?);
    calls.sort_by_key(|(at, ..)| *at);

    let mut model = Model::default();
    let mut times = vec![];
    let mut kinds = BTreeMap::new();
    for (at, batch, answers) in &calls {
        for (request, answer) in batch.iter().zip(answers) {
            let expected = model.apply(request);
            if *answer != expected {
                return Err(format!("the function answers {answer:?}, the model {expected:?}, to {request:?}"));
            }
            *kinds.entry(kind(answer)).or_default() += 1;
        }
        times.resize(model.rows.len(), *at);
    }
    tables(sql, &model, &times).await.map(|()| kinds)
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Appended { .. } => "appended",
        Answer::Settled { .. } => "settled",
        Answer::Replayed { .. } => "replayed",
        Answer::IdReused => "id reused",
        Answer::StreamMoved { .. } => "stream moved",
        Answer::GuardMoved { .. } => "guard moved",
        Answer::ClaimTaken { .. } => "claim taken",
        Answer::RefusedBefore { .. } => "refused before",
    }
}

async fn tables(sql: &PgPool, model: &Model, times: &[DateTime<Utc>]) -> Result<(), String> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT position, workspace_id, aggregate_id, sequence, event_id, payload::text, command_source, command_id, request_hash, unit_size \
         FROM milepost.events ORDER BY position",
    )
    .fetch_all(sql)
    .await
    .expect("the log can be read");
    let differing = rows.iter().zip(&model.rows).find(|(row, expected)| row != expected);
    if rows.len() != model.rows.len() || differing.is_some() {
        return Err(format!("{} events, expected {}; the first that differs: {differing:?}", rows.len(), model.rows.len()));
    }
    let stored: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT recorded_at FROM milepost.events ORDER BY position").fetch_all(sql).await.expect("times");
    let claims: Vec<(Uuid, String, String, String, i64)> =
        sqlx::query_as("SELECT workspace_id, kind, value, held_by, position FROM milepost.claims").fetch_all(sql).await.expect("claims");
    let claims: BTreeMap<_, _> = claims.into_iter().map(|(ws, kind, value, by, position)| ((ws, kind, value), (by, position))).collect();
    let counters: Vec<(String, i64)> =
        sqlx::query_as("SELECT counter, max(value) FROM milepost.draws GROUP BY counter").fetch_all(sql).await.expect("draws");
    let settled = sqlx::query_as::<_, (Uuid, i16, Uuid, Vec<u8>, String, i64, i64)>(
        "SELECT workspace_id, command_source, command_id, request_hash, aggregate_id, version, position FROM milepost.settled_commands",
    )
    .fetch_all(sql)
    .await
    .expect("settled commands");
    let settled: BTreeMap<_, _> =
        settled.into_iter().map(|(ws, s, c, hash, of, version, p)| ((ws, s, c), (hash, of, version, p))).collect();
    let refused = sqlx::query_as::<_, (Uuid, i16, Uuid, Vec<u8>, String)>(
        "SELECT workspace_id, command_source, command_id, line_hash, code FROM milepost.refused_lines",
    )
    .fetch_all(sql)
    .await
    .expect("refused lines");
    let refused: BTreeMap<_, _> = refused.into_iter().map(|(ws, s, c, hash, code)| (((ws, s, c), hash), code)).collect();
    let differs = [
        ("times", stored != times),
        ("claims", claims != model.claims),
        ("counters", counters.into_iter().collect::<BTreeMap<_, _>>() != model.counters),
        ("settled commands", settled != model.settled),
        ("refused lines", refused != model.refused),
    ];
    match differs.into_iter().find(|(_, differs)| *differs) {
        Some((table, _)) => Err(format!("the {table} differ")),
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_append_function_agrees_with_its_model_on_random_batches() {
    let database = TestDatabase::new().await;
    let sql = database.pool().await;
    let kinds = compare(&database, &sql, Dice::thrown(), 400).await.expect("they agree");
    eprintln!("{kinds:?}");
    assert_eq!(kinds.len(), 8, "some kind of answer never came: {kinds:?}");
    assert_whole(&sql).await;
}

/// Faults of the function that the comparison must notice.
const FAULTS: [(&str, &str, &str); 14] = [
    ("another request counts as the same", "if old.request_hash = u_hash[k] then", "if true then"),
    ("versions ahead are taken", "<> e_sequence[f] - 1)", "> e_sequence[f] - 1)"),
    (
        "a version that two rely on keeps out one of them",
        "where g_version[x] = any(moved_versions)",
        "where g_version[x] = any(moved_versions) and not g_version[x] = any(g_version[1:x - 1])",
    ),
    ("guards that are behind are let through", "<> v.version)", "< v.version)"),
    ("claims are never released", "where (bad is null or not bad[r.unit]) and", "where false and"),
    ("bad units release claims", "where (bad is null or not bad[r.unit]) and", "where"),
    ("bad units draw numbers", "continue when bad is not null and bad[e_unit[d_event[i]]];", ""),
    ("units without events take a position", "p := p + u_size[k];", "p := p + greatest(u_size[k], 1);"),
    ("settled commands are forgotten", "if u_command[k] is not null then", "if false then"),
    ("lines are refused as before though they are to be decided anew", "where not l.anew", "where true"),
    ("a refusal is of every line under its id", "and r.line_hash = l.hash));", "));"),
    ("what was refused before is decided", "or refused_before <> '{}' then", "then"),
    ("refusals are forgotten", "if z_refusal[i] is not null then", "if false then"),
    ("replays name the first position twice", "e.position + e.unit_size - 1 as last", "e.position as last"),
];

/// Most random sequences in which a planted fault has to be noticed.
const SEQUENCES_MAX: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_comparison_notices_every_planted_fault() {
    for (name, from, to) in FAULTS {
        let mut noticed = false;
        // One random sequence need not come by a fault; that none of so many does is out of the question.
        for _ in 0..SEQUENCES_MAX {
            let database = TestDatabase::new().await;
            let sql = database.pool().await;
            change_append(&sql, from, to).await;
            let difference = compare(&database, &sql, Dice::thrown(), 150).await;
            eprintln!("{name}: {difference:?}");
            noticed = difference.is_err();
            if noticed {
                break;
            }
        }
        assert!(noticed, "the comparison did not notice that {name}");
    }
}
