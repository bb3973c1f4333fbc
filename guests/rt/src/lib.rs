//! The guest runtime: boot, descriptor tables, exceptions as values, ring 3, registers, page tables, messages.
//!
//! Cases are written against this crate and hold no unsafe code; nearly all of it is here, behind calls that undo
//! what they do. Ring-0 instructions may cost a microsecond each on a KVM that interprets them, so everything that can
//! be prepared before the guest starts stands ready in the image: descriptor tables, page tables, stacks.
//!
//! **Architecture invariant:** it never formats text, never allocates, never waits without a bound, and calls nothing
//! in ring 0 that uses SSE.

#![no_std]

mod select;
mod symbols;
mod vectors;

pub mod acpi;
pub mod attempts;
pub mod boot;
pub mod catch;
pub mod clock;
pub mod cpu;
pub mod descriptors;
pub mod excursion;
pub mod gate;
pub mod hpet;
pub mod interrupts;
pub mod io_apic;
pub mod io_bitmap;
pub mod kvm_clock;
pub mod layout;
pub mod local_apic;
pub mod misbehave;
pub mod mmio;
pub mod mutation;
mod observed;
pub mod paging;
pub mod pci;
pub mod pic;
pub mod pit;
pub mod pm_timer;
pub mod program;
pub mod report;
pub mod rtc;
pub mod signals;
pub mod smm;
pub mod smp;
pub mod svm;
pub mod tables;
pub mod test_device;
pub mod trap;
pub mod unpaged;
pub mod user;
pub mod virtio;
pub mod vmx;

pub use ::case as vocabulary;
pub use case_macros::case;
pub use catch::{Exception, Outcome, catch};
