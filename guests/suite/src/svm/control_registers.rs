//! Intercepts of control and debug registers: one bit for each register and direction.

use super::{model::Row, observe, report, start_of, with_svm};
use rt::{
    case, check_eq,
    cpu::control,
    svm::{
        Guest,
        field::{CR_READS, CR_WRITES, DR_READS, DR_WRITES, exit},
    },
    user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

macro_rules! moves {
    ($table:ident: $($function:ident $number:literal $assembly:literal;)*) => {
        $(user_code!($function: $assembly, "vmmcall");)*
        static $table: &[(u32, Code)] = &[$(($number, $function)),*];
    };
}

// RBX is register number 3.
moves! { READ_CR:
    read_cr0 0 "mov rbx, cr0"; read_cr2 2 "mov rbx, cr2"; read_cr3 3 "mov rbx, cr3"; read_cr4 4 "mov rbx, cr4";
    read_cr8 8 "mov rbx, cr8";
}
moves! { WRITE_CR:
    write_cr0 0 "mov cr0, rbx"; write_cr2 2 "mov cr2, rbx"; write_cr3 3 "mov cr3, rbx"; write_cr4 4 "mov cr4, rbx";
    write_cr8 8 "mov cr8, rbx";
}
moves! { READ_DR:
    read_dr0 0 "mov rbx, dr0"; read_dr1 1 "mov rbx, dr1"; read_dr2 2 "mov rbx, dr2"; read_dr3 3 "mov rbx, dr3";
    read_dr6 6 "mov rbx, dr6"; read_dr7 7 "mov rbx, dr7";
}
moves! { WRITE_DR:
    write_dr0 0 "mov dr0, rbx"; write_dr1 1 "mov dr1, rbx"; write_dr2 2 "mov dr2, rbx"; write_dr3 3 "mov dr3, rbx";
    write_dr6 6 "mov dr6, rbx"; write_dr7 7 "mov dr7, rbx";
}

const RBX: u64 = 3;
/// Bit 63 of EXITINFO1: the instruction is a MOV of a control register.
const IS_MOV: u64 = 1 << 63;

/// A value that each register takes.
fn value_of(is_debug: bool, number: u32) -> u64 {
    match (is_debug, number) {
        (false, 0) => control::read_cr0(),
        (false, 3) => control::read_cr3(),
        (false, 4) => control::read_cr4(),
        (true, 6) => 0xffff_0ff0,
        (true, 7) => 0x400,
        _ => 0,
    }
}

/// Each register of a table: with its bit set alone the exit, with all other bits set none.
fn walk(table: &[(u32, Code)], word: u64, first: u64, is_debug: bool) {
    with_svm(|| {
        for &(number, code) in table {
            let length = if !is_debug && number == 8 { 4 } else { 3 };
            let assisted = if is_debug { RBX } else { IS_MOV | RBX };
            let row = Row::instruction(first + u64::from(number), length).assisted(assisted);
            for all_others in [false, true] {
                let mut guest = Guest::new(code);
                guest.registers.rbx = value_of(is_debug, number);
                let bits = if all_others { !(1_u16 << number) } else { 1 << number };
                guest.write_u16(word, bits);
                let exit = guest.run();
                let start = start_of(code);
                if all_others {
                    let code = exit.map_or(0xffff_fffe, |exit| exit.code);
                    check_eq!("exit code with all other bits", [&[]; number], code, exit::VMMCALL);
                } else {
                    report(number as usize, &row, observe(&guest, exit, start));
                }
            }
        }
    });
}

/// Reads of CR0, CR2, CR3, CR4 and CR8 exit by their bit, and by no other.
#[case(feature = SvmControlRegisters, spec = [apm2("Instruction Intercepts"), apm2("MOV CRx/DRx Intercepts")], needs = Needs::SVM)]
fn reads_of_control_registers() {
    walk(READ_CR, CR_READS, exit::CR_READ, false);
}

/// Writes of the same registers do.
#[case(feature = SvmControlRegisters, spec = [apm2("Instruction Intercepts"), apm2("MOV CRx/DRx Intercepts")], needs = Needs::SVM)]
fn writes_of_control_registers() {
    walk(WRITE_CR, CR_WRITES, exit::CR_WRITE, false);
}

/// Reads of DR0 to DR3, DR6 and DR7 exit by their bit, and by no other.
#[case(feature = SvmControlRegisters, spec = [apm2("Instruction Intercepts"), apm2("MOV CRx/DRx Intercepts")], needs = Needs::SVM)]
fn reads_of_debug_registers() {
    walk(READ_DR, DR_READS, exit::DR_READ, true);
}

/// Writes of the same registers do.
#[case(feature = SvmControlRegisters, spec = [apm2("Instruction Intercepts"), apm2("MOV CRx/DRx Intercepts")], needs = Needs::SVM)]
fn writes_of_debug_registers() {
    walk(WRITE_DR, DR_WRITES, exit::DR_WRITE, true);
}
