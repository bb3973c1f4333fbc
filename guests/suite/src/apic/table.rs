//! The registers of the local APIC as data: where there is one in which mode, and what its bits are.
//!
//! What the manual leaves to the processor is left open: whether the ID can be written in xAPIC mode, the registers of older
//! processors (arbitration priority, remote read), focus processor checking, delivery status in what is written, and the
//! extended registers of AMD from 400H on.
//!
//! Sources: SDM vol. 3A, "Local APIC Register Address Map", "x2APIC Register Address Space", "Reserved Bit Checking" and the
//! figures of each register; APM vol. 2, "APIC Registers".

/// How a register can be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
    WriteOnly,
    /// No register in this mode.
    Missing,
    /// The manual leaves it open whether and how.
    Open,
}
use Access::{Missing, Open, ReadOnly, ReadWrite, WriteOnly};

/// When there is a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exists {
    Always,
    /// If the version register's number of the last local vector is at least this.
    LastVector(u32),
}
use Exists::{Always, LastVector};

/// A register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Bits 9:4 of the offset, and distance of the MSR from 800H.
    pub(crate) number: u8,
    pub(crate) exists: Exists,
    pub(crate) xapic: Access,
    pub(crate) x2apic: Access,
    /// The value after reset, in the bits that are not open.
    pub(crate) reset: Option<u32>,
    /// What stands in the register while one of its bits is tried: what keeps it from doing anything.
    pub(crate) quiet: u32,
    /// The bits that read back as they are written, tried one by one.
    pub(crate) writable: u32,
    /// A field of which only these values are legal, in place; they are tried one by one.
    pub(crate) values: &'static [u32],
    /// The bits of that field.
    pub(crate) field: u32,
    /// The bits of which nothing is claimed, because they are read-only or depend on the processor.
    pub(crate) open: u32,
}

/// What a local APIC has, as its version register and CPUID tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) last_vector: u32,
    /// EOI broadcasts can be suppressed.
    pub(crate) suppression: bool,
    /// The timer has TSC-deadline mode.
    pub(crate) deadline: bool,
    /// AMD's extended registers may follow the others.
    pub(crate) extended: bool,
}

/// Delivery modes of LINT0 and LINT1: fixed, SMI, NMI, INIT, ExtINT.
const PIN_MODES: &[u32] = &[0, 2 << 8, 4 << 8, 5 << 8, 7 << 8];
/// Of thermal sensor, performance counters and corrected machine checks: fixed, SMI, NMI.
const SOURCE_MODES: &[u32] = &[0, 2 << 8, 4 << 8];
/// One-shot and periodic; TSC deadline stands in a row of its own.
const TIMER_MODES: &[u32] = &[0, 1 << 17];
const DELIVERY_MODE: u32 = 7 << 8;
pub(crate) const MASKED: u32 = 1 << 16;
const PENDING: u32 = 1 << 12;
const REMOTE_IRR: u32 = 1 << 14;
const ASSERT: u32 = 1 << 14;
const POLARITY: u32 = 1 << 13;
const TRIGGER: u32 = 1 << 15;
/// Bit 18 of the timer's entry, and 12 of the spurious-interrupt vector register: by feature.
pub(crate) const TIMER_DEADLINE: u32 = 1 << 18;
pub(crate) const SUPPRESS: u32 = 1 << 12;
/// Reserved on later processors of Intel's, focus processor checking on others.
const FOCUS: u32 = 1 << 9;

const NO_REGISTER: Row = Row {
    name: "",
    number: 0,
    exists: Always,
    xapic: Missing,
    x2apic: Missing,
    reset: None,
    quiet: 0,
    writable: 0,
    values: &[],
    field: 0,
    open: 0,
};

const fn row(name: &'static str, number: u8, xapic: Access, x2apic: Access) -> Row {
    Row { name, number, xapic, x2apic, ..NO_REGISTER }
}

