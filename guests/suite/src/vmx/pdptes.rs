//! Page-directory-pointer-table entries of an L2 with PAE paging, in its memory and in the VMCS.

use super::{
    exit_slots::run,
    protected_mode::{enter_32, pointers, write_pointers},
    with_guest,
};
use rt::{
    case, check_eq,
    cpu::control::{cr0, cr4},
    mmio, names, paging,
    user::register::{RAX, RCX, RDI},
    user_code,
    vmx::{
        Guest,
        control::{interruption, secondary},
        ept::Ept,
        field, reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(read: ".byte 0x8b, 0x07", "vmcall");
// MOV [EDI], EAX changes an entry in memory before it is loaded.
user_code!(load_cr3: ".byte 0x89, 0x07", "mov cr3, rcx", "vmcall");
user_code!(load_cr4: ".byte 0x89, 0x07", "mov cr4, rcx", "vmcall");
user_code!(load_cr0: ".byte 0x89, 0x07", "mov cr0, rcx", "vmcall");

/// An entry that failed by guest state.
const INVALID: u32 = reason::INVALID_GUEST_STATE | reason::ENTRY_FAILED;
/// The exit qualification of one that failed by PDPTEs.
const BY_POINTERS: u64 = 2;
/// A frame that L2 reads, and what stands there.
const FRAME: usize = 6;
const CONTENT: u32 = 0x5ac3_1e07;
/// The PDPTEs of the VMCS.
const FIELDS: [u32; 4] = [field::GUEST_PDPTE0, field::GUEST_PDPTE1, field::GUEST_PDPTE2, field::GUEST_PDPTE3];

/// Bits of an entry that are reserved.
fn reserved() -> impl Iterator<Item = u32> {
    [1, 2, 5, 6, 7, 8].into_iter().chain(paging::read_physical_address_bits()..64)
}

/// 32-bit mode with PAE paging by these entries in memory.
fn prepare(guest: &mut Guest, entries: [u64; 4]) {
    enter_32(guest);
    write_pointers(entries);
    mmio::write_u32(paging::frame(FRAME), CONTENT);
    guest.registers[RDI] = paging::frame(FRAME);
}

/// Without EPT an entry loads the PDPTEs that CR3 refers to, and fails by reserved bits of those that are present.
#[case(feature = VmxEntryGuestState, spec = [sdm3c("Checks on Guest Page-Directory-Pointer-Table Entries"), sdm3c("Loading Page-Directory-Pointer-Table Entries")],
       needs = Needs::INTEL | Needs::VMX)]
fn pointers_in_memory_are_checked() {
    with_guest(read, |guest| {
        for (index, bit) in (0..4_usize).flat_map(|index| reserved().map(move |bit| (index, bit))) {
            let row = (index as u64) << 8 | u64::from(bit);
            let mut entries = pointers();
            entries[index] |= 1 << bit;
            prepare(guest, entries);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, INVALID);
            check_eq!("exit qualification", [&[]; row], exit.qualification, BY_POINTERS);
            if index == 3 {
                // Absent, the entry does not count: the last GiB is not used.
                entries[index] &= !1;
                prepare(guest, entries);
                let exit = run(guest);
                guest.reset();
                check_eq!("exit reason, absent", [&[]; row], exit.reason, reason::VMCALL);
            }
        }
    });
}

/// The PDPTEs that an entry loads translate: the content that L2 reads tells which, and an absent one raises #PF.
#[case(feature = VmxState, spec = sdm3c("Loading Page-Directory-Pointer-Table Entries"), needs = Needs::INTEL | Needs::VMX)]
fn pointers_in_memory_are_used() {
    const NAMES: &[Text] =
        names!["first GiB", "second GiB leads to the first", "third GiB leads to the first", "second GiB is absent"];
    const GIB: u64 = 1 << 30;
    with_guest(read, |guest| {
        let first = pointers()[0];
        for (row, gib) in [0, 1, 2, 1_u64].into_iter().enumerate() {
            let mut entries = pointers();
            entries[gib as usize] = if row == 3 { 0 } else { first };
            prepare(guest, entries);
            guest.registers[RDI] = gib * GIB + paging::frame(FRAME);
            let exit = run(guest);
            let value = guest.registers[RAX];
            guest.reset();
            if row == 3 {
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
                check_eq!("vector", [NAMES; row], exit.interruption & 0xff, 14);
                check_eq!("address", [NAMES; row], exit.qualification, GIB + paging::frame(FRAME));
            } else {
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
                check_eq!("value", [NAMES; row], value, CONTENT);
            }
        }
    });
}

