//! The host side of vmproof: which cases an image holds, on what they can be run, and what became of them.
//!
//! Everything that judges stands here; the VMM knows nothing of cases, and the reports run nothing.

pub mod axis;
pub mod baseline;
pub mod bench;
pub mod cancel;
pub mod catalog;
pub mod emulation;
pub mod gate;
pub mod host;
pub mod host_cases;
pub mod image;
pub mod image_rules;
mod inherited;
pub mod judge;
pub mod kernel;
pub mod messages;
pub mod moment;
pub mod mutants;
mod nearest;
pub mod payload;
pub mod placement;
pub mod process;
pub mod progress;
pub mod remote;
pub mod select;
pub mod session;
pub mod single;
pub mod states;
pub mod subjects;
pub mod symbols;
pub mod trace;

pub use vmm::chain;
