//! Accesses of L2 through the window of the extended page tables, and what the model says of them.

use super::{
    ept_model::{Decision, Ending, Mode, QUALIFICATION, USER_EXECUTE, decide, flags_agree},
    with_guest,
};
use crate::paging::decision::Operation;
use rt::{
    check, check_eq, mmio, paging, skip,
    tables::page_bit,
    user::register::{RAX, RDI, RSI},
    user_code,
    vmx::{
        Exit, Guest, capability,
        control::secondary,
        ept::{Ept, pointer, window},
        field, reason,
    },
};

user_code!(read: "mov rax, [rdi]", "vmcall");
user_code!(write: "mov [rdi], rsi", "vmcall");
user_code!(fetch: "call rdi", "vmcall");

/// The frame that the window leads to.
pub(super) const WINDOW_FRAME: usize = 8;
/// What stands in it: RET, so that it can be called.
pub(super) const CONTENT: u64 = 0x1122_3344_5566_77c3;
/// What a write writes.
pub(super) const WRITTEN: u64 = 0x8877_6655_4433_22c3;

/// What of the tables a processor offers, without flags and mode-based execute control.
pub(super) fn read_mode() -> Mode {
    let offered = capability::read(capability::number::EPT_VPID);
    Mode {
        physical_bits: paging::read_physical_address_bits(),
        execute_only: offered & 1 != 0,
        page_2m: offered >> 16 & 1 != 0,
        page_1g: offered >> 17 & 1 != 0,
        flags: false,
        mode_based: None,
    }
}

/// Runs `body` with a guest and tables whose window leads to its frame. Where physical addresses are too narrow for the window, the case is
/// skipped.
pub(super) fn with_ept(body: impl FnOnce(&mut Guest, &mut Ept)) {
    if paging::read_physical_address_bits() < 40 {
        skip!("the window takes 40 bits of physical address");
        return;
    }
    with_guest(read, |guest| {
        let mut ept = Ept::new();
        ept.set_window(full());
        body(guest, &mut ept);
    });
}

/// Entries of the window that allow everything.
pub(super) fn full() -> [u64; 4] {
    window::entries(paging::frame(WINDOW_FRAME))
}

/// Maps the window of linear addresses onto that of guest-physical ones.
pub(super) fn map_window() -> u64 {
    paging::map(0, window::ADDRESS, paging::ALL_RIGHTS)
}

/// Prepares L2 for this access to a linear address, with nothing cached.
pub(super) fn prepare(guest: &mut Guest, ept: &Ept, operation: Operation, linear: u64) {
    mmio::write_u64(paging::frame(WINDOW_FRAME), CONTENT);
    guest.start_at(match operation {
        Operation::Read => read,
        Operation::Write => write,
        Operation::Fetch => fetch,
    });
    guest.registers[RDI] = linear;
    guest.registers[RSI] = WRITTEN;
    ept.attach(guest);
    let _ = ept.invalidate();
}

/// Runs L2; a failed instruction is an exit that no row expects.
pub(super) fn run(guest: &mut Guest) -> Exit {
    guest.run().unwrap_or(Exit { reason: u32::MAX, ..Exit::default() })
}

/// The exit reason of an ending.
pub(super) fn reason_of(ending: Ending) -> u32 {
    match ending {
        Ending::Completes => reason::VMCALL,
        Ending::Violation => reason::EPT_VIOLATION,
        Ending::Misconfiguration => reason::EPT_MISCONFIGURATION,
    }
}

/// Makes an access with these entries of the window and holds the exit to the model.
pub(super) fn judge(
    row: u64,
    guest: &mut Guest,
    ept: &Ept,
    entries: [u64; 4],
    offset: u64,
    operation: Operation,
    mode: &Mode,
) {
    let rights = if mode.mode_based == Some(false) { page_bit::P | page_bit::RW } else { paging::ALL_RIGHTS };
    let linear = paging::map(0, window::ADDRESS | offset, rights);
    ept.set_window(entries);
    prepare(guest, ept, operation, linear);
    if mode.flags {
        let _ = guest.set_bits(field::EPT_POINTER, pointer::ACCESSED_DIRTY);
    }
    if mode.mode_based.is_some() {
        guest.activate(secondary::MODE_BASED_EXECUTE);
    }
    let decision = decide(&entries, operation, mode);
    let exit = run(guest);
    let due = Due { decision, operation, linear, physical: window::ADDRESS | offset };
    due.compare(row, guest, &exit, mode);
    let agree = flags_agree(&entries, &ept.read_window(), operation, &decision, mode);
    check!("accessed and dirty flags", [&[]; row], agree || reason_of(decision.ending) != exit.reason);
    guest.reset();
}

/// What is due of an access.
struct Due {
    decision: Decision,
    operation: Operation,
    linear: u64,
    physical: u64,
}

impl Due {
    /// Holds an exit to it.
    fn compare(&self, row: u64, guest: &Guest, exit: &Exit, mode: &Mode) {
        let Self { decision, operation, linear, physical } = *self;
        check_eq!("exit reason", [&[]; row], exit.reason, reason_of(decision.ending));
        if exit.reason != reason_of(decision.ending) {
            return;
        }
        if decision.ending == Ending::Completes {
            if operation == Operation::Read {
                check_eq!("value", [&[]; row], guest.registers[RAX], CONTENT);
            }
        } else {
            check_eq!("guest-physical address", [&[]; row], exit.physical_address, physical);
            let rip = if operation == Operation::Fetch { linear } else { guest.start() };
            check_eq!("RIP", [&[]; row], exit.rip, rip);
            if decision.ending == Ending::Violation {
                let mask = QUALIFICATION | if mode.mode_based.is_some() { USER_EXECUTE } else { 0 };
                check_eq!("exit qualification", [&[]; row], exit.qualification & mask, decision.qualification);
                check_eq!("guest-linear address", [&[]; row], exit.linear_address, linear);
            }
        }
        let is_written = operation == Operation::Write && decision.ending == Ending::Completes;
        let left = mmio::read_u64(paging::frame(WINDOW_FRAME));
        check_eq!("memory", [&[]; row], left, if is_written { WRITTEN } else { CONTENT });
    }
}

/// Holds an exit to an EPT violation of this qualification, in the bits of `mask`, and address.
pub(super) fn violates(row: u64, exit: &Exit, mask: u64, qualification: u64, physical: u64) {
    check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
    check_eq!("exit qualification", [&[]; row], exit.qualification & mask, qualification);
    check_eq!("guest-physical address", [&[]; row], exit.physical_address, physical);
    check_eq!("no event was being delivered", [&[]; row], exit.vectoring & 1 << 31, 0);
}

/// Runs L2 and holds it to its end.
pub(super) fn completes(row: u64, guest: &mut Guest) {
    check_eq!("ending", [&[]; row], run(guest).reason, reason::VMCALL);
}
