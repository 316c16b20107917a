//! The binary `milepost`.

use std::process::ExitCode;

// Many small, short-lived objects on several threads: the system's allocator costs a tenth of the processor time here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::main()
}
