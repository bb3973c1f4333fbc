//! The local APIC of one processor, in xAPIC and x2APIC mode.
//!
//! Own code, because no crate has this device as a state machine with a time of its own.
//!
//! The registers, in xAPIC mode at an offset of the page that IA32_APIC_BASE names, in x2APIC mode in MSR 800H + offset / 16:
//!
//! | offset | register | reset | writable bits | only in mode |
//! |---|---|---|---|---|
//! | 020H | ID | the processor's; xAPIC: in 31:24 | none | |
//! | 030H | version | 14H; last LVT entry in 23:16, broadcast suppression in 24 | none | |
//! | 080H | TPR | 0 | 7:0 | |
//! | 090H | APR | 0 | none | xAPIC |
//! | 0A0H | PPR | 0 | none | |
//! | 0B0H | EOI | | write-only; x2APIC: only 0 | |
//! | 0C0H | RRD | 0 | none | xAPIC |
//! | 0D0H | LDR | 0 | xAPIC: 31:24; x2APIC: none, it follows from the ID | |
//! | 0E0H | DFR | FFFF_FFFFH | 31:28, others are ones | xAPIC |
//! | 0F0H | SVR | FFH | 8:0; 12 with broadcast suppression | |
//! | 100H, 180H, 200H | ISR, TMR, IRR, eight each | 0 | none | |
//! | 280H | ESR | 0 | any write shows what was detected since the last; x2APIC: only 0 | |
//! | 2F0H | LVT CMCI, if there is one | 1_0000H | 16, 10:0 | |
//! | 300H | ICR | 0 | xAPIC: 19:18, 15:14, 11:0; x2APIC: 63:32 also | |
//! | 310H | ICR, high half | 0 | 31:24 | xAPIC |
//! | 320H | LVT timer | 1_0000H | 17:16, 7:0; 18 with a TSC deadline | |
//! | 330H, 340H | LVT thermal sensor, performance counters | 1_0000H | 16, 10:0 | |
//! | 350H, 360H | LVT LINT0, LINT1 | 1_0000H | 16:15, 13, 10:0; read-only: 14 | |
//! | 370H | LVT error | 1_0000H | 16, 7:0 | |
//! | 380H | initial count | 0 | all | |
//! | 390H | current count | 0 | none | |
//! | 3E0H | divide configuration | 0 | 3, 1:0 | |
//! | 3F0H | self-IPI | | write-only: 7:0 | x2APIC |
//!
//! In xAPIC mode reserved bits are dropped, writes to read-only registers are ignored, write-only ones read as 0, and what is
//! no register is an illegal register of the ESR. Only aligned 32-bit writes count; reads may be smaller, and bytes 4 to 15
//! of a register read as 0: the manual leaves all of that to the processor. In x2APIC mode each of those is a
//! general-protection exception.
//!
//! Sources: Intel SDM volume 3A, chapter "Advanced Programmable Interrupt Controller (APIC)", whose section titles are cited
//! where they are obeyed.
//!
//! What the manual leaves to the model: the APIC ID is read-only; PPR takes the subclass of TPR when both classes are equal;
//! delivery status always reads idle; IPIs with lowest priority are sent; combinations that the table "Valid Combinations
//! for the Pentium 4 Processor Family's Local xAPIC ICR" calls invalid are not sent.

mod access;
mod base;
mod deliver;
mod errors;
mod icr;
mod lvt;
mod registers;
#[cfg(test)]
mod tests;
mod timer;
mod vectors;

pub use base::DEFAULT_ADDRESS;
pub use icr::{Ipi, Target};
pub use lvt::LocalSource;
pub use timer::TimeStampCounter;

use crate::{
    fault::LocalApicFault,
    message::{Identity, LogicalModel},
    time::Nanoseconds,
};
use errors::Errors;
use lvt::Table;
use registers::SVR_ENABLE;
use serde::{Deserialize, Serialize};
use std::fmt;
use timer::Timer;
use vectors::Vectors;

/// Size of the page of registers in bytes.
pub const SIZE_BYTES: u64 = 0x1000;
/// The MSR IA32_APIC_BASE.
pub const MSR_APIC_BASE: u32 = 0x1b;
/// The MSR IA32_TSC_DEADLINE.
pub const MSR_TSC_DEADLINE: u32 = 0x6e0;
/// The first MSR of x2APIC mode.
pub const MSR_X2APIC_FIRST: u32 = 0x800;
/// The last MSR that is reserved for x2APIC mode.
pub const MSR_X2APIC_LAST: u32 = 0x8ff;

