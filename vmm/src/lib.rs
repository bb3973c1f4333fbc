//! A small VMM on KVM: it runs one image in one VM and says how that ended.
//!
//! It is made to be judged from outside: every exit can be watched by an [`ExitObserver`], every way to end is a
//! [`StopReason`], and nothing that a guest does makes it panic, block or grow. It must never know of test cases,
//! reports or oracles: whoever runs cases puts their addresses and callbacks in.
//!
//! ```no_run
//! # use vmm::{Entry, Hypervisor, Image, NoObserver, Vm, VmConfig, devices::{CollectedOutput, Serial}, layout};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hypervisor = Hypervisor::open()?;
//! let image = Image::load("guest.elf".as_ref(), 32 << 20)?;
//! let output = CollectedOutput::default();
//! let config = VmConfig { command_line: "verbose".into(), ..VmConfig::new(Entry::Pvh) }
//!     .with(Serial::new(layout::pc::COM1, output.clone(), 1 << 20));
//! let mut vm = Vm::new(&hypervisor, &image, config)?;
//! let handle = vm.handle(); // `handle.stop()` on any thread ends the run.
//! println!("{}", vm.run(&mut NoObserver)?);
//! # drop(handle); Ok(())
//! # }
//! ```
//!
//! **Architecture Invariant**: guest memory is set before the interrupt controllers, because a slot that is set later
//! can cost more than everything else that starts a VM.
//!
//! **Architecture Invariant**: a device never blocks and never allocates in proportion to what a guest does.

mod absent;
mod boot;
mod boot_info;
mod bus;
pub mod chain;
mod config;
pub mod confinement;
mod connection;
mod control;
mod cpuid;
mod create;
pub mod devices;
mod dirty;
pub mod faults;
mod firmware;
mod fresh;
mod gate;
pub mod gdb;
mod host;
mod image;
mod injection;
pub mod interrupts;
mod irqchip;
pub mod layout;
mod lint1;
mod memory;
pub mod migration;
mod observer;
mod platform;
mod reset;
pub mod reusable;
mod run;
mod run_delay;
mod run_page;
mod save;
mod spares;
mod start_info;
mod state;
mod statistics;
mod stop;
pub mod tap;
mod tsc;
mod vcpu;
mod vm;
mod watch;

pub use boot::{Entry, LongModeState};
pub use bus::{BusError, Device, FirmwareDevice, Flow, Location, Region};
pub use config::{Chipset, InterruptSetup, Irqchip, Notifications, VmConfig};
pub use connection::Connection;
pub use control::{HandleError, VmHandle};
pub use create::VmError;
pub use dirty::{DirtyError, DirtyMethod, DirtyPages, DirtyTracking, PageSet};
pub use faults::Fault;
pub use fresh::{Fields, FreshVcpu};
pub use host::{HostError, Hypervisor};
pub use image::{Image, ImageError, LinuxError, MultibootError, RomError, UnpackError, unpack_linux};
pub use memory::{Backing, GuestMemory, MemoryError, MemoryMap, MemoryRange, OutsideMemory};
pub use observer::{CpuView, Exit, ExitObserver, NoObserver};
pub use run::RunError;
pub use run_delay::run_delay;
pub use save::{DeviceStateError, Elapsed, RestoreError, SaveError};
pub use spares::{OccupancyError, SpareError, SpareEvent, SpareVcpus};
pub use state::CpuState;
pub use stop::{StopReason, Stopped};
pub use vm::Vm;
pub use watch::Watch;

/// What the documentation promises about threads.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    const fn sent<T: Send>() {}
    shared::<Hypervisor>();
    shared::<Image>();
    shared::<GuestMemory>();
    shared::<VmHandle>();
    sent::<Vm>();
    sent::<VmConfig>();
};
