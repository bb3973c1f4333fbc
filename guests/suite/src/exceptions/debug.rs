//! Debug exceptions and debug registers.

use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{self, cr4, read_dr6, read_dr7, write_dr6, write_dr7},
        debug::{
            Breakpoints, dr6,
            dr7::{self, Condition},
            read_addresses, write_addresses,
        },
    },
    instruction, mmio, names,
    paging::frame,
    tables::selector,
    user,
    user::State,
    user_code,
    vocabulary::Text,
};

const TRAP_FLAG: u64 = 1 << 8;

/// Starts the bytes at CPL 3 with TF set, and tells the exception and the causes in DR6.
fn step(bytes: &[u8]) -> (Exception, u64) {
    for (index, &byte) in bytes.iter().enumerate() {
        mmio::write_u8(frame(0) + index as u64, byte);
    }
    let _ = write_dr6(0);
    let mut state = State::at(frame(0));
    state.rflags |= TRAP_FLAG;
    state.registers[user::register::RAX] = u64::from(selector::USER_DATA);
    state.registers[user::register::RDI] = frame(1);
    state.registers[user::register::RSI] = frame(2);
    state.registers[user::register::RCX] = 3;
    let exception = user::enter(&mut state);
    (exception, read_dr6() & dr6::CAUSES)
}

/// With TF set, #DB strikes behind one instruction, with BS in DR6: also behind one iteration of a repeated string
/// instruction, and behind the instruction that follows a load of SS.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), sdm3b("Debug Status Register (DR6)")])]
fn single_step() {
    const ROWS: &[Text] = names!["NOP", "LEA", "MOV SS", "REP MOVSB", "JMP", "INC"];
    // NOP; LEA RAX, [RDI + 16]; MOV SS, EAX and NOP; REP MOVSB; JMP over INT3; INC RAX.
    let table: [(&[u8], u64); 6] = [
        (&[0x90, 0x90], 1),
        (&[0x48, 0x8d, 0x47, 0x10, 0x90], 4),
        (&[0x8e, 0xd0, 0x90, 0x90], 3),
        (&[0xf3, 0xa4, 0x90], 0),
        (&[0xeb, 0x01, 0xcc, 0x90], 3),
        (&[0x48, 0xff, 0xc0, 0x90], 3),
    ];
    for (row, (bytes, length)) in table.into_iter().enumerate() {
        let (exception, causes) = step(bytes);
        check_outcome!("exception", [ROWS; row], exception, Outcome::DB);
        check_eq!("bytes executed", [ROWS; row], exception.rip.wrapping_sub(frame(0)), length);
        check_eq!("causes in DR6", [ROWS; row], causes, dr6::BS);
    }
    let _ = write_dr6(0);
}

/// The saved flags have TF set, the handler runs with TF clear, and a fault takes the place of the single step.
#[case(feature = ExceptionDebug, spec = sdm3b("Single-Step Exception Condition"))]
fn single_step_and_flags() {
    let (exception, _) = step(&[0x90, 0x90]);
    check_eq!("saved TF", exception.rflags & TRAP_FLAG, TRAP_FLAG);
    // UD2.
    let (exception, causes) = step(&[0x0f, 0x0b]);
    check_outcome!("UD2 with TF set", exception, Outcome::UD);
    check_eq!("saved TF of #UD", exception.rflags & TRAP_FLAG, TRAP_FLAG);
    check_eq!("causes in DR6", causes, 0);
    let _ = write_dr6(0);
}

user_code!(watched: "nop", "nop", "mov [rdi], rsi", "mov rax, [rdi]", "ret");

fn run_watched(function: extern "C" fn(u64) -> u64, argument: u64) -> (Outcome, u64, u64) {
    let _ = write_dr6(0);
    let result = user::call(function, argument);
    let rip = result.map_or_else(|exception| exception.rip, |_| 0);
    (result.into(), rip.wrapping_sub(function as usize as u64), read_dr6() & dr6::CAUSES)
}

/// An instruction breakpoint raises #DB before the instruction, with its bit in DR6.
#[case(feature = ExceptionDebug, spec = sdm3b("Instruction-Breakpoint Exception Condition"))]
fn instruction_breakpoint() {
    let target = watched as *const () as usize as u64 + 1;
    for number in 0..4 {
        let mut addresses = [0; 4];
        addresses[number] = target;
        let _breakpoints = Breakpoints::new(addresses, dr7::enable(number as u32, Condition::Execute, 1));
        let (outcome, offset, causes) = run_watched(watched, frame(0));
        check_outcome!("exception", [names!["DR0", "DR1", "DR2", "DR3"]; number], outcome, Outcome::DB);
        check_eq!("offset of the saved RIP", [names!["DR0", "DR1", "DR2", "DR3"]; number], offset, 1);
        check_eq!("causes in DR6", [names!["DR0", "DR1", "DR2", "DR3"]; number], causes & 0xf, dr6::B0 << number);
    }
    check_outcome!("none enabled", user::call(watched, frame(0)), Outcome::COMPLETED);
}

