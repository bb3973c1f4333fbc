//! The matrix of double faults: each kind of first event against each obstacle on the way to its handler.

use super::{
    delivery_model::{
        ARENA_NOT_PRESENT, First, Observed, Obstacle, PROTECTED, PROTECTED_BENIGN, SUPERVISOR, USER, columns,
        is_shutdown, names,
    },
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    case, check_eq, check_outcome,
    excursion::tables::{self, access},
    gate::{Gate, Stack},
    layout,
    tables::selector,
    vocabulary::Text,
};

pub(super) fn observe(machine: &Machine, first: &First) -> Observed {
    let address = first.is_unmapped.then_some(layout::UNMAPPED);
    let seen = machine.run(first.bytes, Start { address, rdx: u64::from(first.rdx), ..Start::PLAIN });
    Observed { outcome: seen.outcome.0, ip: seen.ip }
}

fn observe_in_long_mode(machine: &Machine, first: &First, obstacle: Obstacle) -> Observed {
    let _blocked = block(first.vector, obstacle, 7);
    observe(machine, first)
}

/// Puts an obstacle on a vector's way, with this entry of the interrupt stack table if it is one of the stack.
pub(super) fn block(vector: u8, obstacle: Obstacle, index: u64) -> (Stack, Gate) {
    let top = match obstacle {
        Obstacle::StackNotCanonical => 0x8000_0000_1000,
        _ => layout::UNMAPPED + 0x1000,
    };
    let stack = Stack::interrupt(index, top);
    let gate = match obstacle {
        Obstacle::GateNotPresent => Gate::not_present(vector),
        Obstacle::GateType => Gate::with_type(vector, 0),
        Obstacle::NullSegment => Gate::with_selector(vector, 0),
        Obstacle::WrongSegment(selector) | Obstacle::SegmentNotPresent(selector) => {
            Gate::with_selector(vector, selector)
        }
        Obstacle::StackNotCanonical | Obstacle::StackNotMapped => Gate::with_interrupt_stack(vector, index),
    };
    (stack, gate)
}

fn observe_in_protected_mode(machine: &Machine, first: &First, obstacle: Obstacle) -> Observed {
    let vector = first.vector;
    let gate = |selector, kind| tables::gate(selector, machine.handler(vector), kind, 0);
    let good = gate(tables::selector::CODE_32, access::INTERRUPT_GATE_32);
    tables::set_gate(
        vector,
        match obstacle {
            Obstacle::GateNotPresent => gate(tables::selector::CODE_32, access::INTERRUPT_GATE_32 & !access::PRESENT),
            Obstacle::NullSegment => gate(0, access::INTERRUPT_GATE_32),
            Obstacle::WrongSegment(selector) | Obstacle::SegmentNotPresent(selector) => {
                gate(selector, access::INTERRUPT_GATE_32)
            }
            _ => gate(tables::selector::CODE_32, access::CALL_GATE_32),
        },
    );
    let seen = observe(machine, first);
    tables::set_gate(vector, good);
    seen
}

macro_rules! check_obstacles {
    ($rows:ident, $machine:expr, $observe:ident; $($text:literal $ip_text:literal $obstacle:expr,)*) => {{
        const NAMES: &[Text] = &names(&$rows);
        for (index, first) in $rows.iter().enumerate() {
            $({
                let [outcome, ip] = columns(first, $obstacle, &$observe($machine, first, $obstacle));
                if let Some((actual, expected)) = outcome {
                    check_outcome!($text, [NAMES; index], rt::Outcome(actual), rt::Outcome(expected));
                }
                if let Some((actual, expected)) = ip {
                    check_eq!($ip_text, [NAMES; index], actual, expected);
                }
            })*
        }
    }};
}

macro_rules! check_gates {
    ($rows:ident, $machine:expr) => {
        check_obstacles!($rows, $machine, observe_in_long_mode;
            "gate not present" "saved IP, gate not present" Obstacle::GateNotPresent,
            "type of the gate" "saved IP, type of the gate" Obstacle::GateType,
            "null segment" "saved IP, null segment" Obstacle::NullSegment,
            "data segment" "saved IP, data segment" Obstacle::WrongSegment(selector::KERNEL_DATA),
            "32-bit code segment" "saved IP, 32-bit code segment" Obstacle::WrongSegment(selector::KERNEL_CODE_32),
        )
    };
}

