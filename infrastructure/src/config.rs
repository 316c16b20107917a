//! Settings: from flags, then the environment, then a TOML file, then defaults.
//!
//! [`SETTINGS`] is the one list of them; the reference in `docs/CONFIGURATION.md` and `milepost config show` are made
//! from it. A secret can be read from a file by the variable's name with `_FILE` behind it, and is never shown.

use crate::postgres::connect_options;
use application::nearest::nearest;
#[cfg(test)]
mod tests;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

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
    setting("pools.worker", "MILEPOST_POOLS_WORKER", Kind::Number, "12", "Most connections for the log, projections and the relay."),
    setting("pools.service", "MILEPOST_POOLS_SERVICE", Kind::Number, "16", "Most connections for queries."),
    setting("limits.body_bytes", "MILEPOST_LIMITS_BODY_BYTES", Kind::Number, "131072", "Longest request body, in bytes."),
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
    setting("limits.timeout_ms", "MILEPOST_LIMITS_TIMEOUT_MS", Kind::Number, "10000", "Longest time a request may take, in milliseconds."),
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
        "Name that fences the relay. One for each installation on a Kafka cluster.",
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
        "After how long brokers give a silent consumer up, 1000 to 3600000 milliseconds.",
    ),
    setting(
        "kafka.create_topics",
        "KAFKA_CREATE_TOPICS",
        Kind::Switch,
        "true",
        "Whether topics of the catalogue that are missing are created when the relay starts.",
    ),
];

/// All settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub database_url: String,
    pub migrate_database_url: String,
    pub listen: String,
    pub topics: String,
    pub log: Log,
    pub auth: Auth,
    pub pools: Pools,
    pub limits: Limits,
    pub kafka: Kafka,
}

/// What is logged, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Log {
    pub filter: String,
    pub format: String,
}

/// Which tokens are accepted.
#[derive(Clone, Serialize, Deserialize)]
pub struct Auth {
    pub hs256_secret: String,
    pub issuer: String,
    pub audience: String,
}

/// How many connections a node opens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pools {
    pub worker: u32,
    pub service: u32,
}

/// What one request may ask for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Limits {
    pub body_bytes: usize,
    pub tokens: usize,
    pub depth: usize,
    pub introspection_depth: usize,
    pub selections: usize,
    pub root_fields: usize,
    pub directives: usize,
    pub cost: usize,
    pub page_rows: usize,
    pub timeout_ms: u64,
    pub position_wait_ms: u64,
}

/// How Kafka is reached.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kafka {
    pub bootstrap_servers: String,
    pub client_id: String,
    pub security_protocol: String,
    pub sasl_mechanism: String,
    pub sasl_username: String,
    pub sasl_password: String,
    pub ssl_ca_location: String,
    pub ssl_certificate_location: String,
    pub ssl_key_location: String,
    pub ssl_key_password: String,
    pub acks: String,
    pub compression_type: String,
    pub linger_ms: u32,
    pub batch_size: u32,
    pub transactional_id: String,
    pub transaction_timeout_ms: u32,
    pub group_id: String,
    pub auto_offset_reset: String,
    pub session_timeout_ms: u32,
    pub create_topics: bool,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("issuer", &self.issuer).field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("bootstrap_servers", &self.bootstrap_servers).finish_non_exhaustive()
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} is {value}: expected {expected}")]
pub struct SettingError {
    /// The variable or key, and where it came from.
    pub name: String,
    /// What was given, unless it is secret.
    pub value: String,
    pub expected: String,
}

/// Settings together with where each came from.
#[derive(Debug, Clone)]
pub struct Configuration {
    pub settings: Settings,
    /// By key: where the value came from, and the value unless it is secret.
    pub origins: Vec<Origin>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub key: &'static str,
    pub env: &'static str,
    pub value: String,
    pub origin: String,
}

/// Values of one origin, by key.
struct Values {
    origin: String,
    values: BTreeMap<&'static str, String>,
}

