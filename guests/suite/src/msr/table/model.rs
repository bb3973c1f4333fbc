//! What a row of the table of MSRs says, what follows from it, and which rows contradict each other.
//!
//! Pure functions: the guest asks them about the processor that it runs on, the tests about processors that they make
//! up.

use crate::cpuid::bit::{Bit, Processor, Vendor};

/// When an MSR, or a bit of one, exists.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    /// On every processor that has long mode.
    Always,
    /// With any of these bits of CPUID.
    Any(&'static [Bit]),
    /// By vendor.
    Vendor(Vendor),
    /// By vendor and with any of these bits of CPUID.
    VendorAny(Vendor, &'static [Bit]),
    /// If this MSR, which exists with the bit, holds at least `least` under the mask.
    Msr { bit: Bit, number: u32, mask: u64, least: u64 },
    /// Leaf 0AH (version 1 or later) tells of more general-purpose counters than this.
    GeneralCounter(u32),
    /// Leaf 0AH (version 2 or later) tells of more fixed counters than this.
    FixedCounter(u32),
}

impl Condition {
    /// Whether it holds on this processor.
    pub(crate) fn holds(self, processor: &impl Processor) -> bool {
        match self {
            Self::Always => true,
            Self::Any(bits) => bits.iter().any(|bit| processor.has(*bit)),
            Self::Vendor(vendor) => processor.vendor() == vendor,
            Self::VendorAny(vendor, bits) => processor.vendor() == vendor && bits.iter().any(|bit| processor.has(*bit)),
            Self::Msr { bit, number, mask, least } => processor.has(bit) && processor.msr(number) & mask >= least,
            Self::GeneralCounter(index) => counters(processor).is_some_and(|[eax, _]| eax >> 8 & 0xff > index),
            Self::FixedCounter(index) => {
                counters(processor).is_some_and(|[eax, edx]| eax & 0xff > 1 && edx & 0x1f > index)
            }
        }
    }
}

/// EAX and EDX of leaf 0AH, if it tells of a version of architectural performance monitoring.
fn counters(processor: &impl Processor) -> Option<[u32; 2]> {
    let [eax, _, _, edx] = if processor.leaf(0, 0)[0] < 0xa { [0; 4] } else { processor.leaf(0xa, 0) };
    (eax & 0xff != 0).then_some([eax, edx])
}

/// What an access leads to where the condition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// #GP(0), as the manuals say of an MSR that is not implemented.
    Faults,
    /// The MSR may be there all the same: the manuals give a condition that suffices and is not necessary.
    Open,
}

/// Which accesses an MSR takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    /// Every write raises #GP(0).
    ReadOnly,
    /// Reading is left open.
    WriteOnly,
}

/// What the bits of a field do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Reads back as it was written.
    Writable,
    /// Writable if the condition holds, else reserved.
    WritableIf(Condition),
    /// Writable if the condition holds; else the manuals leave it open.
    OpenUnless(Condition),
    /// Setting it raises #GP(0).
    Reserved,
    /// Reserved if the condition holds; else the manuals leave it open.
    ReservedIf(Condition),
    /// A write of the other value raises #GP(0) in the mode that cases run in.
    Fixed,
    /// A command: setting it completes, and there is nothing to read back.
    CommandIf(Condition),
    /// Part of a linear address that must be canonical, if the condition holds; else the manuals leave it open.
    CanonicalIf(Condition),
    /// Part of a physical address: reserved from the processor's width on.
    Physical,
    /// Memory types, one a byte.
    Types(Types),
    /// State components: writable where leaf 0DH subleaf 1 tells of a supervisor component in ECX or EDX.
    SupervisorStates,
    /// State components: writable where the component's subleaf of leaf 0DH has ECX bit 2.
    DisableStates,
    /// Nothing is tried, for this reason.
    Excluded(&'static str),
}

/// Which memory types a byte takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    /// UC, WC, WT, WP, WB; bits 3 and 4 are RdMem and WrMem on AMD processors.
    FixedRange,
    /// UC, WC, WT, WP, WB.
    Range,
    /// Those and UC-.
    Pat,
}

/// Bits `low` to `high` of an MSR, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) low: u32,
    pub(crate) high: u32,
    pub(crate) kind: Kind,
}

