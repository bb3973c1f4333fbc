//! State, clocks, interrupts and firmware tables of the machine going wrong.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::{
        Change, ClockFault, ClockOf, ExitFault, ExitKind, FirmwareFault, InjectionFault, LineEffect, LineFault,
        MessageEffect, MessageFault, RegisterName, Skew,
    },
};

pub(super) const fn mutant(id: &'static str, what: &'static str, feature: Feature, fault: Fault) -> Mutant {
    Mutant { id, what, feature, fault }
}

pub(super) const fn exit(kind: ExitKind, change: Change) -> Fault {
    Fault::Exit(ExitFault { kind, skipped: 0, change })
}

pub(super) const fn register(name: RegisterName, bits: u64) -> Change {
    Change::Register(name, bits)
}

const fn clock(device: ClockOf, skew: Skew) -> Fault {
    Fault::Clock(ClockFault { device, skew })
}

const fn line(line: Option<u32>, effect: LineEffect) -> Fault {
    Fault::Line(LineFault { line, effect })
}

const fn message(effect: MessageEffect) -> Fault {
    Fault::Message(MessageFault { effect })
}

/// Where the guest finds what it is told at its entry.
const START_INFO: u64 = vmm::layout::START_INFO;

pub(super) const TABLE: &[Mutant] = &[
    mutant(
        "exit-in-rbx",
        "IN changes RBX.",
        Feature::PortIo,
        exit(ExitKind::PortRead(0x5c0), register(RegisterName::Rbx, 1)),
    ),
    mutant(
        "exit-out-rflags",
        "OUT changes the carry flag.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5e8), register(RegisterName::Rflags, 1)),
    ),
    mutant(
        "exit-out-r15",
        "OUT changes R15.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5e8), register(RegisterName::R15, 2)),
    ),
    mutant(
        "exit-out-rdx",
        "OUT changes RDX.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5e8), register(RegisterName::Rdx, 1 << 40)),
    ),
    mutant(
        "exit-cr2",
        "OUT changes CR2.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5e8), register(RegisterName::Cr2, 8)),
    ),
    mutant(
        "exit-fs-base",
        "OUT changes FS.base.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5e8), register(RegisterName::FsBase, 0x1000)),
    ),
    mutant(
        "exit-dr0",
        "OUT changes DR0.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5e8), register(RegisterName::Dr0, 0x10)),
    ),
    mutant(
        "exit-rip",
        "After OUT the guest goes on an instruction later.",
        Feature::PortIo,
        exit(ExitKind::PortWrite(0x5c0), register(RegisterName::Rip, 1)),
    ),
    mutant(
        "exit-store-rcx",
        "A store to a device changes RCX.",
        Feature::MmioWidth,
        exit(ExitKind::MemoryWrite, register(RegisterName::Rcx, 1 << 60)),
    ),
    mutant(
        "exit-store-rsi",
        "A string store to a device changes RSI.",
        Feature::MmioString,
        exit(ExitKind::MemoryWrite, register(RegisterName::Rsi, 1 << 12)),
    ),
    mutant(
        "exit-store-flags",
        "A read-modify-write of a device leaves the zero flag inverted.",
        Feature::MmioReadModifyWrite,
        exit(ExitKind::MemoryWrite, register(RegisterName::Rflags, 1 << 6)),
    ),
    mutant(
        "exit-xmm0",
        "Every exit changes XMM0.",
        Feature::StateSse,
        exit(ExitKind::Any, register(RegisterName::Xmm0, 1)),
    ),
    mutant(
        "exit-st0",
        "Every exit changes ST(0).",
        Feature::StateX87,
        exit(ExitKind::Any, register(RegisterName::St0, 1)),
    ),
    mutant(
        "entry-cr0",
        "CR0 has a reserved cache setting at the PVH entry.",
        Feature::PvhEntryState,
        Fault::Entry(register(RegisterName::Cr0, 1 << 30)),
    ),
    mutant(
        "entry-cr4",
        "CR4.PSE is set at the PVH entry.",
        Feature::PvhEntryState,
        Fault::Entry(register(RegisterName::Cr4, 1 << 4)),
    ),
    mutant(
        "entry-rflags",
        "The interrupt flag is set at the entry.",
        Feature::PvhEntryState,
        Fault::Entry(register(RegisterName::Rflags, 1 << 9)),
    ),
    mutant(
        "entry-ds-base",
        "DS has a base at the PVH entry.",
        Feature::PvhEntryState,
        Fault::Entry(register(RegisterName::DsBase, 0x10)),
    ),
    mutant(
        "entry-es-base",
        "ES has a base at the PVH entry.",
        Feature::PvhEntryState,
        Fault::Entry(register(RegisterName::EsBase, 0x10)),
    ),
    mutant(
        "entry-rbx",
        "EBX leads elsewhere at the PVH entry.",
        Feature::PvhStartInfo,
        Fault::Entry(register(RegisterName::Rbx, 0x40)),
    ),
    mutant(
        "entry-magic",
        "The start info has another magic number.",
        Feature::PvhStartInfo,
        Fault::Entry(Change::Memory(START_INFO, 1)),
    ),
    mutant(
        "entry-version",
        "The start info has an unknown version.",
        Feature::PvhStartInfo,
        Fault::Entry(Change::Memory(START_INFO, 0xff << 40)),
    ),
    mutant(
        "entry-tr-rights",
        "TR is of another type at the entry.",
        Feature::ExceptionStackSwitch,
        Fault::Entry(register(RegisterName::TrBase, 0x40)),
    ),
    mutant(
        "pit-too-fast",
        "The PIT runs a tenth too fast.",
        Feature::ClockAgreement,
        clock(ClockOf::Pit, Skew::Rate(1100)),
    ),
    mutant("pit-too-slow", "The PIT runs at half its rate.", Feature::PitModes, clock(ClockOf::Pit, Skew::Rate(500))),
    mutant("pit-stands-still", "The PIT stands still.", Feature::PitInterrupt, clock(ClockOf::Pit, Skew::Stopped)),
    mutant(
        "hpet-too-fast",
        "The HPET runs a tenth too fast.",
        Feature::ClockAgreement,
        clock(ClockOf::Hpet, Skew::Rate(1100)),
    ),
    mutant("hpet-stands-still", "The HPET stands still.", Feature::HpetRegisters, clock(ClockOf::Hpet, Skew::Stopped)),
    mutant(
        "hpet-jumps",
        "The HPET jumps ahead each millisecond.",
        Feature::ClockAgreement,
        clock(ClockOf::Hpet, Skew::Jumps(500_000)),
    ),
    mutant(
        "rtc-too-fast",
        "The real-time clock runs a tenth too fast.",
        Feature::ClockAgreement,
        clock(ClockOf::Rtc, Skew::Rate(1100)),
    ),
    mutant(
        "rtc-stands-still",
        "The real-time clock stands still.",
        Feature::RtcUpdate,
        clock(ClockOf::Rtc, Skew::Stopped),
    ),
    mutant(
        "pmtimer-too-fast",
        "The ACPI timer runs a tenth too fast.",
        Feature::ClockAgreement,
        clock(ClockOf::Power, Skew::Rate(1100)),
    ),
    mutant(
        "pmtimer-stands-still",
        "The ACPI timer stands still.",
        Feature::PmTimer,
        clock(ClockOf::Power, Skew::Stopped),
    ),
    mutant(
        "kvm-clock-jumps",
        "KVM's clock jumps ahead by a second after each exit.",
        Feature::KvmClockControl,
        exit(ExitKind::Any, Change::ClockForward(1_000_000_000)),
    ),
    mutant(
        "line-pit-dropped",
        "The line of the PIT is cut.",
        Feature::PitInterrupt,
        line(Some(0), LineEffect::Dropped),
    ),
    mutant(
        "line-rtc-dropped",
        "The line of the real-time clock is cut.",
        Feature::RtcInterrupts,
        line(Some(8), LineEffect::Dropped),
    ),
    mutant(
        "line-rtc-moved",
        "The line of the real-time clock leads to another input.",
        Feature::RtcInterrupts,
        line(Some(8), LineEffect::MovedTo(7)),
    ),
    mutant(
        "line-sci-never-falls",
        "The line of the ACPI timer never falls.",
        Feature::PmTimer,
        line(Some(9), LineEffect::NeverFalls),
    ),
    mutant(
        "line-virtio-dropped",
        "The line of virtio devices is cut.",
        Feature::VirtioNotifications,
        line(Some(10), LineEffect::Dropped),
    ),
    mutant("line-all-doubled", "Each rise of a line is two.", Feature::IoApicDelivery, line(None, LineEffect::Doubled)),
    mutant("line-all-never-fall", "No line ever falls.", Feature::IoApicLevel, line(None, LineEffect::NeverFalls)),
    mutant(
        "line-all-inverted",
        "Lines are high when they should be low.",
        Feature::IoApicDelivery,
        line(None, LineEffect::Inverted),
    ),
    mutant("line-pins-cut", "No line reaches a device's interrupt.", Feature::PciPins, line(None, LineEffect::Dropped)),
    mutant("message-dropped", "Messages are lost.", Feature::MessageDelivery, message(MessageEffect::Dropped)),
    mutant("message-doubled", "Messages are sent twice.", Feature::MessageDelivery, message(MessageEffect::Doubled)),
    mutant(
        "message-vector",
        "Messages have another vector.",
        Feature::MessageDelivery,
        message(MessageEffect::DataXor(1)),
    ),
    mutant(
        "message-mode",
        "Messages have another delivery mode.",
        Feature::MessageDelivery,
        message(MessageEffect::DataXor(0x400)),
    ),
    mutant(
        "message-destination",
        "Messages go to another processor.",
        Feature::MessageDelivery,
        message(MessageEffect::AddressXor(1 << 12)),
    ),
    mutant(
        "message-msi-x-vector",
        "Messages of MSI-X have another vector.",
        Feature::PciMsiX,
        message(MessageEffect::DataXor(1)),
    ),
    mutant(
        "injection-dropped",
        "Interrupts that are handed over are lost.",
        Feature::PicInitialization,
        Fault::Injection(InjectionFault::Dropped),
    ),
    mutant(
        "injection-vector",
        "Interrupts that are handed over have another vector.",
        Feature::PicInitialization,
        Fault::Injection(InjectionFault::VectorXor(1)),
    ),
    mutant(
        "injection-doubled",
        "Interrupts that are handed over come twice.",
        Feature::PicInitialization,
        Fault::Injection(InjectionFault::Doubled),
    ),
    mutant(
        "injection-late",
        "Interrupts that are handed over come an entry into the guest later.",
        Feature::ExceptionShadow,
        Fault::Injection(InjectionFault::Late),
    ),
    mutant(
        "firmware-processor-more",
        "The tables tell of a processor more.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::ProcessorMore),
    ),
    mutant(
        "firmware-processor-less",
        "The tables tell of a processor less.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::ProcessorLess),
    ),
    mutant(
        "firmware-no-io-apic",
        "The tables tell of no I/O APIC.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::NoIoApic),
    ),
    mutant(
        "firmware-no-pics",
        "The tables deny the 8259s.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::NoPics),
    ),
    mutant(
        "firmware-no-hpet",
        "The tables tell of no HPET.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::NoHpet),
    ),
    mutant(
        "firmware-hpet-id",
        "The tables tell another HPET.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::HpetId),
    ),
    mutant(
        "firmware-no-rtc",
        "The tables deny the real-time clock.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::NoRtc),
    ),
    mutant(
        "firmware-no-power",
        "The tables tell of no fixed hardware.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::NoPower),
    ),
    mutant(
        "firmware-i8042",
        "The tables deny the keyboard controller.",
        Feature::FirmwareTables,
        Fault::Firmware(FirmwareFault::I8042),
    ),
];
