//! String instructions outside of long mode.

use super::{model::Mode, runner::Runner, tables::strings};
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{Arena, Program, layout, register::*, tables},
    machine_code, names,
    vocabulary::Text,
};

/// MOVS of each size, with each prefix and address size, in real mode.
#[case(feature = ModeStrings, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn real_movs() {
    let runner = Runner::new(Mode::Real);
    runner.run(&strings::MOVS_16, &strings::INPUTS_16[..4]);
    runner.run(&strings::MOVS_32, &strings::INPUTS_32[..4]);
}

/// STOS of each size, with each prefix and address size, in real mode.
#[case(feature = ModeStrings, spec = sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String"))]
fn real_stos() {
    let runner = Runner::new(Mode::Real);
    runner.run(&strings::STOS_16, &strings::INPUTS_16[..4]);
    runner.run(&strings::STOS_32, &strings::INPUTS_32[..4]);
}

/// LODS of each size, with each prefix and address size, in real mode.
#[case(feature = ModeStrings, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"))]
fn real_lods() {
    let runner = Runner::new(Mode::Real);
    runner.run(&strings::LODS_16, &strings::INPUTS_16[..4]);
    runner.run(&strings::LODS_32, &strings::INPUTS_32[..4]);
}

/// CMPS of each size, with each prefix and address size, in real mode.
#[case(feature = ModeStrings, spec = sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"))]
fn real_cmps() {
    let runner = Runner::new(Mode::Real);
    runner.run(&strings::CMPS_16, &strings::INPUTS_16[..4]);
    runner.run(&strings::CMPS_32, &strings::INPUTS_32[..4]);
}

/// SCAS of each size, with each prefix and address size, in real mode.
#[case(feature = ModeStrings, spec = sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String"))]
fn real_scas() {
    let runner = Runner::new(Mode::Real);
    runner.run(&strings::SCAS_16, &strings::INPUTS_16[..4]);
    runner.run(&strings::SCAS_32, &strings::INPUTS_32[..4]);
}

/// MOVS of each size, with each prefix and address size, in 16-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn protected_16_movs() {
    let runner = Runner::new(Mode::Protected16);
    runner.run(&strings::MOVS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::MOVS_32, &strings::INPUTS_32[..3]);
}

/// STOS of each size, with each prefix and address size, in 16-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String"))]
fn protected_16_stos() {
    let runner = Runner::new(Mode::Protected16);
    runner.run(&strings::STOS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::STOS_32, &strings::INPUTS_32[..3]);
}

/// LODS of each size, with each prefix and address size, in 16-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"))]
fn protected_16_lods() {
    let runner = Runner::new(Mode::Protected16);
    runner.run(&strings::LODS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::LODS_32, &strings::INPUTS_32[..3]);
}

/// CMPS of each size, with each prefix and address size, in 16-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"))]
fn protected_16_cmps() {
    let runner = Runner::new(Mode::Protected16);
    runner.run(&strings::CMPS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::CMPS_32, &strings::INPUTS_32[..3]);
}

/// SCAS of each size, with each prefix and address size, in 16-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String"))]
fn protected_16_scas() {
    let runner = Runner::new(Mode::Protected16);
    runner.run(&strings::SCAS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::SCAS_32, &strings::INPUTS_32[..3]);
}

/// MOVS of each size, with each prefix and address size, in 32-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn protected_32_movs() {
    let runner = Runner::new(Mode::Protected32);
    runner.run(&strings::MOVS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::MOVS_32, &strings::INPUTS_32[..3]);
}

/// STOS of each size, with each prefix and address size, in 32-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String"))]
fn protected_32_stos() {
    let runner = Runner::new(Mode::Protected32);
    runner.run(&strings::STOS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::STOS_32, &strings::INPUTS_32[..3]);
}

/// LODS of each size, with each prefix and address size, in 32-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"))]
fn protected_32_lods() {
    let runner = Runner::new(Mode::Protected32);
    runner.run(&strings::LODS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::LODS_32, &strings::INPUTS_32[..3]);
}

/// CMPS of each size, with each prefix and address size, in 32-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"))]
fn protected_32_cmps() {
    let runner = Runner::new(Mode::Protected32);
    runner.run(&strings::CMPS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::CMPS_32, &strings::INPUTS_32[..3]);
}

/// SCAS of each size, with each prefix and address size, in 32-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String"))]
fn protected_32_scas() {
    let runner = Runner::new(Mode::Protected32);
    runner.run(&strings::SCAS_16, &strings::INPUTS_16[..3]);
    runner.run(&strings::SCAS_32, &strings::INPUTS_32[..3]);
}