/// What stands in an MSR before any software wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Not architectural, or written by firmware.
    Open,
    /// The manuals' value, which neither firmware nor the runtime changes.
    Value(u64),
}

/// Rows that are checked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Processor,
    Apic,
    VariableRanges,
    UpperVariableRanges,
    FixedRanges,
    UpperFixedRanges,
    MachineCheck,
    Performance,
    Extensions,
    Vmx,
    Extended,
    Amd,
}

/// One MSR.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    pub(crate) group: Group,
    pub(crate) exists: Condition,
    pub(crate) absence: Absence,
    pub(crate) access: Access,
    pub(crate) reset: Reset,
    pub(crate) fields: &'static [Field],
}

/// What setting, or flipping, one bit must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The write completes, and the other value reads back.
    Writable,
    /// The write completes.
    Completes,
    /// The write raises #GP(0).
    Faults,
    /// Nothing is tried.
    Open,
    /// See [`canonical`] and [`takes_type`].
    Whole,
}

/// The rule of bit `number`, which belongs to `field`.
pub(crate) fn rule(field: &Field, number: u32, processor: &impl Processor) -> Rule {
    let either = |holds: bool, yes: Rule, no: Rule| if holds { yes } else { no };
    match field.kind {
        Kind::Writable => Rule::Writable,
        Kind::WritableIf(condition) => either(condition.holds(processor), Rule::Writable, Rule::Faults),
        Kind::OpenUnless(condition) => either(condition.holds(processor), Rule::Writable, Rule::Open),
        Kind::Reserved | Kind::Fixed => Rule::Faults,
        Kind::ReservedIf(condition) => either(condition.holds(processor), Rule::Faults, Rule::Open),
        Kind::CommandIf(condition) => either(condition.holds(processor), Rule::Completes, Rule::Faults),
        Kind::CanonicalIf(condition) => either(condition.holds(processor), Rule::Whole, Rule::Open),
        Kind::Physical => either(number < processor.physical_bits(), Rule::Writable, Rule::Faults),
        Kind::Types(_) => Rule::Whole,
        Kind::SupervisorStates => {
            let [_, _, ecx, edx] = processor.leaf(0xd, 1);
            let states = u64::from(edx) << 32 | u64::from(ecx);
            either(states >> number & 1 != 0, Rule::Writable, Rule::Faults)
        }
        Kind::DisableStates => {
            let told = number >= 2 && processor.leaf(0xd, number)[2] >> 2 & 1 != 0;
            either(told, Rule::Writable, Rule::Faults)
        }
        Kind::Excluded(_) => Rule::Open,
    }
}

/// Whether RDMSR must complete; `None` if the manuals leave it open.
pub(crate) fn read_completes(row: &Row, exists: bool) -> Option<bool> {
    match (exists, row.access, row.absence) {
        (true, Access::ReadWrite | Access::ReadOnly, _) => Some(true),
        (true, Access::WriteOnly, _) | (false, _, Absence::Open) => None,
        (false, _, Absence::Faults) => Some(false),
    }
}

/// Whether WRMSR of what stands there (of 0, if nothing can be read) must complete; `None` if that is left open.
pub(crate) fn write_completes(row: &Row, exists: bool) -> Option<bool> {
    match (exists, row.access, row.absence) {
        (true, Access::ReadOnly, _) | (false, _, Absence::Faults) => Some(false),
        // A field that nothing may be tried with may refuse even its own value, such as one that was locked.
        (true, _, _) if row.fields.iter().any(|field| matches!(field.kind, Kind::Excluded(_))) => None,
        (true, Access::ReadWrite, _) => Some(true),
        (true, Access::WriteOnly, _) | (false, _, Absence::Open) => None,
    }
}

/// Whether an address of `bits` bits is canonical: all bits from the highest of them on are the same.
pub(crate) const fn canonical(address: u64, bits: u32) -> bool {
    let upper = (address as i64) >> (bits - 1);
    upper == 0 || upper == -1
}

/// Whether a byte takes this memory type; `None` if that depends on what is not known here.
pub(crate) fn takes_type(types: Types, value: u8, vendor: Vendor) -> Option<bool> {
    match (types, value) {
        (_, 0 | 1 | 4 | 5 | 6) => Some(true),
        (Types::Pat, 7) => Some(true),
        // SYSCFG.MtrrFixDramModEn decides.
        (Types::FixedRange, 8..0x20) if !matches!(vendor, Vendor::Intel) => None,
        _ => Some(false),
    }
}

