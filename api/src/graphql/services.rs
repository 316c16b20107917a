//! The context of a request: the parts of the service, and the caller.

use crate::limits::Limits;
use application::Application;
use application::caller::Caller;
use futures::future::BoxFuture;
use projections::Pool;
use projections::running::progress::Progress;
use std::sync::Arc;
use uuid::Uuid;

/// What the API needs of the service.
pub struct Services {
    pub application: Arc<Application>,
    /// Connections for queries.
    pub pool: Pool,
    pub progress: Arc<Progress>,
    pub limits: Limits,
    pub relay: Arc<dyn RelayWatch>,
}

/// The status of the relay to Kafka, on any node.
pub trait RelayWatch: Send + Sync {
    /// `exactly_once`, or `off` if Kafka is not configured.
    fn mode(&self) -> &'static str;

    /// Its position.
    fn relayed(&self) -> BoxFuture<'_, Relayed>;
}

/// The position of the relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relayed {
    /// The position up to which everything is on Kafka, if it is known.
    pub position: Option<i64>,
    /// Why nothing is sent, if the relay refuses to.
    pub refusal: Option<String>,
}

/// One request, signed in.
pub struct Asked {
    pub caller: Caller,
    /// From the header: every read of the request waits for it.
    pub min_position: Option<i64>,
    pub correlation_id: Uuid,
    pub traceparent: Option<String>,
}
