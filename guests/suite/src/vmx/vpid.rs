//! Virtual-processor identifiers: which cached translations may count behind what.
//!
//! L2 has the page tables of L1. A page of the window leads to one frame while L2 reads it for the first time, and to another one
//! when it reads it again.

use super::with_guest;
use rt::{
    Outcome, case, check_eq, check_outcome, mmio, note,
    paging::{self, ALL_RIGHTS, Level},
    skip,
    user::register::{RAX, RDI},
    user_code,
    vmx::{Exit, Guest, capability, control::secondary, field, instruction, reason},
    vocabulary::Needs,
};

const NEEDS: Needs = Needs::INTEL.union(Needs::VMX).union(Needs::VMX_VPID);
/// Pages that change, each with a VPID of its own where that matters.
const NR_PAGES: usize = 4;
/// What stands in the frame of before and in that of afterwards.
const VALUES: [u64; 2] = [0x0102_0304_0506_07c3, 0x1112_1314_1516_17c3];
/// Global, which counts while CR4.PGE is set.
const GLOBAL: u64 = 1 << 8;

user_code!(read_twice: "mov rax, [rdi]", "vmcall", "mov rax, [rdi]", "vmcall");
user_code!(drop_between: "mov rax, [rdi]", "vmcall", "invlpg [rdi]", "mov rax, [rdi]", "vmcall");

/// Lets a page lead to a frame, and drops no translation.
fn lead(page: usize, to: usize, bits: u64) {
    paging::write_entry_only(Level::Pt, page, paging::frame(to) | ALL_RIGHTS | bits);
}

/// Prepares both frames, and L2 with a VPID; 0 stands for none.
fn prepare(guest: &mut Guest, page: usize, bits: u64, vpid: u64) {
    for (index, value) in VALUES.into_iter().enumerate() {
        mmio::write_u64(paging::frame(index), value);
    }
    // L1 has none of the page, whatever was done with it before.
    let linear = paging::map(page, paging::frame(0), ALL_RIGHTS | bits);
    set_vpid(guest, vpid);
    guest.registers[RDI] = linear;
}

fn set_vpid(guest: &mut Guest, vpid: u64) {
    if vpid != 0 {
        guest.activate(secondary::VPID);
    }
    let _ = guest.set(field::VPID, vpid);
}

/// Runs L2 to its next VMCALL, and checks what it read.
fn reads(row: u64, guest: &mut Guest, due: u64) {
    let Some(exit) = run(row, guest) else { return };
    check_eq!("value", [&[]; row], guest.registers[RAX], due);
    let _ = guest.set(field::GUEST_RIP, exit.rip + exit.length);
}

fn run(row: u64, guest: &mut Guest) -> Option<Exit> {
    let exit = guest.run();
    check_eq!("exit reason", [&[]; row], exit.map_or(u32::MAX, |exit| exit.reason), reason::VMCALL);
    exit.ok()
}

/// What INVVPID of a type leaves: L2 reads a page that leads elsewhere behind it.
fn counts_behind(kind: u64, bits: u64) {
    if capability::read(capability::number::EPT_VPID) >> (40 + kind) & 1 == 0 {
        skip!("this type of INVVPID is not offered");
        return;
    }
    with_guest(read_twice, |guest| {
        for (page, vpid) in (0..NR_PAGES).zip([1, 2, 0x8000, 0xffff]) {
            prepare(guest, page, bits, vpid);
            reads(vpid, guest, VALUES[0]);
            lead(page, 1, bits);
            let outcome = instruction::invalidate_vpid(kind, [vpid, paging::address(page)]);
            check_outcome!("INVVPID", [&[]; vpid], outcome, Outcome::COMPLETED);
            reads(vpid, guest, VALUES[1]);
            guest.reset();
        }
    });
}

/// INVVPID of an address drops its translations of that VPID, global ones too.
#[case(feature = VmxVpid, spec = [sdm3c("INVVPID—Invalidate Translations Based on VPID"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = NEEDS | Needs::VMX_INVVPID)]
fn invvpid_of_an_address() {
    counts_behind(0, 0);
    counts_behind(0, GLOBAL);
}

/// INVVPID of a context drops all translations of that VPID, global ones too.
#[case(feature = VmxVpid, spec = [sdm3c("INVVPID—Invalidate Translations Based on VPID"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = NEEDS | Needs::VMX_INVVPID)]
fn invvpid_of_a_context() {
    counts_behind(1, 0);
    counts_behind(1, GLOBAL);
}

