//! One call of `milepost.append`: units become arrays, and the answer becomes one answer per unit.

use application::ports::{Guard, RefusedLine, Unit};
use chrono::{DateTime, Utc};
use domain::shapes::EventVersion;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Error, PgConnection, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// A unit with its events as they are stored.
#[derive(Debug)]
pub(crate) struct EncodedUnit {
    pub(crate) unit: Unit,
    pub(crate) payloads: Vec<String>,
    /// Each that differs from the one before, with the number of events that have it: a unit's events mostly share theirs.
    pub(crate) metadata: Vec<(String, usize)>,
    /// The refusal that it records, if it does.
    pub(crate) refusal: Option<String>,
    /// About how much memory and traffic it costs.
    pub(crate) bytes: usize,
}

/// What became of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UnitAnswer {
    /// Appended from this position on, with the numbers that were drawn, in the order of its drawing events.
    Appended {
        first_position: i64,
        recorded_at: DateTime<Utc>,
        drawn: Vec<i64>,
    },
    /// A unit without events: proved, and settled if it had a command id. The last position of its subject.
    Proved {
        position: i64,
    },
    Replayed {
        aggregate_id: Uuid,
        position: i64,
        version: i64,
    },
    CommandIdReused,
    Moved {
        aggregate_id: Uuid,
        found: i64,
    },
    ClaimTaken,
    RefusedBefore(RefusedLine),
    /// The statement was carried out, and what it says of this unit cannot be read.
    Unreadable(String),
    /// Not by the append function: the unit was decided before the database was found anew.
    Outdated,
}

impl EncodedUnit {
    pub(crate) fn new(unit: Unit) -> Self {
        let payloads: Vec<String> = unit.events.iter().map(|new| new.event.encode()).collect();
        let shared = unit.events.chunk_by(|one, next| one.metadata == next.metadata);
        let metadata: Vec<(String, usize)> = shared.map(|events| (events[0].metadata.encode(), events.len())).collect();
        let texts =
            payloads.iter().map(String::len).sum::<usize>() + metadata.iter().map(|(text, events)| text.len() * events).sum::<usize>();
        let refusal = unit.line.as_ref().and_then(|line| line.refusal.as_ref()).map(RefusedLine::encode);
        let bytes = texts + refusal.as_ref().map_or(0, String::len) + 256 * (unit.events.len() + 1);
        Self { unit, payloads, metadata, refusal, bytes }
    }
}

/// The place of the digit that a drawn number replaces, counted from 1: behind `{"task_created":{"number":`.
/// The name is plain ASCII, so bytes and characters are the same up to there.
fn draw_place(event_name: &str) -> usize {
    r#"{"":{"number":"#.len() + event_name.len() + 1
}

const CALL: &str = "SELECT base, at, u_code, u_to, u_from, u_found, u_aggregate, d_value, z_position, u_refusal \
    FROM milepost.append(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18::text[]::jsonb[], $19, $20, $21, $22, $23, $24, $25, \
    $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36::text[]::jsonb[], $37, $38, $39)";

/// The arguments of `milepost.append`, one array each. Numbers of units and events count from 1.
#[derive(Default)]
struct Arrays<'a> {
    u_workspace: Vec<Uuid>,
    u_source: Vec<i16>,
    u_command: Vec<Option<Uuid>>,
    u_hash: Vec<Option<&'a [u8]>>,
    u_size: Vec<i32>,
    u_first: Vec<i32>,
    s_first: Vec<i32>,
    e_unit: Vec<i32>,
    e_first: Vec<Option<i32>>,
    e_aggregate_type: Vec<&'static str>,
    e_aggregate: Vec<String>,
    e_sequence: Vec<i64>,
    e_id: Vec<Uuid>,
    e_type: Vec<&'static str>,
    e_version: Vec<EventVersion>,
    e_payload: Vec<&'a str>,
    e_metadata: Vec<i32>,
    m_metadata: Vec<&'a str>,
    v_aggregate: Vec<String>,
    v_version: Vec<i64>,
    g_unit: Vec<i32>,
    g_version: Vec<i32>,
    c_unit: Vec<i32>,
    c_kind: Vec<&'static str>,
    c_value: Vec<&'a str>,
    r_unit: Vec<i32>,
    r_kind: Vec<&'static str>,
    r_value: Vec<&'a str>,
    k_counter: Vec<String>,
    d_slot: Vec<i32>,
    d_event: Vec<i32>,
    d_at: Vec<i32>,
    z_unit: Vec<i32>,
    z_aggregate: Vec<String>,
    z_version: Vec<i64>,
    z_refusal: Vec<Option<&'a str>>,
    l_unit: Vec<i32>,
    l_hash: Vec<&'a [u8]>,
    l_anew: Vec<bool>,
}