const fn vectors(name: &'static str, number: u8) -> Row {
    Row { reset: Some(0), ..row(name, number, ReadOnly, ReadOnly) }
}

const fn local_vector(name: &'static str, number: u8, writable: u32, values: &'static [u32], field: u32) -> Row {
    Row {
        reset: Some(MASKED),
        quiet: MASKED,
        writable: writable | MASKED | 0xff,
        values,
        field,
        open: PENDING,
        ..row(name, number, ReadWrite, ReadWrite)
    }
}

const fn source(name: &'static str, number: u8, last: u32) -> Row {
    Row { exists: LastVector(last), ..local_vector(name, number, 0, SOURCE_MODES, DELIVERY_MODE) }
}

const fn pin(name: &'static str, number: u8, writable: u32, open: u32) -> Row {
    let row = local_vector(name, number, writable, PIN_MODES, DELIVERY_MODE);
    Row { open: PENDING | REMOTE_IRR | open, ..row }
}

/// The table.
pub(crate) const ROWS: &[Row] = &[
    Row { open: u32::MAX, ..row("ID", 0x02, Open, ReadOnly) },
    Row { open: u32::MAX, ..row("version", 0x03, ReadOnly, ReadOnly) },
    Row { reset: Some(0), writable: 0xff, ..row("TPR", 0x08, ReadWrite, ReadWrite) },
    row("APR", 0x09, Open, Missing),
    Row { reset: Some(0), ..row("PPR", 0x0a, ReadOnly, ReadOnly) },
    row("EOI", 0x0b, WriteOnly, WriteOnly),
    row("RRD", 0x0c, Open, Missing),
    // In x2APIC mode it follows from the ID.
    Row { reset: Some(0), writable: 0xff << 24, ..row("LDR", 0x0d, ReadWrite, ReadOnly) },
    // Bits 27:0 are ones, and the manual calls them reserved.
    Row {
        reset: Some(u32::MAX),
        quiet: 0x0fff_ffff,
        values: &[0, 0xf << 28],
        field: 0xf << 28,
        ..row("DFR", 0x0e, ReadWrite, Missing)
    },
    Row { reset: Some(0xff), quiet: 0x1ff, writable: 0x1ff, open: FOCUS, ..row("SVR", 0x0f, ReadWrite, ReadWrite) },
    vectors("ISR 31:0", 0x10),
    vectors("ISR 63:32", 0x11),
    vectors("ISR 95:64", 0x12),
    vectors("ISR 127:96", 0x13),
    vectors("ISR 159:128", 0x14),
    vectors("ISR 191:160", 0x15),
    vectors("ISR 223:192", 0x16),
    vectors("ISR 255:224", 0x17),
    vectors("TMR 31:0", 0x18),
    vectors("TMR 63:32", 0x19),
    vectors("TMR 95:64", 0x1a),
    vectors("TMR 127:96", 0x1b),
    vectors("TMR 159:128", 0x1c),
    vectors("TMR 191:160", 0x1d),
    vectors("TMR 223:192", 0x1e),
    vectors("TMR 255:224", 0x1f),
    vectors("IRR 31:0", 0x20),
    vectors("IRR 63:32", 0x21),
    vectors("IRR 95:64", 0x22),
    vectors("IRR 127:96", 0x23),
    vectors("IRR 159:128", 0x24),
    vectors("IRR 191:160", 0x25),
    vectors("IRR 223:192", 0x26),
    vectors("IRR 255:224", 0x27),
    Row { reset: Some(0), ..row("ESR", 0x28, ReadWrite, ReadWrite) },
    source("LVT CMCI", 0x2f, 6),
    // Writing it sends: what is tried goes to an ID that nobody has. Bit 12 stands in the manual as reserved in x2APIC mode,
    // and processors take it. The field is delivery mode, level, trigger mode and shorthand: fixed, level-triggered, lowest
    // priority, NMI.
    Row {
        reset: Some(0),
        quiet: 0x50 | ASSERT,
        writable: 0xff | 1 << 11,
        values: &[ASSERT, TRIGGER | ASSERT, 1 << 8 | ASSERT, 4 << 8 | ASSERT],
        field: DELIVERY_MODE | ASSERT | TRIGGER | 3 << 18,
        open: PENDING,
        ..row("ICR", 0x30, ReadWrite, ReadWrite)
    },
    Row { reset: Some(0), writable: 0xff << 24, ..row("ICR 63:32", 0x31, ReadWrite, Missing) },
    local_vector("LVT timer", 0x32, 0, TIMER_MODES, 3 << 17),
    source("LVT thermal sensor", 0x33, 5),
    source("LVT performance counters", 0x34, 4),
    pin("LVT LINT0", 0x35, POLARITY | TRIGGER, 0),
    // "Software should always set the trigger mode in the LVT LINT1 register to 0."
    pin("LVT LINT1", 0x36, POLARITY, TRIGGER),
    local_vector("LVT error", 0x37, 0, &[], 0),
    Row { reset: Some(0), writable: u32::MAX, ..row("initial count", 0x38, ReadWrite, ReadWrite) },
    Row { reset: Some(0), ..row("current count", 0x39, ReadOnly, ReadOnly) },
    Row { reset: Some(0), writable: 0xb, ..row("divide configuration", 0x3e, ReadWrite, ReadWrite) },
    Row { quiet: 0x41, field: 0xff, ..row("self IPI", 0x3f, Missing, WriteOnly) },
];

