//! Entering and leaving VMX operation, and the launch state of a VMCS.

use super::{with_guest, with_vmx};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{control, msr},
    mmio, names, user_code,
    vmx::{
        self, Enabled, Guest, Page, Prepared, VMXE,
        capability::{self, number},
        feature_control, instruction, reason,
        reason::error,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

/// VMX operation can be entered and left again and again; CR4.VMXE cannot be cleared in it, and can be outside of it.
#[case(feature = VmxLifeCycle, spec = [sdm3c("Enabling and Entering VMX Operation"), sdm3c("Restrictions on VMX Operation")],
       needs = Needs::INTEL | Needs::VMX)]
fn vmx_operation_is_entered_and_left() {
    for turn in 0..3_u64 {
        let enabled = match Enabled::new() {
            Ok(enabled) => enabled,
            Err(outcome) => {
                check_outcome!("VMXON", [&[]; turn], outcome, Outcome::COMPLETED);
                return;
            }
        };
        check_outcome!(
            "CR4.VMXE cleared in it",
            [&[]; turn],
            control::write_cr4(control::read_cr4() & !VMXE),
            Outcome::GP
        );
        check!("CR4.VMXE", [&[]; turn], control::read_cr4() & VMXE != 0);
        check_outcome!(
            "VMXON in it",
            [&[]; turn],
            instruction::vmxon(Page::VmxonRegion.address()),
            Outcome::VM_FAIL_INVALID
        );
        check_outcome!("VMXOFF", [&[]; turn], instruction::vmxoff(), Outcome::COMPLETED);
        check_outcome!("VMXOFF again", [&[]; turn], instruction::vmxoff(), Outcome::UD);
        let cr4 = control::read_cr4();
        check_outcome!("CR4.VMXE cleared", [&[]; turn], control::write_cr4(cr4 & !VMXE), Outcome::COMPLETED);
        check_outcome!("VMXON without it", [&[]; turn], instruction::vmxon(Page::VmxonRegion.address()), Outcome::UD);
        let _ = control::write_cr4(cr4);
        drop(enabled);
    }
}

/// In VMX operation each fixed bit of CR0 and CR4 is held: clearing one that must be 1 and setting one that must be 0 raise #GP(0).
#[case(feature = VmxLifeCycle, spec = [sdm3c("Restrictions on VMX Operation"), sdm3d("VMX-Fixed Bits in CR0")],
       needs = Needs::INTEL | Needs::VMX)]
fn fixed_bits_are_held() {
    let (cr0_ones, cr4_ones) = (capability::read(number::CR0_FIXED0), capability::read(number::CR4_FIXED0));
    let cr4_may = capability::read(number::CR4_FIXED1);
    with_vmx(|_| {
        let (cr0, cr4) = (control::read_cr0(), control::read_cr4());
        // Without PE and PG the processor would leave 64-bit mode, were it allowed to.
        const LEAVES: u64 = control::cr0::PE | control::cr0::PG;
        for bit in (0..64).filter(|bit| cr0_ones & !LEAVES & 1 << bit != 0) {
            check_outcome!("a bit of CR0 cleared", [&[]; bit], control::write_cr0(cr0 & !(1 << bit)), Outcome::GP);
            let _ = control::write_cr0(cr0);
        }
        for bit in (0..64).filter(|bit| cr4_ones & 1 << bit != 0) {
            check_outcome!("a bit of CR4 cleared", [&[]; bit], control::write_cr4(cr4 & !(1 << bit)), Outcome::GP);
            let _ = control::write_cr4(cr4);
        }
        for bit in (0..64).filter(|bit| cr4_may & 1 << bit == 0) {
            check_outcome!("a bit of CR4 set", [&[]; bit], control::write_cr4(cr4 | 1 << bit), Outcome::GP);
            let _ = control::write_cr4(cr4);
        }
    });
}

/// VMXON raises #GP(0) while CR0 or CR4 lacks a bit that must be 1.
#[case(feature = VmxLifeCycle, spec = sdm3c("VMXON—Enter VMX Operation"), needs = Needs::INTEL | Needs::VMX)]
fn vmxon_needs_the_fixed_bits() {
    let ones = capability::read(number::CR0_FIXED0);
    match Prepared::new() {
        Ok(_prepared) => {
            let cr0 = control::read_cr0();
            if ones & control::cr0::NE != 0 {
                check_outcome!(
                    "CR0.NE can be cleared outside",
                    control::write_cr0(cr0 & !control::cr0::NE),
                    Outcome::COMPLETED
                );
                check_outcome!("VMXON without CR0.NE", instruction::vmxon(Page::VmxonRegion.address()), Outcome::GP);
                let _ = control::write_cr0(cr0);
            }
            check_outcome!("VMXON", instruction::vmxon(Page::VmxonRegion.address()), Outcome::COMPLETED);
            check_outcome!("VMXOFF", instruction::vmxoff(), Outcome::COMPLETED);
        }
        Err(outcome) => check_outcome!("preparation", outcome, Outcome::COMPLETED),
    }
}

