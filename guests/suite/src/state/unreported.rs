//! x87 exceptions with CR0.NE clear: nothing raises #MF.
//!
//! A processor may freeze at an instruction that waits, until an interrupt: so each program is bounded by the APIC timer,
//! which strikes later and later until the program is at the instruction or behind it. Stolen time costs turns, not verdicts:
//! only an instruction that was given up at twice counts as one that froze, and a subject that raises #MF does so at once.

use super::{
    unreported_model::{NAMES, ROWS, Row, Seen, columns},
    waiting_model::{PROLOGUE, UNMASKED},
};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{self, cr0},
        port,
    },
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    mmio,
    paging::frame,
    pic::{self, Chip, icw4},
    user::{self, State, register},
    user_code,
    vocabulary::{Needs, message::outcome},
};

user_code!(clean: "fninit", "ret");
user_code!(wait: "fwait", "ret");

/// RFLAGS.IF.
const INTERRUPTS: u64 = 1 << 9;
/// The timer's vector, which has no handler: it ends CPL 3.
const VECTOR: u8 = 0x41;
/// The timer's first count; each turn has four times as many.
const FIRST_COUNT: u32 = 1 << 20;
const NR_TURNS: u32 = 5;
/// Turns that end at the instruction that waits, behind which it counts as frozen.
const NR_FROZEN: u32 = 2;
/// Distance of the control word from the operand.
const CONTROL_WORD: u64 = 0x800;
/// The timer counts at the rate of its input.
const DIVIDE_BY_1: u32 = 0b1011;

/// The processor, with all interrupts but the timer's kept away.
struct Bounded {
    apic: LocalApic,
}

impl Bounded {
    fn new() -> Self {
        // Firmware may have left the 8259s with the clock's interrupt on; where there are none nobody listens.
        Chip::First.data(0xff);
        Chip::Second.data(0xff);
        let apic = LocalApic::enabled();
        apic.write(Register::DIVIDE, DIVIDE_BY_1);
        apic.write(Register::LVT_TIMER, VECTOR.into());
        Self { apic }
    }

    /// Runs code at CPL 3 with interrupts until it ends by something else than the timer, or waits at `at`.
    fn run(&self, state: &mut State, at: u64) -> Outcome {
        state.rflags |= INTERRUPTS;
        let mut nr_frozen = 0;
        let mut end = Outcome::COMPLETED;
        for turn in 0..NR_TURNS {
            self.apic.write(Register::INITIAL_COUNT, FIRST_COUNT << (2 * turn));
            let exception = user::enter(state);
            self.apic.write(Register::INITIAL_COUNT, 0);
            end = exception.into();
            if exception.vector != VECTOR {
                break;
            }
            self.apic.end_interrupt();
            nr_frozen += u32::from(exception.rip == at);
            if nr_frozen == NR_FROZEN {
                break;
            }
        }
        // It may have struck between the exception and the write.
        if self.apic.is_requested(VECTOR) {
            self.apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
            let mut rest = State::calling(clean_up, 0);
            rest.rflags |= INTERRUPTS;
            let _ = user::enter(&mut rest);
            self.apic.end_interrupt();
            self.apic.write(Register::LVT_TIMER, VECTOR.into());
        }
        end
    }

    /// Runs a row behind a division by zero that is not masked.
    fn observe(&self, row: &Row) -> Seen {
        let operand = frame(1);
        mmio::write_u64(operand, 0);
        mmio::write_u64(operand + CONTROL_WORD, UNMASKED);
        for (index, &byte) in (0..).zip(PROLOGUE.iter().chain(row.bytes).chain(&[0x0f, 0x0b])) {
            mmio::write_u8(frame(0) + index, byte);
        }
        let start = frame(0) + PROLOGUE.len() as u64;
        let mut state = State::at(frame(0));
        state.registers[register::RDI] = operand;
        state.registers[register::RSI] = operand + CONTROL_WORD;
        let end = {
            // A subject that refuses leaves NE set, and the row shows it.
            let _clear = control::With::cr0(0, cr0::NE);
            self.run(&mut state, start)
        };
        let later = user::call(wait, 0).into();
        let _ = user::call(clean, 0);
        let Outcome(later) = later;
        Seen { end: end.0, ip: state.rip.wrapping_sub(start), later }
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        self.apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
    }
}

