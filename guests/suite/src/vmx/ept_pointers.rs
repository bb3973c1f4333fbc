//! What an entry checks of the EPT pointer and of the controls that go with it.

use super::with_guest;
use rt::{
    Outcome, case, check_outcome, names, paging, user_code,
    vmx::{
        Guest, Page, capability,
        control::secondary,
        ept::{Ept, bit::USER_EXECUTE, pointer},
        field, instruction, reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

/// VMfailValid with the number of an entry with invalid control fields.
fn refused() -> Outcome {
    Outcome::vm_fail_valid(reason::error::ENTRY_CONTROLS)
}

/// What an entry that ends with VMCALL leads to.
fn outcome(guest: &mut Guest) -> Outcome {
    match guest.run() {
        Ok(exit) if exit.is_end() => Outcome::COMPLETED,
        // Not a failure of the instruction: an exit that nobody expects.
        Ok(exit) => Outcome(u64::from(exit.reason) | 1 << 40),
        Err(outcome) => outcome,
    }
}

/// What the pointer's fields may hold, by IA32_VMX_EPT_VPID_CAP.
struct Offered {
    capability: u64,
    physical_bits: u32,
}

impl Offered {
    fn read() -> Self {
        Self {
            capability: capability::read(capability::number::EPT_VPID),
            physical_bits: paging::read_physical_address_bits(),
        }
    }

    fn has(&self, bit: u32) -> bool {
        self.capability >> bit & 1 != 0
    }

    fn is_legal(&self, value: u64) -> bool {
        let kind = match value & 7 {
            0 => self.has(8),
            6 => self.has(14),
            _ => false,
        };
        let levels = match value >> 3 & 7 {
            3 => self.has(6),
            4 => self.has(7),
            _ => false,
        };
        let flags = value & pointer::ACCESSED_DIRTY == 0 || self.has(21);
        let shadow = value & 1 << 7 == 0 || self.has(23);
        kind && levels && flags && shadow && value >> 8 & 15 == 0 && value >> self.physical_bits == 0
    }
}

/// Enters with this pointer, and holds the outcome to what the processor offers.
fn expected(offered: &Offered, value: u64) -> Outcome {
    if offered.is_legal(value) { Outcome::COMPLETED } else { refused() }
}

/// Every memory type: write-back and uncacheable where they are offered, and no other.
#[case(feature = VmxEpt, spec = [sdm3c("Extended-Page-Table Pointer (EPTP)"), sdm3c("VM-Execution Control Fields")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT)]
fn ept_pointer_memory_types() {
    let offered = Offered::read();
    with_guest(end, |guest| {
        let ept = Ept::new();
        for kind in 0..8 {
            ept.attach(guest);
            let value = ept.pointer() & !7 | kind;
            let _ = guest.set(field::EPT_POINTER, value);
            check_outcome!("entry", [&[]; kind], outcome(guest), expected(&offered, value));
            guest.reset();
        }
    });
}

/// Every length of a walk: four levels, and five where they are offered.
#[case(feature = VmxEpt, spec = [sdm3c("Extended-Page-Table Pointer (EPTP)"), sdm3c("VM-Execution Control Fields")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT)]
fn ept_pointer_walk_lengths() {
    let offered = Offered::read();
    with_guest(end, |guest| {
        let ept = Ept::new();
        for levels in 0..8 {
            let value = ept.pointer() & !(7 << 3) | levels << 3;
            if levels == 4 && offered.is_legal(value) {
                // These tables have four.
                continue;
            }
            ept.attach(guest);
            let _ = guest.set(field::EPT_POINTER, value);
            check_outcome!("entry", [&[]; levels], outcome(guest), expected(&offered, value));
            guest.reset();
        }
    });
}

/// Every other bit: flags where they are offered; bits that are reserved or beyond the physical addresses never.
#[case(feature = VmxEpt, spec = [sdm3c("Extended-Page-Table Pointer (EPTP)"), sdm3c("VM-Execution Control Fields")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT)]
fn ept_pointer_bits() {
    let offered = Offered::read();
    with_guest(end, |guest| {
        let ept = Ept::new();
        for bit in (6..12).chain(offered.physical_bits..64) {
            if bit == 7 && offered.has(23) {
                // It needs CET in the guest to mean anything.
                continue;
            }
            ept.attach(guest);
            let value = ept.pointer() | 1 << bit;
            let _ = guest.set(field::EPT_POINTER, value);
            check_outcome!("entry", [&[]; bit], outcome(guest), expected(&offered, value));
            guest.reset();
        }
    });
}

/// Without "enable EPT" the pointer does not count, whatever it holds.
#[case(feature = VmxEpt, spec = sdm3c("VM-Execution Control Fields"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT)]
fn ept_pointer_without_ept() {
    with_guest(end, |guest| {
        for bit in 0..64 {
            guest.activate(0);
            let _ = guest.set(field::EPT_POINTER, 1 << bit);
            check_outcome!("entry", [&[]; bit], outcome(guest), Outcome::COMPLETED);
            guest.reset();
        }
    });
}

/// Controls that need EPT are refused without it, and taken with it.
#[case(feature = VmxEpt, spec = sdm3c("VM-Execution Control Fields"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT)]
fn ept_controls_that_need_it() {
    const NAMES: &[Text] = names!["unrestricted guest", "page-modification logging", "mode-based execute control"];
    let controls = [secondary::UNRESTRICTED, secondary::PML, secondary::MODE_BASED_EXECUTE];
    with_guest(end, |guest| {
        let ept = Ept::new();
        ept.set_everywhere(USER_EXECUTE);
        for (row, control) in controls.into_iter().enumerate() {
            if !guest.controls.secondary.allows(control) {
                continue;
            }
            guest.activate(control);
            let _ = guest.set(field::PML_ADDRESS, Page::PageLog.address());
            check_outcome!("entry without EPT", [NAMES; row], outcome(guest), refused());
            ept.attach(guest);
            check_outcome!("entry with EPT", [NAMES; row], outcome(guest), Outcome::COMPLETED);
            guest.reset();
        }
    });
}

/// The address of the page-modification log: of a page, within the physical addresses. Without the control it does not count.
#[case(feature = VmxEpt, spec = [sdm3c("VM-Execution Control Fields"), sdm3c("Page-Modification Logging")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_PML)]
fn ept_address_of_the_log() {
    let offered = Offered::read();
    with_guest(end, |guest| {
        let ept = Ept::new();
        for bit in (0..12).chain(offered.physical_bits..64) {
            ept.attach(guest);
            let _ = guest.set(field::PML_ADDRESS, Page::PageLog.address() | 1 << bit);
            check_outcome!("entry, log off", [&[]; bit], outcome(guest), Outcome::COMPLETED);
            guest.activate(secondary::PML);
            let _ = guest.set(field::GUEST_RIP, guest.start());
            check_outcome!("entry, log on", [&[]; bit], outcome(guest), refused());
            guest.reset();
        }
    });
}

/// INVEPT of one context takes the pointers that an entry would take, and refuses all others.
#[case(feature = VmxEpt, spec = [sdm3c("INVEPT—Invalidate Translations Derived from EPT"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_pointer_of_invept() {
    let offered = Offered::read();
    if !offered.has(25) {
        rt::skip!("INVEPT of one context is not offered");
        return;
    }
    with_guest(end, |_| {
        let pointer = Ept::new().pointer();
        let values = (0..64_u64).map(|low| (low, pointer & !63 | low));
        let bits = (6..12).chain(offered.physical_bits..64).map(|bit| (u64::from(bit) | 0x100, pointer | 1 << bit));
        for (row, value) in values.chain(bits) {
            let due = if offered.is_legal(value) {
                Outcome::COMPLETED
            } else {
                Outcome::vm_fail_valid(reason::error::INVALIDATION_OPERAND)
            };
            check_outcome!("INVEPT", [&[]; row], instruction::invalidate_ept(1, [value, 0]), due);
        }
    });
}
