//! What `milepost` takes while nobody asks anything of it.

use crate::cpu::resident_bytes;
use crate::numbers::median;
use crate::process::Serving;
use crate::report::Row;
use crate::stand::Stand;
use anyhow::Result;
use std::time::Duration;

/// How long it idles before it is looked at.
const IDLE: Duration = Duration::from_secs(5);
const MB: f64 = 1_000_000.0;

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let mut resident = vec![];
    for _ in 0..stand.sizes.pairs.min(3) {
        let url = stand.database("footprint").await?;
        let topics = stand.topics().await?;
        let serving = Serving::milepost(stand, &url, Some(&topics)).await?;
        tokio::time::sleep(IDLE).await;
        resident.push(resident_bytes(serving.pid)? as f64 / MB);
        serving.stop().await?;
    }
    stand.drop_database("footprint").await?;
    let (resident, size) = (median(&resident), std::fs::metadata(stand.built.join("milepost"))?.len() as f64 / MB);
    Ok(vec![
        Row::of("idle RSS of `serve`", format!("{resident:.0} MB")).target("≤ 64 MB", resident <= 64.0).note("with the relay to Kafka"),
        Row::of("size of the binary", format!("{size:.0} MB")).target("≤ 60 MB", size <= 60.0),
    ])
}
