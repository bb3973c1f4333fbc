//! Rules of the debug registers themselves: every bit of DR6 and DR7, sticky causes, general detect, aliases, privilege.

use super::{
    debug_model::{FIXED_OF_DR6, LATER_OF_DR6, WRITABLE_OF_DR6, access_at_cpl_3, alias, stay},
    mode::Mode,
    program::{Machine, Start, TRAP_FLAG},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{self, cr4, read_dr6, read_dr7, write_dr6, write_dr7},
        debug::{
            Breakpoints,
            dr7::{self, Condition},
        },
    },
    instruction, names,
    vocabulary::{Needs, Text},
};

/// Bits of DR7 that are always 0 but for later extensions (bit 11, RTM) and bits 14 and 15.
const FIXED_OF_DR7: u64 = 1 << 12 | 1 << 14 | 1 << 15;

/// Every bit of DR6: the causes can be written and read, reserved bits keep their value, bits 63 to 32 raise #GP(0).
#[case(feature = ExceptionDebug, spec = [sdm3b("Debug Status Register (DR6)"),
       sdm3b("Debug Registers and Intel 64 Processors"), apm2("Debug-Status Register (DR6)")])]
fn every_bit_of_dr6() {
    for bit in 0..64_usize {
        let value = 1_u64 << bit;
        let result = write_dr6(value);
        if bit >= 32 {
            check_outcome!("MOV to DR6", [&[]; bit], result, Outcome::GP);
        } else if value & LATER_OF_DR6 == 0 {
            check_outcome!("MOV to DR6", [&[]; bit], result, Outcome::COMPLETED);
            let expected = (FIXED_OF_DR6 | value & WRITABLE_OF_DR6) & !LATER_OF_DR6;
            check_eq!("DR6", [&[]; bit], read_dr6() & !LATER_OF_DR6, expected);
        }
        let _ = write_dr6(0);
    }
}

/// Every bit of DR7 but GD: enables, conditions and lengths can be written and read, reserved bits keep their value, bits
/// 63 to 32 raise #GP(0).
#[case(feature = ExceptionDebug, spec = [sdm3b("Debug Control Register (DR7)"),
       sdm3b("Debug Registers and Intel 64 Processors"), apm2("Debug-Control Register (DR7)")])]
fn every_bit_of_dr7() {
    for bit in (0..64_usize).filter(|&bit| !matches!(bit, 10 | 11 | 13)) {
        let value = 1_u64 << bit;
        let result = write_dr7(dr7::NONE | value);
        if bit >= 32 {
            check_outcome!("MOV to DR7", [&[]; bit], result, Outcome::GP);
        } else {
            check_outcome!("MOV to DR7", [&[]; bit], result, Outcome::COMPLETED);
            check_eq!("DR7", [&[]; bit], read_dr7(), (dr7::NONE | value) & !FIXED_OF_DR7);
        }
        let _ = write_dr7(dr7::NONE);
    }
}

/// Bus-lock detection (CPUID.7.0:ECX bit 24) has DR6.BLD, transactional memory (EBX bit 11) DR6.RTM and DR7.RTM; without
/// them the bits of DR6 are always 1, that of DR7 always 0.
#[case(feature = ExceptionDebug, spec = [sdm3b("Debug Status Register (DR6)"), sdm3b("Debug Control Register (DR7)")],
       needs = Needs::INTEL)]
fn later_bits_come_with_their_features() {
    let leaf = rt::cpu::cpuid::read_leaf(7, 0);
    let (has_bus_lock, has_transactions) = (leaf.ecx >> 24 & 1 != 0, leaf.ebx >> 11 & 1 != 0);
    let _ = write_dr6(0);
    check_eq!("DR6.BLD, written with 0", read_dr6() >> 11 & 1, u64::from(!has_bus_lock));
    check_eq!("DR6.RTM, written with 0", read_dr6() >> 16 & 1, u64::from(!has_transactions));
    let _ = write_dr6(LATER_OF_DR6);
    check_eq!("both, written with 1", read_dr6() & LATER_OF_DR6, LATER_OF_DR6);
    let _ = write_dr7(dr7::NONE | 1 << 11);
    check_eq!("DR7.RTM, written with 1", read_dr7() >> 11 & 1, u64::from(has_transactions));
    let _ = write_dr7(dr7::NONE);
}

/// Causes in DR6 stay until software clears them, and a fault that is no #DB leaves them.
#[case(feature = ExceptionDebug, spec = [sdm3b("Debug Status Register (DR6)"), apm2("Debug-Status Register (DR6)")])]
fn causes_stay() {
    const ROWS: &[Text] = names!["B1", "BS", "BT", "B0 and B3"];
    for (row, value) in [2_u64, 1 << 14, 1 << 15, 9].into_iter().enumerate() {
        let _ = write_dr6(value);
        let result = instruction!("xor {0:e}, {0:e}", "div {0:e}", out(reg) _, out("eax") _, out("edx") _);
        let [outcome, dr6] = stay(value, Outcome::from(result).0, read_dr6());
        check_outcome!("DIV by 0", [ROWS; row], Outcome(outcome.0), Outcome(outcome.1));
        check_eq!("DR6 behind it", [ROWS; row], dr6.0, dr6.1);
    }
    let _ = write_dr6(0);
}

