//! The table of MSRs: each row, and each bit of it, is a check.
//!
//! What a row says stands in `model`, the rows in `rows`; both also run on the host, in the tests of this crate. Here the
//! guest makes the accesses that the model tells of.

pub(crate) mod model;
pub(crate) mod rows;

mod accesses;
mod bits;
mod drive;
mod x2apic;
