//! Calls the append function as its comment says, with arrays of the test's own making.

use super::reference::{Answer, Request};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row};
use uuid::Uuid;

/// One value for each of some things, or null where there is none at all.
fn each<T, U>(of: &[T], value: impl Fn(&T) -> U) -> Option<Vec<U>> {
    (!of.is_empty()).then(|| of.iter().map(value).collect())
}

/// Appends a batch. Gives the time that the function answered with, and one answer for each unit.
pub(super) async fn append(connection: &mut PgConnection, batch: &[Request]) -> Result<(DateTime<Utc>, Vec<Answer>), String> {
    let numbered: Vec<(i32, &Request)> = (1..).zip(batch).collect();
    let events: Vec<_> = numbered.iter().flat_map(|(unit, request)| request.events.iter().map(|event| (*unit, event))).collect();
    let places = (1_i32..).zip(&events);
    let first_event = |unit: i32| 1 + events.iter().filter(|(of, _)| *of < unit).count() as i32;
    let streams: Vec<i32> = places
        .clone()
        .filter(|(place, (unit, event))| {
            !events[..*place as usize - 1].iter().any(|(of, earlier)| of == unit && earlier.stream == event.stream)
        })
        .map(|(place, _)| place)
        .collect();
    let guards: Vec<_> = numbered.iter().flat_map(|(unit, request)| request.guards.iter().map(|guard| (*unit, guard.clone()))).collect();
    let mut versions: Vec<(String, i64)> = guards.iter().map(|(_, guard)| guard.clone()).collect();
    versions.sort_unstable();
    versions.dedup();
    let place_of = |guard: &(String, i64)| 1 + versions.iter().position(|version| version == guard).unwrap_or_default() as i32;
    let claims: Vec<_> = numbered.iter().flat_map(|(unit, request)| request.claims.iter().map(|claim| (*unit, claim.clone()))).collect();
    let releases: Vec<_> =
        numbered.iter().flat_map(|(unit, request)| request.releases.iter().map(|claim| (*unit, claim.clone()))).collect();
    let draws: Vec<(i32, &String)> =
        places.clone().filter_map(|(place, (_, event))| event.draws.as_ref().map(|counter| (place, counter))).collect();
    let mut counters: Vec<String> = draws.iter().map(|(_, counter)| (*counter).clone()).collect();
    counters.sort_unstable();
    counters.dedup();
    let slot = |counter: &String| 1 + counters.iter().position(|known| known == counter).unwrap_or_default() as i32;
    let settling: Vec<_> = numbered.iter().filter(|(_, request)| request.events.is_empty()).copied().collect();
    let lines: Vec<_> = numbered.iter().filter_map(|(unit, request)| Some((*unit, request.line.clone()?))).collect();

    let statement = format!(
        "SELECT base, at, u_code, u_from, u_to, u_found, u_aggregate, d_value, z_position, u_refusal FROM milepost.append({})",
        (1..=39).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
    );
    let query = bind_units(sqlx::query(&statement), &numbered, first_event)
        .bind(&streams)
        .bind(events.iter().map(|(unit, _)| *unit).collect::<Vec<_>>())
        .bind(places.clone().map(|(place, (unit, _))| (place == first_event(*unit)).then_some(*unit)).collect::<Vec<_>>())
        .bind(vec!["task"; events.len()])
        .bind(events.iter().map(|(_, event)| event.stream.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, event)| event.sequence).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, event)| event.id).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, event)| if event.draws.is_some() { "drawn" } else { "plain" }).collect::<Vec<_>>())
        .bind(vec!["1"; events.len()])
        .bind(events.iter().map(|(_, event)| event.payload(0)).collect::<Vec<_>>())
        .bind(vec![1; events.len()])
        .bind(vec![json!({})])
        .bind(each(&versions, |version| version.0.clone()))
        .bind(each(&versions, |version| version.1))
        .bind(each(&guards, |guard| guard.0))
        .bind(each(&guards, |guard| place_of(&guard.1)));
    let query = [&claims, &releases].into_iter().fold(query, |query, list| {
        query.bind(each(list, |claim| claim.0)).bind(each(list, |claim| claim.1.0.clone())).bind(each(list, |claim| claim.1.1.clone()))
    });
    let query = query
        .bind(each(&counters, String::clone))
        .bind(each(&draws, |draw| slot(draw.1)))
        .bind(each(&draws, |draw| draw.0))
        .bind(each(&draws, |_| r#"{"drawn":{"number":0"#.len() as i32))
        .bind(each(&settling, |(unit, _)| *unit))
        .bind(each(&settling, |(_, request)| request.subject.0.clone()))
        .bind(each(&settling, |(_, request)| request.subject.1))
        .bind(each(&settling, |(_, request)| {
            let code = request.line.as_ref().and_then(|line| line.refusal.clone());
            code.map(|code| json!({ "code": code, "message": "A sentence.", "path": ["input", "title"] }))
        }))
        .bind(each(&lines, |(unit, _)| *unit))
        .bind(each(&lines, |(_, line)| line.hash.clone()))
        .bind(each(&lines, |(_, line)| line.anew));
    let row = query.fetch_one(connection).await.map_err(|error| error.to_string())?;
    Ok((row.get("at"), answers(batch, &row)?))
}

fn bind_units<'q>(
    query: Query<'q, Postgres, PgArguments>,
    numbered: &[(i32, &Request)],
    first_event: impl Fn(i32) -> i32,
) -> Query<'q, Postgres, PgArguments> {
    let units = || numbered.iter().map(|(_, request)| *request);
    query
        .bind(units().map(|request| request.workspace).collect::<Vec<Uuid>>())
        .bind(units().map(|request| request.source).collect::<Vec<i16>>())
        .bind(units().map(|request| request.command).collect::<Vec<Option<Uuid>>>())
        .bind(units().map(|request| request.command.map(|_| request.hash.clone())).collect::<Vec<Option<Vec<u8>>>>())
        .bind(units().map(|request| request.events.len() as i32).collect::<Vec<i32>>())
        .bind(numbered.iter().map(|(unit, _)| first_event(*unit)).collect::<Vec<i32>>())
}

