//! Limits for tests and fuzzers: those of a new installation.

use crate::limits::Limits;
use std::time::Duration;

pub(crate) const LIMITS: Limits = Limits {
    body_bytes: 512 * 1024,
    tokens: 5_000,
    depth: 12,
    introspection_depth: 20,
    selections: 2_000,
    root_fields: 15,
    directives: 16,
    cost: 5_000,
    page_rows: 200,
    answer_values: 200_000,
    answer_bytes: 16 * 1024 * 1024,
    principal_requests: 256,
    principal_bytes: 64 * 1024 * 1024,
    node_requests: 1_024,
    node_bytes: 256 * 1024 * 1024,
    connections: 2_048,
    timeout: Duration::from_secs(10),
    headers_timeout: Duration::from_secs(10),
    write_timeout: Duration::from_secs(30),
    position_wait: Duration::from_secs(5),
};
