//! The list of all settings.

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Switch,
    Secret,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its place in the TOML file, tables separated by dots.
    pub key: &'static str,
    /// The environment variable.
    pub env: &'static str,
    pub kind: Kind,
    /// The default, empty where there is none.
    pub default: &'static str,
    pub about: &'static str,
}

const fn setting(key: &'static str, env: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Setting {
    Setting { key, env, kind, default, about }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting("database_url", "DATABASE_URL", Kind::Secret, "", "PostgreSQL, such as `postgres://user:password@host:5432/name`."),
    setting(
        "migrate_database_url",
        "MILEPOST_MIGRATE_DATABASE_URL",
        Kind::Secret,
        "",
        "PostgreSQL as the login that may create tables and roles, for migrations. Without it they use `DATABASE_URL`.",
    ),
    setting("listen", "MILEPOST_LISTEN", Kind::Text, "127.0.0.1:8080", "Address and port that HTTP is served on."),
    setting("topics", "MILEPOST_TOPICS", Kind::Text, "", "File with the topic catalogue. Without it the built-in one is used."),
    setting(
        "log.filter",
        "MILEPOST_LOG",
        Kind::Text,
        "info,sqlx::postgres::notice=error",
        "Which log lines are written, such as `info,sqlx=warn`.",
    ),
    setting("log.format", "MILEPOST_LOG_FORMAT", Kind::Text, "human", "`human` or `json`."),
    setting(
        "auth.hs256_secret",
        "MILEPOST_AUTH_HS256_SECRET",
        Kind::Secret,
        "",
        "Key that tokens are signed with, at least 32 bytes. `milepost serve` does not start without it.",
    ),
    setting("auth.issuer", "MILEPOST_AUTH_ISSUER", Kind::Text, "milepost", "The `iss` that tokens must have."),
    setting("auth.audience", "MILEPOST_AUTH_AUDIENCE", Kind::Text, "milepost", "The `aud` that tokens must have."),
    setting(
        "pools.worker",
        "MILEPOST_POOLS_WORKER",
        Kind::Number,
        "12",
        "Most connections for reading the log, reactions, the scheduler and the relay.",
    ),
    setting("pools.service", "MILEPOST_POOLS_SERVICE", Kind::Number, "16", "Most connections for queries."),
    setting("limits.body_bytes", "MILEPOST_LIMITS_BODY_BYTES", Kind::Number, "524288", "Longest request body, in bytes."),
    setting("limits.tokens", "MILEPOST_LIMITS_TOKENS", Kind::Number, "5000", "Most lexical tokens in a query."),
    setting("limits.depth", "MILEPOST_LIMITS_DEPTH", Kind::Number, "12", "Deepest nesting of data in a query."),
    setting(
        "limits.introspection_depth",
        "MILEPOST_LIMITS_INTROSPECTION_DEPTH",
        Kind::Number,
        "20",
        "Deepest nesting under `__schema` and `__type`.",
    ),
    setting(
        "limits.selections",
        "MILEPOST_LIMITS_SELECTIONS",
        Kind::Number,
        "2000",
        "Most fields in a query once its fragments are expanded.",
    ),
    setting("limits.root_fields", "MILEPOST_LIMITS_ROOT_FIELDS", Kind::Number, "15", "Most fields at the root of an operation."),
    setting("limits.directives", "MILEPOST_LIMITS_DIRECTIVES", Kind::Number, "16", "Most directives on one field."),
    setting(
        "limits.cost",
        "MILEPOST_LIMITS_COST",
        Kind::Number,
        "5000",
        "Highest cost of a query: fields, times the rows they may be asked for.",
    ),
    setting("limits.page_rows", "MILEPOST_LIMITS_PAGE_ROWS", Kind::Number, "200", "Highest `first` and `last` of a page."),
    setting(
        "limits.answer_values",
        "MILEPOST_LIMITS_ANSWER_VALUES",
        Kind::Number,
        "200000",
        "Most values in an answer: the fields of all its rows, and the rows. Counted while it is made.",
    ),
    setting(
        "limits.answer_bytes",
        "MILEPOST_LIMITS_ANSWER_BYTES",
        Kind::Number,
        "16777216",
        "Most bytes of an answer, and of the rows that it is made of. Counted while it is made.",
    ),
    setting(
        "limits.principal_requests",
        "MILEPOST_LIMITS_PRINCIPAL_REQUESTS",
        Kind::Number,
        "256",
        "Most requests under way of one principal (an actor in a workspace), until their answers are written. Beyond it: status 429.",
    ),
    setting(
        "limits.principal_bytes",
        "MILEPOST_LIMITS_PRINCIPAL_BYTES",
        Kind::Number,
        "67108864",
        "Most bytes of bodies, rows and answers in memory for one principal, until the answers are written. Beyond it: status 429; a \
         request that alone needs more: `LIMIT_EXCEEDED`.",
    ),
    setting(
        "limits.node_requests",
        "MILEPOST_LIMITS_NODE_REQUESTS",
        Kind::Number,
        "1024",
        "Most requests under way on a node. Beyond it: status 503.",
    ),
    setting(
        "limits.node_bytes",
        "MILEPOST_LIMITS_NODE_BYTES",
        Kind::Number,
        "268435456",
        "Most bytes of bodies, rows and answers in memory of a node. Beyond it: status 503.",
    ),
    setting(
        "limits.connections",
        "MILEPOST_LIMITS_CONNECTIONS",
        Kind::Number,
        "2048",
        "Most connections of clients. Those beyond it are answered with status 503 and closed; `/livez`, `/readyz` and `/metrics` \
         are answered all the same.",
    ),
    setting(
        "limits.timeout_ms",
        "MILEPOST_LIMITS_TIMEOUT_MS",
        Kind::Number,
        "10000",
        "Longest time a request may take once its headers are there, in milliseconds; the body counts. A second later PostgreSQL \
         ends what it still does for it.",
    ),
    setting(
        "limits.headers_timeout_ms",
        "MILEPOST_LIMITS_HEADERS_TIMEOUT_MS",
        Kind::Number,
        "30000",
        "Longest time for the headers of a request, in milliseconds. A connection that is idle for so long is closed.",
    ),
    setting(
        "limits.write_timeout_ms",
        "MILEPOST_LIMITS_WRITE_TIMEOUT_MS",
        Kind::Number,
        "30000",
        "Time in which a client must take the rest of an answer, or 1 MiB of it, in milliseconds. Otherwise its connection is closed.",
    ),
    setting(
        "limits.position_wait_ms",
        "MILEPOST_LIMITS_POSITION_WAIT_MS",
        Kind::Number,
        "5000",
        "Longest wait for read models to reach `minPosition`, in milliseconds.",
    ),
    setting(
        "kafka.bootstrap_servers",
        "KAFKA_BOOTSTRAP_SERVERS",
        Kind::Text,
        "",
        "Brokers, such as `host:9092,host:9092`. Without it nothing is sent to Kafka; the log keeps everything.",
    ),
    setting("kafka.client_id", "KAFKA_CLIENT_ID", Kind::Text, "milepost", "Name that brokers see."),
    setting(
        "kafka.security_protocol",
        "KAFKA_SECURITY_PROTOCOL",
        Kind::Text,
        "PLAINTEXT",
        "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.",
    ),
    setting(
        "kafka.sasl_mechanism",
        "KAFKA_SASL_MECHANISM",
        Kind::Text,
        "",
        "`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; needed with `SASL_…`.",
    ),
    setting("kafka.sasl_username", "KAFKA_SASL_USERNAME", Kind::Text, "", "User name; needed with `SASL_…`."),
    setting("kafka.sasl_password", "KAFKA_SASL_PASSWORD", Kind::Secret, "", "Password; needed with `SASL_…`."),
    setting("kafka.ssl_ca_location", "KAFKA_SSL_CA_LOCATION", Kind::Text, "", "File with the certificates of trusted authorities."),
    setting("kafka.ssl_certificate_location", "KAFKA_SSL_CERTIFICATE_LOCATION", Kind::Text, "", "File with the client's certificate."),
    setting("kafka.ssl_key_location", "KAFKA_SSL_KEY_LOCATION", Kind::Text, "", "File with the client's key."),
    setting("kafka.ssl_key_password", "KAFKA_SSL_KEY_PASSWORD", Kind::Secret, "", "Password of the client's key."),
    setting("kafka.acks", "KAFKA_ACKS", Kind::Text, "all", "Only `all`: sending exactly once rests on it."),
    setting("kafka.compression_type", "KAFKA_COMPRESSION_TYPE", Kind::Text, "lz4", "`none`, `gzip`, `snappy`, `lz4` or `zstd`."),
    setting("kafka.linger_ms", "KAFKA_LINGER_MS", Kind::Number, "0", "How long a record waits for others, 0 to 100 milliseconds."),
    setting("kafka.batch_size", "KAFKA_BATCH_SIZE", Kind::Number, "1000000", "Most bytes sent to a partition at once."),
    setting(
        "kafka.transactional_id",
        "KAFKA_TRANSACTIONAL_ID",
        Kind::Text,
        "milepost.relay",
        "Name of this installation's relay on the Kafka cluster: the same on every node and at every start, and of no other \
         installation. By it a relay that takes over shuts out the one before, and finds how far that came. With another name \
         everything is sent once more; two installations of one name shut each other out again and again, and on the same \
         topics each would leave out what the other has sent.",
    ),
    setting(
        "kafka.transaction_timeout_ms",
        "KAFKA_TRANSACTION_TIMEOUT_MS",
        Kind::Number,
        "60000",
        "How long brokers keep an abandoned transaction open, 5000 to 900000 milliseconds.",
    ),
    setting("kafka.group_id", "KAFKA_GROUP_ID", Kind::Text, "milepost", "Consumer group of this installation."),
    setting(
        "kafka.auto_offset_reset",
        "KAFKA_AUTO_OFFSET_RESET",
        Kind::Text,
        "earliest",
        "`earliest` or `latest`: where a new consumer group begins.",
    ),
    setting(
        "kafka.session_timeout_ms",
        "KAFKA_SESSION_TIMEOUT_MS",
        Kind::Number,
        "45000",
        "After how long brokers give a silent consumer up, 1000 to 300000 milliseconds.",
    ),
    setting(
        "kafka.create_topics",
        "KAFKA_CREATE_TOPICS",
        Kind::Switch,
        "true",
        "Whether topics of the catalogue that are missing are created when the relay starts.",
    ),
];