/// VMXON needs IA32_FEATURE_CONTROL to be locked with VMX allowed; once locked, it cannot be written.
#[case(feature = VmxLifeCycle, spec = [sdm3c("Enabling and Entering VMX Operation"), sdm3c("VMXON—Enter VMX Operation")],
       needs = Needs::INTEL | Needs::VMX)]
fn feature_control_must_be_locked() {
    use feature_control::{LOCKED, VMX_OUTSIDE_SMX};
    let Ok(value) = msr::read(vmx::FEATURE_CONTROL) else {
        check!("IA32_FEATURE_CONTROL can be read", false);
        return;
    };
    if value & LOCKED == 0 {
        let Ok(_cr0) = control::With::cr0(capability::read(number::CR0_FIXED0), 0) else { return };
        let Ok(_cr4) = control::With::cr4(VMXE, 0) else { return };
        Page::VmxonRegion.set_revision(capability::read_revision());
        let vmxon = || instruction::vmxon(Page::VmxonRegion.address());
        check_outcome!("VMXON while it is not locked", vmxon(), Outcome::GP);
        check_outcome!("VMX allowed", msr::write(vmx::FEATURE_CONTROL, value | VMX_OUTSIDE_SMX), Outcome::COMPLETED);
        check_outcome!("VMXON while it is allowed and not locked", vmxon(), Outcome::GP);
        check_outcome!(
            "locked",
            msr::write(vmx::FEATURE_CONTROL, value | VMX_OUTSIDE_SMX | LOCKED),
            Outcome::COMPLETED
        );
    }
    let locked = msr::read(vmx::FEATURE_CONTROL).unwrap_or(0);
    check!("the lock stays", locked & LOCKED != 0);
    check_outcome!("WRMSR of the same value", msr::write(vmx::FEATURE_CONTROL, locked), Outcome::GP);
    check_outcome!("WRMSR without the lock", msr::write(vmx::FEATURE_CONTROL, locked & !LOCKED), Outcome::GP);
    check_eq!("the value stays", msr::read(vmx::FEATURE_CONTROL).unwrap_or(0), locked);
    if locked & VMX_OUTSIDE_SMX != 0 {
        with_vmx(|_| {});
    }
}

/// VMXON takes the address of an aligned page within physical addresses that holds the revision identifier, and fails with
/// VMfailInvalid for others; it reads 4 bytes of the region.
#[case(feature = VmxLifeCycle, spec = sdm3c("VMXON—Enter VMX Operation"), needs = Needs::INTEL | Needs::VMX)]
fn vmxon_region() {
    const NAMES: &[Text] = names![
        "page + 1",
        "page + 8",
        "page + 800H",
        "beyond physical addresses",
        "2^63",
        "revision + 1",
        "revision with bit 31",
        "revision 0",
        "a page that holds it"
    ];
    let Ok(_prepared) = Prepared::new() else {
        check!("preparation", false);
        return;
    };
    let (page, revision) = (Page::VmxonRegion.address(), capability::read_revision());
    let beyond = 1 << rt::paging::read_physical_address_bits();
    let rows = [
        (page + 1, revision, false),
        (page + 8, revision, false),
        (page + 0x800, revision, false),
        (page | beyond, revision, false),
        (page | 1 << 63, revision, false),
        (page, revision + 1, false),
        (page, revision | 1 << 31, false),
        (page, 0, revision == 0),
        (page, revision, true),
    ];
    for (row, (address, revision, is_legal)) in rows.into_iter().enumerate() {
        mmio::write_u32(page, revision);
        let outcome = instruction::vmxon(address);
        let due = if is_legal { Outcome::COMPLETED } else { Outcome::VM_FAIL_INVALID };
        check_outcome!("VMXON", [NAMES; row], outcome, due);
        if outcome == Outcome::COMPLETED {
            let _ = instruction::vmxoff();
        }
    }
    mmio::write_u32(page, revision);
}

/// A guest runs, and ends where it says, launched once and resumed from then on.
#[case(feature = VmxLifeCycle, spec = [sdm3c("Software Use of Virtual-Machine Control Structures"), sdm3c("VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine")],
       needs = Needs::INTEL | Needs::VMX)]