/// What a local APIC is made with; CPUID must tell the guest the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The x2APIC ID; its low eight bits are the xAPIC ID.
    pub id: u32,
    /// Whether this is the processor that starts by itself; IA32_APIC_BASE says so after reset.
    pub bootstrap: bool,
    /// Whether there is x2APIC mode.
    pub x2apic: bool,
    /// Whether the timer has TSC-deadline mode.
    pub tsc_deadline: bool,
    /// Whether SVR bit 12 suppresses the broadcast of EOIs.
    pub eoi_suppression: bool,
    /// Whether there is an LVT entry for corrected machine checks.
    pub cmci: bool,
    /// Frequency of the timer's clock before it is divided, in hertz.
    pub timer_frequency: u64,
    /// The time-stamp counter.
    pub tsc: TimeStampCounter,
    /// Width of physical addresses in bits.
    pub physical_address_bits: u8,
}

/// What IA32_APIC_BASE makes of the local APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Globally disabled: as if the processor had none, with LINT0 as INTR and LINT1 as NMI.
    Disabled,
    /// Registers are in memory.
    XApic,
    /// Registers are MSRs.
    X2Apic,
}

/// The access raises a general-protection exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneralProtection;

impl fmt::Display for GeneralProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("general-protection exception")
    }
}

impl std::error::Error for GeneralProtection {}

/// What a local APIC tells the rest of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It sends an interrupt to other processors, and perhaps to itself.
    Ipi(Ipi),
    /// A level-triggered interrupt with this vector ended: I/O APICs must know.
    EndOfInterrupt(u8),
}

/// What a local APIC asks its processor for besides interrupts with a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// INIT: reset the processor; the local APIC has reset itself. Unless [`LocalApic::is_waiting`], it then starts at once.
    Init,
    /// Start in real mode at this page, that is at physical address `page << 12`.
    StartUp(u8),
    /// A non-maskable interrupt.
    Nmi,
    /// A system-management interrupt.
    Smi,
}

/// What is requested and was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Requests {
    init: bool,
    start_up: Option<u8>,
    nmi: bool,
    smi: bool,
    /// An ExtINT message; the pin requests by its level.
    ext_int: bool,
}

/// The local APIC of one processor. A clone is a snapshot.
///
/// After each access and each delivery, the owner takes [`Output`]s by [`crate::model::Model::take`] and [`Request`]s by
/// [`LocalApic::take_request`], and asks for [`LocalApic::highest_pending`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalApic {
    config: Config,
    now: Nanoseconds,
    /// IA32_APIC_BASE.
    base: u64,
    tpr: u8,
    /// LDR bits 31:24.
    logical_id: u8,
    /// DFR bits 31:28.
    model: u8,
    svr: u32,
    requested: Vectors,
    in_service: Vectors,
    level: Vectors,
    errors: Errors,
    lvt: Table,
    /// LINT0 and LINT1.
    pins: [bool; 2],
    /// In xAPIC mode the high half holds bits 63:56 only.
    icr: u64,
    timer: Timer,
    requests: Requests,
    waiting: bool,
    ipi: Option<Ipi>,
    ended: Option<u8>,
    #[serde(skip)]
    fault: Option<LocalApicFault>,
}

