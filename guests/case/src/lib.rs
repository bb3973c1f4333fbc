//! The vocabulary that a guest image and the harness share: what a case is, which features, clauses and
//! needs it names, where its record stands in the ELF, and the messages with which it reports.
//!
//! **Architecture invariant:** this crate is a leaf. It is `no_std`, depends on no other crate of the
//! workspace, executes nothing and knows neither hypervisors nor reports. Every layout that crosses from
//! guest to host is defined here, once, as `#[repr(C)]` with its offsets asserted.

#![no_std]

pub mod devices;
pub mod feature;
pub mod fuzz;
pub mod image;
pub mod message;
pub mod mutation;
pub mod needs;
pub mod observation;
pub mod probe;
pub mod record;
pub mod site;
pub mod spec;
pub mod text;

pub use devices::Devices;
pub use feature::Feature;
pub use needs::Needs;
pub use record::{CaseRecord, Entry, Irqchip, Setup};
pub use site::{Site, Style};
pub use spec::Spec;
pub use text::Text;

/// Version of every layout in this crate. It stands in the image note and in each case record; a host
/// refuses an image of another version instead of misreading it.
pub const FORMAT_VERSION: u16 = 3;