impl<'a> Arrays<'a> {
    fn of(batch: &'a [EncodedUnit]) -> Self {
        let (mut arrays, mut versions) = (Self::default(), HashMap::new());
        for (number, encoded) in (1..).zip(batch) {
            arrays.add(number, encoded, &mut versions);
        }
        arrays
    }

    /// Takes in a unit. `versions`: where a version that a guard asked for before stands in `v_*`.
    fn add(&mut self, number: i32, encoded: &'a EncodedUnit, versions: &mut HashMap<Guard, i32>) {
        let unit = &encoded.unit;
        self.u_workspace.push(unit.workspace.0);
        self.u_source.push(unit.source.number());
        self.u_command.push(unit.key.as_ref().map(|key| key.id));
        self.u_hash.push(unit.key.as_ref().map(|key| key.request_hash.as_slice()));
        self.u_size.push(unit.events.len() as i32);
        self.u_first.push(self.e_unit.len() as i32 + 1);
        self.add_events(number, encoded);
        for guard in &unit.guards {
            let version = *versions.entry(*guard).or_insert_with(|| {
                self.v_aggregate.push(guard.aggregate_id.to_string());
                self.v_version.push(guard.version);
                self.v_version.len() as i32
            });
            self.g_unit.push(number);
            self.g_version.push(version);
        }
        for claim in &unit.claims {
            self.c_unit.push(number);
            self.c_kind.push(claim.kind);
            self.c_value.push(&claim.value);
        }
        for release in &unit.releases {
            self.r_unit.push(number);
            self.r_kind.push(release.kind);
            self.r_value.push(&release.value);
        }
        if unit.events.is_empty() {
            // The version that "nothing to do" was decided on. A refusal that is recorded has none.
            let version = unit.guards.iter().find(|guard| guard.aggregate_id == unit.subject).map_or(0, |guard| guard.version);
            self.z_unit.push(number);
            self.z_aggregate.push(unit.subject.to_string());
            self.z_version.push(version);
            self.z_refusal.push(encoded.refusal.as_deref());
        }
        if let Some(line) = &unit.line {
            self.l_unit.push(number);
            self.l_hash.push(&line.hash);
            self.l_anew.push(line.anew);
        }
    }

    fn add_events(&mut self, number: i32, encoded: &'a EncodedUnit) {
        for (metadata, events) in &encoded.metadata {
            self.m_metadata.push(metadata);
            self.e_metadata.extend(std::iter::repeat_n(self.m_metadata.len() as i32, *events));
        }
        let mut streams: Vec<Uuid> = vec![];
        for (index, new) in encoded.unit.events.iter().enumerate() {
            self.e_unit.push(number);
            self.e_first.push((index == 0).then_some(number));
            let event = self.e_unit.len() as i32;
            if !streams.contains(&new.aggregate_id) {
                streams.push(new.aggregate_id);
                self.s_first.push(event);
            }
            self.e_aggregate_type.push(new.event.aggregate_type().word());
            self.e_aggregate.push(new.aggregate_id.to_string());
            self.e_sequence.push(new.version);
            self.e_id.push(new.event_id);
            self.e_type.push(new.event.name());
            self.e_version.push(new.event.version());
            self.e_payload.push(&encoded.payloads[index]);
            if let Some(counter) = new.event.draw() {
                let counter = counter.to_string();
                let slot = self.k_counter.iter().position(|known| *known == counter).unwrap_or_else(|| {
                    self.k_counter.push(counter);
                    self.k_counter.len() - 1
                });
                self.d_slot.push(slot as i32 + 1);
                self.d_event.push(event);
                self.d_at.push(draw_place(new.event.name()) as i32);
            }
        }
    }
}