impl LocalApic {
    /// As after power-up: enabled in xAPIC mode, disabled by software. All but the bootstrap processor wait for a start-up
    /// interrupt.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            now: 0,
            base: base::reset(&config),
            tpr: 0,
            logical_id: 0,
            model: 0xf,
            svr: 0xff,
            requested: Vectors::new(),
            in_service: Vectors::new(),
            level: Vectors::new(),
            errors: Errors::new(),
            lvt: Table::new(),
            pins: [false; 2],
            icr: 0,
            timer: Timer::new(config.timer_frequency, config.tsc),
            requests: Requests { init: false, start_up: None, nmi: false, smi: false, ext_int: false },
            waiting: !config.bootstrap,
            ipi: None,
            ended: None,
            fault: None,
        }
    }

    /// Lets it break a rule.
    pub fn set_fault(&mut self, fault: LocalApicFault) {
        (self.fault, self.timer.fault) = (Some(fault), Some(fault));
        self.set_reset_fault();
    }

    pub(crate) const fn breaks(&self, fault: LocalApicFault) -> bool {
        fault.is_set(self.fault)
    }

    /// What is wrong after each reset.
    fn set_reset_fault(&mut self) {
        match self.fault {
            Some(LocalApicFault::DfrBeginsAtZero) => self.model = 0,
            Some(LocalApicFault::ResetUnmasked) => self.lvt = Table::unmasked(),
            _ => {}
        }
    }

    /// All registers but IA32_APIC_BASE, as after reset.
    fn reset_registers(&mut self) {
        let fresh = Self::new(self.config);
        self.timer.reset();
        *self = Self {
            now: self.now,
            base: self.base,
            timer: self.timer,
            pins: self.pins,
            requests: self.requests,
            waiting: self.waiting,
            ipi: self.ipi,
            ended: self.ended,
            fault: self.fault,
            ..fresh
        };
        self.set_reset_fault();
    }

    /// Takes the most urgent request. While the processor waits for a start-up interrupt, it takes nothing else but INIT.
    pub fn take_request(&mut self) -> Option<Request> {
        if self.requests.init {
            if self.breaks(LocalApicFault::InitLost) {
                self.requests.init = false;
                return None;
            }
            self.init();
            return Some(Request::Init);
        }
        // Of a processor that does not wait, a start-up interrupt wants nothing.
        let start_up =
            self.requests.start_up.take().filter(|_| self.waiting && !self.breaks(LocalApicFault::StartUpLost));
        if let Some(page) = start_up {
            self.waiting = false;
            return Some(Request::StartUp(page));
        }
        if self.waiting {
            None
        } else if std::mem::take(&mut self.requests.smi) {
            Some(Request::Smi)
        } else {
            let nmi = std::mem::take(&mut self.requests.nmi) && !self.breaks(LocalApicFault::NmiLost);
            nmi.then_some(Request::Nmi)
        }
    }

    /// Registers are as after reset, while IA32_APIC_BASE stays ("Local APIC State After It Receives an INIT-Deassert IPI",
    /// "x2APIC State Transitions"). A start-up interrupt that came after the INIT stays. The processor that
    /// IA32_APIC_BASE calls the bootstrap processor does not wait for one.
    fn init(&mut self) {
        if !self.breaks(LocalApicFault::InitKeepsRegisters) {
            self.reset_registers();
        }
        self.requests = Requests { start_up: self.requests.start_up, ..Requests::default() };
        self.waiting = !base::is_bootstrap(self.base);
    }

    /// Whether the processor waits for a start-up interrupt.
    pub const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// What it was made with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The mode.
    pub const fn mode(&self) -> Mode {
        base::mode(self.base)
    }

    /// Where its registers are in the guest's physical memory, if they are.
    pub const fn address(&self) -> Option<u64> {
        match self.mode() {
            Mode::XApic => Some(base::address(self.base)),
            Mode::Disabled | Mode::X2Apic => None,
        }
    }

    /// What destinations know it by, which is nothing if it is globally disabled.
    pub const fn identity(&self) -> Option<Identity> {
        match self.mode() {
            Mode::Disabled => None,
            Mode::XApic => Some(Identity::XApic {
                id: self.config.id as u8,
                logical_id: self.logical_id,
                model: if self.model == 0xf || self.breaks(LocalApicFault::ClusterIsFlat) {
                    LogicalModel::Flat
                } else {
                    LogicalModel::Cluster
                },
            }),
            Mode::X2Apic => Some(Identity::X2Apic { id: self.config.id }),
        }
    }

    /// Whether it takes interrupts with a vector: it is enabled globally and by SVR. Only then it is a candidate for the lowest
    /// priority.
    pub fn is_enabled(&self) -> bool {
        self.mode() != Mode::Disabled && self.svr & SVR_ENABLE != 0
    }

    /// The task priority, by which interrupts with lowest priority are given away.
    pub const fn task_priority(&self) -> u8 {
        self.tpr
    }

    /// CR8: bits 7:4 of the task priority ("Interaction of Task Priorities between CR8 and APIC").
    pub const fn cr8(&self) -> u8 {
        if self.breaks(LocalApicFault::Cr8NotShifted) { self.tpr & 0xf } else { self.tpr >> 4 }
    }

    /// Takes a write to CR8, whose bits beyond 3:0 raise an exception before they come here.
    pub const fn set_cr8(&mut self, value: u8) {
        self.tpr = if self.breaks(LocalApicFault::Cr8NotShifted) { value } else { value << 4 };
    }

    /// What the time-stamp counter shows at `now` is known better than by its frequency alone. Unlike a write of it that
    /// changes nothing of what was before.
    pub fn correct_tsc(&mut self, now: Nanoseconds, offset: u64) {
        self.timer.set_tsc_offset(offset);
        self.catch_up(now);
    }

    /// The time-stamp counter was written or adjusted: `offset` is what it was when the VM was made.
    pub fn set_tsc_offset(&mut self, now: Nanoseconds, offset: u64) {
        self.catch_up(now);
        self.timer.set_tsc_offset(offset);
        self.catch_up(now);
    }
}