impl Provider for Values {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        for (key, text) in &self.values {
            put(&mut dict, key, typed(key, text));
        }
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// Puts a value under a key whose tables are separated by dots.
fn put(dict: &mut Dict, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            dict.insert(key.to_owned(), value);
        }
        Some((table, rest)) => {
            if let Value::Dict(_, inner) = dict.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new())) {
                put(inner, rest, value);
            }
        }
    }
}

/// A text as the value that its setting holds. What does not fit stays a text and is refused later, with its name.
fn typed(key: &str, text: &str) -> Value {
    let kind = SETTINGS.iter().find(|setting| setting.key == key).map(|setting| setting.kind);
    match kind {
        Some(Kind::Number) => text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from),
        Some(Kind::Switch) => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
        Some(Kind::Text | Kind::Secret) | None => Value::from(text),
    }
}

/// Flags of the command line, by key.
pub type Flags = BTreeMap<&'static str, String>;

impl Configuration {
    /// Reads everything. Errors name the setting, its value and what is expected.
    pub fn read(flags: Flags) -> Result<Self, Vec<SettingError>> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let defaults = SETTINGS.iter().map(|setting| (setting.key, setting.default.to_owned())).collect();
        let mut figment = Figment::from(Values { origin: "default".to_owned(), values: defaults });
        if let Some(file) = env("MILEPOST_CONFIG").map(PathBuf::from) {
            if !file.is_file() {
                return Err(vec![error("MILEPOST_CONFIG", &file.display().to_string(), "a file that is there")]);
            }
            let toml = Toml::file_exact(&file);
            toml.data()
                .map_err(|wrong| vec![error("MILEPOST_CONFIG", &file.display().to_string(), &format!("TOML: {}", one_line(&wrong)))])?;
            figment = figment.merge(toml);
        }
        let mut from_env = BTreeMap::new();
        for setting in SETTINGS {
            if let Some(value) = env(setting.env) {
                from_env.insert(setting.key, value);
            }
            let file = format!("{}_FILE", setting.env);
            if let (Kind::Secret, Some(path)) = (setting.kind, env(&file)) {
                let secret = std::fs::read_to_string(&path).map_err(|_| vec![error(&file, &path, "a file that can be read")])?;
                from_env.insert(setting.key, secret.trim_end_matches(['\r', '\n']).to_owned());
            }
        }
        figment = figment.merge(Values { origin: "environment".to_owned(), values: from_env });
        figment = figment.merge(Values { origin: "flag".to_owned(), values: flags });
        let origins = SETTINGS.iter().map(|setting| origin(&figment, setting)).collect();
        let settings: Settings =
            figment.extract().map_err(|errors| errors.into_iter().map(|e| unreadable(&figment, &e)).collect::<Vec<_>>())?;
        unknown_keys(&figment)?;
        let configuration = Self { settings, origins };
        let errors = configuration.check();
        if errors.is_empty() { Ok(configuration) } else { Err(errors) }
    }

    /// Settings as they are by default.
    pub fn defaults() -> Settings {
        let defaults = SETTINGS.iter().map(|setting| (setting.key, setting.default.to_owned())).collect();
        let figment = Figment::from(Values { origin: "default".to_owned(), values: defaults });
        figment.extract().expect("the defaults are settings")
    }

    /// Everything that is wrong with the values, taken by themselves.
    fn check(&self) -> Vec<SettingError> {
        let Settings { database_url, migrate_database_url, log, auth, listen, kafka, limits, pools, topics: _ } = &self.settings;
        let mut errors = vec![];
        let mut expect = |holds: bool, key: &str, value: &str, expected: &str| {
            if !holds {
                errors.push(self.name_of(key, value, expected));
            }
        };
        expect(listen.parse::<std::net::SocketAddr>().is_ok(), "listen", listen, "an address and a port, such as 127.0.0.1:8080");
        expect(["human", "json"].contains(&log.format.as_str()), "log.format", &log.format, "human or json");
        let secret = auth.hs256_secret.len();
        let length = format!("a secret of {secret} bytes");
        expect(
            secret == 0 || secret >= 32,
            "auth.hs256_secret",
            &length,
            "at least 32 bytes, such as the output of `openssl rand -hex 32`",
        );
        for (key, url) in [("database_url", database_url), ("migrate_database_url", migrate_database_url)] {
            let reads = url.is_empty() || connect_options(url).is_ok();
            expect(reads, key, "a secret that is no such URL", "postgres://user:password@host:5432/name");
        }
        expect(!auth.issuer.is_empty(), "auth.issuer", "empty", "the issuer of your tokens");
        expect(!auth.audience.is_empty(), "auth.audience", "empty", "the audience of your tokens");
        expect((2..=1_000).contains(&pools.worker), "pools.worker", &pools.worker.to_string(), "2 to 1000 connections");
        expect((1..=1_000).contains(&pools.service), "pools.service", &pools.service.to_string(), "1 to 1000 connections");
        expect((1..=10_000).contains(&limits.page_rows), "limits.page_rows", &limits.page_rows.to_string(), "1 to 10000 rows");
        expect(limits.timeout_ms >= 100, "limits.timeout_ms", &limits.timeout_ms.to_string(), "at least 100 milliseconds");
        errors.extend(self.check_kafka(kafka));
        errors
    }

    fn check_kafka(&self, kafka: &Kafka) -> Vec<SettingError> {
        let mut errors = vec![];
        let mut one_of = |key: &str, value: &str, allowed: &[&str]| {
            if !allowed.contains(&value) {
                errors.push(self.name_of(key, value, &format!("one of {}", allowed.join(", "))));
            }
        };
        one_of("kafka.security_protocol", &kafka.security_protocol, &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]);
        one_of("kafka.compression_type", &kafka.compression_type, &["none", "gzip", "snappy", "lz4", "zstd"]);
        one_of("kafka.auto_offset_reset", &kafka.auto_offset_reset, &["earliest", "latest"]);
        let sasl = kafka.security_protocol.starts_with("SASL");
        if sasl {
            one_of("kafka.sasl_mechanism", &kafka.sasl_mechanism, &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]);
        }
        let mut expect = |holds: bool, key: &str, value: &str, expected: &str| {
            if !holds {
                errors.push(self.name_of(key, value, expected));
            }
        };
        expect(matches!(kafka.acks.as_str(), "all" | "-1"), "kafka.acks", &kafka.acks, "all, since sending exactly once rests on it");
        let servers: Vec<&str> = kafka.bootstrap_servers.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
        let well_formed = servers
            .iter()
            .all(|server| server.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()));
        let well_formed = well_formed && (kafka.bootstrap_servers.is_empty() || !servers.is_empty());
        expect(well_formed, "kafka.bootstrap_servers", &kafka.bootstrap_servers, "host:port, or several separated by commas");
        expect(
            !sasl || !kafka.sasl_username.is_empty(),
            "kafka.sasl_username",
            "empty",
            "a user name, since KAFKA_SECURITY_PROTOCOL is SASL",
        );
        expect(
            !sasl || !kafka.sasl_password.is_empty(),
            "kafka.sasl_password",
            "empty",
            "a password, since KAFKA_SECURITY_PROTOCOL is SASL",
        );
        for (key, file) in [
            ("kafka.ssl_ca_location", &kafka.ssl_ca_location),
            ("kafka.ssl_certificate_location", &kafka.ssl_certificate_location),
            ("kafka.ssl_key_location", &kafka.ssl_key_location),
        ] {
            expect(file.is_empty() || std::path::Path::new(file).is_file(), key, file, "a file that is there");
        }
        expect(kafka.linger_ms <= 100, "kafka.linger_ms", &kafka.linger_ms.to_string(), "0 to 100 milliseconds");
        let (batch, timeout, session) = (kafka.batch_size, kafka.transaction_timeout_ms, kafka.session_timeout_ms);
        expect((1..=100_000_000).contains(&batch), "kafka.batch_size", &batch.to_string(), "1 to 100000000 bytes");
        expect((5_000..=900_000).contains(&timeout), "kafka.transaction_timeout_ms", &timeout.to_string(), "5000 to 900000 milliseconds");
        expect((1_000..=3_600_000).contains(&session), "kafka.session_timeout_ms", &session.to_string(), "1000 to 3600000 milliseconds");
        for (key, text) in [
            ("kafka.client_id", &kafka.client_id),
            ("kafka.group_id", &kafka.group_id),
            ("kafka.transactional_id", &kafka.transactional_id),
        ] {
            expect(!text.is_empty(), key, "empty", "a name");
        }
        errors
    }

    fn name_of(&self, key: &str, value: &str, expected: &str) -> SettingError {
        let origin = self.origins.iter().find(|origin| origin.key == key);
        let name = origin.map_or_else(|| key.to_owned(), |origin| format!("{} (from {})", origin.env, origin.origin));
        error(&name, value, expected)
    }
}

