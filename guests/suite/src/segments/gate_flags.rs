//! What gates do to the flags and to offsets: interrupt and trap gates of 64-bit mode, gates of 16 bits.

use super::model::handler_flags;
use case::Text;
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    cpu::port,
    descriptors::WholeGate,
    excursion::{
        ARENA, Arena, Code, Program, layout,
        register::ESP,
        tables::{self, access, gate, selector as arena_selector},
    },
    gate::{Stack, gate_type},
    instruction, machine_code, mmio, names, paging,
    tables::selector,
    user::{self, State},
    user_code,
};

/// A vector that nothing else uses.
const VECTOR: u8 = 0x90;
const RF: u64 = 1 << 16;

user_code!(undefined: "ud2");
user_code!(interrupt: "int 0x90", "ud2");

const FLAGS: &[Text] = names!["none", "CF", "DF", "OF", "IF", "NT", "AC", "ID", "IOPL 3", "all", "TF"];
const ALL: u64 = 0x24_7ed5;
/// The last row is for CPL 3 alone, where nothing but the INT n runs with TF.
const BITS: [u64; 11] = [0, 1, 1 << 10, 1 << 11, 1 << 9, 1 << 14, 1 << 18, 1 << 21, 3 << 12, ALL, 1 << 8];

fn check_flags(is_interrupt_gate: bool, nr_rows: usize, run: impl Fn(u64) -> Option<Exception>) {
    port::write_u8(0x21, 0xff);
    port::write_u8(0xa1, 0xff);
    let target = undefined as *const () as u64;
    let kind = if is_interrupt_gate { gate_type::INTERRUPT } else { gate_type::TRAP };
    let low = gate(selector::KERNEL_CODE, target as u32, access::PRESENT | access::DPL_3 | kind as u32, 0);
    let _gate = WholeGate::new(VECTOR, low, target >> 32);
    let _stack = Stack::privilege_0(paging::frame(1) + 4096);
    for (row, bits) in BITS.into_iter().enumerate().take(nr_rows) {
        let rflags = bits | 2;
        let Some(exception) = run(rflags) else { continue };
        check_outcome!("what is reached", [FLAGS; row], exception, Outcome::UD);
        check_eq!("RIP", [FLAGS; row], exception.rip, target);
        check_eq!("RFLAGS", [FLAGS; row], exception.rflags & !RF, handler_flags(rflags, is_interrupt_gate));
        if exception.rip == target {
            check_eq!("saved RFLAGS", [FLAGS; row], mmio::read_u64(exception.rsp + 16), rflags);
        }
    }
}

fn at_cpl_0(rflags: u64) -> Option<Exception> {
    let result: Result<(), Exception> = instruction!("push {0}", "popfq", "int 0x90", in(reg) rflags);
    result.err()
}

fn at_cpl_3(rflags: u64) -> Option<Exception> {
    let mut state = State::at(interrupt as *const () as u64);
    state.rflags = rflags;
    Some(user::enter(&mut state))
}

/// An interrupt gate at CPL 0 clears IF, NT and TF for its handler, and saves the flags as they were.
#[case(feature = InterruptGates, spec = [sdm3a("Flag Usage By Exception- or Interrupt-Handler Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn flags_of_an_interrupt_gate_at_cpl_0() {
    check_flags(true, 10, at_cpl_0);
}

/// A trap gate at CPL 0 does the same but to IF.
#[case(feature = InterruptGates, spec = [sdm3a("Flag Usage By Exception- or Interrupt-Handler Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn flags_of_a_trap_gate_at_cpl_0() {
    check_flags(false, 10, at_cpl_0);
}

/// The same of an interrupt gate at CPL 3.
#[case(feature = InterruptGates, spec = [sdm3a("Flag Usage By Exception- or Interrupt-Handler Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn flags_of_an_interrupt_gate_at_cpl_3() {
    check_flags(true, 11, at_cpl_3);
}

/// The same of a trap gate at CPL 3.
#[case(feature = InterruptGates, spec = [sdm3a("Flag Usage By Exception- or Interrupt-Handler Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn flags_of_a_trap_gate_at_cpl_3() {
    check_flags(false, 11, at_cpl_3);
}

const LANDING: u32 = 0x3000;

machine_code! {
    /// INT n.
    32 FLAGS_INTERRUPT = "int 33";
    /// Far JMP to the gate.
    32 FLAGS_JUMP = ".byte 0xea", ".long 0", ".word 0x58";
    /// What a gate leads to.
    16 FLAGS_LANDING = "ud2";
}
const _: () = assert!(arena_selector::FREE == 0x58);

fn run_16(arena: &Arena, program: &Program, code: &Code) -> rt::excursion::Arrival {
    arena.put(LANDING, &FLAGS_LANDING);
    arena.run(program, code)
}

/// Interrupt and trap gates of 16 bits push IP, CS and FLAGS as words, truncated, and lead to an offset of 16 bits.
#[case(feature = InterruptGates, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3b("Transferring Control Among Mixed-Size Code Segments"), apm2("Legacy Protected-Mode Interrupt Control Transfers")])]
fn interrupt_gates_of_16_bits() {
    const NAMES: &[Text] = names!["interrupt gate", "trap gate"];
    const NT: u32 = 1 << 14;
    let arena = Arena::new();
    for (row, kind) in [access::INTERRUPT_GATE_16, access::TRAP_GATE_16].into_iter().enumerate() {
        tables::set_gate(33, gate(arena_selector::CODE_16, LANDING, kind, 0));
        let mut program = Program::PROTECTED_32;
        program.registers.eflags = NT | 3;
        let arrival = run_16(&arena, &program, &FLAGS_INTERRUPT);
        check_outcome!("what is reached", [NAMES; row], arrival.outcome(), Outcome::UD);
        check_eq!("CS", [NAMES; row], arrival.registers.cs, arena_selector::CODE_16);
        check_eq!("EIP", [NAMES; row], arrival.registers.eip, LANDING);
        check_eq!("ESP", [NAMES; row], arrival.registers.general[ESP], program.registers.general[ESP] - 6);
        check_eq!("NT", [NAMES; row], arrival.registers.eflags & NT, 0);
        let at = |word: u32| mmio::read_u16(u64::from(ARENA + layout::STACK - 2 * word));
        check_eq!("saved FLAGS", [NAMES; row], at(1), (NT | 3) as u16);
        check_eq!("saved CS", [NAMES; row], at(2), arena_selector::CODE_32);
        check_eq!("saved IP", [NAMES; row], at(3), (program.registers.eip + 2) as u16);
    }
}

/// JMP through a call gate of 16 bits ignores the upper half of the gate's offset.
#[case(feature = CallGates, spec = [sdm2("JMP—Jump"), sdm3b("Transferring Control Among Mixed-Size Code Segments")])]
fn jump_through_a_gate_of_16_bits() {
    const NAMES: &[Text] = names!["0000", "0001", "dead", "ffff"];
    let arena = Arena::new();
    for (row, upper) in [0, 1, 0xdead, 0xffff_u32].into_iter().enumerate() {
        let offset = upper << 16 | LANDING;
        tables::set_descriptor(arena_selector::FREE, gate(arena_selector::CODE_16, offset, access::CALL_GATE_16, 0));
        let arrival = run_16(&arena, &Program::PROTECTED_32, &FLAGS_JUMP);
        check_outcome!("what is reached", [NAMES; row], arrival.outcome(), Outcome::UD);
        check_eq!("EIP", [NAMES; row], arrival.registers.eip, LANDING);
    }
}
