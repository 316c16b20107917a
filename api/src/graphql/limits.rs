//! What one request may ask for. Each limit has a name, and an answer that goes beyond one names it.

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
    /// Highest cost: fields, times the rows they may be asked for.
    pub cost: usize,
    /// Highest `first` and `last`.
    pub page_rows: usize,
    /// Longest time for one request, from its headers to its answer.
    pub timeout: Duration,
    /// Longest time for the headers of a request, and for a connection without one.
    pub headers_timeout: Duration,
    /// Longest wait for `minPosition`.
    pub position_wait: Duration,
}

impl Limits {
    /// Every limit by the name that errors give it, with what is allowed. Times are in milliseconds.
    pub fn named(&self) -> [(&'static str, usize); 16] {
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
            timeout,
            headers_timeout,
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
            ("fragmentDepth", FRAGMENTS_INSIDE_MAX),
            ("sortLevels", SORT_LEVELS_MAX),
            ("filterParts", FILTER_PARTS_MAX),
            ("filterItems", FILTER_ITEMS_MAX),
            ("timeoutMs", ms(timeout)),
            ("headersTimeoutMs", ms(headers_timeout)),
            ("positionWaitMs", ms(position_wait)),
        ]
    }
}

/// Most fragments that may spread one another in a row.
pub const FRAGMENTS_INSIDE_MAX: usize = 24;
/// Most levels of an order.
pub const SORT_LEVELS_MAX: usize = 6;
/// Most filters inside one filter, and words in its texts, together.
pub const FILTER_PARTS_MAX: usize = 200;
/// Most values in the lists of one filter, together.
pub const FILTER_ITEMS_MAX: usize = 1_000;
/// Longest query that is kept parsed.
pub const PARSED_QUERY_BYTES_MAX: usize = 8 * 1024;
/// Most bytes that a byte of a query takes when it is parsed: one letter is a field.
pub const PARSED_FACTOR: usize = 100;
/// Most bytes of all parsed queries that are kept.
pub const PARSED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long one is kept that nobody sends.
pub const PARSED_FOR: Duration = Duration::from_secs(600);
/// Rows of a page whose size is not said.
pub const PAGE_ROWS_DEFAULT: usize = 50;
/// Longest access token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
