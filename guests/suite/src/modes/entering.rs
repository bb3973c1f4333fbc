//! A first program in each mode: it runs, sees what the mode gives it, and comes back.

use rt::{
    case, check_eq, check_outcome,
    excursion::{ARENA, Arena, Arrival, Program, layout, register::*, tables},
    machine_code,
};

machine_code! {
    /// Tells the default operand size: 66H makes the immediate 16 bits wide in 32-bit code and 32 bits wide in 16-bit
    /// code.
    32 OPERAND_SIZE_32 = "mov eax, 0x11112222", "mov ax, 0x3333", "mov ecx, esp", "mov edx, cs";
    /// The same.
    16 OPERAND_SIZE_16 = "mov eax, 0x11112222", "mov ax, 0x3333", "mov ecx, esp", "mov edx, cs";
    /// Writes through DS and reads back through ES.
    16 THROUGH_SEGMENTS = "mov dword ptr [0x5010], 0x12345678", "mov eax, es:[0x5010]";
    /// Divides by zero.
    32 DIVIDE_32 = "nop", "xor ecx, ecx", "div ecx";
    /// The same.
    16 DIVIDE_16 = "nop", "xor ecx, ecx", "div ecx";
}

fn check_program(arrival: &Arrival, program: &Program) {
    check_outcome!("program", arrival.outcome(), rt::Outcome::COMPLETED);
    check_eq!("EAX", arrival.registers.general[EAX], 0x1111_3333_u32);
    check_eq!("ESP", arrival.registers.general[ECX], program.registers.general[ESP]);
    check_eq!("CS", arrival.registers.general[EDX] as u16, program.registers.cs as u16);
}

/// 32-bit code runs in protected mode without paging at CPL 0.
#[case(feature = ModeSwitches, spec = sdm3a("Switching Out of IA-32e Mode Operation"))]
fn protected_mode_of_32_bits() {
    check_program(&Arena::new().run(&Program::PROTECTED_32, &OPERAND_SIZE_32), &Program::PROTECTED_32);
}

/// 16-bit code runs in protected mode, where 66H selects 32-bit operands.
#[case(feature = ModeSwitches, spec = sdm3b("Mixing 16-Bit and 32-Bit Code"))]
fn protected_mode_of_16_bits() {
    check_program(&Arena::new().run(&Program::PROTECTED_16, &OPERAND_SIZE_16), &Program::PROTECTED_16);
}

/// 32-bit code runs in protected mode without paging at CPL 3, entered by IRET.
#[case(feature = ModeSwitches, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn protected_mode_at_cpl_3() {
    check_program(&Arena::new().run(&Program::USER_32, &OPERAND_SIZE_32), &Program::USER_32);
}

/// Clearing CR0.PE enters real mode, where a segment's base is 16 times its selector.
#[case(feature = ModeSwitches, spec = [sdm3a("Switching Back to Real-Address Mode"), apm2("Real Addressing")])]
fn real_mode() {
    let arena = Arena::new();
    check_program(&arena.run(&Program::REAL, &OPERAND_SIZE_16), &Program::REAL);
    let arrival = arena.run(&Program::REAL, &THROUGH_SEGMENTS);
    check_outcome!("program with data", arrival.outcome(), rt::Outcome::COMPLETED);
    check_eq!("read back", arrival.registers.general[EAX], 0x1234_5678_u32);
    check_eq!("memory", tables::read_u32(layout::DATA + 0x10), 0x1234_5678_u32);
    check_eq!("CR0.PE", arrival.cr0 & 1, 0);
}

/// IRET with EFLAGS.VM set enters virtual-8086 mode, where a segment's base is 16 times its selector.
#[case(feature = ModeSwitches, spec = sdm3b("Entering Virtual-8086 Mode"))]
fn virtual_8086_mode() {
    let arena = Arena::new();
    check_program(&arena.run(&Program::VIRTUAL_8086, &OPERAND_SIZE_16), &Program::VIRTUAL_8086);
    let arrival = arena.run(&Program::VIRTUAL_8086, &THROUGH_SEGMENTS);
    check_outcome!("program with data", arrival.outcome(), rt::Outcome::COMPLETED);
    check_eq!("read back", arrival.registers.general[EAX], 0x1234_5678_u32);
}

/// #DE is delivered through a 32-bit gate in protected mode, with the faulting EIP.
#[case(feature = ModeSwitches, spec = sdm3a("Exception- or Interrupt-Handler Procedures"))]
fn divide_error_in_protected_mode() {
    let arrival = Arena::new().run(&Program::PROTECTED_32, &DIVIDE_32);
    check_outcome!("program", arrival.outcome(), rt::Outcome::DE);
    check_eq!("EIP", arrival.registers.eip, ARENA + layout::CODE + 3);
    check_eq!("CS", arrival.registers.cs, Program::PROTECTED_32.registers.cs);
    check_eq!("ESP", arrival.registers.general[ESP], Program::PROTECTED_32.registers.general[ESP]);
}

/// #DE is delivered through the interrupt vector table in real mode, with the faulting IP.
#[case(feature = ModeSwitches, spec = sdm3b("Interrupt and Exception Handling"))]
fn divide_error_in_real_mode() {
    let arrival = Arena::new().run(&Program::REAL, &DIVIDE_16);
    check_outcome!("program", arrival.outcome(), rt::Outcome::DE);
    check_eq!("handler in real mode", arrival.is_real, 1);
    check_eq!("IP", arrival.registers.eip, layout::CODE + 4);
    check_eq!("CS", arrival.registers.cs, Program::REAL.registers.cs);
    check_eq!("ESP", arrival.registers.general[ESP], Program::REAL.registers.general[ESP]);
}

/// #DE in virtual-8086 mode switches to the stack of CPL 0 and saves the segment registers.
#[case(feature = ModeSwitches, spec = sdm3b("Leaving Virtual-8086 Mode"))]
fn divide_error_in_virtual_8086_mode() {
    let arrival = Arena::new().run(&Program::VIRTUAL_8086, &DIVIDE_16);
    check_outcome!("program", arrival.outcome(), rt::Outcome::DE);
    check_eq!("IP", arrival.registers.eip, layout::CODE + 4);
    check_eq!("segment registers", arrival.registers.ds, Program::VIRTUAL_8086.registers.ds);
    check_eq!("saved VM", arrival.registers.eflags >> 17 & 1, 1);
    check_eq!("ESP in the handler", arrival.handler_esp, ARENA + layout::STACK_0 - 9 * 4);
}

/// 32-bit paging without and with PAE translates as told while CR0.PG is set.
#[case(feature = ModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"), apm2("Legacy-Mode Page Translation")])]
fn protected_mode_with_paging() {
    let arena = Arena::new();
    for (row, pae) in [false, true].into_iter().enumerate() {
        const NAMES: &[case::Text] = rt::names!["32-bit paging", "PAE paging"];
        let paging =
            if pae { rt::excursion::paging::Tables::pae(0) } else { rt::excursion::paging::Tables::bits_32(0) };
        let mut program = Program::PROTECTED_32;
        program.cr3 = paging.cr3;
        program.cr0 |= 1 << 31;
        program.cr4 = if pae { 1 << 5 } else { 0 };
        let arrival = arena.run(&program, &OPERAND_SIZE_32);
        check_outcome!("program", [NAMES; row], arrival.outcome(), rt::Outcome::COMPLETED);
        check_eq!("EAX", [NAMES; row], arrival.registers.general[EAX], 0x1111_3333_u32);
        check_eq!("CR0.PG", [NAMES; row], arrival.cr0 >> 31, 1);
    }
}
