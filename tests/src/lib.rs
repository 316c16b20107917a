//! What the workspace's suites stand on: real servers that are shared, databases and topics that are not, a node in the
//! process, the binary beside it, and time that moves.

pub mod app;
pub mod builders;
pub mod clock;
pub mod database;
pub mod dice;
pub mod kafka;
pub mod own_kafka;
pub mod own_postgres;
pub mod process;
pub mod proxy;
pub mod python;
pub mod servers;
pub mod small_disk;
pub mod wait;
