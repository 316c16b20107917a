//! Processor time and memory of processes, from `/proc`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;

/// Processor time of every thread of a process, in nanoseconds. Threads that have ended are not in it.
fn threads_ns(pid: i32) -> Result<BTreeMap<i32, u64>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        // A thread may end while the list is read.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let ns = text.split_whitespace().next().context("schedstat is empty")?.parse()?;
        all.insert(entry.file_name().to_string_lossy().parse()?, ns);
    }
    Ok(all)
}

/// Processes whose time is counted together: one with its threads, or a server with its children.
#[derive(Debug, Clone, Copy)]
pub enum Counted {
    Process(i32),
    /// The children of a process, such as the backends of PostgreSQL.
    Children(i32),
}

/// The time that was used up to a moment.
pub struct Since {
    counted: Counted,
    before: BTreeMap<i32, u64>,
}

impl Counted {
    fn now(self) -> Result<BTreeMap<i32, u64>> {
        match self {
            Self::Process(pid) => threads_ns(pid),
            Self::Children(parent) => {
                let mut all = BTreeMap::new();
                for child in children(parent)? {
                    all.extend(threads_ns(child).unwrap_or_default());
                }
                Ok(all)
            }
        }
    }

    /// Begins to count.
    pub fn start(self) -> Result<Since> {
        Ok(Since { counted: self, before: self.now()? })
    }
}

impl Since {
    /// Microseconds used since the counting began.
    pub fn micros(&self) -> Result<f64> {
        let now = self.counted.now()?;
        let used: u64 = now.iter().map(|(id, ns)| ns.saturating_sub(self.before.get(id).copied().unwrap_or(0))).sum();
        Ok(used as f64 / 1_000.0)
    }
}

/// The parent of a process.
pub(crate) fn parent_of(pid: i32) -> Result<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("stat does not read")?;
    rest.split_whitespace().nth(1).context("stat does not read")?.parse().context("stat does not read")
}

fn children(parent: i32) -> Result<Vec<i32>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_string_lossy().parse().ok());
    Ok(pids.filter(|pid| parent_of(*pid).is_ok_and(|found| found == parent)).collect())
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: i32) -> Result<u64> {
    from_status(pid, "VmRSS:")
}

/// The most resident memory that a process has had, in bytes.
pub(crate) fn peak_resident_bytes(pid: i32) -> Result<u64> {
    from_status(pid, "VmHWM:")
}

fn from_status(pid: i32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("status has no {name}"))?;
    let kb: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb * 1_024)
}
