//! The host side of vmproof: which cases an image holds, on what they can be run, and what became of them.
//!
//! Everything that judges stands here; the VMM knows nothing of cases, and the reports run nothing.

pub mod catalog;
pub mod image;
pub mod process;
pub mod symbols;
