//! The board of our VMM's machines: what a program's machine has.

use super::{
    OurVmm,
    inbox::{SharedInbox, ring},
};
use crate::{
    axis::Axis,
    catalog::InterruptSetup,
    subjects::{
        Program, command_line,
        devices::{self, DeviceError, with_devices},
    },
};
use case::{
    Devices, Entry, Irqchip, Needs, Setup,
    image::{board, control},
};
use vmm::{
    Fault, GuestMemory, LongModeState, VmConfig,
    devices::{CollectedOutput, DebugExit, Doorbell, I8042, Serial, Signals, TestDevice, TestDeviceAddresses},
};

/// What the board offers.
pub(in crate::subjects) const BOARD: Needs = Needs::PVH_ENTRY
    .union(Needs::COM1)
    .union(Needs::I8042)
    .union(Needs::TEST_DEVICE)
    .union(Needs::LOCAL_APIC)
    .union(CHIPSET)
    .union(Needs::FIRMWARE_TABLES)
    .union(Needs::SIGNALS)
    .union(Needs::UNCLAIMED)
    .union(Needs::SINGLE_INSTRUCTIONS)
    .union(Needs::PROCESSOR_STATE)
    .union(devices::OFFERED);
/// What comes with all interrupt controllers; cases that need a part of it get the whole.
const CHIPSET: Needs =
    Needs::IO_APIC.union(Needs::PIC).union(Needs::PIT).union(Needs::HPET).union(Needs::RTC).union(Needs::PM_TIMER);
/// What a guest may write on COM1 in bytes, which is not its transport here.
const MAX_SERIAL_BYTES: usize = 2 << 10;

/// Why there is no virtual machine for a program.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of its devices cannot be made.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// It cannot be made.
    #[error(transparent)]
    Vm(#[from] vmm::VmError),
}

impl OurVmm {
    pub(super) fn config(
        &self,
        program: Program<'_>,
        inbox: &SharedInbox,
        fault: Option<Fault>,
    ) -> Result<VmConfig, StartError> {
        let case = program.case();
        let (setup, virtio) = case.map_or((Setup::DEFAULT, Devices::empty()), |case| (case.setup, case.devices));
        let report_page = self.image.catalog.note().report_page;
        let receiver = inbox.clone();
        let addresses = TestDeviceAddresses {
            scratch_port: board::SCRATCH_PORT,
            nr_scratch_ports: board::NR_SCRATCH_PORTS,
            log_port: board::LOG_PORT,
            scratch_mmio: board::SCRATCH_MMIO,
            scratch_mmio_size: board::SCRATCH_MMIO_SIZE,
        };
        let config = VmConfig {
            nr_vcpus: setup.nr_vcpus,
            fault,
            tracking: self.axis.map(Axis::tracking).unwrap_or_default(),
            command_line: format!("vp.report=page {}{}", self.host_facts, command_line(program)),
            ..with_interrupts(program, setup, VmConfig::new(self.entry(setup)))
        }
        .with(Doorbell::new(board::DOORBELL_PORT, move |memory: &GuestMemory, _| ring(memory, report_page, &receiver)))
        .with(DebugExit::new(board::DEBUG_EXIT_PORT))
        .with(I8042::new(vmm::layout::pc::I8042))
        .with(Serial::new(board::COM1_PORT, CollectedOutput::default(), MAX_SERIAL_BYTES))
        .with(TestDevice::new(addresses))
        .with(Signals::new(board::SIGNAL_ADDRESS));
        Ok(with_devices(needs_of(program), virtio, config)?)
    }

    fn entry(&self, setup: Setup) -> vmm::Entry {
        let note = self.image.catalog.note();
        match setup.entry {
            Entry::Pvh => vmm::Entry::Pvh,
            Entry::Any => vmm::Entry::LongMode(LongModeState {
                rip: note.entry,
                rsp: note.stack,
                cr0: control::CR0,
                cr3: note.page_tables,
                cr4: control::CR4,
                efer: control::EFER_ACTIVE,
                gdt_base: note.gdt_base,
                idt_base: note.idt_base,
                tss_base: note.tss_base,
                // A limit is a 16-bit field in the register; the note has room for more.
                gdt_limit: note.gdt_limit as u16,
                idt_limit: note.idt_limit as u16,
                tss_limit: note.tss_limit,
                code_selector: note.code_selector,
                data_selector: note.data_selector,
                tss_selector: note.tss_selector,
            }),
        }
    }
}

/// What the virtual machine of a program must have.
fn needs_of(program: Program<'_>) -> Needs {
    match program {
        // It asks CPUID what the processor has, the local APIC among it.
        Program::Probe(_) => Needs::LOCAL_APIC,
        Program::Case(case) | Program::Changed(case, _) => case.needs,
        Program::Other(_) => Needs::empty(),
    }
}

/// The interrupt controllers of the set-up; without one, the cheapest that will do.
fn with_interrupts(program: Program<'_>, setup: Setup, config: VmConfig) -> VmConfig {
    let needs = needs_of(program);
    let needs_apic = needs.intersects(Needs::LOCAL_APIC | Needs::X2APIC | Needs::TSC_DEADLINE | Needs::SIGNALS);
    // A device that cannot send its interrupt ends the run.
    let needs_chipset = needs.intersects(CHIPSET | Needs::FIRMWARE_TABLES | devices::OFFERED)
        || program.case().is_some_and(|case| !case.devices.is_empty());
    let config = VmConfig { acpi: needs.contains(Needs::FIRMWARE_TABLES), ..config };
    let interrupts = match program.interrupts() {
        Some(InterruptSetup::Kernel) => vmm::InterruptSetup::Kernel,
        Some(InterruptSetup::Split) => vmm::InterruptSetup::Split,
        Some(InterruptSetup::User) => vmm::InterruptSetup::User,
        None if needs_apic || needs_chipset || setup.nr_vcpus > 1 => vmm::InterruptSetup::Split,
        None => return config,
    };
    match setup.irqchip == Irqchip::Full || needs_chipset {
        true => config.with_interrupts(interrupts),
        false => VmConfig { irqchip: interrupts.irqchip(), ..config },
    }
}
