//! Tables of the state after reset and after INIT.
//!
//! Sources: SDM vol. 3A, "Processor State After Reset", table "IA-32 and Intel 64 Processor States Following Power-up,
//! Reset, or INIT", and "Local APIC State After Power-Up or Reset"; APM vol. 2, "Processor Initialization State", tables
//! "Initial Processor State" and "Initial State of Segment-Register Attributes". Where both manuals differ, either is
//! accepted. Not judged: the rights of TR, which the manuals give differently and KVM a third way; EFER behind INIT but for
//! LMA; MSRs that the table calls undefined, such as IA32_TSC_AUX behind reset.
//!
//! The time-stamp counter does not stand still: behind reset it must not have reached 2^40, which takes minutes from 0, and
//! behind INIT it must have gone on by less. IA32_TSC_ADJUST: SDM vol. 3B, "Time-Stamp Counter Adjustment".

/// How far a counter may be from where it started.
const COUNTER_LIMIT: u64 = 1 << 40;

/// What a field must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// One of these.
    OneOf(Vec<u64>),
    /// What it was before.
    Unchanged,
    /// A counter that started from 0.
    Started,
    /// A counter that went on from what it was before.
    WentOn,
    /// Family, model and stepping, as EAX of CPUID leaf 1 tells them, or 000n06xxH, which is all that the SDM says.
    Signature,
}

/// A row: a field, the bits of it that count, and what they must be.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) field: String,
    pub(super) mask: u64,
    pub(super) expect: Expect,
    /// Not every processor has the field.
    pub(super) is_optional: bool,
}

impl Row {
    fn new(field: &str, mask: u64, expect: Expect) -> Self {
        Self { field: field.to_owned(), mask, expect, is_optional: false }
    }

    fn is(field: &str, value: u64) -> Self {
        Self::new(field, u64::MAX, Expect::OneOf(vec![value]))
    }

    fn unchanged(field: &str) -> Self {
        Self::new(field, u64::MAX, Expect::Unchanged)
    }

    fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// The id of its check.
    pub(super) fn id(&self) -> String {
        match self.mask {
            u64::MAX => self.field.clone(),
            mask => format!("{}, bits {mask:#x}", self.field),
        }
    }

    /// Whether an observation is right.
    pub(super) fn accepts(&self, actual: u64, before: Option<u64>, signature: u64) -> bool {
        match &self.expect {
            Expect::OneOf(values) => values.contains(&(actual & self.mask)),
            Expect::Unchanged => before.is_some_and(|before| (before ^ actual) & self.mask == 0),
            Expect::Started => actual < COUNTER_LIMIT,
            Expect::WentOn => before.is_some_and(|before| actual.wrapping_sub(before) < COUNTER_LIMIT),
            Expect::Signature => actual == signature || actual & !0xf_00ff == 0x600,
        }
    }

    /// What is expected, in words.
    pub(super) fn expected(&self, before: Option<u64>, signature: u64) -> String {
        match &self.expect {
            Expect::OneOf(values) => values.iter().map(|value| format!("{value:#x}")).collect::<Vec<_>>().join(" or "),
            Expect::Unchanged => before.map_or_else(|| "what it was".to_owned(), |value| format!("{value:#x}")),
            Expect::Started => format!("less than {COUNTER_LIMIT:#x}"),
            Expect::WentOn => {
                before.map_or_else(|| "what it was or more".to_owned(), |value| format!("{value:#x} or more"))
            }
            Expect::Signature => format!("{signature:#x} or 000n06xxH"),
        }
    }
}

/// Access rights: present, code or data, read/write, accessed; the same, execute/read.
const DATA: u64 = 0x93;
const CODE: u64 = 0x9b;
/// Present, system, type 2.
const LDT: u64 = 0x82;

/// What reset and INIT have in common.
fn processor() -> Vec<Row> {
    let mut rows: Vec<_> = ["RAX", "RBX", "RCX", "RSI", "RDI", "RBP", "RSP"].map(|name| Row::is(name, 0)).into();
    rows.push(Row::new("RDX", u64::MAX, Expect::Signature));
    rows.extend((8..16).map(|number| Row::is(&format!("R{number}"), 0)));
    rows.push(Row::is("RIP", 0xfff0));
    rows.push(Row::is("RFLAGS", 2));
    rows.push(Row::is("CS selector", 0xf000));
    rows.push(Row::is("CS base", 0xffff_0000));
    rows.push(Row::is("CS limit", 0xffff));
    // Intel calls it read/write, AMD code.
    rows.push(Row::new("CS rights", u64::MAX, Expect::OneOf(vec![DATA, CODE])));
    for name in ["SS", "DS", "ES", "FS", "GS", "LDTR", "TR"] {
        rows.push(Row::is(&format!("{name} selector"), 0));
        rows.push(Row::is(&format!("{name} base"), 0));
        rows.push(Row::is(&format!("{name} limit"), 0xffff));
        match name {
            "TR" => {}
            "LDTR" => rows.push(Row::is("LDTR rights", LDT)),
            _ => rows.push(Row::is(&format!("{name} rights"), DATA)),
        }
    }
    for name in ["GDTR", "IDTR"] {
        rows.push(Row::is(&format!("{name} base"), 0));
        rows.push(Row::is(&format!("{name} limit"), 0xffff));
    }
    rows.extend(["CR2", "CR3", "CR4", "CR8", "DR0", "DR1", "DR2", "DR3"].map(|name| Row::is(name, 0)));
    rows.push(Row::is("DR6", 0xffff_0ff0));
    rows.push(Row::is("DR7", 0x400));
    rows
}

