//! Settings: from flags, then the environment, then a TOML file, then defaults.
//!
//! [`SETTINGS`] is the one list of them; the reference in `docs/CONFIGURATION.md` and `milepost config show` are made
//! from it. A secret can be read from a file by the variable's name with `_FILE` behind it, and is never shown.

mod list;
#[cfg(test)]
mod tests;

pub use list::{Kind, SETTINGS, Setting};

use crate::postgres::connect_options;
use application::json::VALUE_BYTES;
use application::nearest::nearest;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

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

/// Least size of the greatest answer.
const ANSWER_BYTES_MIN: usize = 1024 * 1024;

/// What one request may ask for, and what may be under way.
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
    pub answer_values: usize,
    pub answer_bytes: usize,
    pub principal_requests: usize,
    pub principal_bytes: usize,
    pub node_requests: usize,
    pub node_bytes: usize,
    pub connections: usize,
    pub timeout_ms: u64,
    pub headers_timeout_ms: u64,
    pub write_timeout_ms: u64,
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
        let from_env = from_environment(env)?;
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
        // At 0 nothing at all could be asked. Not so for introspection, directives and waiting: these can be wished away.
        for (key, allowed) in [
            ("limits.body_bytes", limits.body_bytes),
            ("limits.tokens", limits.tokens),
            ("limits.depth", limits.depth),
            ("limits.selections", limits.selections),
            ("limits.root_fields", limits.root_fields),
            ("limits.cost", limits.cost),
            ("limits.answer_values", limits.answer_values),
            ("limits.principal_requests", limits.principal_requests),
            ("limits.node_requests", limits.node_requests),
            ("limits.connections", limits.connections),
        ] {
            expect(allowed > 0, key, &allowed.to_string(), "at least 1");
        }
        // Less would not hold one entity, and what is held for a request is at most its body, its rows and its answer.
        expect(limits.answer_bytes >= ANSWER_BYTES_MIN, "limits.answer_bytes", &limits.answer_bytes.to_string(), "at least 1048576 bytes");
        let values = limits.answer_values.saturating_mul(VALUE_BYTES);
        let one = limits.body_bytes.saturating_add(limits.answer_bytes.saturating_mul(2)).saturating_add(values);
        let of_one = format!(
            "at least {one} bytes, so that one request has room: limits.body_bytes ({}), twice limits.answer_bytes ({}), and {VALUE_BYTES} for \
             each of limits.answer_values ({}); raise it, or lower one of these",
            limits.body_bytes, limits.answer_bytes, limits.answer_values
        );
        expect(limits.principal_bytes >= one, "limits.principal_bytes", &limits.principal_bytes.to_string(), &of_one);
        let of_principal = format!(
            "at least limits.principal_bytes ({}), so that one principal has room; raise it, or lower limits.principal_bytes",
            limits.principal_bytes
        );
        expect(limits.node_bytes >= limits.principal_bytes, "limits.node_bytes", &limits.node_bytes.to_string(), &of_principal);
        for (key, ms) in [
            ("limits.timeout_ms", limits.timeout_ms),
            ("limits.headers_timeout_ms", limits.headers_timeout_ms),
            ("limits.write_timeout_ms", limits.write_timeout_ms),
        ] {
            expect((100..=3_600_000).contains(&ms), key, &ms.to_string(), "100 to 3600000 milliseconds");
        }
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
        // Beyond it the client wants a longer `max.poll.interval.ms` as well.
        expect((1_000..=300_000).contains(&session), "kafka.session_timeout_ms", &session.to_string(), "1000 to 300000 milliseconds");
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

/// What the environment sets: by the variable itself, or a secret by a file that another variable names.
fn from_environment(env: impl Fn(&str) -> Option<String>) -> Result<BTreeMap<&'static str, String>, Vec<SettingError>> {
    let (mut values, mut errors) = (BTreeMap::new(), vec![]);
    for setting in SETTINGS {
        let file = format!("{}_FILE", setting.env);
        let path = env(&file).filter(|_| setting.kind == Kind::Secret);
        let value = match (env(setting.env), path) {
            (Some(_), Some(_)) => {
                let value = format!("set, and so is {file}");
                errors.push(SettingError { name: setting.env.to_owned(), value, expected: "one of the two".to_owned() });
                continue;
            }
            (value, None) => value,
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) if text.trim().is_empty() => {
                    errors.push(error(&file, &path, "a file that holds something"));
                    continue;
                }
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(_) => {
                    errors.push(error(&file, &path, "a file that can be read"));
                    continue;
                }
            },
        };
        values.extend(value.map(|value| (setting.key, value)));
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
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
