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
    /// Longest time for one request.
    pub timeout: Duration,
    /// Longest wait for `minPosition`.
    pub position_wait: Duration,
}

/// Rows of a page whose size is not said.
pub const PAGE_ROWS_DEFAULT: usize = 50;
/// Longest access token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
