//! What each instruction leads to in each mode: a table, and the rules that its rows name.
//!
//! Sources: SDM vol. 2 and APM vol. 3, the instructions' own pages, "Protected Mode Exceptions" to "64-Bit Mode
//! Exceptions"; SDM vol. 3A, "Exception and Interrupt Reference". The tests of the suite compile this for the host.

use super::mode::Mode;
use case::{Text, message::outcome};

/// Which address an instruction uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Memory of the program.
    Data,
    /// The last byte of 64 KiB outside of long mode; an address that is not canonical in 64-bit mode.
    Beyond,
    /// An address that nothing maps, in 64-bit mode.
    Unmapped,
}

/// What an instruction leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It completes in every mode.
    Completes,
    /// A fault with this vector in every mode; the error code is 0 if the vector has one.
    Fault(u8),
    /// A trap with this vector in every mode.
    Trap(u8),
    /// INT n through a gate whose DPL outside of long mode is the second value, and 0 in long mode unless it is 3 and
    /// the vector below 32.
    Interrupt(u8, u8),
    /// #UD in 64-bit mode; elsewhere what the other rule says.
    NotIn64(LegacyRule),
    /// #GP(0) at CPL 3, without a check of IOPL or with IOPL 0; else it completes.
    Privileged,
    /// #UD in real and virtual-8086 mode; else it completes.
    NotIn8086,
    /// The same, but 64-bit mode has another instruction there, which completes.
    Protected,
    /// #UD in real and virtual-8086 mode, #GP(0) at CPL 3, #GP of the selector at CPL 0.
    TaskRegister,
    /// #GP(0) in virtual-8086 mode with IOPL 0; else it completes.
    SensitiveToIopl,
    /// #GP with this error code where segments have descriptors; completes in real and virtual-8086 mode.
    BadSelector(u16),
    /// A null SS: only CPL 0 of 64-bit mode takes it. Not tried where segments have no descriptors.
    NullStack,
    /// An access beyond the limit of FS: #GP(0); not canonical in 64-bit mode: the same. Compatibility mode truncates the
    /// address to one that is there.
    BeyondLimit,
    /// The same of SS: #SS(0) with 16-bit segments; flat segments take the address. Not tried in long mode, where the
    /// prefix counts for nothing.
    BeyondStackLimit,
    /// An address that nothing maps: #PF with this error code, beside bit 2 for CPL 3. Tried in 64-bit mode only.
    Unmapped(u32),
}

/// What an instruction that 64-bit mode lacks leads to elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegacyRule {
    /// It completes.
    Completes,
    /// A fault with this vector.
    Fault(u8),
    /// A trap with this vector.
    Trap(u8),
}

/// An instruction, with bytes in front of it that change registers but no flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Where in the bytes the instruction starts.
    pub(crate) start: u8,
    pub(crate) place: Place,
    /// RDX.
    pub(crate) rdx: u16,
    /// Flags at the start; none of them is bit 1.
    pub(crate) flags: u16,
    pub(crate) rule: Rule,
}

/// OF, SF, ZF, AF, PF and CF.
pub(crate) const STATUS_FLAGS: u16 = 0x8d5;
/// The same without OF.
const STATUS_WITHOUT_OF: u16 = 0xd5;
/// Vectors.
const DE: u8 = 0;
const DB: u8 = 1;
const BP: u8 = 3;
const OF: u8 = 4;
const BR: u8 = 5;
const UD: u8 = 6;
const SS: u8 = 12;
const GP: u8 = 13;
const PF: u8 = 14;
/// A selector that no table has a segment for.
const NO_SEGMENT: u16 = 0x1f8;

const fn row(name: &'static str, bytes: &'static [u8], rule: Rule) -> Row {
    Row { name, bytes, start: 0, place: Place::Data, rdx: 0, flags: STATUS_FLAGS, rule }
}

