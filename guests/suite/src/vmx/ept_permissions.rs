//! Extended page tables: what the rights of four levels allow together, against the model.

use super::{
    ept_access::{self, CONTENT, WINDOW_FRAME, full, judge, read_mode, with_ept},
    ept_model::{Mode, bit, changed, with_rights},
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, names, paging,
    user::register::RSI,
    user_code,
    vmx::{ept::bit::USER_EXECUTE, reason},
    vocabulary::{Needs, Text},
};

/// Each of the 16 sets of levels with these rights, by each operation. The row is levels and operation.
fn walk(rights: u64) {
    let mode = read_mode();
    with_ept(|guest, ept| {
        for levels in 0..16 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let entries = with_rights(full(), levels, rights);
                judge(levels << 4 | number as u64, guest, ept, entries, 0, operation, &mode);
            }
        }
    });
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $rights:expr;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("EPT Misconfigurations")],
                   needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
            fn $name() {
                walk($rights);
            }
        )*
    };
}

rights! {
    /// Entries without rights are not present: any access violates, with no rights in the qualification.
    ept_entries_without_rights = 0;
    /// Entries that may be read alone.
    ept_entries_that_may_be_read = bit::R;
    /// Entries that may be written and not read are misconfigured, whatever is accessed.
    ept_entries_that_may_be_written_alone = bit::W;
    /// Entries that may be read and written, and not executed.
    ept_entries_that_may_not_be_executed = bit::R | bit::W;
    /// Entries that may be executed alone: rights, or a misconfiguration where the processor does not offer them.
    ept_entries_that_may_be_executed_alone = bit::X;
    /// Entries that may be read and executed, and not written.
    ept_entries_that_may_not_be_written = bit::R | bit::X;
    /// Entries that may be written and executed and not read are misconfigured, whatever is accessed.
    ept_entries_that_may_not_be_read = bit::W | bit::X;
}

/// Any two rights at two levels, all others with everything. The row is both rights and the operation.
fn pairs(upper: u64, lower: u64) {
    let mode = read_mode();
    with_ept(|guest, ept| {
        for pair in 0..64_u64 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let entries = with_rights(with_rights(full(), upper, pair >> 3), lower, pair & 7);
                judge(pair << 4 | number as u64, guest, ept, entries, 0, operation, &mode);
            }
        }
    });
}

/// Rights of PML4 entry and page-table entry: the root's count first, and both together.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("EPT Misconfigurations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_rights_of_first_and_last_level() {
    pairs(8, 1);
}

/// Rights of the entries of page-directory-pointer table and page directory.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("EPT Misconfigurations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_rights_of_middle_levels() {
    pairs(4, 2);
}

/// All rights at a large page and at sets of the levels above it. The row is rights, levels and operation.
fn large(level: usize, size: u64) {
    let mode = read_mode();
    let target = paging::frame(WINDOW_FRAME);
    with_ept(|guest, ept| {
        let mut all = full();
        all[level] = target & !(size - 1) | 7 | 6 << 3 | bit::PS;
        for rights in 0..8_u64 {
            // The large page with and without the PML4 entry, and that alone.
            for levels in [1 << (3 - level), 8, 8 | 1 << (3 - level)] {
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    let row = rights << 8 | levels << 4 | number as u64;
                    let entries = with_rights(all, levels, rights);
                    judge(row, guest, ept, entries, target & (size - 1) & !0xfff, operation, &mode);
                }
            }
        }
    });
}

/// Pages of 2 MiB lead to the bytes that their offset tells, by the rights of three levels.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Translation Mechanism"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_2M)]
fn ept_pages_of_2_mib() {
    large(2, 1 << 21);
}

/// Pages of 1 GiB lead to the bytes that their offset tells, by the rights of two levels.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Translation Mechanism"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_1G)]
fn ept_pages_of_1_gib() {
    large(1, 1 << 30);
}

user_code!(increment: "inc qword ptr [rdi]", "vmcall");
user_code!(locked: "lock add [rdi], rsi", "vmcall");
user_code!(exchange: "xchg [rdi], rsi", "vmcall");
user_code!(compare_exchange: "cmpxchg [rdi], rsi", "vmcall");
user_code!(bit_set: "bts qword ptr [rdi], 3", "vmcall");

/// Instructions that read, modify and write tell a write; whether they tell a read too is left open. Without the right to write they change
/// nothing.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_accesses_that_read_and_write() {
    const NAMES: &[Text] = names!["INC", "LOCK ADD", "XCHG", "CMPXCHG", "BTS"];
    type Code = extern "C" fn(u64) -> u64;
    let codes: [Code; 5] = [increment, locked, exchange, compare_exchange, bit_set];
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for (row, code) in codes.into_iter().enumerate() {
            for rights in [bit::R, bit::R | bit::X] {
                ept.set_window(with_rights(full(), 1, rights));
                ept_access::prepare(guest, ept, Operation::Read, linear);
                guest.start_at(code);
                let exit = ept_access::run(guest);
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::EPT_VIOLATION);
                check_eq!("write, and rights", [NAMES; row], exit.qualification & 0x1be, 0x182 | rights << 3);
                check_eq!("guest-linear address", [NAMES; row], exit.linear_address, linear);
                check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
                check_eq!("RSI", [NAMES; row], guest.registers[RSI], ept_access::WRITTEN);
                let left = rt::mmio::read_u64(paging::frame(WINDOW_FRAME));
                check_eq!("memory", [NAMES; row], left, CONTENT);
                guest.reset();
            }
        }
    });
}

/// Each of 16 sets of rights with a user's right to execute, at the page and at the PML4 entry. The linear address is a user's or not.
fn mode_based(user: bool) {
    let mode = Mode { mode_based: Some(user), ..read_mode() };
    with_ept(|guest, ept| {
        // All else of L2 must be executable for both kinds of addresses.
        ept.set_everywhere(USER_EXECUTE);
        let all = changed(full(), 15, bit::XU, 0);
        for rights in 0..16_u64 {
            let set = rights & 7 | if rights & 8 != 0 { bit::XU } else { 0 };
            for level in [1, 8] {
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    let row = rights << 8 | level << 4 | number as u64;
                    judge(row, guest, ept, changed(all, level, set, bit::XU | 7), 0, operation, &mode);
                }
            }
        }
    });
}

/// With mode-based execute control a user's linear addresses are executed by bit 10.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("EPT Misconfigurations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_MODE_BASED_EXECUTE)]
fn ept_mode_based_execution_by_users() {
    mode_based(true);
}

/// With mode-based execute control a supervisor's linear addresses are executed by bit 2.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("EPT Misconfigurations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_MODE_BASED_EXECUTE)]
fn ept_mode_based_execution_by_supervisors() {
    mode_based(false);
}