macro_rules! check_stacks {
    ($rows:ident, $machine:expr) => {
        check_obstacles!($rows, $machine, observe_in_long_mode;
            "stack not canonical" "saved IP, stack not canonical" Obstacle::StackNotCanonical,
            "stack not mapped" "saved IP, stack not mapped" Obstacle::StackNotMapped,
        )
    };
}

/// Pairs of events that are no double fault need no handler of #DF: its gate is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn other_pairs_need_no_handler() {
    let machine = Machine::new(Mode::Long3);
    let _blocked = block(8, Obstacle::GateNotPresent, 6);
    const NAMES: &[Text] = &names(&USER);
    for (index, first) in USER.iter().enumerate() {
        for (row, obstacle) in [Obstacle::GateNotPresent, Obstacle::StackNotMapped].into_iter().enumerate() {
            if is_shutdown(first, obstacle, Obstacle::GateNotPresent) {
                continue;
            }
            let [outcome, _] = columns(first, obstacle, &observe_in_long_mode(&machine, first, obstacle));
            let Some((actual, expected)) =
                outcome.map(|(actual, expected)| (rt::Outcome(actual), rt::Outcome(expected)))
            else {
                continue;
            };
            if row == 0 {
                check_outcome!("gate not present", [NAMES; index], actual, expected);
            } else {
                check_outcome!("stack not mapped", [NAMES; index], actual, expected);
            }
        }
    }
}

macro_rules! check_protected {
    ($rows:ident, $machine:expr) => {
        check_obstacles!($rows, $machine, observe_in_protected_mode;
            "gate not present" "saved IP, gate not present" Obstacle::GateNotPresent,
            "type of the gate" "saved IP, type of the gate" Obstacle::GateType,
            "null segment" "saved IP, null segment" Obstacle::NullSegment,
            "data segment" "saved IP, data segment" Obstacle::WrongSegment(tables::selector::DATA_32),
            "segment that is none" "saved IP, segment that is none" Obstacle::WrongSegment(0x1f0),
            "segment not present" "saved IP, segment not present" Obstacle::SegmentNotPresent(ARENA_NOT_PRESENT + 8),
        )
    };
}

/// At CPL 3 a gate that cannot be taken turns a contributory exception or #PF into #DF, and any other event into the
/// second exception.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn gates_at_cpl_3() {
    check_gates!(USER, &Machine::new(Mode::Long3));
}

/// At CPL 0 a gate that cannot be taken turns a contributory exception or #PF into #DF, and any other event into the
/// second exception.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn gates_at_cpl_0() {
    check_gates!(SUPERVISOR, &Machine::new(Mode::Long0));
}

/// At CPL 3 an interrupt stack that cannot be used raises #SS or #PF, and #DF where the classes of the two make one.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt Stack Table"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn stacks_at_cpl_3() {
    check_stacks!(USER, &Machine::new(Mode::Long3));
}

/// At CPL 0 an interrupt stack that cannot be used raises #SS or #PF, and #DF where the classes of the two make one.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt Stack Table"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn stacks_at_cpl_0() {
    check_stacks!(SUPERVISOR, &Machine::new(Mode::Long0));
}

/// In protected mode a gate that cannot be taken turns a contributory exception into #DF.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn contributory_in_protected_mode() {
    let machine = protected();
    check_protected!(PROTECTED, &machine);
}

/// In protected mode a gate that cannot be taken turns a benign event into the second exception.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn benign_in_protected_mode() {
    let machine = protected();
    check_protected!(PROTECTED_BENIGN, &machine);
}

fn protected() -> Machine {
    let machine = Machine::new(Mode::Protected32);
    let flat = |access| tables::segment(0, 0xf_ffff, access, tables::flag::FLAT);
    tables::set_descriptor(ARENA_NOT_PRESENT, flat(access::DATA & !access::PRESENT));
    tables::set_descriptor(ARENA_NOT_PRESENT + 8, flat(access::CODE & !access::PRESENT));
    machine
}
