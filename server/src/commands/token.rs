//! `milepost token`: make an access token.

use crate::cli::Token;
use crate::exit::Failure;
use crate::wire;
use application::caller::Caller;
use domain::ids::{UserId, WorkspaceId};
use infrastructure::config::Configuration;

/// Prints a token and nothing else.
pub fn run(arguments: &Token, configuration: &Configuration) -> Result<(), Failure> {
    require_secret(configuration)?;
    let caller = Caller { actor: UserId(arguments.actor), workspace: WorkspaceId(arguments.workspace), role: arguments.role };
    let token = wire::tokens(&configuration.settings).issue(&caller, arguments.ttl);
    say!("{}", token.map_err(|error| Failure::wrong_use(format!("the token could not be created: {error}")))?);
    Ok(())
}

/// Without a key, callers cannot be authenticated.
pub(super) fn require_secret(configuration: &Configuration) -> Result<(), Failure> {
    if configuration.settings.auth.hs256_secret.is_empty() {
        Err(Failure::wrong_use(
            "MILEPOST_AUTH_HS256_SECRET is not set: give a key of at least 32 bytes, such as the output of `openssl rand -hex 32`, or a file with it in MILEPOST_AUTH_HS256_SECRET_FILE",
        ))
    } else {
        Ok(())
    }
}
