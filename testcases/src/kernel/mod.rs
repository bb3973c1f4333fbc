//! Kernels under test: what a user hands over, and what is made of it for a boot.
//!
//! A kernel is a bzImage or a Debian package; its modules lie beside it or where the user says. Files that others wrote are
//! doubted: nothing here panics, and what is wrong is told with what would be right.

pub mod cpio;
mod modules;
mod package;
mod source;
mod version;
mod vmlinux;

pub use modules::{LoadOrder, LoadedModule, Purpose};
pub use source::{Kernel, KernelError};
