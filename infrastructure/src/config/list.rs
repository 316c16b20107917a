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
    setting(
        "database_url",
        "DATABASE_URL",
        Kind::Secret,
        "",
        "Connection URL of PostgreSQL, such as \
        `postgres://user:password@host:5432/name`.",
    ),
    setting(
        "migrate_database_url",
        "MILEPOST_MIGRATE_DATABASE_URL",
        Kind::Secret,
        "",
        "Connection URL for migrations, with a login that may create tables and roles. Defaults to `DATABASE_URL`.",
    ),
    setting("listen", "MILEPOST_LISTEN", Kind::Text, "127.0.0.1:8080", "HTTP address and port."),
    setting("topics", "MILEPOST_TOPICS", Kind::Text, "", "TOML file with the topic catalogue. Defaults to the built-in one."),
    setting("log.filter", "MILEPOST_LOG", Kind::Text, "info,sqlx::postgres::notice=error", "Log filter, such as `info,sqlx=warn`."),
    setting("log.format", "MILEPOST_LOG_FORMAT", Kind::Text, "human", "`human` or `json`."),
    setting(
        "auth.hs256_secret",
        "MILEPOST_AUTH_HS256_SECRET",
        Kind::Secret,
        "",
        "Key that signs tokens, at least 32 bytes. `milepost serve` does not start without it.",
    ),
    setting("auth.issuer", "MILEPOST_AUTH_ISSUER", Kind::Text, "milepost", "Required `iss` of tokens."),
    setting("auth.audience", "MILEPOST_AUTH_AUDIENCE", Kind::Text, "milepost", "Required `aud` of tokens."),
    setting(
        "pools.worker",
        "MILEPOST_POOLS_WORKER",
        Kind::Number,
        "12",
        "Maximum number of connections for reading the log, reactions, the scheduler and the relay.",
    ),
    setting("pools.service", "MILEPOST_POOLS_SERVICE", Kind::Number, "16", "Maximum number of connections for queries."),
    setting("limits.body_bytes", "MILEPOST_LIMITS_BODY_BYTES", Kind::Number, "524288", "Maximum size of a request body in bytes."),
    setting("limits.tokens", "MILEPOST_LIMITS_TOKENS", Kind::Number, "5000", "Maximum number of lexical tokens in a query."),
    setting("limits.depth", "MILEPOST_LIMITS_DEPTH", Kind::Number, "12", "Maximum nesting of fields in a query."),
    setting(
        "limits.introspection_depth",
        "MILEPOST_LIMITS_INTROSPECTION_DEPTH",
        Kind::Number,
        "20",
        "Maximum nesting below `__schema` and `__type`.",
    ),
    setting(
        "limits.selections",
        "MILEPOST_LIMITS_SELECTIONS",
        Kind::Number,
        "2000",
        "Maximum number of fields in a query with its fragments expanded.",
    ),
    setting("limits.root_fields", "MILEPOST_LIMITS_ROOT_FIELDS", Kind::Number, "15", "Maximum number of root fields of an operation."),
    setting("limits.directives", "MILEPOST_LIMITS_DIRECTIVES", Kind::Number, "16", "Maximum number of directives on a field."),
    setting(
        "limits.cost",
        "MILEPOST_LIMITS_COST",
        Kind::Number,
        "5000",
        "Maximum cost of a query: the number of fields times the number of rows requested.",
    ),
    setting("limits.page_rows", "MILEPOST_LIMITS_PAGE_ROWS", Kind::Number, "200", "Maximum value of `first` and `last`."),
    setting(
        "limits.answer_values",
        "MILEPOST_LIMITS_ANSWER_VALUES",
        Kind::Number,
        "200000",
        "Maximum number of values in a response: its rows and their fields. Counted while it is built.",
    ),
    setting(
        "limits.answer_bytes",
        "MILEPOST_LIMITS_ANSWER_BYTES",
        Kind::Number,
        "16777216",
        "Maximum size in bytes of a response, and of the rows that it is built from. Counted while it is built.",
    ),
    setting(
        "limits.principal_requests",
        "MILEPOST_LIMITS_PRINCIPAL_REQUESTS",
        Kind::Number,
        "256",
        "Maximum number of requests in progress of one principal (an actor in a workspace), until their responses are written. Above it: \
            status 429.",
    ),
    setting(
        "limits.principal_bytes",
        "MILEPOST_LIMITS_PRINCIPAL_BYTES",
        Kind::Number,
        "67108864",
        "Maximum memory in bytes for bodies, rows and responses of one principal, until the responses are written. Above it: status 429; \
             a request that alone needs more: `LIMIT_EXCEEDED`.",
    ),
    setting(
        "limits.node_requests",
        "MILEPOST_LIMITS_NODE_REQUESTS",
        Kind::Number,
        "1024",
        "Maximum number of requests in progress on a node. Above it: status 503.",
    ),
    setting(
        "limits.node_bytes",
        "MILEPOST_LIMITS_NODE_BYTES",
        Kind::Number,
        "268435456",
        "Maximum memory in bytes for bodies, rows and responses on a node. Above it: status 503.",
    ),
    setting(
        "limits.connections",
        "MILEPOST_LIMITS_CONNECTIONS",
        Kind::Number,
        "2048",
        "Maximum number of client connections. Further ones receive status 503 and are closed; `/livez`, `/readyz` and `/metrics` are \
             still served.",
    ),
    setting(
        "limits.timeout_ms",
        "MILEPOST_LIMITS_TIMEOUT_MS",
        Kind::Number,
        "10000",
        "Maximum duration in milliseconds of a request from the end of its headers, including its body. One second later PostgreSQL \
             cancels its statements.",
    ),
    setting(
        "limits.headers_timeout_ms",
        "MILEPOST_LIMITS_HEADERS_TIMEOUT_MS",
        Kind::Number,
        "30000",
        "Maximum time in milliseconds to receive the headers of a request. A connection that is idle for longer is closed.",
    ),
    setting(
        "limits.write_timeout_ms",
        "MILEPOST_LIMITS_WRITE_TIMEOUT_MS",
        Kind::Number,
        "30000",
        "Maximum time in milliseconds for a client to read the rest of a response, or 1 MiB of it. Otherwise its connection is closed.",
    ),
    setting(
        "limits.position_wait_ms",
        "MILEPOST_LIMITS_POSITION_WAIT_MS",
        Kind::Number,
        "5000",
        "Maximum time in milliseconds to wait for read models to reach `minPosition`.",
    ),
    setting(
        "kafka.bootstrap_servers",
        "KAFKA_BOOTSTRAP_SERVERS",
        Kind::Text,
        "",
        "Kafka bootstrap servers, such as `host:9092,host:9092`. If not set, nothing is published; the log retains all events.",
    ),
    setting("kafka.client_id", "KAFKA_CLIENT_ID", Kind::Text, "milepost", "Client name shown by brokers."),
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
        "`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; required with `SASL_…`.",
    ),
    setting("kafka.sasl_username", "KAFKA_SASL_USERNAME", Kind::Text, "", "User name; required with `SASL_…`."),
    setting("kafka.sasl_password", "KAFKA_SASL_PASSWORD", Kind::Secret, "", "Password; required with `SASL_…`."),
    setting("kafka.ssl_ca_location", "KAFKA_SSL_CA_LOCATION", Kind::Text, "", "File with the certificates of trusted authorities."),
    setting("kafka.ssl_certificate_location", "KAFKA_SSL_CERTIFICATE_LOCATION", Kind::Text, "", "File with the client's certificate."),
    setting("kafka.ssl_key_location", "KAFKA_SSL_KEY_LOCATION", Kind::Text, "", "File with the client's key."),
    setting("kafka.ssl_key_password", "KAFKA_SSL_KEY_PASSWORD", Kind::Secret, "", "Password of the client's key."),
    setting("kafka.acks", "KAFKA_ACKS", Kind::Text, "all", "Must be `all`: exactly-once delivery requires it."),
    setting("kafka.compression_type", "KAFKA_COMPRESSION_TYPE", Kind::Text, "lz4", "`none`, `gzip`, `snappy`, `lz4` or `zstd`."),
    setting(
        "kafka.linger_ms",
        "KAFKA_LINGER_MS",
        Kind::Number,
        "0",
        "Maximum time for which a record waits for others, 0 to 100 \
        milliseconds.",
    ),
    setting("kafka.batch_size", "KAFKA_BATCH_SIZE", Kind::Number, "1000000", "Maximum size in bytes of a batch for a partition."),
    setting(
        "kafka.transactional_id",
        "KAFKA_TRANSACTIONAL_ID",
        Kind::Text,
        "milepost.relay",
        "Name of this installation's relay on the Kafka cluster: the same on all its nodes, and unique among installations. A relay that \
             takes over uses it to fence the previous one and to find its position. If it changes, all events are published again; two \
             installations with the same name fence each other repeatedly, and on the same topics each would skip events of the other.",
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
        "`earliest` or `latest`: where a new consumer group starts.",
    ),
    setting(
        "kafka.session_timeout_ms",
        "KAFKA_SESSION_TIMEOUT_MS",
        Kind::Number,
        "45000",
        "Time after which brokers consider a silent consumer dead, 1000 to 300000 milliseconds.",
    ),
    setting(
        "kafka.create_topics",
        "KAFKA_CREATE_TOPICS",
        Kind::Switch,
        "true",
        "Whether missing topics of the catalogue are created when the relay starts.",
    ),
];