/// INVVPID of all contexts drops all translations of every VPID, global ones too.
#[case(feature = VmxVpid, spec = [sdm3c("INVVPID—Invalidate Translations Based on VPID"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = NEEDS | Needs::VMX_INVVPID)]
fn invvpid_of_all_contexts() {
    counts_behind(2, 0);
    counts_behind(2, GLOBAL);
}

/// INVVPID of a context but for global translations drops those that are not global.
#[case(feature = VmxVpid, spec = [sdm3c("INVVPID—Invalidate Translations Based on VPID"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = NEEDS | Needs::VMX_INVVPID)]
fn invvpid_of_a_context_but_for_globals() {
    counts_behind(3, 0);
}

/// Without VPIDs entries and exits drop what L2 has cached.
#[case(feature = VmxVpid, spec = [sdm3c("Operations that Invalidate Cached Mappings"), sdm3c("Caching Translation Information")],
       needs = Needs::INTEL | Needs::VMX)]
fn entries_and_exits_without_vpids_drop_translations() {
    with_guest(read_twice, |guest| {
        for (page, bits) in [0, GLOBAL].into_iter().enumerate() {
            let row = page as u64;
            prepare(guest, page, bits, 0);
            reads(row, guest, VALUES[0]);
            lead(page, 1, bits);
            reads(row, guest, VALUES[1]);
            guest.reset();
        }
    });
}

/// Translations of one VPID do not count for another one.
#[case(feature = VmxVpid, spec = [sdm3c("Caching Translation Information"), sdm3c("Virtual Processor Identifiers (VPIDs)")], needs = NEEDS)]
fn translations_of_another_vpid_do_not_count() {
    with_guest(read_twice, |guest| {
        for (page, bits) in [0, GLOBAL].into_iter().enumerate() {
            // VPIDs that nothing else of this case uses.
            let (first, second) = (0x101 + 2 * page as u64, 0x102 + 2 * page as u64);
            prepare(guest, page, bits, first);
            reads(first, guest, VALUES[0]);
            lead(page, 1, bits);
            set_vpid(guest, second);
            reads(second, guest, VALUES[1]);
            guest.reset();
        }
    });
}

/// Translations that L2 has cached under a VPID do not count for L1.
#[case(feature = VmxVpid, spec = [sdm3c("Caching Translation Information"), sdm3c("Virtual Processor Identifiers (VPIDs)")], needs = NEEDS)]
fn translations_of_l2_do_not_count_for_l1() {
    with_guest(read_twice, |guest| {
        for (page, bits) in [0, GLOBAL].into_iter().enumerate() {
            let row = page as u64;
            prepare(guest, page, bits, 0x201 + row);
            reads(row, guest, VALUES[0]);
            lead(page, 1, bits);
            check_eq!("value that L1 reads", [&[]; row], mmio::read_u64(paging::address(page)), VALUES[1]);
            guest.reset();
        }
    });
}

/// INVLPG of L2 drops the translation of its own VPID.
#[case(feature = VmxVpid, spec = sdm3c("Operations that Invalidate Cached Mappings"), needs = NEEDS)]
fn invlpg_of_l2_drops_its_translation() {
    with_guest(drop_between, |guest| {
        for (page, bits) in [0, GLOBAL].into_iter().enumerate() {
            let row = page as u64;
            prepare(guest, page, bits, 0x301 + row);
            reads(row, guest, VALUES[0]);
            lead(page, 1, bits);
            reads(row, guest, VALUES[1]);
            guest.reset();
        }
    });
}

/// Without INVVPID either translation counts, and nothing else; how often the old one did is noted.
#[case(feature = VmxVpid, spec = [sdm3c("Caching Translation Information"), sdm3c("Guidelines for Use of the INVVPID Instruction")],
       needs = NEEDS)]
fn without_invvpid_old_or_new_counts() {
    with_guest(read_twice, |guest| {
        let mut stale = 0_u64;
        for page in 0..NR_PAGES {
            let row = page as u64;
            prepare(guest, page, 0, 0x401 + row);
            reads(row, guest, VALUES[0]);
            lead(page, 1, 0);
            let _ = run(row, guest);
            let value = guest.registers[RAX];
            check_eq!("old or new value", [&[]; row], VALUES.contains(&value), true);
            stale += u64::from(value == VALUES[0]);
            guest.reset();
        }
        note!("reads by translations that were changed", stale);
    });
}
