//! The interrupt controllers and timers of a PC as state machines.
//!
//! Each is told the guest's accesses with the time, and asked for its outputs and for when the next of them changes. None
//! of them waits, reads a clock, has a thread or knows of a hypervisor: whoever owns one does that, and tests say what time
//! it is. Nothing that a guest writes makes one panic, grow without bound or ask to be woken more often than every
//! [`time::MIN_PERIOD`].

#![forbid(unsafe_code)]

mod array;
pub mod fault;
#[cfg(any(test, feature = "hostile"))]
pub mod hostile;
pub mod hpet;
pub mod io_apic;
pub mod local_apic;
pub mod message;
pub mod model;
pub mod pic;
pub mod pit;
pub mod pm_timer;
pub mod rtc;
pub mod time;
