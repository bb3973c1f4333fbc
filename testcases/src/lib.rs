//! The host side of vmproof: which cases an image holds, on what they can be run, and what became of them.
//!
//! Everything that judges stands here; the VMM knows nothing of cases, and the reports run nothing.

//X pub mod baseline;
//X pub mod bench;
pub mod cancel;
pub mod catalog;
pub mod chain;
pub mod host;
pub mod image;
pub mod judge;
pub mod messages;
pub mod process;
pub mod progress;
//X pub mod select;
//X pub mod session;
pub mod subjects;
pub mod symbols;
pub mod trace;
