//! What a VM is to look like.

use crate::{
    boot::Entry, bus::Device, confinement::Confinement, dirty::DirtyTracking, faults::Fault, memory::Backing,
    spares::SpareVcpus,
};
use serde::{Deserialize, Serialize};

/// Which interrupt controllers KVM emulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Irqchip {
    /// None: no local APIC, and HLT ends the run. The cheapest.
    #[default]
    None,
    /// Local APICs; there is no I/O APIC and no PIC, so that interrupts from outside come as messages.
    Split,
    /// Local APICs, I/O APIC and PICs.
    Kernel,
    /// None, as with [`Self::None`]; but there are local APICs all the same, which this VMM emulates.
    User,
}

/// Who emulates the interrupt controllers and timers of a whole PC; HPET, real-time clock and ACPI timer are always those of
/// this VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptSetup {
    /// KVM all that it can: local APICs, I/O APIC, 8259s and PIT.
    Kernel,
    /// KVM the local APICs, this VMM the others.
    Split,
    /// This VMM everything.
    User,
}

impl InterruptSetup {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Split, Self::User];

    /// What KVM emulates, or not.
    pub const fn irqchip(self) -> Irqchip {
        match self {
            Self::Kernel => Irqchip::Kernel,
            Self::Split => Irqchip::Split,
            Self::User => Irqchip::User,
        }
    }

    /// Whether the PIT is KVM's.
    pub const fn has_kernel_pit(self) -> bool {
        matches!(self, Self::Kernel)
    }

    /// What this VMM emulates.
    pub const fn chipset(self) -> Chipset {
        let ours = !self.has_kernel_pit();
        Chipset { interrupt_controllers: ours, pit: ours, hpet: true, rtc: true, power: true }
    }
}

/// Devices of a PC that this VMM emulates, where it and not KVM does so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chipset {
    /// Two 8259As and an I/O APIC; needs [`Irqchip::Split`] or [`Irqchip::User`].
    pub interrupt_controllers: bool,
    /// An 8254 and port 61H; needs interrupt controllers, of KVM or of this VMM, and excludes [`VmConfig::pit`].
    pub pit: bool,
    /// An HPET with four timers; needs interrupt controllers too, as those below do.
    pub hpet: bool,
    /// A real-time clock of the kind of MC146818, which shows the host's time in UTC.
    pub rtc: bool,
    /// The fixed hardware of ACPI at [`crate::layout::pc::PM1_EVENT`]: the PM timer, and the PM1 registers, by which the guest
    /// can turn the VM off.
    pub power: bool,
}

/// How a guest's notification reaches a virtio device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notifications {
    /// As an exit: when the guest goes on, the device has done what it was notified of. A thread less, and nothing depends on
    /// when it runs.
    #[default]
    Exits,
    /// As an event (KVM_IOEVENTFD) that a thread serves while the guest goes on; messages that come again and again go by events
    /// (KVM_IRQFD) as well. What KVM does not offer of it goes as by [`Self::Exits`].
    Events,
}

/// Shape of a VM and what it starts with.
pub struct VmConfig {
    /// How vCPU 0 is entered.
    pub entry: Entry,
    /// Which interrupt controllers there are.
    pub irqchip: Irqchip,
    /// Whether KVM emulates the PIT; needs [`Irqchip::Kernel`].
    pub pit: bool,
    /// Which devices this VMM emulates by itself. A VM that asks for none has no cost of them.
    pub chipset: Chipset,
    /// How many vCPUs there are, at most [`crate::layout::NR_VCPUS_MAX`]; all but the first wait for a start-up IPI, so
    /// that more than one need local APICs.
    pub nr_vcpus: u8,
    /// vCPUs that can come and go while the guest runs, of which it hears by ACPI: that needs [`Chipset::power`].
    pub spare_vcpus: Option<SpareVcpus>,
    /// Whether the guest finds ACPI tables and an MP configuration table, at [`crate::layout::FIRMWARE_TABLES`]; the start
    /// info leads to the former. They tell of what the VM has. Firmware finds what it makes the former of in fw_cfg.
    pub acpi: bool,
    /// Command line, in what the guest is told of at its entry: of at most [`crate::layout::COMMAND_LINE_MAX_BYTES`], without NUL.
    pub command_line: String,
    /// What kind of pages guest memory is in.
    pub backing: Backing,
    /// How notifications reach virtio devices.
    pub notifications: Notifications,
    /// What becomes of system calls that threads of a run do not need. The thread that calls [`crate::Vm::run`] runs a vCPU, and
    /// is confined as such for good.
    pub confinement: Confinement,
    /// Whether it can be told which pages were written, as migration needs.
    pub tracking: DirtyTracking,
    /// What is wrong with it on purpose, for those who judge VMMs by it.
    pub fault: Option<Fault>,
    /// Devices; one vCPU at a time calls them.
    pub devices: Vec<Box<dyn Device>>,
}

impl VmConfig {
    /// One vCPU without interrupt controllers, devices and command line.
    pub fn new(entry: Entry) -> Self {
        Self {
            entry,
            irqchip: Irqchip::None,
            pit: false,
            chipset: Chipset::default(),
            nr_vcpus: 1,
            spare_vcpus: None,
            acpi: false,
            command_line: String::new(),
            backing: Backing::default(),
            notifications: Notifications::default(),
            confinement: Confinement::default(),
            tracking: DirtyTracking::default(),
            fault: None,
            devices: Vec::new(),
        }
    }

    /// Gives it the interrupt controllers and timers of a PC.
    #[must_use]
    pub fn with_interrupts(self, setup: InterruptSetup) -> Self {
        Self { irqchip: setup.irqchip(), pit: setup.has_kernel_pit(), chipset: setup.chipset(), ..self }
    }

    /// How many vCPUs there can be, with those that come later.
    pub(crate) fn nr_vcpus_max(&self) -> u8 {
        self.spare_vcpus.as_ref().map_or(self.nr_vcpus, |spare| spare.nr_max)
    }

    /// Adds a device.
    #[must_use]
    pub fn with(mut self, device: impl Device + 'static) -> Self {
        self.devices.push(Box::new(device));
        self
    }
}
