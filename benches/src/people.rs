//! Who asks in benchmarks, and how.

use crate::load::To;
use crate::stand::Stand;
use anyhow::Result;
use application::caller::{Caller, Circumstances, Role, Source};
use domain::ids::{UserId, WorkspaceId};
use std::time::Duration;
use uuid::Uuid;

/// The owner of a workspace.
pub(crate) fn owner(workspace: WorkspaceId) -> Caller {
    Caller { actor: UserId(Uuid::now_v7()), workspace, role: Role::Owner }
}

/// The circumstances of an ordinary command.
pub(crate) fn by(caller: Caller) -> Circumstances {
    Circumstances { caller, source: Source::Client, at: None, correlation_id: Uuid::now_v7(), causation_id: None, traceparent: None }
}

/// The way to a server, signed in as the owner of a workspace.
pub(crate) fn signed_in(stand: &Stand, address: &str, workspace: WorkspaceId) -> Result<To> {
    let tokens = server::wire::tokens(&stand.settings(""));
    let token = tokens.issue(&owner(workspace), Duration::from_secs(86_400))?;
    Ok(To { address: address.to_owned(), token })
}