/// Divisions, operands that are invalid everywhere, and what 64-bit mode lacks.
pub(crate) const UNPRIVILEGED: [Row; 24] = [
    row("DIV by 0", &[0xf7, 0xf2], Rule::Fault(DE)),
    row("8-bit DIV by 0", &[0xf6, 0xf2], Rule::Fault(DE)),
    row("IDIV by 0", &[0xf7, 0xfa], Rule::Fault(DE)),
    Row { start: 2, ..row("DIV, quotient too large", &[0xb4, 0x7f, 0xf6, 0xf1], Rule::Fault(DE)) },
    Row { start: 2, ..row("IDIV, quotient too large", &[0xb4, 0x7f, 0xf6, 0xf9], Rule::Fault(DE)) },
    row("AAM by 0", &[0xd4, 0], Rule::NotIn64(LegacyRule::Fault(DE))),
    row("PUSH ES", &[0x06, 0x90], Rule::NotIn64(LegacyRule::Completes)),
    row("DAA", &[0x27], Rule::NotIn64(LegacyRule::Completes)),
    row("DAS", &[0x2f], Rule::NotIn64(LegacyRule::Completes)),
    row("AAA", &[0x37], Rule::NotIn64(LegacyRule::Completes)),
    row("AAS", &[0x3f], Rule::NotIn64(LegacyRule::Completes)),
    row("PUSHA", &[0x60], Rule::NotIn64(LegacyRule::Completes)),
    row("SALC", &[0xd6], Rule::NotIn64(LegacyRule::Completes)),
    row("UD2", &[0x0f, 0x0b, 0x90], Rule::Fault(UD)),
    row("UD1", &[0x0f, 0xb9, 0xc0], Rule::Fault(UD)),
    row("UD0", &[0x0f, 0xff, 0xc0], Rule::Fault(UD)),
    row("LOCK MOV", &[0xf0, 0x89, 0xc8], Rule::Fault(UD)),
    row("LOCK ADD to a register", &[0xf0, 0x01, 0xc8], Rule::Fault(UD)),
    row("LOCK NOP", &[0xf0, 0x90], Rule::Fault(UD)),
    row("MOV to CS", &[0x8e, 0xc8], Rule::Fault(UD)),
    row("MOV to segment register 6", &[0x8e, 0xf0], Rule::Fault(UD)),
    row("LEA of a register", &[0x8d, 0xc0], Rule::Fault(UD)),
    row("FEH /7", &[0xfe, 0xf8], Rule::Fault(UD)),
    row("FFH /7", &[0xff, 0xff], Rule::Fault(UD)),
];

/// Lengths, privilege, segments and paging.
pub(crate) const PRIVILEGED: [Row; 19] = [
    row(
        "16 bytes",
        &[0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90],
        Rule::Fault(GP),
    ),
    row(
        "15 bytes",
        &[0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90],
        Rule::Completes,
    ),
    row("CLTS", &[0x0f, 0x06], Rule::Privileged),
    row("MOV from CR0", &[0x0f, 0x20, 0xc0], Rule::Privileged),
    row("MOV from DR0", &[0x0f, 0x21, 0xc0], Rule::Privileged),
    row("WBINVD", &[0x0f, 0x09], Rule::Privileged),
    row("INVLPG", &[0x0f, 0x01, 0x3f], Rule::Privileged),
    Row { start: 2, ..row("RDMSR", &[0xb1, 0x10, 0x0f, 0x32], Rule::Privileged) },
    row("CLI", &[0xfa], Rule::Privileged),
    row("IN", &[0xe4, 0x80], Rule::Privileged),
    row("OUT", &[0xe6, 0x80], Rule::Privileged),
    row("SLDT", &[0x0f, 0x00, 0xc0], Rule::NotIn8086),
    row("LTR", &[0x0f, 0x00, 0xd8], Rule::TaskRegister),
    row("PUSHF", &[0x9c], Rule::SensitiveToIopl),
    Row { rdx: NO_SEGMENT, ..row("MOV to DS, no such segment", &[0x8e, 0xda], Rule::BadSelector(NO_SEGMENT)) },
    row("MOV to SS, null", &[0x8e, 0xd2], Rule::NullStack),
    Row { place: Place::Beyond, ..row("load beyond FS", &[0x64, 0x8b, 0x07], Rule::BeyondLimit) },
    Row { place: Place::Beyond, ..row("load beyond SS", &[0x36, 0x8b, 0x07], Rule::BeyondStackLimit) },
    Row { place: Place::Unmapped, ..row("load, unmapped", &[0x8b, 0x07], Rule::Unmapped(0)) },
];

