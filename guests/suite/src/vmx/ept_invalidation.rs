//! INVEPT, and which cached translations may count behind what.

use super::{
    ept_access::{self, CONTENT, WINDOW_FRAME, full, with_ept},
    ept_model::{access, bit, changed, with_rights},
};
use crate::paging::decision::Operation;
use rt::{
    Outcome, case, check_eq, check_outcome, mmio, note, paging,
    user::register::{RAX, RDI},
    user_code,
    vmx::{
        Guest, capability,
        ept::{Ept, window},
        field, instruction, reason,
    },
    vocabulary::Needs,
};

/// Type of INVEPT: one context, or all.
const SINGLE: u64 = 1;
const ALL: u64 = 2;
/// What stands in the frame that the window leads to behind a change.
const OTHER: u64 = 0x0102_0304_0506_07c3;

user_code!(twice: "mov rax, [rdi]", "vmcall", "mov rax, [rdi]", "vmcall");
user_code!(write_twice: "mov rax, [rdi]", "vmcall", "mov [rdi], rsi", "vmcall");
user_code!(fetch_twice: "mov rax, [rdi]", "vmcall", "call rdi", "vmcall");

fn code(operation: Operation) -> extern "C" fn(u64) -> u64 {
    match operation {
        Operation::Read => twice,
        Operation::Write => write_twice,
        Operation::Fetch => fetch_twice,
    }
}

/// Whether a type is offered.
fn is_offered(kind: u64) -> bool {
    capability::read(capability::number::EPT_VPID) >> (24 + kind) & 1 != 0
}

/// Entries that lead to the other frame.
fn other() -> [u64; 4] {
    window::entries(paging::frame(WINDOW_FRAME + 1))
}

/// Lets L2 read the window through entries, so that their translation is cached, and stop.
fn fill(row: u64, guest: &mut Guest, ept: &Ept, entries: [u64; 4], operation: Operation) {
    let linear = ept_access::map_window();
    mmio::write_u64(paging::frame(WINDOW_FRAME + 1), OTHER);
    ept.set_window(entries);
    ept_access::prepare(guest, ept, Operation::Read, linear);
    guest.start_at(code(operation));
    let exit = ept_access::run(guest);
    check_eq!("exit reason of the first access", [&[]; row], exit.reason, reason::VMCALL);
    check_eq!("first value", [&[]; row], guest.registers[RAX], CONTENT);
    let _ = guest.set(field::GUEST_RIP, exit.rip + exit.length);
}

/// Every change of every level, behind INVEPT of a type: only the new entries count. The row is level, change and operation.
fn counts_behind(kind: u64, guest: &mut Guest, ept: &Ept) {
    for level in 0..4_u64 {
        for (number, rights) in [0, bit::R, bit::R | bit::X, bit::R | bit::W].into_iter().enumerate() {
            for (operation_number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = level << 8 | (number as u64) << 4 | operation_number as u64;
                fill(row, guest, ept, full(), operation);
                ept.set_window(with_rights(full(), 8 >> level, rights));
                let outcome = instruction::invalidate_ept(kind, [ept.pointer(), 0]);
                check_outcome!("INVEPT", [&[]; row], outcome, Outcome::COMPLETED);
                let exit = ept_access::run(guest);
                let is_allowed = rights & access(operation) != 0;
                let due = if is_allowed { reason::VMCALL } else { reason::EPT_VIOLATION };
                check_eq!("exit reason behind INVEPT", [&[]; row], exit.reason, due);
                if !is_allowed {
                    check_eq!("rights", [&[]; row], exit.qualification >> 3 & 7, rights);
                }
                guest.reset();
            }
        }
    }
    // Another frame.
    fill(0x1000, guest, ept, full(), Operation::Read);
    ept.set_window(other());
    let _ = instruction::invalidate_ept(kind, [ept.pointer(), 0]);
    ept_access::completes(0x1000, guest);
    check_eq!("value behind INVEPT", guest.registers[RAX], OTHER);
    guest.reset();
}

/// Behind INVEPT of one context, changed entries count at once, on every level.
#[case(feature = VmxEpt, spec = [sdm3c("INVEPT—Invalidate Translations Derived from EPT"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_changes_count_behind_invept_of_one_context() {
    if !is_offered(SINGLE) {
        rt::skip!("INVEPT of one context is not offered");
        return;
    }
    with_ept(|guest, ept| counts_behind(SINGLE, guest, ept));
}

/// Behind INVEPT of all contexts, changed entries count at once, on every level; the pointer of the operand does not count.
#[case(feature = VmxEpt, spec = [sdm3c("INVEPT—Invalidate Translations Derived from EPT"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_changes_count_behind_invept_of_all_contexts() {
    if !is_offered(ALL) {
        rt::skip!("INVEPT of all contexts is not offered");
        return;
    }
    with_ept(|guest, ept| {
        counts_behind(ALL, guest, ept);
        fill(0x2000, guest, ept, full(), Operation::Read);
        ept.set_window(other());
        let outcome = instruction::invalidate_ept(ALL, [u64::MAX, 0]);
        check_outcome!("INVEPT with no pointer", outcome, Outcome::COMPLETED);
        ept_access::completes(0x2000, guest);
        check_eq!("value behind INVEPT with no pointer", guest.registers[RAX], OTHER);
        guest.reset();
    });
}

