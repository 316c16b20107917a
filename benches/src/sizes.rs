//! How much is measured. Small sizes only show that everything runs.

/// Sizes of all rows.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Runs of each side, alternating.
    pub pairs: usize,
    /// Commands of one run of the executors, with one event each.
    pub commands: usize,
    /// Statements of one run of the append function.
    pub batches: usize,
    /// Requests of one run with 64 clients.
    pub requests: usize,
    /// Requests of one run with one client.
    pub requests_alone: usize,
    /// Seconds of commands at a steady rate, for the way to Kafka.
    pub steady_s: u64,
    pub drain_events: usize,
    pub rebuild_events: usize,
    /// Events behind the queries that are measured.
    pub query_events: usize,
    pub queries: usize,
    pub import_lines: usize,
    pub schedules_few: usize,
    pub schedules_many: usize,
    /// Moments at which some fall due.
    pub due_rounds: usize,
    /// How many fall due at each.
    pub due_at_once: usize,
    pub log_short: usize,
    pub log_long: usize,
    /// Units of one run of appends to a short or long log, and pages of one run.
    pub growth_units: usize,
    pub growth_pages: usize,
}

impl Sizes {
    /// What the targets are about.
    pub const FULL: Self = Self {
        pairs: 5,
        commands: 20_000,
        batches: 30,
        requests: 30_000,
        requests_alone: 1_500,
        steady_s: 20,
        drain_events: 100_000,
        rebuild_events: 200_000,
        query_events: 100_000,
        queries: 20_000,
        import_lines: 30_000,
        schedules_few: 1_000,
        schedules_many: 100_000,
        due_rounds: 9,
        due_at_once: 100,
        log_short: 10_000,
        log_long: 1_000_000,
        growth_units: 20_000,
        growth_pages: 3_000,
    };

    /// A few seconds each.
    pub const SMALL: Self = Self {
        pairs: 1,
        commands: 500,
        batches: 3,
        requests: 500,
        requests_alone: 50,
        steady_s: 2,
        drain_events: 3_000,
        rebuild_events: 5_000,
        query_events: 2_000,
        queries: 300,
        import_lines: 1_000,
        schedules_few: 50,
        schedules_many: 500,
        due_rounds: 2,
        due_at_once: 20,
        log_short: 1_000,
        log_long: 5_000,
        growth_units: 500,
        growth_pages: 50,
    };
}