/// Null rather than an empty array: the function skips what is not there.
fn given<T>(array: Vec<T>) -> Option<Vec<T>> {
    (!array.is_empty()).then_some(array)
}

/// Appends a batch in one statement. An error means that nothing of it was appended, or that nobody knows.
pub(crate) async fn append(connection: &mut PgConnection, batch: &[EncodedUnit]) -> Result<Vec<UnitAnswer>, Error> {
    let arrays = Arrays::of(batch);
    let row = sqlx::query(CALL)
        .bind(arrays.u_workspace)
        .bind(arrays.u_source)
        .bind(arrays.u_command)
        .bind(arrays.u_hash)
        .bind(arrays.u_size)
        .bind(arrays.u_first)
        .bind(arrays.s_first)
        .bind(arrays.e_unit)
        .bind(arrays.e_first)
        .bind(arrays.e_aggregate_type)
        .bind(arrays.e_aggregate)
        .bind(arrays.e_sequence)
        .bind(arrays.e_id)
        .bind(arrays.e_type)
        .bind(arrays.e_version.iter().map(EventVersion::to_string).collect::<Vec<_>>())
        .bind(arrays.e_payload)
        .bind(arrays.e_metadata)
        .bind(arrays.m_metadata)
        .bind(given(arrays.v_aggregate))
        .bind(given(arrays.v_version))
        .bind(given(arrays.g_unit))
        .bind(given(arrays.g_version))
        .bind(given(arrays.c_unit))
        .bind(given(arrays.c_kind))
        .bind(given(arrays.c_value))
        .bind(given(arrays.r_unit))
        .bind(given(arrays.r_kind))
        .bind(given(arrays.r_value))
        .bind(given(arrays.k_counter))
        .bind(given(arrays.d_slot))
        .bind(given(arrays.d_event))
        .bind(given(arrays.d_at))
        .bind(given(arrays.z_unit))
        .bind(given(arrays.z_aggregate))
        .bind(given(arrays.z_version))
        .bind(given(arrays.z_refusal))
        .bind(given(arrays.l_unit))
        .bind(given(arrays.l_hash))
        .bind(given(arrays.l_anew))
        .fetch_one(connection)
        .await?;
    Ok(answers(batch, &row))
}

/// What the function answers about a unit, by the numbers that `u_code` has in the migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Appended,
    /// The same request was carried out before.
    DoneBefore,
    /// Another request used the command id.
    CommandIdReused,
    /// The aggregate of the events has another version.
    StreamMoved,
    /// An aggregate that the unit depends on has another version.
    GuardMoved,
    ClaimTaken,
    /// The line of an import was refused before.
    RefusedBefore,
}

impl TryFrom<i32> for Code {
    type Error = String;

    fn try_from(code: i32) -> Result<Self, String> {
        Ok(match code {
            0 => Self::Appended,
            1 => Self::DoneBefore,
            2 => Self::CommandIdReused,
            3 => Self::StreamMoved,
            4 => Self::GuardMoved,
            5 => Self::ClaimTaken,
            6 => Self::RefusedBefore,
            unknown => return Err(format!("the code {unknown} is unknown")),
        })
    }
}

/// What the function answered, by column.
struct Columns {
    recorded_at: DateTime<Utc>,
    codes: Option<Vec<i32>>,
    last: Option<Vec<Option<i64>>>,
    first: Option<Vec<Option<i64>>>,
    found: Option<Vec<Option<i64>>>,
    aggregates: Option<Vec<Option<String>>>,
    refusals: Option<Vec<Option<Json<RefusedLine>>>>,
    /// Of all drawing events, in order.
    drawn: std::vec::IntoIter<Option<i64>>,
    /// Of all units without events, in order.
    proved: std::vec::IntoIter<Option<i64>>,
    /// The position after the units that were answered so far.
    reached: i64,
}

