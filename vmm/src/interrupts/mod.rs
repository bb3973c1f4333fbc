//! Ways into the interrupt controllers of a VM from outside, and out of it without an exit.
//!
//! [`Interrupts`] sends messages and sets lines; [`Irqfd`] does it by a file descriptor, from any thread or process;
//! [`IoEventFd`] tells of a write of the guest that no vCPU leaves the guest for.
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" §§ KVM_IRQ_LINE, KVM_SIGNAL_MSI, KVM_SET_GSI_ROUTING, KVM_IRQFD and
//! KVM_IOEVENTFD.

mod ioeventfd;
mod irqfd;
mod line;
mod routes;

pub use ioeventfd::{IoEventAddress, IoEventFd, IoEventMatch};
pub use irqfd::Irqfd;
pub use line::{ControllerLine, InterruptLine, MessageLine};

use crate::{
    config::Irqchip,
    control::Control,
    faults::{Fault, Interference},
    platform::{Failure, Platform},
};
use kvm_bindings::{KVM_PIT_FLAGS_HPET_LEGACY, kvm_clock_data, kvm_msi};
use kvm_ioctls::VmFd;
use routes::Routes;
use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

/// Why an interrupt or an event could not be sent or set up.
#[derive(Debug, thiserror::Error)]
pub enum InterruptError {
    /// There is no controller that this could go to.
    #[error("{what} needs {needed}")]
    NoController {
        /// What was asked for.
        what: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// All routes are taken.
    #[error("there is no room for another route, {nr_routes} are in use")]
    NoRoute {
        /// How many there are.
        nr_routes: usize,
    },
    /// KVM refused a request.
    #[error("KVM refused {request}")]
    Kvm {
        /// The request in the kernel's terms.
        request: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Makes an error of kvm-ioctls one of ours.
fn refused(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> InterruptError {
    move |error| InterruptError::Kvm { request, source: error.into() }
}

/// An interrupt as a message: what a device writes where (Intel SDM vol. 3A, "Message Signalled Interrupts").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MsiMessage {
    /// The address.
    pub address: u64,
    /// The data.
    pub data: u32,
}

impl MsiMessage {
    /// Where messages for local APICs go.
    pub const BASE: u64 = 0xfee0_0000;

    /// An edge-triggered interrupt with fixed delivery for the local APIC of physical id `destination`.
    pub const fn fixed(destination: u8, vector: u8) -> Self {
        Self { address: Self::BASE | (destination as u64) << 12, data: vector as u32 }
    }
}

struct Shared {
    vm: Arc<VmFd>,
    irqchip: Irqchip,
    routes: Mutex<Routes>,
    /// The controllers that this VMM emulates. It holds this in turn, which is why it is not held here.
    platform: OnceLock<Weak<Platform>>,
    control: Arc<Control>,
    fault: Interference,
}

/// The interrupt controllers of a VM, whether KVM or this VMM emulates them; for any thread. A clone is another reference, and may
/// outlive the [`crate::Vm`], when it reaches no one any more.
#[derive(Clone)]
pub struct Interrupts {
    shared: Arc<Shared>,
}

impl Interrupts {
    pub(crate) fn new(vm: Arc<VmFd>, irqchip: Irqchip, control: Arc<Control>, fault: Option<Fault>) -> Self {
        let (routes, fault) = (Mutex::new(Routes::new(irqchip)), Interference::new(fault));
        Self { shared: Arc::new(Shared { vm, irqchip, routes, platform: OnceLock::new(), control, fault }) }
    }

    pub(crate) fn set_platform(&self, platform: &Arc<Platform>) {
        // It is called once.
        let _ = self.shared.platform.set(Arc::downgrade(platform));
    }

    /// What emulates the controllers, if this VMM does; nothing either once the VM is gone.
    fn platform(&self) -> Option<Arc<Platform>> {
        self.shared.platform.get()?.upgrade()
    }

    /// Keeps all vCPUs out of the guest for a time; what interrupts them waits.
    pub(crate) fn pause_vcpus(&self, duration: Duration) {
        self.shared.control.pause(duration);
    }

    /// Sends a message, and gives whether a local APIC took it: none does if it is switched off, or if nobody is meant.
    ///
    /// # Errors
    /// Without local APICs, and those of KVM_SIGNAL_MSI.
    pub fn signal_msi(&self, message: MsiMessage) -> Result<bool, InterruptError> {
        let (message, count) = self.shared.fault.message(message);
        (0..count).try_fold(false, |is_taken, _| Ok(is_taken | self.send_message(message)?))
    }

    fn send_message(&self, message: MsiMessage) -> Result<bool, InterruptError> {
        self.need_local_apics("a message")?;
        if self.shared.irqchip == Irqchip::User {
            return self.platform().map_or(Ok(false), |platform| interrupt_of(platform.deliver(message)));
        }
        let MsiMessage { address, data } = message;
        let msi =
            kvm_msi { address_lo: address as u32, address_hi: (address >> 32) as u32, data, ..Default::default() };
        match self.shared.vm.signal_msi(msi) {
            Ok(nr_taken) => Ok(nr_taken > 0),
            // What the kernel's own delivery gives if there is no destination.
            Err(error) if error.errno() == libc::EPERM => Ok(false),
            Err(error) => Err(refused("KVM_SIGNAL_MSI")(error)),
        }
    }

    /// Sets the level of an interrupt line: those up to 15 lead to the 8259s and to the I/O APIC, the next ones only to the
    /// latter.
    ///
    /// # Errors
    /// Without an I/O APIC, and those of KVM_IRQ_LINE.
    pub fn set_line(&self, line: u32, asserted: bool) -> Result<(), InterruptError> {
        let (line, levels) = self.shared.fault.levels(line, asserted);
        levels.iter().try_for_each(|level| self.drive_line(line, *level))
    }

    fn drive_line(&self, line: u32, asserted: bool) -> Result<(), InterruptError> {
        if self.shared.irqchip == Irqchip::Kernel {
            return self.shared.vm.set_irq_line(line, asserted).map_err(refused("KVM_IRQ_LINE"));
        }
        self.need_lines("an interrupt line")?;
        self.platform().map_or(Ok(()), |platform| interrupt_of(platform.set_line(line, asserted)))
    }

    /// Sets KVM's clock of this VM forward by so many nanoseconds.
    ///
    /// # Errors
    /// Those of KVM_GET_CLOCK and KVM_SET_CLOCK.
    pub(crate) fn set_clock_forward(&self, nanoseconds: u64) -> Result<(), io::Error> {
        let now = self.shared.vm.get_clock()?;
        let later = kvm_clock_data { clock: now.clock.saturating_add(nanoseconds), ..Default::default() };
        Ok(self.shared.vm.set_clock(&later)?)
    }

    /// Raises a general-purpose event of ACPI; whether there is such hardware.
    pub(crate) fn raise_general_event(&self, event: u8) -> bool {
        self.platform().is_some_and(|platform| platform.raise_general_event(event))
    }

    /// Raises and lowers an interrupt line; long enough for an 8259A, which takes back the request of an edge whose level
    /// falls before it is acknowledged.
    ///
    /// # Errors
    /// As [`Self::set_line`].
    pub fn pulse_line(&self, line: u32) -> Result<(), InterruptError> {
        if self.shared.irqchip == Irqchip::Kernel {
            // KVM's takes nothing back.
            self.set_line(line, true)?;
            return self.set_line(line, false);
        }
        self.need_lines("an interrupt line")?;
        let (line, levels) = self.shared.fault.levels(line, true);
        let pulse = |platform: &Platform| interrupt_of(platform.pulse_line(line));
        let mut pulses = levels.iter().filter(|level| **level);
        self.platform().map_or(Ok(()), |platform| pulses.try_for_each(|_| pulse(&platform)))
    }

    /// An interrupt line as a wire.
    pub fn line(&self, line: u32) -> ControllerLine {
        ControllerLine::new(self.clone(), line)
    }

    /// A wire whose rising edge sends a message, as pins of an I/O APIC in user space do.
    pub fn message_line(&self, message: MsiMessage) -> MessageLine {
        MessageLine::new(self.clone(), message)
    }

    /// A file descriptor that sends a message whenever it is written to; with local APICs of this VMM, something that does so
    /// when it is asked to.
    ///
    /// # Errors
    /// Without local APICs, if there are too many, and those of KVM.
    pub fn msi_irqfd(&self, message: MsiMessage) -> Result<Irqfd, InterruptError> {
        self.need_local_apics("an irqfd")?;
        if self.shared.irqchip == Irqchip::User {
            return Ok(Irqfd::of_message(self.clone(), message));
        }
        let gsi = self.change_routes(|routes| routes.add(message))?;
        Irqfd::new(self.clone(), gsi, true).inspect_err(|_| self.forget_route(gsi))
    }

    /// A file descriptor that makes an edge of an interrupt line whenever it is written to; with an I/O APIC of this VMM,
    /// something that does so when it is asked to.
    ///
    /// # Errors
    /// Without an I/O APIC, and those of KVM_IRQFD.
    pub fn line_irqfd(&self, line: u32) -> Result<Irqfd, InterruptError> {
        if self.shared.irqchip == Irqchip::Kernel {
            return Irqfd::new(self.clone(), line, false);
        }
        self.need_lines("an irqfd")?;
        Ok(Irqfd::of_line(self.clone(), line))
    }

    /// Routes each pin of an I/O APIC in user space to its message, so that KVM tells when a level-triggered one is over
    /// (KVM_EXIT_IOAPIC_EOI). Pins beyond those of the I/O APIC are left out.
    pub(crate) fn set_pins(&self, pins: impl IntoIterator<Item = (u32, MsiMessage)>) -> Result<(), InterruptError> {
        self.change_routes(|routes| {
            routes.set_pins(pins);
            Ok(())
        })
    }

    /// Sends the PIT's interrupt to the pin that the firmware tables tell.
    pub(crate) fn override_pit(&self) -> Result<(), InterruptError> {
        self.change_routes(|routes| {
            routes.override_pit();
            Ok(())
        })
    }

    /// Takes the PIT of KVM off its interrupt, because an HPET stands in for it, or puts it back.
    pub(crate) fn replace_pit(&self, replaced: bool) -> Result<(), InterruptError> {
        let mut pit = self.shared.vm.get_pit2().map_err(refused("KVM_GET_PIT2"))?;
        pit.flags =
            if replaced { pit.flags | KVM_PIT_FLAGS_HPET_LEGACY } else { pit.flags & !KVM_PIT_FLAGS_HPET_LEGACY };
        self.shared.vm.set_pit2(&pit).map_err(refused("KVM_SET_PIT2"))
    }

    fn need_local_apics(&self, what: &'static str) -> Result<(), InterruptError> {
        match self.shared.irqchip {
            Irqchip::Split | Irqchip::Kernel | Irqchip::User => Ok(()),
            Irqchip::None => Err(InterruptError::NoController { what, needed: "local APICs" }),
        }
    }

    /// Whether there are lines, where they are not KVM's. What is left of a VM that is gone has them still, without an end.
    fn need_lines(&self, what: &'static str) -> Result<(), InterruptError> {
        let has_lines = self
            .shared
            .platform
            .get()
            .is_some_and(|platform| platform.upgrade().is_none_or(|platform| platform.has_interrupt_controllers()));
        match has_lines {
            true => Ok(()),
            false => Err(InterruptError::NoController { what, needed: "an I/O APIC" }),
        }
    }

    /// Changes the routes and tells KVM, which takes all of them anew.
    fn change_routes<T>(
        &self,
        change: impl FnOnce(&mut Routes) -> Result<T, InterruptError>,
    ) -> Result<T, InterruptError> {
        let mut routes = self.routes();
        let result = change(&mut routes)?;
        routes.tell(&self.shared.vm)?;
        Ok(result)
    }

    fn forget_route(&self, gsi: u32) {
        // KVM keeps a route that nobody uses any more until the next change: it is told the rest then.
        self.routes().remove(gsi);
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        // The list is whole at every point where a thread could have panicked.
        self.shared.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of an interrupt that a platform was told.
fn interrupt_of<T: Default>(result: Result<T, Failure>) -> Result<T, InterruptError> {
    match result {
        Ok(value) => Ok(value),
        Err(Failure::Interrupt(error)) => Err(error),
        // Only a guest's access does that, and it is told then.
        Err(Failure::PowerOff) => Ok(T::default()),
    }
}

impl fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupts").field("irqchip", &self.shared.irqchip).finish_non_exhaustive()
    }
}
