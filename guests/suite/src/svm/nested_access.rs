//! Accesses of L2 through the nested window, and what the model says of them.

use super::{WINDOW_FRAME, end_of, nested_model::FINAL, start_of};
use crate::paging::decision::{Decision, Mode, Operation, decide};
use rt::{
    check, check_eq, mmio, paging,
    svm::{Exit, Guest, field, nested::Tables},
    user_code,
    vocabulary::message::outcome,
};

user_code!(read: "mov rax, [rdi]", "vmmcall");
user_code!(write: "mov [rdi], rsi", "vmmcall");
user_code!(fetch: "call rdi", "vmmcall");

/// What stands in the window's frame: RET, so that it can be called.
pub(super) const CONTENT: u64 = 0x1122_3344_5566_77c3;
/// What a write writes.
pub(super) const WRITTEN: u64 = 0x8877_6655_4433_22c3;

/// A guest that makes this access to the address in RDI.
pub(super) fn guest(operation: Operation, address: u64) -> Guest {
    mmio::write_u64(paging::frame(WINDOW_FRAME), CONTENT);
    let mut guest = Guest::new(match operation {
        Operation::Read => read,
        Operation::Write => write,
        Operation::Fetch => fetch,
    });
    guest.registers.rdi = address;
    guest.registers.rsi = WRITTEN;
    guest
}

/// Where a fault of this access leaves RIP.
pub(super) fn rip_of_fault(operation: Operation, address: u64) -> u64 {
    match operation {
        Operation::Read => start_of(read),
        Operation::Write => start_of(write),
        Operation::Fetch => address,
    }
}

/// A nested walk: accesses of a user, with the host's EFER.NXE.
pub(super) fn nested_mode(execute_disable: bool, physical_bits: u32, has_page_1g: bool) -> Mode {
    Mode { execute_disable, physical_bits, has_page_1g, ..Mode::USER }
}

/// EXITINFO1 that a decision about the final address leads to, and `None` if it completes.
pub(super) fn information(decision: Decision) -> Option<u64> {
    outcome::decode(decision.outcome).map(|(_, code)| FINAL | u64::from(code))
}

fn unwrap(exit: Result<Exit, rt::Exception>) -> Exit {
    exit.unwrap_or(Exit { code: 0xffff_fffe, info_1: 0, info_2: 0, interrupt_info: 0, rip: 0, next_rip: 0 })
}

/// Makes an access with these entries of the nested window and holds the exit to the model.
pub(super) fn judge(row: u64, tables: &Tables, entries: [u64; 4], operation: Operation, mode: &Mode) {
    let linear = paging::map(0, rt::svm::nested::WINDOW, paging::ALL_RIGHTS);
    tables.set_window(entries);
    let mut guest = guest(operation, linear);
    tables.attach(&guest);
    let exit = unwrap(guest.run());
    let decision = decide(&entries, operation, mode);
    match information(decision) {
        None => {
            check_eq!("exit code", [&[]; row], exit.code, field::exit::VMMCALL);
            if operation == Operation::Read {
                check_eq!("value", [&[]; row], guest.read_u64(field::RAX), CONTENT);
            }
        }
        Some(information) => {
            check_eq!("exit code", [&[]; row], exit.code, field::exit::NESTED_PAGE_FAULT);
            check_eq!("EXITINFO1", [&[]; row], exit.info_1, information);
            check_eq!("EXITINFO2", [&[]; row], exit.info_2, rt::svm::nested::WINDOW);
            check_eq!("RIP", [&[]; row], exit.rip, rip_of_fault(operation, linear));
        }
    }
    let left = mmio::read_u64(paging::frame(WINDOW_FRAME));
    let is_written = operation == Operation::Write && information(decision).is_none();
    check_eq!("memory", [&[]; row], left, if is_written { WRITTEN } else { CONTENT });
}

/// Runs it and checks that it completes.
pub(super) fn completes(row: u64, guest: &mut Guest) {
    check_eq!("ending", [&[]; row], end_of(guest.run()), super::ending::COMPLETED);
}

/// Runs it and checks that it is a nested page fault of this kind and address.
pub(super) fn faults(row: u64, guest: &mut Guest, information: u64, address: u64) {
    let exit = unwrap(guest.run());
    check_eq!("exit code", [&[]; row], exit.code, field::exit::NESTED_PAGE_FAULT);
    check_eq!("EXITINFO1", [&[]; row], exit.info_1, information);
    check_eq!("EXITINFO2", [&[]; row], exit.info_2, address);
    check!("EXITINTINFO is not valid", [&[]; row], exit.interrupt_info >> 31 & 1 == 0);
}