/// Number of rows: places for bits are `row * 64 + bit`.
pub(crate) const NR_ROWS: usize = ROWS.len();

impl Row {
    pub(crate) fn exists(&self, features: Features) -> bool {
        match self.exists {
            Always => true,
            LastVector(last) => features.last_vector >= last,
        }
    }

    /// The access in a mode.
    pub(crate) fn access(&self, features: Features, x2apic: bool) -> Access {
        match (self.exists(features), x2apic) {
            (false, _) => Missing,
            (true, true) => self.x2apic,
            (true, false) => self.xapic,
        }
    }

    /// The bits that read back as they are written, of a register that can be written.
    pub(crate) fn writable(&self, features: Features) -> u32 {
        let suppress = if self.number == 0x0f && features.suppression { SUPPRESS } else { 0 };
        let deadline = if self.number == 0x32 && features.deadline { TIMER_DEADLINE } else { 0 };
        self.writable | suppress | deadline
    }

    /// The bits that must be zero: setting one raises #GP(0) in x2APIC mode. The upper half belongs to the ICR's destination.
    pub(crate) fn reserved(&self, features: Features) -> u64 {
        let low = !(self.writable(features) | self.field | self.open | self.quiet);
        let high = if self.number == 0x30 { 0 } else { u64::MAX << 32 };
        high | u64::from(low)
    }
}

/// Whether no number below 40H has two rows, and no bit two meanings.
const fn is_consistent() -> bool {
    let mut seen = 0_u64;
    let mut index = 0;
    while index < ROWS.len() {
        let row = ROWS[index];
        if seen >> row.number & 1 != 0 || row.writable & (row.field | row.open) != 0 || row.field & row.open != 0 {
            return false;
        }
        seen |= 1 << row.number;
        index += 1;
    }
    true
}
const _: () = assert!(is_consistent(), "two rows have a number, or a bit has two meanings");

/// Whether there is no register with this number in x2APIC mode, as far as the manuals tell.
pub(crate) fn is_missing_msr(number: u8, features: Features) -> bool {
    match ROWS.iter().find(|row| row.number == number) {
        Some(row) => row.access(features, true) == Missing,
        // AMD: extended features and controls, specific EOI, enables of interrupts, and local vectors.
        None => !(features.extended && (0x40..0x54).contains(&number)),
    }
}
