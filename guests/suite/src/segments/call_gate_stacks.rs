//! Faults of the stack that a gate to an inner level switches to: in protected mode by the selector and limit in the TSS,
//! in 64-bit mode by addresses that are not canonical.

use super::{
    model::{Selector, frame_size, inner_frame},
    walk::outcome_of,
};
use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    descriptors::{Descriptors, FREE, WholeGate},
    excursion::{
        ARENA, Arena, Ending, Program, layout,
        register::ESP,
        tables::{self, access, flag, gate, segment, selector as arena_selector, tss_32},
    },
    gate::{Gate, Stack},
    layout as image, machine_code, mmio, names,
    tables::selector,
    user::{self, State, register},
    user_code,
};

const GATE: u16 = arena_selector::FREE;
const CODE: u16 = arena_selector::FREE + 8;
const STACK: u16 = arena_selector::FREE + 16;
/// What the gate leads to, at CPL 1: it shows as #UD.
const LANDING: u32 = 0x3000;

machine_code! {
    /// Far CALL of the gate.
    32 STACKS_CALL = ".byte 0x9a", ".long 0", ".word 0x5b";
    /// What it leads to.
    32 STACKS_LANDING = "ud2";
}
const _: () = assert!(GATE == 0x58);

fn program() -> Program {
    let mut program = Program::USER_32;
    program.ending = Ending::Nothing;
    program
}

fn put(arena: &Arena, is_32_bit: bool, nr_parameters: u32) {
    let flags = if is_32_bit { flag::FLAT } else { 0 };
    let (base, limit, offset) = if is_32_bit { (0, 0xf_ffff, ARENA + LANDING) } else { (ARENA, 0xffff, LANDING) };
    tables::set_descriptor(CODE, segment(base, limit, access::CODE | 1 << 5, flags));
    let kind = if is_32_bit { access::CALL_GATE_32 } else { access::CALL_GATE_16 };
    tables::set_descriptor(GATE, gate(CODE, offset, kind | access::DPL_3, nr_parameters));
    arena.put(LANDING, &STACKS_LANDING);
}

fn set_stack(esp: u32, selector: u16) {
    tables::write_u32(layout::TSS + tss_32::ESP_1, esp);
    tables::write_u32(layout::TSS + tss_32::SS_1, selector.into());
}

/// A stack segment in the TSS that is null, of another level, not writable or beyond its table raises #TS with it, and one
/// that is not present #SS; the caller's state stays.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Stack Switching"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("Stack Switching")])]
fn stack_segments_of_call_gates() {
    const NAMES: &[Text] = names![
        "good",
        "null, RPL 0",
        "null, RPL 1",
        "RPL 0",
        "RPL 3",
        "DPL 0",
        "DPL 3",
        "read-only",
        "code",
        "a TSS",
        "beyond the limit",
        "in the LDT, beyond its limit",
        "not present",
        "not present, DPL 3"
    ];
    let data = |kind: u32, dpl: u32| segment(0, 0xf_ffff, kind | dpl << 5, flag::FLAT);
    let error = |vector, value: u16| Outcome::exception(vector, u32::from(value & 0xfffc));
    let good = data(access::DATA, 1);
    let rows: [(u16, u64, Outcome); 14] = [
        (STACK | 1, good, Outcome::UD),
        (0, good, Outcome::exception(10, 0)),
        (1, good, Outcome::exception(10, 0)),
        (STACK, good, error(10, STACK)),
        (STACK | 3, good, error(10, STACK)),
        (STACK | 1, data(access::DATA, 0), error(10, STACK)),
        (STACK | 1, data(access::DATA, 3), error(10, STACK)),
        (STACK | 1, data(0x91, 1), error(10, STACK)),
        (STACK | 1, data(access::CODE, 1), error(10, STACK)),
        (STACK | 1, segment(0, 0xff, access::TSS_32 | 1 << 5, 0), error(10, STACK)),
        (0xfff8 | 1, good, error(10, 0xfff8)),
        (0xfff8 | 4 | 1, good, error(10, 0xfff8 | 4)),
        (STACK | 1, data(access::DATA & !access::PRESENT, 1), error(12, STACK)),
        (STACK | 1, data(access::DATA & !access::PRESENT, 3), error(10, STACK)),
    ];
    let arena = Arena::new();
    put(&arena, true, 2);
    for (row, (value, descriptor, expected)) in rows.into_iter().enumerate() {
        tables::set_descriptor(STACK, descriptor);
        set_stack(ARENA + layout::STACK_1, value);
        let program = program();
        let arrival = arena.run(&program, &STACKS_CALL);
        check_outcome!("CALL", [NAMES; row], arrival.outcome(), expected);
        if row > 0 {
            check_eq!("EIP", [NAMES; row], arrival.registers.eip, program.registers.eip);
            check_eq!("CS", [NAMES; row], arrival.registers.cs, program.registers.cs);
            check_eq!("SS", [NAMES; row], arrival.registers.ss, program.registers.ss);
            check_eq!("ESP", [NAMES; row], arrival.registers.general[ESP], program.registers.general[ESP]);
        }
    }
}

