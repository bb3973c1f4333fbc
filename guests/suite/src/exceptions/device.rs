//! #NM and #UD by CR0 against whatever else is wrong with an instruction, for each combination of EM, MP and TS.

use super::device_model::{Control, Observed, Other, ROWS, Row, columns, names};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{With, cr0},
    layout, mmio,
    paging::frame,
    user::{self, State, register},
    user_code,
    vocabulary::Text,
};

user_code!(clean: "fninit", "ret");
// Leaves a division by zero pending that is not masked.
user_code!(pending: "fninit", "push 0x37b", "fldcw [rsp]", "pop rax", "fld1", "fldz", "fdivp st(1), st(0)", "ret");

/// The lowest address that is not canonical, whatever the number of levels.
const NOT_CANONICAL: u64 = 1 << 63;
/// Where the operand is.
const DATA_FRAME: usize = 1;

fn observe(row: &Row, control: Control) -> Observed {
    let is_pending = matches!(row.other, Other::Pending | Other::PendingRead);
    let _ = user::call(if is_pending { pending } else { clean }, 0);
    for (index, &byte) in (0..).zip(row.bytes.iter().chain(&[0x0f, 0x0b])) {
        mmio::write_u8(frame(0) + index, byte);
    }
    let address = match row.other {
        Other::General | Other::Stack => NOT_CANONICAL,
        Other::Read | Other::Write | Other::PendingRead => layout::UNMAPPED,
        Other::Misaligned => frame(DATA_FRAME) + 8,
        Other::Nothing | Other::Lock | Other::Pending => frame(DATA_FRAME),
    };
    let mut state = State::at(frame(0));
    state.registers[register::RDI] = address;
    state.registers[register::RBP] = address;
    let bits = [(control.em, cr0::EM), (control.mp, cr0::MP), (control.ts, cr0::TS)];
    let (mut set, mut clear) = (0, 0);
    for (is_set, bit) in bits {
        *(if is_set { &mut set } else { &mut clear }) |= bit;
    }
    let with = With::cr0(set, clear);
    let exception = user::enter(&mut state);
    drop(with);
    let ip = exception.rip.wrapping_sub(frame(0));
    let outcome = Outcome::from(exception);
    let has_ended = outcome == Outcome::UD && ip == row.bytes.len() as u64;
    Observed { outcome: if has_ended { Outcome::COMPLETED.0 } else { outcome.0 }, ip }
}

fn walk(control: Control) {
    const NAMES: &[Text] = &names();
    for (index, row) in ROWS.iter().enumerate() {
        let [outcome, ip] = columns(row, control, observe(row, control));
        check_outcome!("outcome", [NAMES; index], Outcome(outcome.0), Outcome(outcome.1));
        check_eq!("saved IP", [NAMES; index], ip.0, ip.1);
    }
    let _ = user::call(clean, 0);
}

// A case for each combination.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $em:literal $mp:literal $ts:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = ExceptionPriority, spec = [sdm3a("Prioritization of Concurrent Events"),
               sdm3a("Interrupt 7—Device Not Available Exception (#NM)"), apm2("Priorities")], time = 2)]
        fn $name() {
            walk(Control { em: $em, mp: $mp, ts: $ts });
        }
    )+};
}

cases! {
    /// With EM, MP and TS clear, faults of execution and pending exceptions strike as such.
    device_available false false false;
    /// With MP set alone, faults of execution and pending exceptions strike as such.
    device_available_monitored false true false;
    /// With TS set, #NM comes before faults of execution and pending exceptions, which WAIT still reports.
    device_switched false false true;
    /// With MP and TS set, #NM comes before faults of execution and pending exceptions, also of WAIT.
    device_switched_monitored false true true;
    /// With EM set, #NM of x87 and #UD of MMX and SSE come before faults of execution and pending exceptions.
    device_emulated true false false;
    /// With EM and MP set, #NM of x87 and #UD of MMX and SSE come before faults of execution and pending exceptions.
    device_emulated_monitored true true false;
    /// With EM and TS set, #UD of MMX and SSE comes before #NM, and both before the rest.
    device_emulated_switched true false true;
    /// With EM, MP and TS set, #UD of MMX and SSE comes before #NM, and both before the rest, also of WAIT.
    device_emulated_switched_monitored true true true;
}