// Ends by the interrupt that waits, or by its own return.
user_code!(clean_up: "mov ecx, 1000", "2: dec ecx", "jnz 2b", "ret");

fn walk(waits: bool) {
    let cleared = control::With::cr0(0, cr0::NE).map(drop);
    check_outcome!("clearing CR0.NE", cleared, Outcome::COMPLETED);
    let bounded = Bounded::new();
    for (index, row) in ROWS.iter().enumerate().filter(|(_, row)| row.waits == waits) {
        let [end, ip, later] = columns(row, VECTOR, bounded.observe(row));
        check_outcome!("end of the program", [NAMES; index], Outcome(end.0), Outcome(end.1));
        check_eq!("saved IP", [NAMES; index], ip.0, ip.1);
        check_outcome!("WAIT with CR0.NE set", [NAMES; index], Outcome(later.0), Outcome(later.1));
    }
}

/// With CR0.NE clear and an unmasked x87 exception pending, instructions that wait raise no #MF: the processor freezes until
/// an interrupt, or goes on if the board asserts IGNNE#. With CR0.NE set, WAIT then raises #MF.
#[case(feature = StateX87, spec = [sdm1("MS-DOS* Compatibility Sub-mode"), sdm3a("Control Registers"),
       sdm3a("Interrupt 16—x87 FPU Floating-Point Error (#MF)"), apm2("CR0 Register")],
       needs = Needs::LOCAL_APIC, time = 2)]
fn unreported_exceptions_and_waiting_instructions() {
    walk(true);
}

/// With CR0.NE clear and an unmasked x87 exception pending, instructions that do not wait complete.
#[case(feature = StateX87, spec = [sdm1("MS-DOS* Compatibility Sub-mode"), sdm1("Waiting vs. Non-waiting Instructions")],
       needs = Needs::LOCAL_APIC, time = 2)]
fn unreported_exceptions_and_other_instructions() {
    walk(false);
}

/// IRQ 13 at the second 8259A.
const IRQ_13: u8 = 1 << 5;
/// The port whose write ends what requests IRQ 13, and asserts IGNNE#.
const COPROCESSOR_ERROR: u16 = 0xf0;

fn is_requested() -> bool {
    Chip::Second.requests() & IRQ_13 != 0
}

/// Where FERR# leads to IRQ 13, a pending exception requests it, and a write to port F0H has the next instruction that waits
/// ignore what is pending.
#[case(feature = StateX87, spec = [sdm1("MS-DOS* Compatibility Sub-mode"), sdm1("Guidelines for Writing x87 FPU Exception Handlers")],
       needs = Needs::LOCAL_APIC | Needs::PIC, time = 2)]
fn unreported_exceptions_and_irq_13() {
    let bounded = Bounded::new();
    pic::initialize(icw4::MODE_8086);
    Chip::First.data(0xff);
    Chip::Second.data(0xff);
    check!("IRQ 13 before", !is_requested());
    let Ok(_clear) = control::With::cr0(0, cr0::NE) else {
        rt::skip!("CR0.NE cannot be cleared");
        return;
    };
    mmio::write_u64(frame(1), UNMASKED);
    // WAIT behind a division by zero.
    for (index, &byte) in (0..).zip(PROLOGUE.iter().chain(&[0x9b, 0x0f, 0x0b])) {
        mmio::write_u8(frame(0) + index, byte);
    }
    let at = frame(0) + PROLOGUE.len() as u64;
    let mut state = State::at(frame(0));
    state.registers[register::RSI] = frame(1);
    let _ = bounded.run(&mut state, at);
    if !is_requested() {
        let _ = user::call(clean, 0);
        rt::skip!("FERR# does not lead to IRQ 13 of the second 8259A");
        return;
    }
    port::write_u8(COPROCESSOR_ERROR, 0);
    state.rip = at;
    let end = bounded.run(&mut state, at);
    check_outcome!("WAIT while IGNNE# is asserted", end, Outcome(outcome::exception(6, 0)));
    let _ = user::call(clean, 0);
}
