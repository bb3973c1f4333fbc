//! Call gates of 32 and 16 bits to CPL 0: the stack of the TSS, and the parameters that are copied to it.

use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, Arena, Ending, Program, layout,
        register::ESP,
        tables::{self, access, gate, selector},
    },
    machine_code, mmio, names,
};

const GATE: u16 = selector::FREE;
/// Code of CPL 0 in 16-bit segments that jumps to the runtime's end.
const LANDING: u32 = 0x3000;
const COUNTS: [u32; 5] = [0, 1, 2, 15, 31];
const NAMES: &[Text] = names!["0", "1", "2", "15", "31"];

machine_code! {
    /// Far CALL of the gate.
    32 PARAMETERS_32 = ".byte 0x9a", ".long 0", ".word 0x5b";
}
const _: () = assert!(GATE == 0x58);

fn parameter(index: u32) -> u32 {
    0x1111_0000 * (index % 14 + 1) + index
}

fn program(count: u32, size: u32) -> Program {
    let mut program = Program::USER_32;
    program.ending = Ending::Nothing;
    let esp = ARENA + layout::STACK - count * size;
    program.registers.general[ESP] = esp;
    program
}

/// A 32-bit call gate to CPL 0 pushes SS and ESP on the stack of the TSS, copies as many doublewords as its count tells,
/// in their order, and pushes CS and EIP.
#[case(feature = CallGates, spec = [sdm3a("Stack Switching"), sdm2("CALL—Call Procedure"), apm2("Stack Switching")])]
fn parameters_of_a_32_bit_gate() {
    let arena = Arena::new();
    for (row, count) in COUNTS.into_iter().enumerate() {
        tables::set_descriptor(GATE, gate(selector::CODE_32, arena.end(), access::CALL_GATE_32 | access::DPL_3, count));
        for index in 0..count {
            tables::write_u32(layout::STACK - 4 * (index + 1), parameter(index));
        }
        let program = program(count, 4);
        let arrival = arena.run(&program, &PARAMETERS_32);
        check_outcome!("CALL", [NAMES; row], arrival.outcome(), Outcome::COMPLETED);
        let at = |index: u32| tables::read_u32(layout::STACK_0 - 4 * index);
        check_eq!("SS of the TSS", [NAMES; row], arrival.handler_ss, selector::DATA_32);
        check_eq!("ESP", [NAMES; row], arrival.registers.general[ESP], ARENA + layout::STACK_0 - 4 * (count + 4));
        check_eq!("saved SS", [NAMES; row], at(1) & 0xffff, selector::USER_DATA_32);
        check_eq!("saved ESP", [NAMES; row], at(2), program.registers.general[ESP]);
        let differing = (0..count).filter(|&index| at(3 + index) != parameter(index)).count();
        check_eq!("parameters that differ", [NAMES; row], differing, 0);
        check_eq!("saved CS", [NAMES; row], at(3 + count) & 0xffff, selector::USER_CODE_32);
        check_eq!("saved EIP", [NAMES; row], at(4 + count), program.registers.eip + 7);
    }
}

/// A 16-bit call gate does the same with words.
#[case(feature = CallGates, spec = [sdm3a("Stack Switching"), sdm3b("Transferring Control Among Mixed-Size Code Segments"), apm2("Stack Switching")])]
fn parameters_of_a_16_bit_gate() {
    let arena = Arena::new();
    tables::write_u64(LANDING, 0xea66 | u64::from(arena.end()) << 16 | u64::from(selector::CODE_32) << 48);
    for (row, count) in COUNTS.into_iter().enumerate() {
        tables::set_descriptor(GATE, gate(selector::CODE_16, LANDING, access::CALL_GATE_16 | access::DPL_3, count));
        let word = |offset: u32| u64::from(ARENA + offset);
        for index in 0..count {
            mmio::write_u16(word(layout::STACK - 2 * (index + 1)), parameter(index) as u16 ^ 0x5a00);
        }
        let program = program(count, 2);
        let arrival = arena.run(&program, &PARAMETERS_32);
        check_outcome!("CALL", [NAMES; row], arrival.outcome(), Outcome::COMPLETED);
        let at = |index: u32| mmio::read_u16(word(layout::STACK_0 - 2 * index));
        check_eq!("ESP", [NAMES; row], arrival.registers.general[ESP], ARENA + layout::STACK_0 - 2 * (count + 4));
        check_eq!("saved SS", [NAMES; row], at(1), selector::USER_DATA_32);
        check_eq!("saved SP", [NAMES; row], at(2), program.registers.general[ESP] as u16);
        let differing = (0..count).filter(|&index| at(3 + index) != parameter(index) as u16 ^ 0x5a00).count();
        check_eq!("parameters that differ", [NAMES; row], differing, 0);
        check_eq!("saved CS", [NAMES; row], at(3 + count), selector::USER_CODE_32);
        check_eq!("saved IP", [NAMES; row], at(4 + count), (program.registers.eip + 7) as u16);
    }
}