/// The units' answers. Where one cannot be read, nobody knows what became of its unit: what is unknown is not guessed.
fn answers(batch: &[EncodedUnit], row: &PgRow) -> Vec<UnitAnswer> {
    let mut columns = match Columns::read(row) {
        Ok(columns) => columns,
        Err(error) => return batch.iter().map(|_| UnitAnswer::Unreadable(error.to_string())).collect(),
    };
    let answers = batch.iter().enumerate().map(|(index, encoded)| columns.answer(index, &encoded.unit));
    answers.map(|answer| answer.unwrap_or_else(UnitAnswer::Unreadable)).collect()
}

impl Columns {
    fn read(row: &PgRow) -> Result<Self, Error> {
        // Null rather than an empty array, where nothing was drawn or to be proved.
        let list = |column: usize| Ok::<_, Error>(row.try_get::<Option<Vec<Option<i64>>>, _>(column)?.unwrap_or_default().into_iter());
        Ok(Self {
            recorded_at: row.try_get(1)?,
            codes: row.try_get(2)?,
            last: row.try_get(3)?,
            first: row.try_get(4)?,
            found: row.try_get(5)?,
            aggregates: row.try_get(6)?,
            drawn: list(7)?,
            proved: list(8)?,
            refusals: row.try_get(9)?,
            reached: row.try_get(0)?,
        })
    }

    fn answer(&mut self, index: usize, unit: &Unit) -> Result<UnitAnswer, String> {
        let draws = unit.events.iter().filter(|new| new.event.draw().is_some()).count();
        let drawn: Vec<Option<i64>> = self.drawn.by_ref().take(draws).collect();
        let proved = if unit.events.is_empty() { self.proved.next().flatten() } else { None };
        let code = match &self.codes {
            None => Code::Appended,
            Some(codes) => Code::try_from(*codes.get(index).ok_or("there are fewer answers than units")?)?,
        };
        Ok(match code {
            Code::Appended if unit.events.is_empty() => {
                UnitAnswer::Proved { position: proved.ok_or("a unit without events has no position")? }
            }
            Code::Appended => {
                let first_position = if self.codes.is_some() { number(&self.first, index)? } else { self.reached + 1 };
                self.reached = first_position + unit.events.len() as i64 - 1;
                let drawn = drawn.into_iter().collect::<Option<Vec<i64>>>().filter(|numbers| numbers.len() == draws);
                UnitAnswer::Appended { first_position, recorded_at: self.recorded_at, drawn: drawn.ok_or("a number was not drawn")? }
            }
            Code::DoneBefore => UnitAnswer::Replayed {
                aggregate_id: self.aggregate(index)?,
                position: number(&self.last, index)?,
                version: number(&self.found, index)?,
            },
            Code::CommandIdReused => UnitAnswer::CommandIdReused,
            Code::StreamMoved | Code::GuardMoved => {
                UnitAnswer::Moved { aggregate_id: self.aggregate(index)?, found: number(&self.found, index)? }
            }
            Code::ClaimTaken => UnitAnswer::ClaimTaken,
            Code::RefusedBefore => {
                let refusal = self.refusals.as_mut().and_then(|list| list.get_mut(index)?.take());
                UnitAnswer::RefusedBefore(refusal.ok_or("the refusal is missing")?.0)
            }
        })
    }

    fn aggregate(&self, index: usize) -> Result<Uuid, String> {
        let text = self.aggregates.as_ref().and_then(|list| list.get(index)?.as_deref()).ok_or("an aggregate is missing")?;
        Uuid::parse_str(text).map_err(|error| format!("{text:?} is not a UUID: {error}"))
    }
}

fn number(list: &Option<Vec<Option<i64>>>, index: usize) -> Result<i64, String> {
    list.as_ref().and_then(|list| list.get(index).copied().flatten()).ok_or_else(|| "a number is missing".to_owned())
}
