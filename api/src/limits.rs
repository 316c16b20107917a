//! Limits of one request and of all together. Each limit has a name, which the error for exceeding it contains.

use std::time::Duration;

/// The limits of a service, set in `infrastructure::config`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest request body.
    pub body_bytes: usize,
    /// Most lexical tokens in a query.
    pub tokens: usize,
    /// Deepest nesting of data.
    pub depth: usize,
    /// Deepest nesting under `__schema` and `__type`.
    pub introspection_depth: usize,
    /// Most fields once fragments are expanded.
    pub selections: usize,
    /// Most fields at the root of an operation.
    pub root_fields: usize,
    /// Most directives on one field.
    pub directives: usize,
    /// Highest cost: fields, times the rows they may return.
    pub cost: usize,
    /// Highest `first` and `last`.
    pub page_rows: usize,
    /// Most values in an answer: fields of all its rows, and the rows themselves.
    pub answer_values: usize,
    /// Most bytes of an answer, and of the rows that it is made of.
    pub answer_bytes: usize,
    /// Most requests of one principal that are under way.
    pub principal_requests: usize,
    /// Most bytes of bodies and answers in memory for one principal.
    pub principal_bytes: usize,
    /// Most requests that are under way.
    pub node_requests: usize,
    /// Most bytes of bodies and answers in memory.
    pub node_bytes: usize,
    /// Most connections of clients.
    pub connections: usize,
    /// Longest time for one request, from its headers to its answer.
    pub timeout: Duration,
    /// Longest time for the headers of a request, and for a connection without one.
    pub headers_timeout: Duration,
    /// Time in which a client takes the rest of an answer, or [`WRITTEN_BYTES_MIN`] of it.
    pub write_timeout: Duration,
    /// Longest wait for `minPosition`.
    pub position_wait: Duration,
}

impl Limits {
    /// Every limit by the name that errors give it, with what is allowed. Times are in milliseconds.
    pub fn named(&self) -> [(&'static str, usize); 29] {
        // In full, so that a new limit gets a name.
        let Self {
            body_bytes,
            tokens,
            depth,
            introspection_depth,
            selections,
            root_fields,
            directives,
            cost,
            page_rows,
            answer_values,
            answer_bytes,
            principal_requests,
            principal_bytes,
            node_requests,
            node_bytes,
            connections,
            timeout,
            headers_timeout,
            write_timeout,
            position_wait,
        } = *self;
        let ms = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        [
            ("bodyBytes", body_bytes),
            ("tokens", tokens),
            ("depth", depth),
            ("introspectionDepth", introspection_depth),
            ("selections", selections),
            ("rootFields", root_fields),
            ("directives", directives),
            ("cost", cost),
            ("pageRows", page_rows),
            ("answerValues", answer_values),
            ("answerBytes", answer_bytes),
            ("principalRequests", principal_requests),
            ("principalBytes", principal_bytes),
            ("nodeRequests", node_requests),
            ("nodeBytes", node_bytes),
            ("connections", connections),
            ("nameBytes", NAME_BYTES_MAX),
            ("operations", OPERATIONS_MAX),
            ("introspectionLists", INTROSPECTION_LISTS_MAX),
            ("typeNames", TYPE_NAMES_MAX),
            ("errors", ERRORS_MAX),
            ("fragmentDepth", FRAGMENTS_INSIDE_MAX),
            ("sortLevels", SORT_LEVELS_MAX),
            ("filterParts", FILTER_PARTS_MAX),
            ("filterItems", FILTER_ITEMS_MAX),
            ("timeoutMs", ms(timeout)),
            ("headersTimeoutMs", ms(headers_timeout)),
            ("writeTimeoutMs", ms(write_timeout)),
            ("positionWaitMs", ms(position_wait)),
        ]
    }
}

/// Longest name in a query. An answer repeats aliases in every row, and errors repeat names.
pub const NAME_BYTES_MAX: usize = 256;
/// Most operations in a query. What is wrong in a fragment is said for each of them.
pub const OPERATIONS_MAX: usize = 50;
/// Most lists inside one another under `__schema` and `__type`: types, their fields, and the arguments of these.
pub const INTROSPECTION_LISTS_MAX: usize = 3;
/// Most `__typename` in one object, with fragments expanded. Clients put one into every fragment.
pub const TYPE_NAMES_MAX: usize = 32;
/// Most errors in an answer.
pub const ERRORS_MAX: usize = 100;
/// Most bytes of an answer beyond its limit that say what became of commands: they may be stored already.
pub const OUTCOME_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of an answer that a client takes in each write timeout, unless fewer are left.
pub const WRITTEN_BYTES_MIN: u64 = 1024 * 1024;
/// An answer that can have neither more values nor more bytes than these is not counted while it is made.
pub const SMALL_ANSWER_VALUES: usize = 20_000;
pub const SMALL_ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Most fragments that may spread one another in a row.
pub const FRAGMENTS_INSIDE_MAX: usize = 24;
/// Most levels of an order.
pub const SORT_LEVELS_MAX: usize = 6;
/// Most filters inside one filter, and words in its texts, together.
pub const FILTER_PARTS_MAX: usize = 200;
/// Most values in the lists of one filter, together.
pub const FILTER_ITEMS_MAX: usize = 1_000;
/// Longest query that is cached.
pub const PARSED_QUERY_BYTES_MAX: usize = 8 * 1024;
/// Most bytes that a byte of a query takes when it is parsed: one letter is a field.
pub(crate) const PARSED_FACTOR: usize = 100;
/// Most bytes of all cached queries.
pub const PARSED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long an unused query is cached.
pub(crate) const PARSED_FOR: Duration = Duration::from_secs(600);
/// Rows of a page if its size is omitted.
pub const PAGE_ROWS_DEFAULT: usize = 50;
/// Longest access token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
