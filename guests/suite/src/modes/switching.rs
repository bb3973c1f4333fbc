//! Ways between the modes, and combinations of CR0's bits that there are none to.

use super::{
    reporting::{report, report_once, sites},
    switching_model::{Behind, CODES, CR4, Cached, Chain, KEPT, Lmsw, Refused, behind, cached, chain, lmsw, refused},
};
use rt::{
    case, check_eq,
    excursion::{ARENA, Arena, Arrival, Ending, Program, layout, register::*, tables},
    machine_code, names,
    vocabulary::Text,
};

// The program stands at offset 4000H of the arena, which lies at 10000H. Selectors: 08H is flat 32-bit code, 10H flat
// data, 18H and 20H 16-bit code and data of the arena.
machine_code! {
    /// Real mode, 16-bit protected mode, 32-bit, 16-bit, real mode; each tells its CS.
    16 SWITCHING_CHAIN = "20: mov ebx, 0x11112222", "mov eax, cr0", "or al, 1", "mov cr0, eax",
        ".byte 0xea", ".word 21f - 20b + 0x4000, 0x18",
        "21: mov ax, cs", "mov [0x5000], ax",
        ".byte 0x66, 0xea", ".long 22f - 20b + 0x14000", ".word 8", ".code32",
        "22: mov eax, 0x10", "mov ds, eax", "mov eax, cs", "mov [0x15004], eax",
        ".byte 0xea", ".long 23f - 20b + 0x4000", ".word 0x18", ".code16",
        "23: mov ax, 0x20", "mov ds, ax", "mov ss, ax", "mov [0x5008], cs",
        "mov eax, cr0", "and al, 0xfe", "mov cr0, eax",
        ".byte 0xea", ".word 24f - 20b + 0x4000, 0x1000",
        "24: mov ax, 0x1000", "mov ds, ax", "mov ss, ax", "mov [0x500c], cs", "mov ecx, cr4", "mov edx, cr0";
    /// From 32-bit protected mode to real mode and back, through 16-bit code.
    32 SWITCHING_TO_REAL_AND_BACK = "20: mov ebx, 0x11112222",
        ".byte 0xea", ".long 21f - 20b + 0x4000", ".word 0x18", ".code16",
        "21: mov ax, 0x20", "mov ds, ax", "mov ss, ax", "mov eax, cr0", "and al, 0xfe", "mov cr0, eax",
        ".byte 0xea", ".word 22f - 20b + 0x4000, 0x1000",
        "22: mov ax, 0x1000", "mov ds, ax", "mov [0x5000], cs", "mov eax, cr0", "or al, 1", "mov cr0, eax",
        ".byte 0x66, 0xea", ".long 23f - 20b + 0x14000", ".word 8", ".code32",
        "23: mov eax, 0x10", "mov ds, eax", "mov es, eax", "mov ss, eax", "mov esp, 0x1e000", "mov ecx, cr4",
        "mov edx, cr0";
    32 SWITCHING_MOV_CR0_32 = "mov cr0, ecx", "mov edx, cr0";
    16 SWITCHING_MOV_CR0_16 = "mov cr0, ecx", "mov edx, cr0";
    32 SWITCHING_LMSW = "mov eax, cr0", "and eax, 0xfffffff0", "lmsw ax", "mov edx, cr0";
    16 ORDER_16 = "mov eax, 0x11112222", "mov ecx, esp", "mov edx, cs";
    32 ORDER_32 = "mov eax, 0x11112222", "mov ecx, esp", "mov edx, cs";
    /// After PE is set, code and data go on with what real mode loaded.
    16 SWITCHING_CACHED = "mov eax, cr0", "or al, 1", "mov cr0, eax", "mov ebx, [0x5000]", "mov ecx, es:[0x5000]",
        "and al, 0xfe", "mov cr0, eax", "mov edx, [0x5000]";
}

fn check_chain(arrival: &Arrival, expected: Chain) {
    let general = arrival.registers.general.map(u64::from);
    let seen = Chain {
        outcome: arrival.outcome().0,
        ebx: general[EBX],
        esi: general[ESI],
        ebp: general[EBP],
        esp: general[ESP],
        cr4: general[ECX],
        pe: general[EDX],
        is_real: arrival.is_real.into(),
    };
    let sites = sites![&[]; Outcome "program", Hex "EBX", Hex "ESI", Hex "EBP", Hex "ESP", Hex "CR4",
        Hex "CR0.PE at the end", Hex "ended in real mode"];
    report_once(sites, seen.beside(expected));
}

/// From real mode to 16-bit and 32-bit protected mode and back: each CS takes effect, and registers, stack and CR4 stay.
#[case(feature = ModeSwitches, spec = [sdm3a("Switching to Protected Mode"), sdm3a("Switching Back to Real-Address Mode")])]
fn chain_from_real_mode() {
    const MODES: &[Text] = names!["16-bit", "32-bit", "16-bit again", "real mode"];
    let arena = Arena::new();
    let mut program = Program::REAL.with(&[(ESI, KEPT[0]), (EBP, KEPT[1])]);
    program.cr4 = CR4;
    let arrival = arena.run(&program, &SWITCHING_CHAIN);
    for (row, cs) in CODES.into_iter().enumerate() {
        check_eq!("CS", [MODES; row], tables::read_u32(layout::DATA + row as u32 * 4) & 0xffff, cs);
    }
    check_chain(&arrival, chain(program.registers.general[ESP], true));
}