/// Every access to a debug register at CPL 3 raises #GP(0), and in virtual-8086 mode too; DR7.GD does not count there.
#[case(feature = ExceptionDebug, spec = [sdm2("MOV—Move to/from Debug Registers"), apm3("MOV DRn")])]
fn accesses_at_cpl_3() {
    for (mode_row, mode) in [Mode::Long3, Mode::Compatible3].into_iter().enumerate() {
        let machine = Machine::new(mode);
        for number in [0_usize, 1, 2, 3, 6, 7] {
            for (direction, opcode) in [0x21_u8, 0x23].into_iter().enumerate() {
                let seen = machine.run(&[0x0f, opcode, 0xc0 | (number as u8) << 3], Start::PLAIN);
                let row = mode_row * 16 + direction * 8 + number;
                let [outcome, ip] = access_at_cpl_3(seen.outcome.0, seen.ip);
                check_outcome!("MOV", [&[]; row], Outcome(outcome.0), Outcome(outcome.1));
                check_eq!("saved RIP", [&[]; row], ip.0, ip.1);
            }
        }
    }
}

/// DR4 and DR5 raise #UD at CPL 0 while CR4.DE is set and name DR6 and DR7 while it is clear.
#[case(feature = ExceptionDebug, spec = [sdm3b("Debug Registers DR4 and DR5"), apm2("Debug Registers DR4 and DR5")])]
fn aliases_by_mode() {
    for (row, mode) in [Mode::Long0, Mode::Compatible0].into_iter().enumerate() {
        let machine = Machine::new(mode);
        for extensions in [false, true] {
            let Ok(_extensions) =
                (if extensions { control::With::cr4(cr4::DE, 0) } else { control::With::cr4(0, cr4::DE) })
            else {
                rt::skip!("CR4.DE cannot be written");
                return;
            };
            for number in [4_usize, 5] {
                let seen = machine.run(&[0x0f, 0x21, 0xc0 | (number as u8) << 3], Start::PLAIN);
                let row = row * 4 + usize::from(extensions) * 2 + number - 4;
                let [outcome, value] = alias(number, extensions, seen.outcome.0, seen.registers[0]);
                if let Some((actual, expected)) = outcome {
                    check_outcome!("MOV from DR4 or DR5", [&[]; row], Outcome(actual), Outcome(expected));
                }
                if let Some((actual, expected)) = value {
                    check_eq!("value", [&[]; row], actual, expected);
                }
            }
        }
    }
}

/// DR7.GD makes every access to a debug register at CPL 0 a #DB fault with BD, before the access is made; the handler has
/// GD clear.
#[case(feature = ExceptionDebug, spec = [sdm3b("General-Detect Exception Condition"), apm2("General Detect")])]
fn general_detect_on_every_register() {
    let machine = Machine::new(Mode::Long0);
    for number in [0_usize, 1, 2, 3, 6, 7] {
        for (direction, opcode) in [0x21_u8, 0x23].into_iter().enumerate() {
            // MOV DR7, RDX sets GD; the access follows.
            let bytes = [0x0f, 0x23, 0xfa, 0x0f, opcode, 0xc0 | (number as u8) << 3];
            let seen = machine.run(&bytes, Start { rdx: dr7::NONE | dr7::GD, ..Start::PLAIN });
            let control = read_dr7();
            let _ = write_dr7(dr7::NONE);
            let row = direction * 8 + number;
            check_outcome!("access", [&[]; row], seen.outcome, Outcome::DB);
            check_eq!("saved RIP", [&[]; row], seen.ip, 3);
            check_eq!("causes in DR6", [&[]; row], seen.dr6 & WRITABLE_OF_DR6, 1 << 13);
            check_eq!("DR7 behind it", [&[]; row], control, dr7::NONE);
        }
    }
}

/// A step and a data breakpoint of the same instruction are one #DB with both causes, and a trap of an instruction comes
/// before the fault of the next.
#[case(feature = ExceptionPriority, spec = [sdm3a("Prioritization of Concurrent Events"), apm2("Priorities")])]
fn traps_come_together_and_first() {
    const ROWS: &[Text] = names![
        "data and step",
        "data, then UD2",
        "data, then DIV by 0",
        "data, then HLT",
        "step, then UD2",
        "step, then load that is not mapped"
    ];
    // Bytes, TF, the breakpoint, causes, offset of the saved RIP.
    let table: [(&[u8], u64, bool, u64, u64); 6] = [
        (&[0x89, 0x07, 0x90], TRAP_FLAG, true, 1 << 14 | 1, 2),
        (&[0x89, 0x07, 0x0f, 0x0b, 0x90], 0, true, 1, 2),
        (&[0x89, 0x07, 0xf7, 0xf2], 0, true, 1, 2),
        (&[0x89, 0x07, 0xf4], 0, true, 1, 2),
        (&[0x89, 0x07, 0x0f, 0x0b, 0x90], TRAP_FLAG, false, 1 << 14, 2),
        (&[0x89, 0x07, 0x8b, 0x04, 0x25, 0, 0, 0, 0x80], TRAP_FLAG, false, 1 << 14, 2),
    ];
    for (row, (bytes, flags, has_breakpoint, causes, ip)) in table.into_iter().enumerate() {
        let machine = Machine::new(Mode::Long3);
        let control = if has_breakpoint { dr7::enable(0, Condition::Write, 4) } else { dr7::NONE };
        let address = machine.linear_data() + 0x40;
        let _breakpoints = Breakpoints::new([address, 0, 0, 0], control);
        let seen = machine.run(bytes, Start { flags, address: Some(address), ..Start::PLAIN });
        check_outcome!("exception", [ROWS; row], seen.outcome, Outcome::DB);
        check_eq!("saved RIP", [ROWS; row], seen.ip, ip);
        check_eq!("causes in DR6", [ROWS; row], seen.dr6 & WRITABLE_OF_DR6, causes);
    }
}