/// Why a table is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// Two rows have this number.
    Number(u32),
    /// No processor has an MSR of this number.
    Unknown(u32),
    /// Two fields of the MSR hold one bit.
    Overlap(u32),
    /// No field of the MSR holds some bit.
    Gap(u32),
    /// A condition of the MSR names no bit, or a leaf that no manual knows.
    Condition(u32),
    /// The MSR is read-only, and has a field that says more.
    ReadOnly(u32),
    /// Bits of the MSR are excluded without a reason.
    Reason(u32),
    /// The MSR's reset value has a bit that can never stand there.
    Reset(u32),
}

/// The leaves that conditions may ask.
const LEAVES: &[u32] =
    &[1, 6, 7, 0xd, 0x14, 0x19, 0x1c, 0x8000_0001, 0x8000_0007, 0x8000_0008, 0x8000_000a, 0x8000_0021];

const fn known(bits: &[Bit]) -> bool {
    let mut index = 0;
    while index < bits.len() {
        let mut at = 0;
        while at < LEAVES.len() && LEAVES[at] != bits[index].leaf {
            at += 1;
        }
        if at == LEAVES.len() {
            return false;
        }
        index += 1;
    }
    !bits.is_empty()
}

const fn is_known(condition: Condition) -> bool {
    match condition {
        Condition::Always | Condition::Vendor(_) => true,
        Condition::Any(bits) | Condition::VendorAny(_, bits) => known(bits),
        Condition::Msr { bit, mask, least, .. } => known(&[bit]) && least != 0 && least & !mask == 0,
        Condition::GeneralCounter(index) | Condition::FixedCounter(index) => index < 64,
    }
}

const fn mask(field: Field) -> u64 {
    (u64::MAX >> (63 - (field.high - field.low))) << field.low
}

/// Whether MSRs lie there: the ranges that maps of intercepted MSRs cover (SDM vol. 3C, "MSR-Bitmap Address"; APM vol. 2,
/// "MSR Intercepts").
const fn is_in_range(number: u32) -> bool {
    matches!(number, 0..=0x1fff | 0xc000_0000..=0xc000_1fff | 0xc001_0000..=0xc001_1fff)
}

const fn row_contradiction(row: &Row) -> Option<Contradiction> {
    if !is_in_range(row.number) {
        return Some(Contradiction::Unknown(row.number));
    }
    if !is_known(row.exists) {
        return Some(Contradiction::Condition(row.number));
    }
    let (mut seen, mut never, mut index) = (0, 0, 0);
    while index < row.fields.len() {
        let field = row.fields[index];
        if field.low > field.high || field.high > 63 || seen & mask(field) != 0 {
            return Some(Contradiction::Overlap(row.number));
        }
        seen |= mask(field);
        match field.kind {
            Kind::WritableIf(condition)
            | Kind::OpenUnless(condition)
            | Kind::ReservedIf(condition)
            | Kind::CommandIf(condition)
            | Kind::CanonicalIf(condition)
                if !is_known(condition) =>
            {
                return Some(Contradiction::Condition(row.number));
            }
            Kind::Reserved => never |= mask(field),
            Kind::Excluded(reason) if reason.is_empty() => return Some(Contradiction::Reason(row.number)),
            Kind::Excluded(_) => {}
            _ if matches!(row.access, Access::ReadOnly) => return Some(Contradiction::ReadOnly(row.number)),
            _ => {}
        }
        index += 1;
    }
    if seen != u64::MAX {
        return Some(Contradiction::Gap(row.number));
    }
    match row.reset {
        Reset::Value(value) if value & never != 0 => Some(Contradiction::Reset(row.number)),
        _ => None,
    }
}

/// The first contradiction in a table.
pub(crate) const fn contradiction(rows: &[Row]) -> Option<Contradiction> {
    let mut index = 0;
    while index < rows.len() {
        let found = row_contradiction(&rows[index]);
        if found.is_some() {
            return found;
        }
        let mut before = 0;
        while before < index {
            if rows[before].number == rows[index].number {
                return Some(Contradiction::Number(rows[index].number));
            }
            before += 1;
        }
        index += 1;
    }
    None
}
