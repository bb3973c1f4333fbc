//! Our VMM on another machine: what the harness and its agent there say to each other.
//!
//! The agent is this crate in a program of its own, without a system around it. It runs each program by the same code as the
//! subject `vmm` does and sends back what the guest said; the verdict is made by the harness.

pub mod agent;
pub mod frame;
pub mod init;
mod letters;

pub use letters::{Answer, Greeting, Request, Said, Undecodable, Words};

/// Where the initramfs holds the guest image.
pub const IMAGE_PATH: &str = "/image";
/// Where the initramfs tells which modules to load, see [`init::ModuleList`].
pub const MODULES_PATH: &str = "/modules/list";
/// The agent's end of the line to the harness: the second serial port, because the first is the kernel's console.
pub const LINE_PATH: &str = "/dev/ttyS1";
/// How many times longer a guest may take by the clock than of processor time: there, one clock is nearly the other.
pub const WAIT_FACTOR: u32 = 3;