fn a_guest_runs_and_ends() {
    with_guest(end, |guest| {
        for turn in 0..4_u64 {
            let exit = guest.run();
            check_outcome!("entry", [&[]; turn], exit.err().unwrap_or(Outcome::COMPLETED), Outcome::COMPLETED);
            let exit = exit.unwrap_or_default();
            check_eq!("exit reason", [&[]; turn], exit.reason, reason::VMCALL);
            check_eq!("RIP", [&[]; turn], exit.rip, guest.start());
            check_eq!("instruction length", [&[]; turn], exit.length, 3);
            guest.reset();
        }
    });
}

/// VMLAUNCH needs a VMCS that is clear, VMRESUME one that is launched; VMCLEAR makes it clear again, and there is no current
/// VMCS behind a VMCLEAR of it.
#[case(feature = VmxLifeCycle, spec = [sdm3c("VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine"), sdm3c("VMCLEAR—Clear Virtual-Machine Control Structure"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX)]
fn launch_state() {
    const NOT_CLEAR: Outcome = Outcome::vm_fail_valid(error::VMLAUNCH_NOT_CLEAR);
    const NOT_LAUNCHED: Outcome = Outcome::vm_fail_valid(error::VMRESUME_NOT_LAUNCHED);
    with_guest(end, |guest| {
        for turn in 0..2_u64 {
            check_outcome!("VMRESUME of a clear VMCS", [&[]; turn], instruction::resume_refused(), NOT_LAUNCHED);
            check!("launched", [&[]; turn], guest.run().is_ok_and(|exit| exit.is_end()));
            check_outcome!("VMLAUNCH of a launched VMCS", [&[]; turn], instruction::launch_refused(), NOT_CLEAR);
            guest.reset();
            check!("resumed", [&[]; turn], guest.run().is_ok_and(|exit| exit.is_end()));
            guest.reset();
            let vmcs = Page::Vmcs.address();
            check_outcome!("VMCLEAR", [&[]; turn], instruction::clear(vmcs), Outcome::COMPLETED);
            check_eq!("VMPTRST behind it", [&[]; turn], instruction::store_pointer().unwrap_or(0), u64::MAX);
            check_outcome!(
                "VMLAUNCH without VMCS",
                [&[]; turn],
                instruction::launch_refused(),
                Outcome::VM_FAIL_INVALID
            );
            check_outcome!(
                "VMRESUME without VMCS",
                [&[]; turn],
                instruction::resume_refused(),
                Outcome::VM_FAIL_INVALID
            );
            check_outcome!("VMPTRLD", [&[]; turn], instruction::load_pointer(vmcs), Outcome::COMPLETED);
            check_eq!("VMPTRST", [&[]; turn], instruction::store_pointer().unwrap_or(0), vmcs);
            guest.set_cleared();
        }
    });
}

/// An entry that fails for the guest's state leaves the VMCS clear, and the next legal state runs.
#[case(feature = VmxLifeCycle, spec = [sdm3c("VM-Entry Failures During or After Loading Guest State"), sdm3c("VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine")],
       needs = Needs::INTEL | Needs::VMX)]
fn failed_entry_does_not_launch() {
    with_guest(end, |guest| {
        let _ = guest.set(vmx::field::GUEST_RFLAGS, 0);
        let exit = guest.run().unwrap_or_default();
        check_eq!("exit reason", exit.reason, reason::ENTRY_FAILED | reason::INVALID_GUEST_STATE);
        check_eq!("exit qualification", exit.qualification, 0);
        guest.reset();
        check_outcome!("VMRESUME", instruction::resume_refused(), Outcome::vm_fail_valid(error::VMRESUME_NOT_LAUNCHED));
        check!("the next one runs", guest.run().is_ok_and(|exit| exit.is_end()));
    });
}

/// VMXOFF and VMXON in turn leave a VMCS that VMCLEAR has written back as it was.
#[case(feature = VmxLifeCycle, spec = sdm3c("Software Use of Virtual-Machine Control Structures"), needs = Needs::INTEL | Needs::VMX)]
fn vmcs_outlives_vmx_operation() {
    with_vmx(|enabled| {
        let Ok(guest) = Guest::new(enabled, end) else {
            check!("a guest can be made", false);
            return;
        };
        let mark = guest.start() + 0x1234;
        let _ = instruction::write(vmx::field::GUEST_RIP, mark);
        let vmcs = Page::Vmcs.address();
        check_outcome!("VMCLEAR", instruction::clear(vmcs), Outcome::COMPLETED);
        check_outcome!("VMXOFF", instruction::vmxoff(), Outcome::COMPLETED);
        check_outcome!("VMXON", instruction::vmxon(Page::VmxonRegion.address()), Outcome::COMPLETED);
        check_eq!("no VMCS is current", instruction::store_pointer().unwrap_or(0), u64::MAX);
        check_outcome!("VMPTRLD", instruction::load_pointer(vmcs), Outcome::COMPLETED);
        check_eq!("RIP", guest.read(vmx::field::GUEST_RIP), mark);
    });
}