/// MOVS of each size, with each prefix and address size, in virtual-8086 mode.
#[case(feature = ModeStrings, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn virtual_8086_movs() {
    let runner = Runner::new(Mode::Virtual8086);
    runner.run(&strings::MOVS_16, &strings::INPUTS_16);
    runner.run(&strings::MOVS_32, &strings::INPUTS_32);
}

/// STOS of each size, with each prefix and address size, in virtual-8086 mode.
#[case(feature = ModeStrings, spec = sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String"))]
fn virtual_8086_stos() {
    let runner = Runner::new(Mode::Virtual8086);
    runner.run(&strings::STOS_16, &strings::INPUTS_16);
    runner.run(&strings::STOS_32, &strings::INPUTS_32);
}

/// LODS of each size, with each prefix and address size, in virtual-8086 mode.
#[case(feature = ModeStrings, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"))]
fn virtual_8086_lods() {
    let runner = Runner::new(Mode::Virtual8086);
    runner.run(&strings::LODS_16, &strings::INPUTS_16);
    runner.run(&strings::LODS_32, &strings::INPUTS_32);
}

/// CMPS of each size, with each prefix and address size, in virtual-8086 mode.
#[case(feature = ModeStrings, spec = sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"))]
fn virtual_8086_cmps() {
    let runner = Runner::new(Mode::Virtual8086);
    runner.run(&strings::CMPS_16, &strings::INPUTS_16);
    runner.run(&strings::CMPS_32, &strings::INPUTS_32);
}

/// SCAS of each size, with each prefix and address size, in virtual-8086 mode.
#[case(feature = ModeStrings, spec = sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String"))]
fn virtual_8086_scas() {
    let runner = Runner::new(Mode::Virtual8086);
    runner.run(&strings::SCAS_16, &strings::INPUTS_16);
    runner.run(&strings::SCAS_32, &strings::INPUTS_32);
}

machine_code! {
    16 STRINGS_MOVSW = "rep movsw";
    16 STRINGS_MOVSB = "rep movsb";
    16 STRINGS_STOSD = "rep stosd";
}

/// A repeated string instruction whose next element reaches over the end of a 64 KiB segment stops there with #GP; bytes go
/// on at offset 0.
fn check_edges(program: &Program) {
    const ROWS: &[Text] = names!["words from the end", "words to the end", "doublewords to the end", "bytes over it"];
    let arena = Arena::new();
    tables::write_u32(0xfff8, 0x1111_1111);
    tables::write_u32(0xfffc, 0x4433_2211);
    // Code, SI, DI, elements before the fault.
    let table = [
        (&STRINGS_MOVSW, 0xfffb, layout::DATA, 2, 2, true),
        (&STRINGS_MOVSW, layout::DATA, 0xfff9, 3, 2, true),
        (&STRINGS_STOSD, 0, 0xfff6, 2, 4, true),
        (&STRINGS_MOVSB, 0xfffd, layout::DATA, 6, 1, false),
    ];
    for (row, (code, source, destination, elements, size, faults)) in table.into_iter().enumerate() {
        let count = if faults { elements + 3 } else { elements };
        let program = program.with(&[(ECX, count), (ESI, source), (EDI, destination), (EAX, 0x2222_2222)]);
        let arrival = arena.run(&program, code);
        let expected = if faults { Outcome::GP } else { Outcome::COMPLETED };
        let moves_source = !core::ptr::eq(code, &STRINGS_STOSD);
        let source = if moves_source { (source + elements * size) & 0xffff } else { source };
        check_outcome!("outcome", [ROWS; row], arrival.outcome(), expected);
        check_eq!("CX", [ROWS; row], arrival.registers.general[ECX], count - elements);
        check_eq!("SI", [ROWS; row], arrival.registers.general[ESI], source);
        check_eq!("DI", [ROWS; row], arrival.registers.general[EDI], destination + elements * size);
        if faults {
            check_eq!("IP", [ROWS; row], arrival.registers.eip, layout::CODE);
        }
    }
}

/// REP MOVS and REP STOS over the end of a segment in real mode.
#[case(feature = ModeStrings, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn real_string_edges() {
    check_edges(&Program::REAL);
}

/// REP MOVS and REP STOS over the end of a segment in 16-bit protected mode.
#[case(feature = ModeStrings, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn protected_16_string_edges() {
    check_edges(&Program::PROTECTED_16);
}

/// REP MOVS and REP STOS over the end of a segment in virtual-8086 mode.
#[case(feature = ModeStrings, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn virtual_8086_string_edges() {
    check_edges(&Program::VIRTUAL_8086);
}
