//! What the queries of read models share: conditions, pages, and limits on what one request reads.

pub mod error;
pub mod filter;
pub mod node;
pub mod page;
pub mod reads;
