//! As `rt::excursion`.

#[path = "../../../rt/src/excursion/block.rs"]
pub mod block;
#[path = "../../../rt/src/excursion/layout.rs"]
pub mod layout;
#[path = "../../../rt/src/excursion/tables.rs"]
pub mod tables;

pub(crate) use block::{ARENA, ARENA_SEGMENT, Registers, register};

pub(crate) const EFLAGS_CLEAR: u32 = 1 << 1;
pub(crate) const EFLAGS_VM: u32 = 1 << 17;
pub(crate) const EFLAGS_IOPL_3: u32 = 3 << 12;