/// CR0: PE to WP; CD and NW.
const CACHE_BITS: u64 = 3 << 29;

pub(super) fn processor_behind_reset() -> Vec<Row> {
    let mut rows = processor();
    rows.push(Row::is("CR0", 0x6000_0010));
    rows.push(Row::is("EFER", 0));
    rows
}

pub(super) fn processor_behind_init() -> Vec<Row> {
    let mut rows = processor();
    rows.push(Row::new("CR0", !CACHE_BITS, Expect::OneOf(vec![0x10])));
    rows.push(Row::new("CR0", CACHE_BITS, Expect::Unchanged));
    rows.push(Row::new("EFER", 1 << 10, Expect::OneOf(vec![0])));
    rows
}

/// Fields of x87 and SSE registers.
fn registers() -> Vec<String> {
    let stack = (0..8).flat_map(|n| [format!("ST({n}) significand"), format!("ST({n}) sign and exponent")]);
    let xmm = (0..16).flat_map(|n| [format!("XMM{n} low"), format!("XMM{n} high")]);
    stack.chain(xmm).collect()
}

pub(super) fn extended_behind_reset() -> Vec<Row> {
    let mut rows = vec![
        Row::is("x87 control word", 0x40),
        Row::is("x87 status word", 0),
        // All registers hold zero: the tag word 5555H, which is FFH where a tag is a bit.
        Row::is("x87 tags, abridged", 0xff),
        Row::is("x87 opcode", 0),
        Row::is("x87 instruction pointer", 0),
        Row::is("x87 data pointer", 0),
        Row::is("MXCSR", 0x1f80),
        Row::is("XCR0", 1),
        Row::is("IA32_PAT", 0x0007_0406_0007_0406),
        // The enable flag; the rest is undefined.
        Row::new("IA32_MTRR_DEF_TYPE", 1 << 11, Expect::OneOf(vec![0])),
        // The base, and the flags of the bootstrap processor and of the APIC.
        Row::is("IA32_APIC_BASE", 0xfee0_0900),
    ];
    rows.extend(registers().iter().map(|name| Row::is(name, 0)));
    let masks = (0..8).map(|n| format!("IA32_MTRR_PHYSMASK{n}"));
    rows.extend(masks.map(|name| Row::new(&name, 1 << 11, Expect::OneOf(vec![0]))));
    rows
}

pub(super) fn extended_behind_init() -> Vec<Row> {
    let mut rows: Vec<_> = [
        "x87 control word",
        "x87 status word",
        "x87 tags, abridged",
        "MXCSR",
        "XCR0",
        "IA32_PAT",
        "IA32_MTRR_DEF_TYPE",
        "IA32_SYSENTER_EIP",
        "IA32_LSTAR",
    ]
    .map(Row::unchanged)
    .into();
    rows.extend(registers().iter().map(|name| Row::unchanged(name)));
    rows
}

pub(super) fn time_behind_reset() -> Vec<Row> {
    vec![Row::is("IA32_TSC_ADJUST", 0).optional(), Row::new("IA32_TIME_STAMP_COUNTER", u64::MAX, Expect::Started)]
}

pub(super) fn time_behind_init() -> Vec<Row> {
    vec![
        Row::unchanged("IA32_TSC_ADJUST").optional(),
        Row::unchanged("IA32_TSC_AUX").optional(),
        Row::new("IA32_TIME_STAMP_COUNTER", u64::MAX, Expect::WentOn),
    ]
}

/// The local APIC, by reset as by INIT.
pub(super) fn apic() -> Vec<Row> {
    let zero = [
        "TPR",
        "LDR",
        "ISR 0",
        "ISR 7",
        "TMR 0",
        "TMR 7",
        "IRR 0",
        "IRR 7",
        "ESR",
        "ICR low",
        "ICR high",
        "initial count",
        "current count",
        "divide configuration",
    ];
    let masked = ["LVT timer", "LVT thermal", "LVT performance", "LVT LINT0", "LVT LINT1", "LVT error"];
    let mut rows: Vec<_> = zero.map(|name| Row::is(&format!("APIC {name}"), 0)).into();
    rows.extend(masked.map(|name| Row::is(&format!("APIC {name}"), 1 << 16)));
    rows.push(Row::is("APIC DFR", 0xffff_ffff));
    rows.push(Row::is("APIC SVR", 0xff));
    rows
}

/// Vectors that a start-up IPI is sent with: each bit alone, none, and all. Those from A0H to BFH are reserved.
pub(super) const START_UP_VECTORS: [u8; 12] = [0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x9f, 0xc0, 0xff];
pub(super) const START_UP_FIELDS: [&str; 4] = ["CS selector", "CS base", "CS limit", "RIP"];

pub(super) fn start_up() -> Vec<Row> {
    let of = |vector: u8| {
        let values = [u64::from(vector) << 8, u64::from(vector) << 12, 0xffff, 0];
        let one = move |(name, value): (&str, u64)| Row::is(&format!("{name}, vector {vector:02X}H"), value);
        START_UP_FIELDS.into_iter().zip(values).map(one)
    };
    START_UP_VECTORS.into_iter().flat_map(of).collect()
}