/// Software interrupts.
pub(crate) const INTERRUPTS: [Row; 9] = [
    row("INT3", &[0xcc], Rule::Trap(BP)),
    row("INT 3", &[0xcd, 3], Rule::Interrupt(3, 3)),
    row("INT 4", &[0xcd, 4], Rule::Interrupt(4, 3)),
    row("INT 5", &[0xcd, 5], Rule::Interrupt(5, 0)),
    row("INT 0", &[0xcd, 0], Rule::Interrupt(0, 0)),
    row("INT 15", &[0xcd, 15], Rule::Interrupt(15, 0)),
    row("INT 32", &[0xcd, 0x20], Rule::Interrupt(32, 3)),
    row("INTO, OF set", &[0xce], Rule::NotIn64(LegacyRule::Trap(OF))),
    Row { flags: STATUS_WITHOUT_OF, ..row("INTO, OF clear", &[0xce], Rule::NotIn64(LegacyRule::Completes)) },
];

/// What emulators are apt to lack: one such instruction must not hide the others.
pub(crate) const RARE: [Row; 6] = [
    row("BOUND, above", &[0x62, 0x07], Rule::NotIn64(LegacyRule::Fault(BR))),
    row("BOUND, inside", &[0x62, 0x2f], Rule::NotIn64(LegacyRule::Completes)),
    row("RSM", &[0x0f, 0xaa], Rule::Fault(UD)),
    row("LAR", &[0x0f, 0x02, 0xc0], Rule::NotIn8086),
    row("ARPL", &[0x63, 0xc0], Rule::Protected),
    row("INT1", &[0xf1], Rule::Trap(DB)),
];

/// The names of rows.
pub(crate) const fn names<const N: usize>(rows: &[Row; N]) -> [Text; N] {
    let mut names = [Text::new(""); N];
    let mut index = 0;
    while index < N {
        names[index] = Text::new(rows[index].name);
        index += 1;
    }
    names
}

/// What is expected of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Vector and error code, as [`outcome`] has them.
    pub(crate) outcome: u64,
    /// Saved instruction pointer, from the start of the program.
    pub(crate) ip: u64,
    /// Low 16 bits of the saved flags, without RF, which is none of them; `None` if the instruction may change them.
    pub(crate) flags: Option<u64>,
    /// CR2, for #PF.
    pub(crate) cr2: Option<u64>,
}

/// The selector that RAX holds: what SS does.
const fn stack_selector(mode: Mode) -> u32 {
    match mode {
        Mode::Protected16 => 0x20,
        _ => 0x10,
    }
}

/// What this row leads to in this mode; `None` if it is not tried there. `unmapped` is the address of [`Place::Unmapped`].
pub(crate) const fn expected(row: &Row, mode: Mode, unmapped: u64) -> Option<Expected> {
    let length = row.bytes.len() as u64;
    let flags = Some(row.flags as u64 | 2);
    Some(match decide(row.rule, mode) {
        Decision::NotTried => return None,
        Decision::Completes => Expected { outcome: outcome::COMPLETED, ip: length, flags: None, cr2: None },
        Decision::Trap(vector) => Expected { outcome: outcome::exception(vector, 0), ip: length, flags, cr2: None },
        Decision::Fault(vector, code) => Expected {
            outcome: outcome::exception(vector, if mode.has_error_codes() { code } else { 0 }),
            ip: row.start as u64,
            flags,
            cr2: if vector == PF { Some(unmapped) } else { None },
        },
    })
}

enum Decision {
    NotTried,
    Completes,
    Fault(u8, u32),
    Trap(u8),
}