/// RF in the flags that IRETQ loads suppresses an instruction breakpoint for one instruction.
#[case(feature = ExceptionDebug, spec = sdm3b("Instruction-Breakpoint Exception Condition"))]
fn resume_flag_suppresses_a_breakpoint() {
    const RF: u64 = 1 << 16;
    let at = frame(0);
    // NOP; NOP; UD2.
    for (index, byte) in [0x90, 0x90, 0x0f, 0x0b].into_iter().enumerate() {
        mmio::write_u8(at + index as u64, byte);
    }
    let control = dr7::enable(0, Condition::Execute, 1) | dr7::enable(1, Condition::Execute, 1);
    let _breakpoints = Breakpoints::new([at, at + 1, 0, 0], control);
    let mut state = State::at(at);
    check_eq!("RF clear", user::enter(&mut state).rip, at);
    let mut state = State::at(at);
    state.rflags |= RF;
    let exception = user::enter(&mut state);
    check_outcome!("exception at the next breakpoint", exception, Outcome::DB);
    check_eq!("RF set: RIP", exception.rip, at + 1);
    check_eq!("causes in DR6 at last", read_dr6() & 0xf & (dr6::B0 << 1), dr6::B0 << 1);
}

user_code!(write_8: "mov byte ptr [rdi], 1", "nop", "ret");
user_code!(read_8: "mov al, [rdi]", "nop", "ret");
user_code!(write_64: "mov qword ptr [rdi], 1", "nop", "ret");

/// A data breakpoint raises #DB behind the access if kind and bytes overlap, with its bit in DR6.
#[case(feature = ExceptionDebug, spec = sdm3b("Data Memory and I/O Breakpoint Exception Conditions"))]
fn data_breakpoint() {
    const ROWS: &[Text] = names![
        "write",
        "read, writes break",
        "read",
        "write, both break",
        "next byte",
        "second of two bytes",
        "fourth of four bytes",
        "behind four bytes",
        "eighth of eight bytes",
        "last byte of a quadword",
        "quadword before"
    ];
    type Row = (extern "C" fn(u64) -> u64, u64, Condition, u64, bool);
    // Function, offset of its access, condition, length of the breakpoint at offset 8, whether it breaks.
    let table: [Row; 11] = [
        (write_8, 8, Condition::Write, 1, true),
        (read_8, 8, Condition::Write, 1, false),
        (read_8, 8, Condition::ReadWrite, 1, true),
        (write_8, 8, Condition::ReadWrite, 1, true),
        (write_8, 9, Condition::Write, 1, false),
        (write_8, 9, Condition::Write, 2, true),
        (write_8, 11, Condition::Write, 4, true),
        (write_8, 12, Condition::Write, 4, false),
        (write_8, 15, Condition::Write, 8, true),
        (write_64, 1, Condition::Write, 1, true),
        (write_64, 0, Condition::Write, 1, false),
    ];
    for (row, (function, offset, condition, length, breaks)) in table.into_iter().enumerate() {
        let _breakpoints = Breakpoints::new([0, 0, frame(0) + 8, 0], dr7::enable(2, condition, length));
        let (outcome, _, causes) = run_watched(function, frame(0) + offset);
        check_outcome!("exception", [ROWS; row], outcome, if breaks { Outcome::DB } else { Outcome::COMPLETED });
        if breaks {
            check_eq!("causes in DR6", [ROWS; row], causes & 0xf, dr6::B0 << 2);
        }
    }
}

/// The write that a data breakpoint reports has been done.
#[case(feature = ExceptionDebug, spec = sdm3b("Data Memory and I/O Breakpoint Exception Conditions"))]
fn data_breakpoint_is_a_trap() {
    mmio::write_u64(frame(0), 0);
    let _breakpoints = Breakpoints::new([frame(0), 0, 0, 0], dr7::enable(0, Condition::Write, 8));
    let mut state = State::calling(write_64, frame(0));
    let exception = user::enter(&mut state);
    check_outcome!("exception", exception, Outcome::DB);
    check_eq!("memory", mmio::read_u64(frame(0)), 1);
    // MOV QWORD PTR [RDI], 1 is seven bytes long.
    check_eq!("offset of the saved RIP", exception.rip - write_64 as *const () as usize as u64, 7);
}

/// DR7.GD makes an access to a debug register raise #DB with BD in DR6, before it; delivery clears GD.
#[case(feature = ExceptionDebug, spec = sdm3b("General-Detect Exception Condition"))]
fn general_detect() {
    let mut rip = 0_u64;
    let _ = write_dr6(0);
    let result: Result<(), Exception> = instruction!(
        "mov dr7, {gd}", "lea {gd}, [rip + 2f]", "mov [{rip}], {gd}", "2: mov {gd}, dr0",
        gd = inout(reg) dr7::NONE | dr7::GD => _, rip = in(reg) &raw mut rip
    );
    check_outcome!("MOV from DR0", result, Outcome::DB);
    check_eq!("saved RIP", result.map_or_else(|exception| exception.rip, |()| 0), rip);
    check_eq!("GD behind it", read_dr7() & dr7::GD, 0);
    check_eq!("causes in DR6", read_dr6() & dr6::CAUSES, dr6::BD);
    let _ = write_dr6(0);
    let _ = write_dr7(dr7::NONE);
}

