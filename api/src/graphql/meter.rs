//! Counts an answer while it is made, so that none takes more memory or time than it may.
//!
//! What an answer takes is not in its query: lists differ in length, texts in size. So every value of an answer that
//! could be large is counted as it is resolved, and every row as it is read. Beyond a limit a query ends at once. And
//! after some values it yields to other tasks of the same thread, so that the time limit ends a query as well.

use super::error::{limit_exceeded, overloaded};
use super::services::Services;
use crate::limits::{Limits, OUTCOME_BYTES_MAX};
use crate::load::{NotReserved, Overload, Underway};
use application::json::VALUE_BYTES;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo};
use async_graphql::{Error, PathSegment, Pos, QueryPathNode, QueryPathSegment, ServerError, ServerResult, Value};
use async_trait::async_trait;
use projections::Pool;
use projections::querying::error::TooMuch;
use projections::querying::reads::Reads;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit};

/// Values that are resolved before it yields: some milliseconds.
const SLICE_VALUES: usize = 2_048;
/// Bytes are reserved in steps of this size, so that small answers reserve nothing.
const RESERVE_STEP_BYTES: usize = 256 * 1024;
/// Approximate size of a number.
const NUMBER_BYTES: usize = 8;

/// What was counted of one answer.
#[derive(Debug, Default)]
struct Counted {
    values: usize,
    /// Of the answer, as JSON.
    made: usize,
    /// Of rows.
    read: usize,
    reserved: usize,
    /// Bytes beyond the limits that contain the outcome of a command.
    outcome: usize,
    /// Values since the answer was last polled, and what texts take as so many values.
    slice: usize,
    /// The same since its start: an answer that is made in many short polls is as much work as one that is made at
    /// once.
    work: usize,
    stopped: Option<Stopped>,
}

/// Why an answer is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// A limit is exceeded: its name, the actual value, and what is allowed.
    TooMuch(&'static str, usize, usize),
    /// A limit on concurrent work is reached.
    Overload(Overload),
}

impl Stopped {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::TooMuch(limit, value, allowed) => limit_exceeded(limit, value, allowed),
            Self::Overload(overload) => overloaded(overload),
        }
    }
}

impl From<NotReserved> for Stopped {
    fn from(not_reserved: NotReserved) -> Self {
        match not_reserved {
            NotReserved::Now(overload) => Self::Overload(overload),
            NotReserved::Never(limit, value, allowed) => Self::TooMuch(limit, value, allowed),
        }
    }
}

impl From<Stopped> for TooMuch {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TooMuch(limit, value, allowed) => Self::InAnswer { limit, value, allowed },
            Stopped::Overload(Overload { limit, allowed, of_node }) => Self::Underway { limit, allowed, of_node },
        }
    }
}

/// What the type names in one object of an answer come to, in the object that has most of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TypeNames {
    pub(super) values: usize,
    pub(super) bytes: usize,
}

