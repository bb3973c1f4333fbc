//! The table of MSRs: each row, and each bit of it, is a check.
//!
//! What a row says stands in `model`, the rows in `rows`, and `walk` makes the accesses that the model
//! tells of: these also run on the host, in the tests of this crate. `drive` walks the processor's own MSRs.

pub(crate) mod model;
pub(crate) mod rows;
pub(crate) mod walk;

mod accesses;
mod bits;
mod drive;
mod x2apic;
