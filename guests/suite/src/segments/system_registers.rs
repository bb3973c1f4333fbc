//! LLDT, LTR, LGDT, LIDT and what stores them, in 64-bit mode.

use super::{
    model::{DONE, Selector, lldt, ltr},
    rows::descriptor,
    walk::{NAMES, outcome_of},
};
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    descriptors::{Descriptors, FREE, LIMIT},
    excursion::tables::segment,
    instruction, layout, mmio, names, paging,
    report::check,
    tables::{GDT_LIMIT, IDT_LIMIT, TSS_LIMIT, selector},
    user, user_code,
};

/// Where a descriptor of 16 bytes stands.
const SLOT: u16 = FREE + 32;
const BUSY: u64 = 1 << 41;

/// The descriptor of a row; its upper half is zero. Limit and base are those of the runtime's TSS.
fn put(table: &Descriptors, row: usize) {
    table.set(SLOT, segment(layout::TSS as u32, TSS_LIMIT, descriptor(row >> 2).access(), 0));
    table.set(SLOT + 8, 0);
}

fn selector_of(row: usize) -> u16 {
    SLOT | (row & 3) as u16
}

/// Rows of DPL 0 and 3 with RPL 0 and 3.
fn rows() -> impl Iterator<Item = usize> {
    (0..super::rows::NR_ROWS).filter(|row| matches!(row >> 2 & 3, 0 | 3) && matches!(row & 3, 0 | 3))
}

/// LLDT takes a null selector and the LDT's type alone, whatever RPL and DPL.
#[case(feature = SegmentTables, spec = [sdm2("LLDT—Load Local Descriptor Table Register"), apm3("LLDT")])]
fn load_of_ldtr_by_type() {
    let site = rt::site!("LLDT", NAMES, Outcome);
    let table = Descriptors::new();
    for row in rows() {
        put(&table, row);
        let value = selector_of(row);
        let actual: Outcome = instruction!("lldt {0:x}", in(reg) value).into();
        check(site, row as u64, actual.0, outcome_of(lldt(Selector { value }, Some(descriptor(row >> 2)))));
    }
}

/// LTR takes an available 64-bit TSS alone, whatever RPL and DPL, and makes it busy.
#[case(feature = SegmentTables, spec = [sdm2("LTR—Load Task Register"), apm3("LTR")])]
fn load_of_tr_by_type() {
    let (site, busy) = (rt::site!("LTR", NAMES, Outcome), rt::site!("busy bit", NAMES, Hex));
    let table = Descriptors::new();
    for row in rows() {
        put(&table, row);
        let value = selector_of(row);
        let actual: Outcome = instruction!("ltr {0:x}", in(reg) value).into();
        let expected = ltr(Selector { value }, Some(descriptor(row >> 2)), true);
        check(site, row as u64, actual.0, outcome_of(expected));
        if expected == DONE {
            check(busy, row as u64, table.read(SLOT) & BUSY, BUSY);
        }
    }
}

const SELECTORS: &[rt::vocabulary::Text] =
    names!["0", "1", "2", "3", "in the LDT", "first in the LDT", "beyond the limit", "last"];
const SELECTOR_ROWS: [u16; 8] = [0, 1, 2, 3, SLOT | 4, 4, LIMIT + 1, 0xffff];

/// LLDT takes a null selector, and refuses those beyond the limit of the GDT and in the LDT.
#[case(feature = SegmentTables, spec = [sdm2("LLDT—Load Local Descriptor Table Register"), apm3("LLDT")])]
fn load_of_ldtr_by_selector() {
    let _table = Descriptors::new();
    for (row, value) in SELECTOR_ROWS.into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("lldt {0:x}", in(reg) value);
        check_outcome!("LLDT", [SELECTORS; row], result, Outcome(outcome_of(lldt(Selector { value }, None))));
    }
}

/// LTR refuses null selectors, those beyond the limit of the GDT and in the LDT.
#[case(feature = SegmentTables, spec = [sdm2("LTR—Load Task Register"), apm3("LTR")])]
fn load_of_tr_by_selector() {
    let _table = Descriptors::new();
    for (row, value) in SELECTOR_ROWS.into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("ltr {0:x}", in(reg) value);
        check_outcome!("LTR", [SELECTORS; row], result, Outcome(outcome_of(ltr(Selector { value }, None, true))));
    }
}

user_code!(lldt_user: "lldt di", "ret");
user_code!(ltr_user: "ltr di", "ret");
user_code!(lgdt_user: "lgdt [rdi]", "ret");
user_code!(lidt_user: "lidt [rdi]", "ret");
user_code!(lmsw_user: "lmsw di", "ret");
user_code!(clts_user: "clts", "ret");

/// LLDT, LTR, LGDT, LIDT, LMSW and CLTS raise #GP(0) at CPL 3, whatever their operand.
#[case(feature = SegmentTables, spec = [sdm3a("Privileged Instructions"), apm2("System Instructions")])]
fn loads_of_system_registers_at_cpl_3() {
    const CODES: &[rt::vocabulary::Text] = names!["LLDT", "LTR", "LGDT", "LIDT", "LMSW", "CLTS"];
    let functions = [lldt_user, ltr_user, lgdt_user, lidt_user, lmsw_user, clts_user];
    for (row, function) in functions.into_iter().enumerate() {
        check_outcome!("null or zeros", [CODES; row], user::call(function, 0x0), Outcome::GP);
        check_outcome!("a valid operand", [CODES; row], user::call(function, paging::frame(0)), Outcome::GP);
        check_outcome!("the TSS", [CODES; row], user::call(function, selector::TSS.into()), Outcome::GP);
    }
}

