//! `milepost serve`: a node on servers of yours.

use super::migrate::migrate;
use super::stop::{STOP_WITHIN, stop_signals, unless_stopped};
use super::token::require_secret;
use crate::cli::Serve;
use crate::exit::Failure;
use crate::open_files;
use crate::wire::{Core, Node};
use infrastructure::config::{Configuration, Settings};
use infrastructure::kafka::catalogue::Catalogue;
use tokio::net::TcpListener;

/// Serves until stopped by a signal.
pub async fn run(arguments: Serve, configuration: Configuration) -> Result<(), Failure> {
    let settings = &configuration.settings;
    require_secret(&configuration)?;
    open_files::raise_limit(settings);
    let catalogue = Catalogue::read(&settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    // The port first: a second node on it should find out before it does anything.
    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| Failure::wrong_use(format!("MILEPOST_LISTEN: cannot listen on {}: {error}", settings.listen)))?;
    let mut stop = stop_signals()?;
    let Some(node) = unless_stopped(&mut stop, start(&arguments, settings, catalogue, listener)).await else {
        tracing::info!("stopped before it served");
        return Ok(());
    };
    let node = node?;
    tracing::info!(
        address = %node.address,
        kafka = if settings.kafka.bootstrap_servers.is_empty() { "off" } else { settings.kafka.bootstrap_servers.as_str() },
        "milepost serves"
    );
    stop.recv().await;
    tracing::info!("stopping: finishing requests; a second signal stops immediately");
    match tokio::time::timeout(STOP_WITHIN, node.stop()).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("stopped; requests that did not finish in time were cancelled"),
    }
    Ok(())
}

async fn start(arguments: &Serve, settings: &Settings, catalogue: Catalogue, listener: TcpListener) -> Result<Node, Failure> {
    if !arguments.no_migrate {
        let ran = migrate(settings).await?;
        if ran > 0 {
            tracing::info!(migrations = ran, "the database schema was updated");
        }
    }
    let core = Core::open(settings).await?;
    Node::start(core, settings, catalogue, listener).await
}
