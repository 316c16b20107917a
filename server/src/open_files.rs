//! Open files: every connection is one, and their number per process is limited.

use infrastructure::config::Settings;
use infrastructure::postgres::CONNECTIONS_BESIDE_POOLS;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that a node has open in addition to connections: Kafka, logs, and the runtime.
const OTHERS: u64 = 256;

/// Raises the limit of open files to what the settings need, or warns if the system does not allow it.
pub fn raise_limit(settings: &Settings) {
    let pools = u64::from(settings.pools.worker) + u64::from(settings.pools.service) + u64::from(CONNECTIONS_BESIDE_POOLS);
    let wanted = settings.limits.connections as u64 + pools + OTHERS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let allowed = wanted.min(hard);
    let raised = soft >= allowed || setrlimit(Resource::RLIMIT_NOFILE, allowed, hard).is_ok();
    if !raised || hard < wanted {
        tracing::warn!(
            wanted,
            allowed = if raised { allowed.max(soft) } else { soft },
            "limits.connections is {}, but the limit of open files of this process is lower: raise it of open files (LimitNOFILE in \
                 systemd, --ulimit nofile in Docker), or lower limits.connections",
            settings.limits.connections
        );
    }
}