/// An entry that was absent is never cached: made present, it counts without INVEPT.
#[case(feature = VmxEpt, spec = [sdm3c("Caching Translation Information"), sdm3c("Guidelines for Use of the INVEPT Instruction")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_entries_made_present_need_no_invept() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for levels in 1..16_u64 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = levels << 4 | number as u64;
                ept.set_window(with_rights(full(), levels, 0));
                ept_access::prepare(guest, ept, operation, linear);
                check_eq!("exit reason", [&[]; row], ept_access::run(guest).reason, reason::EPT_VIOLATION);
                ept.set_window(full());
                ept_access::completes(row, guest);
                guest.reset();
            }
        }
    });
}

/// A right that was missing counts without INVEPT behind the violation, which drops the translation that led to it.
#[case(feature = VmxEpt, spec = [sdm3c("Operations that Invalidate Cached Mappings"), sdm3c("Guidelines for Use of the INVEPT Instruction")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_rights_added_behind_a_violation_need_no_invept() {
    with_ept(|guest, ept| {
        for levels in 1..16_u64 {
            for (number, operation) in [Operation::Write, Operation::Fetch].into_iter().enumerate() {
                let row = levels << 4 | number as u64;
                // A read fills the caches first.
                fill(row, guest, ept, with_rights(full(), levels, bit::R), operation);
                check_eq!("exit reason", [&[]; row], ept_access::run(guest).reason, reason::EPT_VIOLATION);
                ept.set_window(full());
                ept_access::completes(row, guest);
                guest.reset();
            }
        }
    });
}

/// A violation of a right that was taken, and given back, is told of the entries as they are: never of an access that they allowed all the time.
/// Without INVEPT either translation may count, and nothing else; how often the old one did is noted.
#[case(feature = VmxEpt, spec = [sdm3c("Caching Translation Information"), sdm3c("Guidelines for Use of the INVEPT Instruction")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_without_invept_old_or_new_counts() {
    with_ept(|guest, ept| {
        let mut stale = 0;
        for level in 0..4_u64 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = level << 4 | number as u64;
                fill(row, guest, ept, full(), operation);
                ept.set_window(changed(full(), 8 >> level, 0, 7));
                let reason = ept_access::run(guest).reason;
                stale += u64::from(reason == reason::VMCALL);
                let is_either = matches!(reason, reason::VMCALL | reason::EPT_VIOLATION);
                check_eq!("completes or violates", [&[]; row], is_either, true);
                guest.reset();
            }
        }
        fill(0x1000, guest, ept, full(), Operation::Read);
        ept.set_window(other());
        ept_access::completes(0x1000, guest);
        let value = guest.registers[RAX];
        check_eq!("old or new value", matches!(value, CONTENT | OTHER), true);
        stale += u64::from(value == CONTENT);
        note!("accesses by translations that were changed", stale);
        guest.reset();
    });
}

user_code!(reload_and_invalidate: "mov rax, cr3", "mov cr3, rax", "invlpg [rdi]", "mov rax, [rdi]", "vmcall");

/// L2's own invalidations, MOV to CR3 and INVLPG, let a change of its own tables count, under the same extended tables.
#[case(feature = VmxEpt, spec = [sdm3c("Operations that Invalidate Cached Mappings"), sdm3c("Creating and Using Cached Translation Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_invalidations_of_the_guest() {
    with_ept(|guest, ept| {
        for round in 0..4_u64 {
            fill(round, guest, ept, full(), Operation::Read);
            paging::write_entry_only(paging::Level::Pt, 0, paging::frame(WINDOW_FRAME + 1) | paging::ALL_RIGHTS);
            guest.start_at(reload_and_invalidate);
            guest.registers[RDI] = paging::address(0);
            ept_access::completes(round, guest);
            check_eq!("value", [&[]; round], guest.registers[RAX], OTHER);
            guest.reset();
        }
    });
}

/// Two EPT pointers with tables of their own: each entry uses its own, whatever is cached of the other; INVEPT of one leaves the other right.
#[case(feature = VmxEpt, spec = [sdm3c("Caching Translation Information"), sdm3c("INVEPT—Invalidate Translations Derived from EPT")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_two_pointers() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        mmio::write_u64(paging::frame(WINDOW_FRAME + 1), OTHER);
        // The second root shares all tables but those of the window.
        let second = ept.second_root(paging::frame(10), [11, 12, 13].map(paging::frame), other());
        ept.set_window(full());
        for round in 0..12_u64 {
            ept_access::prepare(guest, ept, Operation::Read, linear);
            if round % 3 != 0 {
                // INVEPT of the first has been executed; now that of the second, or none.
                let _ = instruction::invalidate_ept(SINGLE, [second, 0]);
            }
            let is_second = round & 1 != 0;
            if is_second {
                let _ = guest.set(field::EPT_POINTER, second);
            }
            ept_access::completes(round, guest);
            check_eq!("value", [&[]; round], guest.registers[RAX], if is_second { OTHER } else { CONTENT });
            guest.reset();
        }
    });
}
