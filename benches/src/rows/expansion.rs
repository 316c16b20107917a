//! Small queries that stand for huge ones: how long they are looked at, what memory that takes, and what another client
//! notices of one that sends nothing else.

use super::queries::{by_id, filled};
use crate::cpu::{peak_resident_bytes, resident_bytes};
use crate::http::Connection;
use crate::load::{self, To};
use crate::numbers::{median, ms, percentile, short};
use crate::people::signed_in;
use crate::process::Serving;
use crate::report::Row;
use crate::stand::Stand;
use anyhow::{Result, ensure};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Events behind what the other client asks for.
const EVENTS: usize = 2_000;
/// Fragments that each spread the next one twice: two to this power is more than any machine could hold.
const LEVELS: usize = 20;
const MB: f64 = 1_000_000.0;

/// What is asked for, the last fragment, and each of the others by the number of the one that follows.
type Shape = (&'static str, &'static str, fn(usize) -> String);

/// A query that stands for more than a million fields, in one of several shapes. No two numbers give the same text.
fn expanding(number: usize) -> String {
    let shapes: [Shape; 4] = [
        ("{viewer{...f0}}", "Viewer{actorId}", |next| format!("Viewer{{...f{next} ...f{next}}}")),
        ("{viewer{...f0}}", "Viewer{actorId}", |next| format!("Viewer{{...on Viewer{{...f{next}}} ... @include(if:true){{...f{next}}}}}")),
        ("{...f0}", "Query{viewer{actorId}}", |next| format!("Query{{...f{next} ...f{next}}}")),
        ("{__schema{types{...f0}}}", "__Type{name}", |next| format!("__Type{{a{next}:ofType{{...f{next}}} b{next}:ofType{{...f{next}}}}}")),
    ];
    let (root, end, next) = shapes[number % shapes.len()];
    let fragments: String = (0..LEVELS).map(|level| format!(" fragment f{level} on {}", next(level + 1))).collect();
    format!("query q{number} {root}{fragments} fragment f{LEVELS} on {end}")
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let url = stand.database("expansion").await?;
    let filled = Arc::new(filled(stand, &url, EVENTS).await?);
    let serving = Serving::milepost(stand, &url, None).await?;
    let to = signed_in(stand, &serving.address, filled.workspace)?;
    let asked = by_id(&filled);
    load::clients(&to, 1, stand.sizes.requests_alone, asked.clone()).await?;
    let before = resident_bytes(serving.pid)?;
    let answers = storm(&to, stand.sizes.requests_alone, &AtomicBool::new(false)).await?;
    let (mut alone, mut beside, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..stand.sizes.pairs {
        let quiet = load::clients(&to, 1, stand.sizes.requests_alone, asked.clone()).await?.percentile_ms(0.99);
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, ends) = (to.clone(), Arc::clone(&stop));
        let sending = tokio::spawn(async move { storm(&sender, usize::MAX, &ends).await });
        let stormy = load::clients(&to, 1, stand.sizes.requests_alone, asked.clone()).await?.percentile_ms(0.99);
        stop.store(true, Ordering::Relaxed);
        sending.await??;
        eprintln!("  p99 alone {} ms, beside {} ms", short(quiet), short(stormy));
        alone.push(quiet);
        beside.push(stormy);
        ratios.push(stormy / quiet);
    }
    let grown = peak_resident_bytes(serving.pid)?.saturating_sub(before) as f64 / MB;
    serving.stop().await?;
    stand.drop_database("expansion").await?;
    let (p99, ratio) = (percentile(&answers, 0.99), median(&ratios));
    Ok(vec![
        Row::of("expanding queries: time to refuse one, p99", format!("{} ms", short(p99)))
            .target("≤ 10 ms", p99 <= 10.0)
            .note("four shapes of 21 fragments that stand for more than a million fields each, no two with the same text"),
        Row::of("– memory that they take at most", format!("{grown:.1} MB")).target("≤ 32 MB", grown <= 32.0),
        Row::of("– p99 of another client while one sends nothing else", format!("{} ms", short(median(&beside))))
            .against(format!("{} ms", short(median(&alone))), ratio)
            .target("≤ 2 x", ratio <= 2.0)
            .note("task by id, one client; the peer is the same client alone"),
    ])
}

/// Sends expanding queries one after the other, so many or until told to stop. Gives the milliseconds that each took.
async fn storm(to: &To, count: usize, stop: &AtomicBool) -> Result<Vec<f64>> {
    let mut connection = Connection::open(&to.address, &to.token).await?;
    let mut took = vec![];
    for number in 0..count {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = json!({ "query": expanding(number) }).to_string();
        let sent = Instant::now();
        let (_, answer) = connection.ask(&body).await?;
        ensure!(answer.contains("LIMIT_EXCEEDED"), "it was not refused: {answer}");
        took.push(ms(sent.elapsed()));
    }
    Ok(took)
}