fn error(name: &str, value: &str, expected: &str) -> SettingError {
    let value = if value == "empty" || value.starts_with("a secret") { value.to_owned() } else { format!("{value:?}") };
    SettingError { name: name.to_owned(), value, expected: expected.to_owned() }
}

fn origin(figment: &Figment, setting: &Setting) -> Origin {
    let value = figment.find_value(setting.key).ok();
    let shown = match (&value, setting.kind) {
        (Some(value), Kind::Secret) => {
            if value.as_str().is_some_and(str::is_empty) {
                String::new()
            } else {
                "(hidden)".to_owned()
            }
        }
        (Some(value), _) => plain(value),
        (None, _) => String::new(),
    };
    let origin = figment.find_metadata(setting.key).map_or_else(
        || "default".to_owned(),
        |metadata| match &metadata.source {
            Some(source) => source.to_string(),
            None => metadata.name.to_string(),
        },
    );
    Origin { key: setting.key, env: setting.env, value: shown, origin }
}

fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value
            .to_u128()
            .map(|number| number.to_string())
            .or_else(|| value.to_bool().map(|switch| switch.to_string()))
            .unwrap_or_default(),
    }
}

/// What is wrong with a file, without the picture of the place, which takes several lines.
fn one_line(wrong: &figment::Error) -> String {
    let text = wrong.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('|') && !line.contains(" | "));
    lines.collect::<Vec<_>>().join(", ")
}

