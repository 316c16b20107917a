//! `bench [--small] [--write] [--no-run] [ROW…]`: measures rows, all if none is named. `scripts/bench` starts what it needs.

use anyhow::Result;
use benches::arguments::Arguments;

// As in the binary `milepost`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    benches::run(Arguments::read(std::env::args().skip(1))?).await
}
