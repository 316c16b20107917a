//! `milepost serve`: a node on servers of yours.

use super::migrate::migrate;
use super::token::require_secret;
use crate::cli::Serve;
use crate::exit::Failure;
use crate::wire::{Core, Node};
use infrastructure::config::Configuration;
use infrastructure::kafka::catalogue::Catalogue;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until told to stop.
pub async fn run(arguments: Serve, configuration: Configuration) -> Result<(), Failure> {
    let settings = &configuration.settings;
    require_secret(&configuration)?;
    let catalogue = Catalogue::read(&settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
    // The port first: a second node on it should find out before it does anything.
    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| Failure::wrong_use(format!("MILEPOST_LISTEN: {} cannot be listened on: {error}", settings.listen)))?;
    let mut stop = stop_signals()?;
    if !arguments.no_migrate {
        let ran = migrate(settings).await?;
        if ran > 0 {
            tracing::info!(migrations = ran, "the tables were brought up to date");
        }
    }
    let core = Core::open(settings).await?;
    let node = Node::start(core, settings, catalogue, listener).await?;
    tracing::info!(
        address = %node.address,
        kafka = if settings.kafka.bootstrap_servers.is_empty() { "off" } else { settings.kafka.bootstrap_servers.as_str() },
        "milepost serves"
    );
    stop.recv().await;
    tracing::info!("stopping: finishing what was accepted");
    node.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Ctrl-C and what service managers send.
pub(super) fn stop_signals() -> Result<tokio::sync::mpsc::Receiver<()>, Failure> {
    let (tell, told) = tokio::sync::mpsc::channel(1);
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).map_err(|error| Failure::not_there(format!("signals cannot be listened to: {error}")))?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let _ = tell.try_send(());
            }
        });
    }
    Ok(told)
}