/// A TSS that ends before the stack of the level raises #TS with its own selector.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)")])]
fn task_state_too_small_for_the_stack() {
    const NAMES: &[Text] = names!["all four bytes of SS2", "one byte of SS2", "ESP2 alone", "nothing of it"];
    const OTHER: u16 = arena_selector::FREE + 24;
    let arena = Arena::new();
    put(&arena, true, 0);
    tables::set_descriptor(CODE, segment(0, 0xf_ffff, access::CODE | 2 << 5, flag::FLAT));
    tables::set_descriptor(STACK, segment(0, 0xf_ffff, access::DATA | 2 << 5, flag::FLAT));
    tables::write_u32(layout::TSS + tss_32::ESP_2, ARENA + layout::STACK_2);
    tables::write_u32(layout::TSS + tss_32::SS_2, u32::from(STACK | 2));
    let fault = Outcome::exception(10, OTHER.into());
    // Whether the two reserved bytes behind SS2 count differs among editions of the manual, so no limit lies there.
    let last = tss_32::SS_2 + 3;
    // LTR takes any limit; the stack of ring 0 is within all of these.
    for (row, (limit, expected)) in
        [(last, Outcome::UD), (tss_32::SS_2, fault), (tss_32::SS_2 - 1, fault), (tss_32::ESP_2 - 1, fault)]
            .into_iter()
            .enumerate()
    {
        tables::set_descriptor(OTHER, segment(ARENA + layout::TSS, limit, access::TSS_32, 0));
        let mut program = program();
        program.tr = OTHER;
        check_outcome!("CALL", [NAMES; row], arena.run(&program, &STACKS_CALL).outcome(), expected);
    }
}

/// A stack that does not hold the whole frame raises #SS with its selector, before anything is written.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Stack Switching"), sdm3a("Interrupt 12—Stack Fault Exception (#SS)")])]
fn stack_limits_of_call_gates() {
    const NAMES: &[Text] = names![
        "32-bit, 0 parameters",
        "32-bit, 1 parameter",
        "32-bit, 31 parameters",
        "16-bit, 0 parameters",
        "16-bit, 1 parameter",
        "16-bit, 31 parameters"
    ];
    const LIMIT: u32 = 0x7ff;
    let arena = Arena::new();
    for (row, (is_32_bit, count)) in
        [(true, 0), (true, 1), (true, 31), (false, 0), (false, 1), (false, 31)].into_iter().enumerate()
    {
        put(&arena, is_32_bit, count);
        let size = frame_size(is_32_bit, count);
        let item = if is_32_bit { 4 } else { 2 };
        for (expands_down, at, esp) in [
            (false, 0, size),
            (false, 1, size - item),
            (false, 2, LIMIT + 1),
            (false, 3, LIMIT + 2),
            (true, 4, LIMIT + 1 + size),
            (true, 5, LIMIT + 1 + size - item),
        ] {
            let kind = access::DATA | if expands_down { 4 } else { 0 };
            let base = ARENA + layout::DATA;
            tables::set_descriptor(STACK, segment(base, LIMIT, kind | 1 << 5, flag::D_B));
            set_stack(esp, STACK | 1);
            let mut program = program();
            program.registers.general[ESP] -= count * item;
            let actual = arena.run(&program, &STACKS_CALL).outcome();
            let fault = inner_frame(Selector { value: STACK | 1 }, LIMIT, expands_down, esp, size);
            let expected = if fault == 0 { Outcome::UD } else { Outcome(outcome_of(fault)) };
            match at {
                0 => check_outcome!("room for all", [NAMES; row], actual, expected),
                1 => check_outcome!("one item less", [NAMES; row], actual, expected),
                2 => check_outcome!("ends with the limit", [NAMES; row], actual, expected),
                3 => check_outcome!("ends beyond the limit", [NAMES; row], actual, expected),
                4 => check_outcome!("expands down, room for all", [NAMES; row], actual, expected),
                _ => check_outcome!("expands down, one item less", [NAMES; row], actual, expected),
            }
        }
    }
}

