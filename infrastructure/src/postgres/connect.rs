//! Single connections, and what the server is told about all of them.

use super::error::{DatabaseError, place, unreachable};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::str::FromStr;
use std::time::Duration;

/// Longest wait for a server that takes a connection and then says nothing.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long the server waits for the next statement of a transaction. Then it ends the transaction and the connection, so
/// that the locks of a node that was stopped or cut off do not outlive its leases.
pub const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// How the server finds out that the host of a client is gone: probes of a silent connection, and a limit for what was sent
/// without being acknowledged. Has an effect on TCP only. Together less than [`CLIENT_GONE_AFTER`].
const KEEPALIVES_IDLE_SECONDS: u32 = 3;
const KEEPALIVES_INTERVAL_SECONDS: u32 = 1;
const KEEPALIVES_COUNT: u32 = 4;
/// Longest time until the server has noticed that the host of a client is gone.
const CLIENT_GONE_AFTER: Duration = Duration::from_secs(8);

/// Reads a connection URL.
pub fn connect_options(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    // The driver would take any scheme.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(DatabaseError::Url("it begins otherwise".to_owned()));
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| DatabaseError::Url(error.to_string()))?;
    Ok(options
        .application_name("milepost")
        .options([("jit", "off"), ("default_transaction_isolation", r"read\ committed"), ("timezone", "UTC")])
        .options(limits_of_silence())
        .log_slow_statements(tracing::log::LevelFilter::Debug, Duration::from_secs(1))
        .log_statements(tracing::log::LevelFilter::Trace))
}

/// Settings by which the server ends what a client has left behind.
fn limits_of_silence() -> [(&'static str, String); 5] {
    [
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MAX.as_millis().to_string()),
        ("tcp_keepalives_idle", KEEPALIVES_IDLE_SECONDS.to_string()),
        ("tcp_keepalives_interval", KEEPALIVES_INTERVAL_SECONDS.to_string()),
        ("tcp_keepalives_count", KEEPALIVES_COUNT.to_string()),
        ("tcp_user_timeout", CLIENT_GONE_AFTER.as_millis().to_string()),
    ]
}

/// Opens a connection.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
    let connection = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(options)).await;
    let silent = || DatabaseError::Unreachable { place: place(options), reason: format!("no answer within {CONNECT_WITHIN:?}") };
    connection.map_err(|_| silent())?.map_err(|error| unreachable(options, &error))
}