/// DR0 to DR3 hold 64 bits each.
#[case(feature = ExceptionDebug, spec = sdm3b("Debug Address Registers (DR0–DR3)"))]
fn address_registers_hold_64_bits() {
    let patterns = [
        [0; 4],
        [0xffff_ffff_ffff_ffff, 0xffff_8000_0000_0000, 0x0000_7fff_ffff_ffff, 1],
        [0x0123_4567_89ab, 0x1111_2222, 0xffff_ffff_0000_0001, 0x5555_5555_5555],
    ];
    for (row, values) in patterns.into_iter().enumerate() {
        write_addresses(values);
        for (index, (actual, expected)) in read_addresses().into_iter().zip(values).enumerate() {
            check_eq!(
                "value",
                [names![
                    "DR0 zero",
                    "DR1 zero",
                    "DR2 zero",
                    "DR3 zero",
                    "DR0 ones",
                    "DR1 upper half",
                    "DR2 lower half",
                    "DR3 one",
                    "DR0 any",
                    "DR1 any",
                    "DR2 any",
                    "DR3 any"
                ]; row * 4 + index],
                actual,
                expected
            );
        }
    }
    write_addresses([0; 4]);
}

/// The reserved bits of DR6 and DR7 read as fixed values, and bits 63 to 32 cannot be set: #GP(0).
#[case(feature = ExceptionDebug, spec = [sdm3b("Debug Status Register (DR6)"), sdm3b("Debug Control Register (DR7)"),
       sdm3b("Debug Registers and Intel 64 Processors")])]
fn fixed_bits_of_dr6_and_dr7() {
    // Bits 11 and 16 belong to bus-lock and transactional debugging where those exist.
    const LATER_EXTENSIONS: u64 = 1 << 11 | 1 << 16;
    check_outcome!("DR6 of 0", write_dr6(0), Outcome::COMPLETED);
    check_eq!("DR6 reads", read_dr6() & !LATER_EXTENSIONS, 0xfffe_07f0);
    check_outcome!("DR6 with the causes set", write_dr6(dr6::CAUSES), Outcome::COMPLETED);
    check_eq!("DR6 with the causes set reads", read_dr6() & !LATER_EXTENSIONS, 0xfffe_07f0 | dr6::CAUSES);
    check_outcome!("DR7 of 0", write_dr7(0), Outcome::COMPLETED);
    check_eq!("DR7 reads", read_dr7(), dr7::NONE);
    for (row, bit) in [32, 47, 63].into_iter().enumerate() {
        check_outcome!("DR6 high bits", [names!["bit 32", "bit 47", "bit 63"]; row], write_dr6(1 << bit), Outcome::GP);
        check_outcome!(
            "DR7 high bits",
            [names!["bit 32", "bit 47", "bit 63"]; row],
            write_dr7(dr7::NONE | 1 << bit),
            Outcome::GP
        );
    }
    let _ = write_dr6(0);
    let _ = write_dr7(dr7::NONE);
}

/// DR4 and DR5 are DR6 and DR7 while CR4.DE is clear, and raise #UD while it is set.
#[case(feature = ExceptionDebug, spec = sdm3b("Debug Registers DR4 and DR5"))]
fn dr4_and_dr5() {
    let _ = write_dr6(dr6::BS);
    let mut alias = [0_u64; 2];
    let pointer = &raw mut alias;
    // MOV RAX, DR4 and MOV RAX, DR5: the assembler refuses them.
    let result = instruction!(".byte 0x0f, 0x21, 0xe0", "mov [{0}], rax", ".byte 0x0f, 0x21, 0xe8", "mov [{0} + 8], rax",
                              in(reg) pointer, out("rax") _);
    check_outcome!("CR4.DE clear", result, Outcome::COMPLETED);
    check_eq!("DR4", alias[0], read_dr6());
    check_eq!("DR5", alias[1], read_dr7());
    let _de = control::With::cr4(cr4::DE, 0);
    check_outcome!("MOV from DR4", instruction!(".byte 0x0f, 0x21, 0xe0", out("rax") _), Outcome::UD);
    check_outcome!("MOV from DR5", instruction!(".byte 0x0f, 0x21, 0xe8", out("rax") _), Outcome::UD);
    check_outcome!("MOV to DR4", instruction!(".byte 0x0f, 0x23, 0xe0", in("rax") 0_u64), Outcome::UD);
    let _ = write_dr6(0);
}
