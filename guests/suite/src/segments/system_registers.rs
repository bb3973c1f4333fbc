//! LLDT, LTR, LGDT, LIDT and what stores them, in 64-bit mode.

use super::{
    model::Selector,
    register_model::{
        ACCESS, Accessed, BASES, BUSY, Bases, NOT_CANONICAL, SELECTORS, SLOT, STORED, Stored, accessed, by_selector,
        by_type, unused,
    },
    reporting::{report, report_once, sites},
    rows::descriptor,
    walk::NAMES,
};
use rt::{
    Exception, Outcome, case, check_outcome,
    descriptors::Descriptors,
    excursion::tables::segment,
    instruction, layout, mmio, names, paging,
    report::check,
    tables::{TSS_LIMIT, selector},
    user, user_code,
};

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
        check(site, row as u64, actual.0, by_type(Selector { value }, descriptor(row >> 2)).0[0].0);
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
        let ([_, expected], is_busy) = by_type(Selector { value }, descriptor(row >> 2));
        check(site, row as u64, actual.0, expected.0);
        if is_busy != 0 {
            check(busy, row as u64, table.read(SLOT) & BUSY, is_busy);
        }
    }
}

const SELECTOR_NAMES: &[rt::vocabulary::Text] =
    names!["0", "1", "2", "3", "in the LDT", "first in the LDT", "beyond the limit", "last"];

/// LLDT takes a null selector, and refuses those beyond the limit of the GDT and in the LDT.
#[case(feature = SegmentTables, spec = [sdm2("LLDT—Load Local Descriptor Table Register"), apm3("LLDT")])]
fn load_of_ldtr_by_selector() {
    let _table = Descriptors::new();
    for (row, value) in SELECTORS.into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("lldt {0:x}", in(reg) value);
        check_outcome!("LLDT", [SELECTOR_NAMES; row], result, by_selector(row)[0]);
    }
}

/// LTR refuses null selectors, those beyond the limit of the GDT and in the LDT.
#[case(feature = SegmentTables, spec = [sdm2("LTR—Load Task Register"), apm3("LTR")])]
fn load_of_tr_by_selector() {
    let _table = Descriptors::new();
    for (row, value) in SELECTORS.into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("ltr {0:x}", in(reg) value);
        check_outcome!("LTR", [SELECTOR_NAMES; row], result, by_selector(row)[1]);
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
    let mut seen = Stored::default();
    let table = || {
        mmio::write_u64(at + 8, u64::MAX);
        at
    };
    let _ = instruction!("sgdt [{0}]", in(reg) table());
    seen.gdt_limit = mmio::read_u16(at).into();
    (seen.gdt_base, seen.gdt_next) = (mmio::read_u64(at + 2), mmio::read_u16(at + 10).into());
    let _ = instruction!("sidt [{0}]", in(reg) table());
    seen.idt_limit = mmio::read_u16(at).into();
    (seen.idt_base, seen.idt_next) = (mmio::read_u64(at + 2), mmio::read_u16(at + 10).into());
    (seen.str_64, seen.str_16, seen.sldt_64, seen.sldt_32) = (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
    let _ = instruction!("str rax", inout("rax") seen.str_64);
    let _ = instruction!("str ax", inout("rax") seen.str_16);
    let descriptors = Descriptors::new();
    let _ = instruction!("sldt rax", inout("rax") seen.sldt_64);
    drop(descriptors);
    let _ = instruction!("sldt eax", inout("rax") seen.sldt_32);
    mmio::write_u64(at, u64::MAX);
    let _ = instruction!("str word ptr [{0}]", in(reg) at);
    seen.str_memory = mmio::read_u64(at);
    let sites = sites![&[]; Hex "GDT limit", Hex "GDT base", Hex "no byte more", Hex "IDT limit", Hex "IDT base",
        Hex "no byte more of the IDT", Hex "STR r64", Hex "STR r16", Hex "SLDT r64", Hex "SLDT r32 of a null LDTR",
        Hex "STR memory writes a word"];
    report_once(sites, seen.beside(STORED));
}

/// LGDT and LIDT raise #GP(0) for a base that is not canonical, and keep what stood there.
#[case(feature = SegmentTables, spec = [sdm2("LGDT/LIDT—Load Global/Interrupt Descriptor Table Register"), apm3("LGDT")])]
fn bases_of_tables_that_are_not_canonical() {
    const NAMES: &[rt::vocabulary::Text] =
        names!["0000800000000000", "0001000000000000", "8000000000000000", "ffff7fffffffffff"];
    let at = paging::frame(0);
    for (row, base) in NOT_CANONICAL.into_iter().enumerate() {
        mmio::write_u16(at, 0xfff);
        mmio::write_u64(at + 2, base);
        let lgdt: Result<(), Exception> = instruction!("lgdt [{0}]", in(reg) at);
        let lidt: Result<(), Exception> = instruction!("lidt [{0}]", in(reg) at);
        let mut seen = Bases { lgdt: Outcome::from(lgdt).0, lidt: Outcome::from(lidt).0, ..Bases::default() };
        let _ = instruction!("sgdt [{0}]", in(reg) at + 32);
        seen.gdt_base = mmio::read_u64(at + 34);
        let _ = instruction!("sidt [{0}]", in(reg) at + 32);
        seen.idt_base = mmio::read_u64(at + 34);
        let sites = sites![NAMES; Outcome "LGDT", Outcome "LIDT", Hex "GDT base", Hex "IDT base"];
        report(sites, row, seen.beside(BASES));
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
    let table = Descriptors::new();
    for row in 0..ACCESS.len() {
        table.set(SLOT, unused(row));
        let result: Result<(), Exception> = instruction!("mov es, {0:x}", in(reg) SLOT);
        let seen = Accessed { outcome: Outcome::from(result).0, descriptor: table.read(SLOT) };
        report(sites![KINDS; Outcome "MOV ES", Hex "descriptor"], row, seen.beside(accessed(row)));
    }
}
