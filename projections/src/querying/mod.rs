//! What the queries of read models share: conditions, pages, and how much one may read.

pub mod error;
pub mod filter;
pub mod node;
pub mod page;
pub mod reads;