fn answers(batch: &[Request], row: &PgRow) -> Result<Vec<Answer>, String> {
    let codes: Option<Vec<i32>> = row.get("u_code");
    let numbers = |column: &str| row.get::<Option<Vec<Option<i64>>>, _>(column).unwrap_or_default();
    let (from, to, found) = (numbers("u_from"), numbers("u_to"), numbers("u_found"));
    let aggregates: Vec<Option<String>> = row.get::<Option<_>, _>("u_aggregate").unwrap_or_default();
    let refusals: Vec<Option<serde_json::Value>> = row.get::<Option<_>, _>("u_refusal").unwrap_or_default();
    let (mut drawn, mut settled) = (numbers("d_value").into_iter(), numbers("z_position").into_iter());
    let mut next = row.get::<i64, _>("base") + 1;
    let mut answers = vec![];
    for (index, request) in batch.iter().enumerate() {
        let code = codes.as_ref().map_or(0, |codes| codes[index]);
        let number = |list: &[Option<i64>]| list.get(index).copied().flatten().ok_or(format!("code {code} without a number"));
        let aggregate = || aggregates.get(index).cloned().flatten().ok_or(format!("code {code} without an aggregate"));
        let numbers: Vec<Option<i64>> = drawn.by_ref().take(request.events.iter().filter(|event| event.draws.is_some()).count()).collect();
        if code != 0 && numbers.iter().any(Option::is_some) {
            return Err(format!("numbers were drawn for a unit that was not appended: {request:?}"));
        }
        let position = if request.events.is_empty() { settled.next().flatten() } else { None };
        answers.push(match code {
            0 if request.events.is_empty() => Answer::Settled { position: position.ok_or("a settled request without a position")? },
            0 => {
                let from = if codes.is_some() { number(&from)? } else { next };
                next = from + request.events.len() as i64;
                if codes.is_some() && number(&to)? != next - 1 {
                    return Err(format!("positions {from} to {:?} for {request:?}", number(&to)));
                }
                Answer::Appended { from, to: next - 1, numbers: numbers.into_iter().flatten().collect() }
            }
            1 => Answer::Replayed { from: number(&from)?, to: number(&to)?, version: number(&found)?, aggregate: aggregate()? },
            2 => Answer::IdReused,
            3 => Answer::StreamMoved { aggregate: aggregate()?, found: number(&found)? },
            4 => Answer::GuardMoved { aggregate: aggregate()?, found: number(&found)? },
            5 => Answer::ClaimTaken { by: aggregate()? },
            6 => {
                let refusal = refusals.get(index).cloned().flatten().ok_or("no refusal")?;
                if refusal["message"] != "A sentence." || refusal["path"] != json!(["input", "title"]) {
                    return Err(format!("the refusal is {refusal}"));
                }
                Answer::RefusedBefore { code: refusal["code"].as_str().unwrap_or_default().to_owned() }
            }
            other => return Err(format!("code {other}")),
        });
    }
    Ok(answers)
}