/// From 32-bit protected mode to real mode and back: registers and CR4 stay.
#[case(feature = ModeSwitches, spec = [sdm3a("Switching Back to Real-Address Mode"), sdm3a("Switching to Protected Mode")])]
fn chain_from_protected_mode() {
    let arena = Arena::new();
    let mut program = Program::PROTECTED_32.with(&[(ESI, KEPT[0]), (EBP, KEPT[1])]);
    program.cr4 = CR4;
    let arrival = arena.run(&program, &SWITCHING_TO_REAL_AND_BACK);
    check_eq!("CS in real mode", tables::read_u32(layout::DATA) & 0xffff, CODES[3]);
    check_chain(&arrival, chain(ARENA + layout::STACK, false));
}

/// The same again and again: every pass finds the state as the first did.
#[case(feature = ModeSwitches, spec = sdm3a("Mode Switching"))]
fn every_order_of_modes() {
    let arena = Arena::new();
    let modes = [
        (&Program::REAL, &ORDER_16),
        (&Program::PROTECTED_16, &ORDER_16),
        (&Program::PROTECTED_32, &ORDER_32),
        (&Program::BIG_REAL, &ORDER_16),
    ];
    // Each mode behind each, by way of long mode.
    for (first, (before, before_code)) in modes.into_iter().enumerate() {
        for (second, (after, after_code)) in modes.into_iter().enumerate() {
            let row = first * 4 + second;
            let first = arena.run(before, before_code).outcome().0;
            let arrival = arena.run(after, after_code);
            let general = arrival.registers.general.map(u64::from);
            let seen =
                Behind { first, second: arrival.outcome().0, eax: general[EAX], esp: general[ECX], cs: general[EDX] };
            let sites = sites![&[]; Outcome "first", Outcome "second", Hex "EAX", Hex "ESP", Hex "CS"];
            report(sites, row, seen.beside(behind(after.registers.general[ESP], after.registers.cs)));
        }
    }
}

/// Every value raises #GP(0) and changes neither PG, NW nor PE.
fn check_refused(set: u32, clear: u32) {
    const ROWS: &[Text] = names!["32-bit protected mode", "real mode"];
    let arena = Arena::new();
    let rows = [(&Program::PROTECTED_32, &SWITCHING_MOV_CR0_32, 1), (&Program::REAL, &SWITCHING_MOV_CR0_16, 0)];
    for (row, (program, code, pe)) in rows.into_iter().enumerate() {
        let value = (Program::PROTECTED_32.cr0 & !1 | pe) & !clear | set;
        let arrival = arena.run(&program.with(&[(ECX, value)]), code);
        let seen = Refused {
            outcome: arrival.outcome().0,
            ip: arrival.registers.eip.into(),
            pg_nw: arrival.cr0.into(),
            pe: arrival.cr0.into(),
        };
        let sites = sites![ROWS; Outcome "MOV to CR0", Hex "IP", Hex "CR0.PG and CR0.NW", Hex "CR0.PE"];
        report(sites, row, seen.beside(refused(program.registers.eip, pe)));
    }
}

/// MOV to CR0 raises #GP(0) for PG without PE.
#[case(feature = ModeSwitches, spec = [sdm2("MOV—Move to/from Control Registers"), apm2("System-Control Registers")])]
fn cr0_paging_without_protection() {
    check_refused(1 << 31, 1);
}

/// MOV to CR0 raises #GP(0) for NW without CD.
#[case(feature = ModeSwitches, spec = [sdm2("MOV—Move to/from Control Registers"), apm2("System-Control Registers")])]
fn cr0_nw_without_cd() {
    check_refused(1 << 29, 1 << 30);
}

/// LMSW sets PE but does not clear it, and changes nothing above TS.
#[case(feature = ModeSwitches, spec = sdm2("LMSW—Load Machine Status Word"))]
fn lmsw_keeps_pe() {
    let arrival = Arena::new().run(&Program::PROTECTED_32, &SWITCHING_LMSW);
    let seen = Lmsw { outcome: arrival.outcome().0, cr0: arrival.registers.general[EDX].into() };
    report_once(sites![&[]; Outcome "LMSW", Hex "CR0"], seen.beside(lmsw(Program::PROTECTED_32.cr0)));
}

/// Between the setting of PE and the next load of a segment register, code and data keep the bases of real mode.
#[case(feature = ModeSwitches, spec = [sdm3a("Switching to Protected Mode"), sdm3a("Segment Registers")])]
fn bases_until_reload() {
    let arena = Arena::new();
    tables::write_u32(layout::DATA, 0x1234_5678);
    let mut program = Program::REAL;
    program.ending = Ending::FarJumpReal;
    let arrival = arena.run(&program, &SWITCHING_CACHED);
    let general = arrival.registers.general.map(u64::from);
    let seen = Cached { outcome: arrival.outcome().0, ds: general[EBX], es: general[ECX], real: general[EDX] };
    let sites = sites![&[]; Outcome "program", Hex "through DS", Hex "through ES", Hex "in real mode again"];
    report_once(sites, seen.beside(cached(0x1234_5678)));
}