user_code!(undefined: "ud2");
user_code!(call_gate: "mov rsi, rsp", "sub rsp, 16", "mov dword ptr [rsp + 4], edi", ".byte 0xff, 0x1c, 0x24", "ud2");
user_code!(interrupt: "int 0x80", "ret");

const STACKS: [u64; 6] = [
    0x8000_0000_1000,
    0xffff_0000_0000_0000,
    1 << 63,
    0xffff_7fff_ffff_f000,
    0xffff_8000_0000_0000,
    0x1_0000_0000_0000,
];
const STACK_NAMES: &[Text] = names![
    "0000800000001000",
    "ffff000000000000",
    "8000000000000000",
    "ffff7ffffffff000",
    "ffff800000000000",
    "0001000000000000"
];

/// CALL through a 64-bit gate with an RSP0 whose pushes are not canonical raises #SS(0) at CPL 3, and leaves RSP.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Stack Switching in 64-bit Mode"), apm2("Long-Mode Stack Switches")])]
fn non_canonical_stack_of_a_call_gate() {
    const SLOT: u16 = FREE + 32;
    let table = Descriptors::new();
    let target = undefined as *const () as u64;
    table.set(SLOT, gate(selector::KERNEL_CODE, target as u32, access::CALL_GATE_32 | access::DPL_3, 0));
    table.set(SLOT + 8, target >> 32);
    for (row, top) in STACKS.into_iter().enumerate() {
        let _stack = Stack::privilege_0(top);
        let mut state = State::calling(call_gate, (SLOT | 3).into());
        let exception = user::enter(&mut state);
        check_outcome!("CALL", [STACK_NAMES; row], exception, Outcome::SS);
        check_eq!("CS", [STACK_NAMES; row], exception.cs, selector::USER_CODE);
        check_eq!("RSP", [STACK_NAMES; row], exception.rsp, state.registers[register::RSI] - 16);
    }
}

/// INT n with an RSP0 or an interrupt stack whose pushes are not canonical raises #SS(0); an exception raises it with EXT.
#[case(feature = InterruptGates, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Stack Switching in IA-32e Mode"), apm2("Long-Mode Interrupt Control Transfers")])]
fn non_canonical_stack_of_an_interrupt() {
    for (row, top) in STACKS.into_iter().enumerate() {
        {
            let _stack = Stack::privilege_0(top);
            let _gate = Gate::with_interrupt_stack(0x80, 0);
            check_outcome!("INT n, RSP0", [STACK_NAMES; row], user::call(interrupt, 0), Outcome::SS);
            let _gate = Gate::with_interrupt_stack(6, 0);
            let exception = user::call(undefined, 0);
            check_outcome!("#UD, RSP0", [STACK_NAMES; row], exception, Outcome::exception(12, 1));
        }
        let _stack = Stack::interrupt(7, top);
        let _gate = Gate::with_interrupt_stack(0x80, 7);
        check_outcome!("INT n, interrupt stack", [STACK_NAMES; row], user::call(interrupt, 0), Outcome::SS);
    }
    // The gate is as it was.
    let low = mmio::read_u64(image::IDT + 0x80 * 16);
    let high = mmio::read_u64(image::IDT + 0x80 * 16 + 8);
    let _gate = WholeGate::new(0x80, low, high);
    check_outcome!("INT n afterwards", user::call(interrupt, 0), Outcome::exception(0x80, 0));
}