/// Counts one answer.
pub(crate) struct Meter {
    answer_bytes: usize,
    answer_values: usize,
    type_names: TypeNames,
    /// Commands are not cancelled half-way.
    carries_out: bool,
    underway: Arc<Underway>,
    /// The place among the large answers of a principal, once this has turned out to be one.
    place: OnceCell<Option<OwnedSemaphorePermit>>,
    counted: Mutex<Counted>,
    stopping: Notify,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, type_names: TypeNames, carries_out: bool, underway: Arc<Underway>) -> Self {
        let Limits { answer_bytes, answer_values, .. } = *limits;
        Self {
            answer_bytes,
            answer_values,
            type_names,
            carries_out,
            underway,
            place: OnceCell::new(),
            counted: Mutex::default(),
            stopping: Notify::new(),
        }
    }

    /// Why the answer is not made, if it is not.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.counted().stopped
    }

    /// Returns when the answer is to be stopped, with the reason.
    pub(crate) async fn stop(&self) -> Stopped {
        loop {
            self.stopping.notified().await;
            if let (Some(stopped), false) = (self.stopped(), self.carries_out) {
                return stopped;
            }
        }
    }

    /// Runs work in slices, and yields between them.
    pub(crate) async fn in_slices<F: Future + Unpin>(&self, mut work: F) -> F::Output {
        poll_fn(|cx| {
            self.counted().slice = 0;
            Pin::new(&mut work).poll(cx)
        })
        .await
    }

    /// Waits for the next slice, if this one is used up, and for a place among large answers, once as much was done as fills a
    /// slice, in however many polls. Before that, an answer may not even have begun: it may wait for a position.
    async fn turn(&self) {
        let Counted { slice, work, .. } = *self.counted();
        if work < SLICE_VALUES {
            return;
        }
        self.place.get_or_init(|| self.underway.making()).await;
        if slice < SLICE_VALUES {
            return;
        }
        poll_fn(|cx| match self.counted().slice < SLICE_VALUES {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    /// Counts a part of a command's outcome. It is returned beyond the limits as well, up to a separate limit.
    fn count_outcome(&self, values: usize, made: usize) -> Result<(), Stopped> {
        self.count(values, made, 0).or_else(|stopped| {
            let mut counted = self.counted();
            counted.outcome += made;
            if counted.outcome > OUTCOME_BYTES_MAX { Err(stopped) } else { Ok(()) }
        })
    }

    /// Counts bytes before they are in memory.
    fn count(&self, values: usize, made: usize, read: usize) -> Result<(), Stopped> {
        let mut counted = self.counted();
        // A long text takes as much time as many values.
        let work = values + made / VALUE_BYTES;
        counted.slice += work;
        counted.work += work;
        if let Some(stopped) = counted.stopped {
            return Err(stopped);
        }
        counted.values += values;
        counted.made += made;
        counted.read += read;
        let bytes = counted.made.max(counted.read);
        let stopped = if counted.values > self.answer_values {
            Stopped::TooMuch("answerValues", counted.values, self.answer_values)
        } else if bytes > self.answer_bytes {
            Stopped::TooMuch("answerBytes", bytes, self.answer_bytes)
        } else {
            let bytes = counted.made + counted.read + counted.values * VALUE_BYTES;
            if bytes <= counted.reserved.max(RESERVE_STEP_BYTES) {
                return Ok(());
            }
            let more = (bytes - counted.reserved).div_ceil(RESERVE_STEP_BYTES) * RESERVE_STEP_BYTES;
            match self.underway.reserve(more) {
                Ok(()) => {
                    counted.reserved += more;
                    return Ok(());
                }
                Err(not_reserved) => Stopped::from(not_reserved),
            }
        };
        counted.stopped = Some(stopped);
        drop(counted);
        self.stopping.notify_one();
        Err(stopped)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections for queries, for one request.
#[derive(Clone)]
pub(crate) struct Reader {
    pool: Pool,
    meter: Arc<Meter>,
}

impl Reader {
    pub(crate) fn new(services: &Services, meter: &Arc<Meter>) -> Self {
        Self { pool: services.pool.clone(), meter: Arc::clone(meter) }
    }
}

impl Reads for Reader {
    fn pool(&self) -> &Pool {
        &self.pool
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.meter.underway.reading().await
    }

    fn take(&self, bytes: usize) -> Result<(), TooMuch> {
        self.meter.count(0, 0, bytes).map_err(TooMuch::from)
    }
}

/// Has every value of an answer counted, and every row of its lists.
pub(super) struct Metered;

impl ExtensionFactory for Metered {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Metered {
    async fn resolve(&self, ctx: &ExtensionContext<'_>, info: ResolveInfo<'_>, next: NextResolve<'_>) -> ServerResult<Option<Value>> {
        let meter: &Arc<Meter> = ctx.data_unchecked();
        meter.turn().await;
        let is_row = matches!(info.path_node.segment, QueryPathSegment::Index(_));
        let key = if is_row { 1 } else { info.field.response_key().node.len() + "\"\":,".len() };
        let is_leaf = info.field.selection_set.node.items.is_empty();
        let (place, pos) = (*info.path_node, info.field.name.pos);
        let refuse = |stopped: Stopped| at(stopped.error(), &place, pos);
        let is_outcome = meter.carries_out && is_outcome(&info);
        let count = |values, made| if is_outcome { meter.count_outcome(values, made) } else { meter.count(values, made, 0) };
        count(1, key).map_err(refuse)?;
        let value = next.run(ctx, info).await?;
        // Type names are not resolved: an object has them from the beginning.
        let TypeNames { values, bytes: names } =
            if !is_leaf && matches!(value, Some(Value::Object(_))) { meter.type_names } else { TypeNames::default() };
        count(values, names + value.as_ref().map_or(NULL_BYTES, |value| bytes(value, is_leaf))).map_err(refuse)?;
        Ok(value)
    }
}

/// Whether a value of a mutation says what became of a command: its payload, the plain values of that, and its `userErrors`. By
/// what it is, not by its size: an alias may be long, and a list have many small values.
fn is_outcome(info: &ResolveInfo<'_>) -> bool {
    match info.path_node.parents().count() {
        0 => true,
        1 => info.name == "userErrors" || info.field.selection_set.node.items.is_empty(),
        // As an element of a list, and as a field of that. Nothing else has a `path`, whose elements do not tell what they are of.
        _ => {
            info.name == "path" || [info.return_type, info.parent_type].iter().any(|name| name.trim_matches(['[', ']', '!']) == "UserError")
        }
    }
}

/// An error of a field at its place in the answer.
fn at(error: Error, place: &QueryPathNode<'_>, pos: Pos) -> ServerError {
    let mut error = error.into_server_error(pos);
    let segment = |node: &QueryPathNode<'_>| match node.segment {
        QueryPathSegment::Index(index) => PathSegment::Index(index),
        QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
    };
    error.path = place.parents().map(segment).collect();
    error.path.reverse();
    error.path.push(segment(place));
    error
}

const NULL_BYTES: usize = "null".len();

/// How many bytes a value takes as JSON, beside what was counted when its own fields and rows were resolved.
fn bytes(value: &Value, whole: bool) -> usize {
    match value {
        Value::Null => NULL_BYTES,
        Value::Number(_) => NUMBER_BYTES,
        Value::Boolean(_) => "false".len(),
        Value::String(text) => text_bytes(text),
        Value::Enum(name) => name.len() + 2,
        Value::Binary(bytes) => bytes.len(),
        // The rows of a list are counted one by one, but not those inside a scalar.
        Value::List(_) => 2,
        Value::Object(fields) if whole => fields.iter().map(|(name, value)| text_bytes(name) + 2 + inner_bytes(value)).sum(),
        Value::Object(_) => 2,
    }
}

fn inner_bytes(value: &Value) -> usize {
    match value {
        Value::List(items) => items.iter().map(|item| 1 + inner_bytes(item)).sum::<usize>() + 2,
        _ => bytes(value, true),
    }
}

/// The length of a text in JSON.
fn text_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 1,
        0..=0x1F => 5,
        _ => 0,
    };
    text.len() + 2 + text.bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::error::unanswered;
    use crate::graphql::testing::LIMITS;
    use crate::load::{LARGE_ANSWERS, Load};
    use application::caller::{Caller, Role};
    use async_graphql::value;
    use domain::ids::{UserId, WorkspaceId};
    use futures::FutureExt;
    use std::task::Context;
    use std::task::Waker;
    use uuid::Uuid;

    const CALLER: Caller = Caller { actor: UserId(Uuid::nil()), workspace: WorkspaceId(Uuid::nil()), role: Role::Viewer };

    fn meter(limits: Limits, carries_out: bool) -> Meter {
        let underway = Load::new(limits, 4).enter(&CALLER).expect("there is room");
        Meter::new(&limits, TypeNames::default(), carries_out, underway)
    }

    /// The meter of a query, and another request of the same principal.
    fn beside_another(limits: Limits) -> (Meter, Arc<Underway>) {
        let load = Load::new(limits, 4);
        let enter = || load.enter(&CALLER).expect("there is room");
        (Meter::new(&limits, TypeNames::default(), false, enter()), enter())
    }

    #[test]
    fn others_have_their_turn_after_every_slice() {
        let meter = meter(LIMITS, false);
        let work = async {
            for _ in 0..10 * SLICE_VALUES {
                meter.turn().await;
                meter.count(1, 1, 0).expect("it is not too much");
            }
        };
        let mut work = Box::pin(meter.in_slices(Box::pin(work)));
        let mut context = Context::from_waker(Waker::noop());
        let polls = (1..100).find(|_| work.as_mut().poll(&mut context).is_ready());
        assert_eq!(polls, Some(10));
    }

    #[test]
    fn long_texts_use_up_a_slice_as_many_values_do() {
        let meter = meter(LIMITS, false);
        let work = async {
            for _ in 0..10 {
                meter.turn().await;
                meter.count(1, SLICE_VALUES * VALUE_BYTES, 0).expect("it is not too much");
            }
        };
        let mut work = Box::pin(meter.in_slices(Box::pin(work)));
        let mut context = Context::from_waker(Waker::noop());
        let polls = (1..100).find(|_| work.as_mut().poll(&mut context).is_ready());
        assert_eq!(polls, Some(10));
    }

    #[test]
    fn answers_wait_for_a_place_when_they_turn_out_to_be_large_and_give_it_back() {
        let first = meter(LIMITS, false);
        let underway = Arc::clone(&first.underway);
        let meters: Vec<Meter> =
            (1..LARGE_ANSWERS).map(|_| Meter::new(&LIMITS, TypeNames::default(), false, Arc::clone(&underway))).chain([first]).collect();
        let values = async |meter: &Meter, values: usize| {
            for _ in 0..values {
                meter.turn().await;
                meter.count(1, 1, 0).expect("it is not too much");
            }
        };
        let make = |meter: &Meter, count: usize| {
            let mut work = Box::pin(meter.in_slices(Box::pin(values(meter, count))));
            let mut context = Context::from_waker(Waker::noop());
            (0..3).any(|_| work.as_mut().poll(&mut context).is_ready())
        };
        assert!(meters.iter().all(|meter| make(meter, SLICE_VALUES + 1)), "there is a place for each");
        let next = Meter::new(&LIMITS, TypeNames::default(), false, underway);
        assert!(make(&next, SLICE_VALUES), "what is small needs none");
        assert!(!make(&next, SLICE_VALUES + 1), "all places are taken");
        drop(meters);
        assert!(make(&next, SLICE_VALUES + 1), "who is done has given it back, and who gave up waiting has none");
    }

    #[test]
    fn what_is_made_in_many_short_polls_is_as_large_as_what_is_made_at_once() {
        let first = meter(LIMITS, false);
        let underway = Arc::clone(&first.underway);
        let places: Vec<_> = (0..LARGE_ANSWERS).map(|_| underway.making().now_or_never().expect("there is a place")).collect();
        // Lists of so many values, each of which waits for the database.
        let lists = async |values: usize, lists: usize| {
            for _ in 0..lists {
                for _ in 0..values {
                    first.turn().await;
                    first.count(1, 1, 0).expect("it is not too much");
                }
                tokio::task::yield_now().await;
            }
        };
        let mut context = Context::from_waker(Waker::noop());
        let mut work = Box::pin(first.in_slices(Box::pin(lists(8, SLICE_VALUES))));
        let mut ready = || (0..2 * SLICE_VALUES).any(|_| work.as_mut().poll(&mut context).is_ready());
        assert!(!ready(), "it goes on without a place");
        assert_eq!(first.counted().values, SLICE_VALUES, "it waits once as much was done as fills a slice");
        drop(places);
        assert!(ready(), "it goes on once there is a place");
        drop(work);
        let left: Vec<_> = std::iter::from_fn(|| underway.making().now_or_never()).collect();
        assert_eq!(left.len(), LARGE_ANSWERS - 1, "it has its place until it is written");
    }

    #[test]
    fn the_first_that_is_too_much_stops_an_answer() {
        let limits = Limits { answer_values: 3, answer_bytes: 100, ..LIMITS };
        for (values, made, read, limit, value) in [
            (4, 0, 0, "answerValues", 4),
            (1, 101, 0, "answerBytes", 101),
            (1, 0, 102, "answerBytes", 102),
            (2, 60, 101, "answerBytes", 101),
        ] {
            let meter = meter(limits, false);
            let stopped = Stopped::TooMuch(limit, value, if limit == "answerValues" { 3 } else { 100 });
            assert_eq!(meter.count(values, made, read), Err(stopped));
            assert_eq!((meter.stopped(), meter.count(1, 1, 1)), (Some(stopped), Err(stopped)), "nothing passes any more");
        }
        assert_eq!(meter(limits, false).count(3, 100, 100), Ok(()));
    }

    #[test]
    fn beyond_the_limits_a_mutation_answers_outcomes_and_nothing_else() {
        let meter = meter(Limits { answer_bytes: 1_000, ..LIMITS }, true);
        assert!(meter.count(1, 2_000, 0).is_err());
        for (values, made, read) in [(1, 1, 0), (1, 0, 0), (0, 0, 1)] {
            assert!(meter.count(values, made, read).is_err(), "{values} values of {made} bytes, and rows of {read}");
        }
        assert_eq!((meter.count_outcome(1, OUTCOME_BYTES_MAX), meter.count_outcome(1, 0)), (Ok(()), Ok(())));
        assert!(meter.count_outcome(1, 1).is_err(), "these have a limit too");
    }

    #[test]
    fn what_stops_a_read_is_said_by_its_name() {
        let overload = Overload { limit: "nodeBytes", allowed: 5, of_node: true };
        for stopped in [Stopped::TooMuch("answerValues", 8, 7), Stopped::Overload(overload)] {
            let error = unanswered(TooMuch::from(stopped));
            assert_eq!(error, stopped.error());
        }
    }

    #[test]
    fn what_is_large_is_held_and_what_there_is_no_room_for_stops_the_answer() {
        let all = 2 * RESERVE_STEP_BYTES;
        let of_principal = |allowed| Limits { principal_bytes: allowed, ..LIMITS };
        for (values, made, read) in [(0, all, 0), (0, 0, all), (all / VALUE_BYTES, 0, 0), (1, all / 2, all / 2 - VALUE_BYTES)] {
            let message = format!("after {values} values of {made} bytes, and rows of {read}");
            // Alone it would never fit, however long one waits.
            let alone = meter(of_principal(all), false);
            assert_eq!(alone.count(values, made, read), Ok(()));
            assert_eq!(alone.count(0, 1, 0), Err(Stopped::TooMuch("principalBytes", all + RESERVE_STEP_BYTES, all)), "{message}");
            // Beside another, it may fit later.
            let allowed = all + RESERVE_STEP_BYTES;
            let (beside, other) = beside_another(of_principal(allowed));
            other.reserve(1).expect("there is room");
            assert_eq!(beside.count(values, made, read), Ok(()));
            let overload = Overload { limit: "principalBytes", allowed, of_node: false };
            assert_eq!(beside.count(0, 1, 0), Err(Stopped::Overload(overload)), "{message}");
        }
    }

    #[test]
    fn values_are_as_long_as_they_are_written() {
        for value in
            [value!("plain"), value!("a \"quote\", a \\, a \n, a \u{1} and an ä"), value!(null), value!({ "a": [1, 2], "b": { "c": "d" } })]
        {
            let (counted, written) = (inner_bytes(&value), serde_json::to_string(&value).expect("JSON").len());
            let numbers = value.to_string().bytes().filter(u8::is_ascii_digit).count();
            assert!((written.saturating_sub(2)..=written + numbers * NUMBER_BYTES).contains(&counted), "{value}: {counted}, not {written}");
        }
    }
}