/// A value of the wrong kind, such as a word where a number belongs.
fn unreadable(figment: &Figment, error: &figment::Error) -> SettingError {
    let key = error.path.join(".");
    let setting = SETTINGS.iter().find(|setting| setting.key == key);
    let name = setting.map_or(key, |setting| {
        let origin = origin(figment, setting);
        format!("{} (from {})", setting.env, origin.origin)
    });
    let shown = setting.map(|setting| origin(figment, setting).value).unwrap_or_default();
    let expected = match setting.map(|setting| setting.kind) {
        Some(Kind::Number) => "a whole number".to_owned(),
        Some(Kind::Switch) => "true or false".to_owned(),
        // What figment says would show the value.
        Some(Kind::Text | Kind::Secret) => "a text".to_owned(),
        None => error.kind.to_string(),
    };
    SettingError { name, value: format!("{shown:?}"), expected }
}

/// A key in the file that no setting has is a mistake somebody wants to know of.
fn unknown_keys(figment: &Figment) -> Result<(), Vec<SettingError>> {
    fn walk(prefix: &str, dict: &Dict, found: &mut Vec<String>) {
        for (key, value) in dict {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Dict(_, inner) => walk(&path, inner, found),
                _ if SETTINGS.iter().all(|setting| setting.key != path) => found.push(path),
                _ => {}
            }
        }
    }
    let mut unknown = vec![];
    if let Ok(data) = figment.data() {
        data.values().for_each(|dict| walk("", dict, &mut unknown));
    }
    let expected = |key: &str| match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(meant) => format!("a known key, perhaps {meant}; see docs/CONFIGURATION.md"),
        None => "a known key; see docs/CONFIGURATION.md".to_owned(),
    };
    let file = std::env::var("MILEPOST_CONFIG").unwrap_or_default();
    let errors: Vec<_> = unknown.iter().map(|key| error(&format!("a key in {file}"), key, &expected(key))).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