const fn decide(rule: Rule, mode: Mode) -> Decision {
    match rule {
        Rule::Completes => Decision::Completes,
        Rule::Fault(vector) => Decision::Fault(vector, 0),
        Rule::Trap(vector) => Decision::Trap(vector),
        Rule::Interrupt(vector, dpl) => interrupt(vector, dpl, mode),
        Rule::NotIn64(_) if mode.is_64_bit() => Decision::Fault(UD, 0),
        Rule::NotIn64(LegacyRule::Completes) => Decision::Completes,
        Rule::NotIn64(LegacyRule::Fault(vector)) => Decision::Fault(vector, 0),
        Rule::NotIn64(LegacyRule::Trap(vector)) => Decision::Trap(vector),
        Rule::Privileged if mode.is_user() => Decision::Fault(GP, 0),
        Rule::Privileged => Decision::Completes,
        Rule::NotIn8086 | Rule::Protected if mode.is_8086() => Decision::Fault(UD, 0),
        Rule::NotIn8086 | Rule::Protected => Decision::Completes,
        Rule::TaskRegister if mode.is_8086() => Decision::Fault(UD, 0),
        Rule::TaskRegister if mode.is_user() => Decision::Fault(GP, 0),
        Rule::TaskRegister => Decision::Fault(GP, stack_selector(mode)),
        Rule::SensitiveToIopl if matches!(mode, Mode::Virtual8086) => Decision::Fault(GP, 0),
        Rule::SensitiveToIopl => Decision::Completes,
        Rule::BadSelector(_) if mode.is_8086() => Decision::Completes,
        Rule::BadSelector(selector) => Decision::Fault(GP, selector as u32),
        Rule::NullStack if mode.is_8086() => Decision::NotTried,
        Rule::NullStack if matches!(mode, Mode::Long0) => Decision::Completes,
        Rule::NullStack => Decision::Fault(GP, 0),
        Rule::BeyondLimit if matches!(mode, Mode::Compatible0 | Mode::Compatible3) => Decision::Completes,
        Rule::BeyondLimit => Decision::Fault(GP, 0),
        Rule::BeyondStackLimit if mode.is_long() => Decision::NotTried,
        Rule::BeyondStackLimit if mode.is_16_bit() => Decision::Fault(SS, 0),
        Rule::BeyondStackLimit => Decision::Completes,
        Rule::Unmapped(code) if mode.is_64_bit() => Decision::Fault(PF, code | if mode.is_user() { 4 } else { 0 }),
        Rule::Unmapped(_) => Decision::NotTried,
    }
}

/// Bit of an error code: the index is one of the IDT.
const IDT: u32 = 2;

const fn interrupt(vector: u8, dpl: u8, mode: Mode) -> Decision {
    // Beyond the exceptions the runtime's own IDT lets CPL 3 use vector 80H only.
    let dpl = if mode.is_long() && vector >= 32 { 0 } else { dpl };
    if matches!(mode, Mode::Virtual8086) {
        return Decision::Fault(GP, 0);
    }
    if mode.is_user() && dpl < 3 { Decision::Fault(GP, (vector as u32) << 3 | IDT) } else { Decision::Trap(vector) }
}

/// What was seen of a program, as far as this model judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) outcome: u64,
    pub(crate) ip: u64,
    pub(crate) flags: u64,
    pub(crate) sp: u64,
    pub(crate) cr2: u64,
}

/// The columns of a row, actual and expected: outcome, saved instruction pointer, saved flags with the distance that the
/// stack pointer moved above them, and CR2; `None` where nothing is due.
pub(crate) const fn columns(expected: &Expected, seen: &Observed) -> [Option<(u64, u64)>; 4] {
    let flags = match expected.flags {
        Some(flags) => Some((seen.flags & 0xffff | seen.sp << 16, flags)),
        None => None,
    };
    let cr2 = match expected.cr2 {
        Some(address) => Some((seen.cr2, address)),
        None => None,
    };
    [Some((seen.outcome, expected.outcome)), Some((seen.ip, expected.ip)), flags, cr2]
}
