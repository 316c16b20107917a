//! What the figures were measured on.

use anyhow::Result;
use sqlx::PgPool;
use std::fs;

/// Processor, memory and servers, in one sentence. Nothing that names the machine.
pub(crate) async fn describe(pool: &PgPool) -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "processor".to_owned());
    let kb: u64 = field("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    let setting =
        |name: &'static str| async move { sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(name).fetch_one(pool).await };
    let version = setting("server_version").await?;
    let version = version.split_whitespace().next().unwrap_or_default();
    Ok(format!(
        "{cores} cores ({processor}), {:.0} GB of memory, Linux {}, PostgreSQL {version} (fsync {}, synchronous_commit {}, full_page_writes {}, \
         shared_buffers {}), load generator, servers and databases all on the same cores",
        kb as f64 / 1_048_576.0,
        kernel.join("."),
        setting("fsync").await?,
        setting("synchronous_commit").await?,
        setting("full_page_writes").await?,
        setting("shared_buffers").await?,
    ))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