/// SGDT and SIDT in 64-bit mode store ten bytes: limit and base; SLDT and STR zero-extend to the operand's size.
#[case(feature = SegmentTables, spec = [sdm2("SGDT—Store Global Descriptor Table Register"), sdm2("SIDT—Store Interrupt Descriptor Table Register"), sdm2("STR—Store Task Register")])]
fn stores_of_system_registers() {
    let at = paging::frame(0);
    mmio::write_u64(at + 8, u64::MAX);
    let _ = instruction!("sgdt [{0}]", in(reg) at);
    check_eq!("GDT limit", mmio::read_u16(at), GDT_LIMIT);
    check_eq!("GDT base", mmio::read_u64(at + 2), layout::GDT);
    check_eq!("no byte more", mmio::read_u16(at + 10), 0xffff);
    mmio::write_u64(at + 8, u64::MAX);
    let _ = instruction!("sidt [{0}]", in(reg) at);
    check_eq!("IDT limit", mmio::read_u16(at), IDT_LIMIT);
    check_eq!("IDT base", mmio::read_u64(at + 2), layout::IDT);
    check_eq!("no byte more of the IDT", mmio::read_u16(at + 10), 0xffff);
    let mut value = u64::MAX;
    let _ = instruction!("str rax", inout("rax") value);
    check_eq!("STR r64", value, selector::TSS);
    value = u64::MAX;
    let _ = instruction!("str ax", inout("rax") value);
    check_eq!("STR r16", value, u64::MAX << 16 | u64::from(selector::TSS));
    let table = Descriptors::new();
    value = u64::MAX;
    let _ = instruction!("sldt rax", inout("rax") value);
    check_eq!("SLDT r64", value, rt::descriptors::LDT);
    drop(table);
    value = u64::MAX;
    let _ = instruction!("sldt eax", inout("rax") value);
    check_eq!("SLDT r32 of a null LDTR", value, 0);
    mmio::write_u64(at, u64::MAX);
    let _ = instruction!("str word ptr [{0}]", in(reg) at);
    check_eq!("STR memory writes a word", mmio::read_u64(at), u64::MAX << 16 | u64::from(selector::TSS));
}

/// LGDT and LIDT raise #GP(0) for a base that is not canonical, and keep what stood there.
#[case(feature = SegmentTables, spec = [sdm2("LGDT/LIDT—Load Global/Interrupt Descriptor Table Register"), apm3("LGDT")])]
fn bases_of_tables_that_are_not_canonical() {
    const BASES: &[rt::vocabulary::Text] =
        names!["0000800000000000", "0001000000000000", "8000000000000000", "ffff7fffffffffff"];
    let at = paging::frame(0);
    for (row, base) in [1 << 47, 1 << 48, 1 << 63, 0xffff_7fff_ffff_ffff].into_iter().enumerate() {
        mmio::write_u16(at, 0xfff);
        mmio::write_u64(at + 2, base);
        let result: Result<(), Exception> = instruction!("lgdt [{0}]", in(reg) at);
        check_outcome!("LGDT", [BASES; row], result, Outcome::GP);
        let result: Result<(), Exception> = instruction!("lidt [{0}]", in(reg) at);
        check_outcome!("LIDT", [BASES; row], result, Outcome::GP);
        let _ = instruction!("sgdt [{0}]", in(reg) at + 32);
        check_eq!("GDT base", [BASES; row], mmio::read_u64(at + 34), layout::GDT);
        let _ = instruction!("sidt [{0}]", in(reg) at + 32);
        check_eq!("IDT base", [BASES; row], mmio::read_u64(at + 34), layout::IDT);
    }
}

/// A load of a segment sets the accessed bit of its descriptor; one that faults does not.
#[case(feature = SegmentLoads, spec = [sdm3a("Code- and Data-Segment Descriptor Types"), apm2("Legacy Segment Descriptors")])]
fn accessed_bit() {
    const KINDS: &[rt::vocabulary::Text] = names![
        "read-only",
        "writable",
        "expand-down",
        "writable, expand-down",
        "readable code",
        "conforming",
        "not present",
        "execute-only"
    ];
    const ACCESSED: u64 = 1 << 40;
    let table = Descriptors::new();
    let rows = [
        (0x90, true),
        (0x92, true),
        (0x94, true),
        (0x96, true),
        (0x9a, true),
        (0x9e, true),
        (0x12, false),
        (0x98, false),
    ];
    for (row, (kind, is_taken)) in rows.into_iter().enumerate() {
        let before = segment(0, 0xf_ffff, kind, 0);
        table.set(SLOT, before);
        let result: Result<(), Exception> = instruction!("mov es, {0:x}", in(reg) SLOT);
        check_eq!("taken", [KINDS; row], u64::from(result.is_ok()), u64::from(is_taken));
        let expected = if is_taken { before | ACCESSED } else { before };
        check_eq!("descriptor", [KINDS; row], table.read(SLOT), expected);
    }
}