/// Moves to CR0, CR3 and CR4 that load PDPTEs raise #GP for reserved bits of them, and change nothing.
#[case(feature = VmxControlRegisters, spec = [sdm3a("PDPTE Registers"), sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation")],
       needs = Needs::INTEL | Needs::VMX)]
fn moves_that_load_pointers() {
    const NAMES: &[Text] = names!["CR3", "CR3, good", "CR4", "CR4, good", "CR0", "CR0, good"];
    const PROTECTION: u32 = interruption::VALID | interruption::HAS_ERROR_CODE | interruption::HARDWARE_EXCEPTION | 13;
    with_guest(read, |guest| {
        for row in 0..6_usize {
            let (which, is_good) = (row / 2, row % 2 == 1);
            guest.start_at([load_cr3 as extern "C" fn(u64) -> u64, load_cr4, load_cr0][which]);
            prepare(guest, pointers());
            // Changes of these bits load the entries: PGE of CR4, and CD of CR0.
            let former = guest.read([field::GUEST_CR3, field::GUEST_CR4, field::GUEST_CR0][which]);
            let value = former ^ [0, cr4::PGE, cr0::CD][which];
            guest.registers[RCX] = value;
            for changed in [field::GUEST_CR3, field::GUEST_CR4, field::GUEST_CR0] {
                guest.keep(changed);
            }
            guest.registers[RDI] = guest.read(field::GUEST_CR3);
            guest.registers[RAX] = pointers()[0] | if is_good { 0 } else { 1 << 5 };
            let exit = run(guest);
            let after = guest.read([field::GUEST_CR3, field::GUEST_CR4, field::GUEST_CR0][which]);
            guest.reset();
            if is_good {
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
                check_eq!("register", [NAMES; row], after, value);
            } else {
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
                check_eq!("interruption information", [NAMES; row], exit.interruption, PROTECTION);
                check_eq!("register", [NAMES; row], after, former);
            }
        }
    });
}

/// Without PAE paging the PDPTEs of the VMCS do not count: with 4-level paging, and for an L2 without paging.
#[case(feature = VmxEpt, spec = [sdm3c("Checks on Guest Page-Directory-Pointer-Table Entries"), sdm3c("Loading Page-Directory-Pointer-Table Entries")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_UNRESTRICTED)]
fn pointers_without_pae_paging() {
    const NAMES: &[Text] = names!["4-level paging", "no paging, with PAE", "no paging, without PAE", "PAE paging"];
    with_guest(read, |guest| {
        let ept = Ept::new();
        for row in 0..4 {
            ept.attach(guest);
            mmio::write_u32(paging::frame(FRAME), CONTENT);
            if row != 0 {
                prepare(guest, pointers());
            }
            guest.registers[RDI] = paging::frame(FRAME);
            if matches!(row, 1 | 2) {
                guest.activate(secondary::UNRESTRICTED);
                let _ = guest.clear_bits(field::GUEST_CR0, cr0::PG);
            }
            if row == 2 {
                let _ = guest.clear_bits(field::GUEST_CR4, cr4::PAE);
            }
            for pointer in FIELDS {
                let _ = guest.set(pointer, u64::MAX);
            }
            let exit = run(guest);
            let value = guest.registers[RAX];
            guest.reset();
            let due = if row == 3 { INVALID } else { reason::VMCALL };
            check_eq!("exit reason", [NAMES; row], exit.reason, due);
            if row != 3 {
                check_eq!("value", [NAMES; row], value & 0xffff_ffff, CONTENT);
            }
        }
    });
}
