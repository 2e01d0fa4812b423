//! Address to region lookup at memory speed.
//!
//! A *database* (`.mmdb` or CSV) is compiled once into an immutable [`Table`]; the table then answers
//! addresses one by one or in batches. Every answer is a *slot*, a dense `u16` that carries a status or a
//! region together with its evidence.
//!
//! ```text
//! mmdb, csv ──> Database ──┐
//! special ─────────────────┼─ build ──> Table ── lookup/{scalar,avx512} ──> slots
//! overrides ───────────────┘             │
//! text, u32, [u8; 16] ── unwrap ─────────┘
//! ```
//!
//! | work | cost |
//! |---|---|
//! | IPv4 lookup | at most 3 dependent loads |
//! | IPv6 lookup | one 9-way search tree: ⌈log₉ n⌉ cache lines for n ranges |
//! | compile | O(nodes of the database + ranges) |
//!
//! This crate knows nothing of Python and nothing of what a caller does with an answer.

pub mod addr;
pub mod addresses;
pub mod build;
pub mod column;
pub mod database;
pub mod delimited;
pub mod error;
pub mod file;
pub mod level;
pub mod lookup;
pub mod mmdb;
pub mod open;
#[doc(hidden)]
pub mod oracle;
pub mod overrides;
pub mod prefix;
pub mod range;
pub mod record;
pub mod region;
mod row;
pub mod scan;
pub mod slot;
pub mod special;
pub mod table;
pub mod text;
pub mod unwrap;

pub use addr::Address;
pub use error::{Error, Result};
pub use slot::{Evidence, Label, Place, Slot, Status};
pub use table::Table;
