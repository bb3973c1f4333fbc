//! VMfailInvalid and VMfailValid: each number that an image without SMM can reach, and what a failure leaves alone.

use super::{with_guest, with_vmx};
use rt::{
    Outcome, case, check, check_eq, check_outcome, mmio, names, user_code,
    vmx::{
        self, Guest, Page,
        capability::{self, number},
        control, field, instruction,
        reason::error,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

const fn valid(number: u32) -> Outcome {
    Outcome::vm_fail_valid(number)
}

/// An address of a VMCS as instructions take it, and which rule it breaks.
fn addresses(page: u64) -> [(u64, bool); 5] {
    let beyond = 1 << rt::paging::read_physical_address_bits();
    [(page, true), (page + 1, false), (page + 0x800, false), (page | beyond, false), (page | 1 << 63, false)]
}
const ADDRESSES: &[Text] = names!["page", "page + 1", "page + 800H", "beyond physical addresses", "2^63"];

/// Without a current VMCS, whatever fails fails with VMfailInvalid.
#[case(feature = VmxFailures, spec = [sdm3c("VMX Instruction Reference"), sdm3c("Conventions")], needs = Needs::INTEL | Needs::VMX)]
fn without_a_current_vmcs() {
    const INVALID: Outcome = Outcome::VM_FAIL_INVALID;
    with_vmx(|_| {
        let vmxon_region = Page::VmxonRegion.address();
        check_outcome!("VMCALL", instruction::call(), INVALID);
        check_outcome!("VMLAUNCH", instruction::launch_refused(), INVALID);
        check_outcome!("VMRESUME", instruction::resume_refused(), INVALID);
        check_outcome!("VMWRITE", instruction::write(field::GUEST_RIP, 0), INVALID);
        check_outcome!("VMWRITE of no field", instruction::write_number(u64::MAX, 0), INVALID);
        check_outcome!("VMREAD", instruction::read(field::GUEST_RIP).err().unwrap_or(Outcome::COMPLETED), INVALID);
        check_outcome!("VMXON", instruction::vmxon(vmxon_region), INVALID);
        check_outcome!("VMCLEAR of the VMXON region", instruction::clear(vmxon_region), INVALID);
        check_outcome!("VMPTRLD of the VMXON region", instruction::load_pointer(vmxon_region), INVALID);
        check_outcome!("VMCLEAR of page + 1", instruction::clear(vmxon_region + 1), INVALID);
        check_outcome!("VMPTRLD of page + 1", instruction::load_pointer(vmxon_region + 1), INVALID);
        check_eq!("VMPTRST", instruction::store_pointer().unwrap_or(0), u64::MAX);
    });
}

/// VMCLEAR refuses addresses that are none (error 2) and the VMXON region (error 3); a refusal leaves the current VMCS.
#[case(feature = VmxFailures, spec = [sdm3c("VMCLEAR—Clear Virtual-Machine Control Structure"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX)]
fn operands_of_vmclear() {
    with_guest(end, |_| {
        for (row, (address, is_legal)) in addresses(Page::SecondVmcs.address()).into_iter().enumerate() {
            let due = if is_legal { Outcome::COMPLETED } else { valid(error::VMCLEAR_ADDRESS) };
            check_outcome!("VMCLEAR", [ADDRESSES; row], instruction::clear(address), due);
            check_eq!(
                "the current VMCS",
                [ADDRESSES; row],
                instruction::store_pointer().unwrap_or(0),
                Page::Vmcs.address()
            );
        }
        let region = Page::VmxonRegion.address();
        check_outcome!("VMCLEAR of the VMXON region", instruction::clear(region), valid(error::VMCLEAR_VMXON_POINTER));
        check_outcome!(
            "VMCLEAR of a page without revision",
            instruction::clear(Page::Free.address()),
            Outcome::COMPLETED
        );
    });
}

/// VMPTRLD refuses addresses that are none (error 9), the VMXON region (error 10) and other revisions (error 11).
#[case(feature = VmxFailures, spec = [sdm3c("VMPTRLD—Load Pointer to Virtual-Machine Control Structure"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX)]
fn operands_of_vmptrld() {
    const NAMES: &[Text] = names!["revision + 1", "bit 31, without shadowing", "all ones", "right"];
    with_guest(end, |guest| {
        let (second, revision) = (Page::SecondVmcs, capability::read_revision());
        second.set_revision(revision);
        check_outcome!("VMCLEAR", instruction::clear(second.address()), Outcome::COMPLETED);
        for (row, (address, is_legal)) in addresses(second.address()).into_iter().enumerate().skip(1) {
            let due = if is_legal { Outcome::COMPLETED } else { valid(error::VMPTRLD_ADDRESS) };
            check_outcome!("VMPTRLD", [ADDRESSES; row], instruction::load_pointer(address), due);
            check_eq!(
                "the current VMCS",
                [ADDRESSES; row],
                instruction::store_pointer().unwrap_or(0),
                Page::Vmcs.address()
            );
        }
        let region = Page::VmxonRegion.address();
        check_outcome!(
            "VMPTRLD of the VMXON region",
            instruction::load_pointer(region),
            valid(error::VMPTRLD_VMXON_POINTER)
        );
        let shadows = guest.controls.secondary.allows(control::secondary::SHADOWING);
        for (row, (revision, is_legal)) in
            [(revision + 1, false), (revision | 1 << 31, shadows), (u32::MAX, false), (revision, true)]
                .into_iter()
                .enumerate()
        {
            second.set_revision(revision);
            let due = if is_legal { Outcome::COMPLETED } else { valid(error::VMPTRLD_REVISION) };
            check_outcome!("VMPTRLD by revision", [NAMES; row], instruction::load_pointer(second.address()), due);
            let _ = instruction::load_pointer(Page::Vmcs.address());
        }
        second.set_revision(revision);
        let _ = instruction::clear(second.address());
    });
}

/// VMCALL in VMX root operation with a current VMCS fails with error 1, without effect.
#[case(feature = VmxFailures, spec = [sdm3c("VMCALL—Call to VM Monitor"), sdm3c("VM Instruction Error Numbers")], needs = Needs::INTEL | Needs::VMX)]
fn vmcall_in_root_operation() {
    with_guest(end, |guest| {
        // With the dual-monitor treatment it looks for an SMM-transfer monitor first.
        if capability::read(number::BASIC) & capability::basic::DUAL_MONITOR != 0 {
            rt::skip!("the processor has the dual-monitor treatment, by which VMCALL may do something else");
            return;
        }
        check_outcome!("VMCALL", instruction::call(), valid(error::VMCALL_IN_ROOT));
        check!("a guest runs behind it", guest.run().is_ok_and(|exit| exit.is_end()));
    });
}

/// VMXON in VMX root operation with a current VMCS fails with error 15, whatever its operand, and without effect.
#[case(feature = VmxFailures, spec = [sdm3c("VMXON—Enter VMX Operation"), sdm3c("VM Instruction Error Numbers")], needs = Needs::INTEL | Needs::VMX)]
fn vmxon_in_root_operation() {
    with_guest(end, |guest| {
        check_outcome!("VMXON", instruction::vmxon(Page::VmxonRegion.address()), valid(error::VMXON_IN_ROOT));
        check_outcome!(
            "VMXON of page + 1",
            instruction::vmxon(Page::VmxonRegion.address() + 1),
            valid(error::VMXON_IN_ROOT)
        );
        check!("a guest runs behind it", guest.run().is_ok_and(|exit| exit.is_end()));
    });
}

/// VMREAD and VMWRITE of numbers that no field has fail with error 12, and so does one with a bit above bit 31.
#[case(feature = VmxFailures, spec = [sdm3c("VMREAD—Read Field from Virtual-Machine Control Structure"), sdm3c("VMWRITE—Write Field to Virtual-Machine Control Structure")],
       needs = Needs::INTEL | Needs::VMX)]
fn numbers_that_no_field_has() {
    const NAMES: &[Text] = names![
        "bit 12 reserved",
        "bit 15 reserved",
        "bit 31",
        "bit 32",
        "bit 63",
        "all ones",
        "high half of 16 bits",
        "high half of 32 bits",
        "high half of natural width",
        "index 1FFH"
    ];
    let numbers = [
        u64::from(field::GUEST_ES) | 1 << 12,
        u64::from(field::GUEST_ES) | 1 << 15,
        u64::from(field::GUEST_ES) | 1 << 31,
        u64::from(field::GUEST_ES) | 1 << 32,
        u64::from(field::GUEST_ES) | 1 << 63,
        u64::MAX,
        u64::from(field::GUEST_ES) | 1,
        u64::from(field::EXCEPTION_BITMAP) | 1,
        u64::from(field::GUEST_RIP) | 1,
        u64::from(field::GUEST_ES) | 0x3fe,
    ];
    const UNSUPPORTED: Outcome = valid(error::UNSUPPORTED_FIELD);
    with_guest(end, |guest| {
        for (row, number) in numbers.into_iter().enumerate() {
            let read = instruction::read_number(number).err().unwrap_or(Outcome::COMPLETED);
            check_outcome!("VMREAD", [NAMES; row], read, UNSUPPORTED);
            check_outcome!("VMWRITE", [NAMES; row], instruction::write_number(number, 0), UNSUPPORTED);
        }
        check_eq!("guest ES", guest.read(field::GUEST_ES), u64::from(rt::tables::selector::KERNEL_DATA));
    });
}

/// Entries fail for a blocking MOV SS (error 26), the launch state, controls (error 7) and host state (error 8), in this order.
#[case(feature = VmxFailures, spec = [sdm3c("VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine"), sdm3c("Basic VM-Entry Checks"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX)]
fn failures_of_entries() {
    const CONTROLS: Outcome = valid(error::ENTRY_CONTROLS);
    const HOST: Outcome = valid(error::ENTRY_HOST_STATE);
    with_guest(end, |guest| {
        for launched in [false, true] {
            let row = u64::from(launched);
            let failure = |guest: &mut Guest| guest.run().err().unwrap_or(Outcome::COMPLETED);
            let _ = guest.set(field::CR3_TARGET_COUNT, 0x1ff);
            check_outcome!("CR3-target count", [&[]; row], failure(guest), CONTROLS);
            let _ = guest.set(field::HOST_CS, 0);
            check_outcome!("and host CS", [&[]; row], failure(guest), CONTROLS);
            guest.reset();
            let _ = guest.set(field::HOST_CS, 0);
            check_outcome!("host CS", [&[]; row], failure(guest), HOST);
            let _ = guest.set(field::GUEST_RFLAGS, 0);
            check_outcome!("and guest RFLAGS", [&[]; row], failure(guest), HOST);
            guest.reset();
            check!("the legal state", [&[]; row], guest.run().is_ok_and(|exit| exit.is_end()));
            guest.reset();
        }
        // The launch state is checked before controls.
        let _ = guest.set(field::CR3_TARGET_COUNT, 0x1ff);
        check_outcome!("VMLAUNCH of a launched VMCS", instruction::launch_refused(), valid(error::VMLAUNCH_NOT_CLEAR));
        // The selector, and then the flags.
        let mut word = u64::from(rt::tables::selector::KERNEL_DATA);
        let outcome = rt::instruction!("mov ss, {word:e}", "vmlaunch", "pushfq", "pop {word}", word = inout(reg) word);
        let outcome = outcome.map_or_else(Outcome::from, |()| instruction::outcome_of_flags(word));
        check_outcome!("VMLAUNCH behind MOV SS", outcome, valid(error::ENTRY_BLOCKED_BY_MOV_SS));
        guest.reset();
    });
}

/// A success leaves the VM-instruction error as the last failure wrote it, and each failure writes it.
#[case(feature = VmxFailures, spec = sdm3c("Conventions"), needs = Needs::INTEL | Needs::VMX)]
fn a_success_leaves_the_number() {
    with_guest(end, |guest| {
        let number = |guest: &Guest| guest.read(field::INSTRUCTION_ERROR);
        let _ = instruction::clear(1);
        check_eq!("behind VMCLEAR of 1", number(guest), u64::from(error::VMCLEAR_ADDRESS));
        let _ = instruction::write(field::GUEST_RSP, guest.read(field::GUEST_RSP));
        check_eq!("behind a success", number(guest), u64::from(error::VMCLEAR_ADDRESS));
        let _ = instruction::load_pointer(1);
        check_eq!("behind VMPTRLD of 1", number(guest), u64::from(error::VMPTRLD_ADDRESS));
    });
}

/// INVEPT and INVVPID refuse types and operands with error 28.
#[case(feature = VmxFailures, spec = [sdm3c("INVEPT—Invalidate Translations Derived from EPT"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_INVEPT)]
fn operands_of_invept() {
    const NAMES: &[Text] = names!["type 0", "type 1", "type 2", "type 3", "type 2^32", "type all ones"];
    let capability = capability::read(number::EPT_VPID);
    with_guest(end, |_| {
        let ept = vmx::ept::Ept::new();
        for (row, kind) in [0, 1, 2, 3, 1 << 32, u64::MAX].into_iter().enumerate() {
            let is_legal = kind == 1 && capability >> 25 & 1 != 0 || kind == 2 && capability >> 26 & 1 != 0;
            let due = if is_legal { Outcome::COMPLETED } else { valid(error::INVALIDATION_OPERAND) };
            check_outcome!("INVEPT", [NAMES; row], instruction::invalidate_ept(kind, [ept.pointer(), 0]), due);
        }
        if capability >> 25 & 1 != 0 {
            let refused = valid(error::INVALIDATION_OPERAND);
            check_outcome!("memory type 7", instruction::invalidate_ept(1, [ept.pointer() | 7, 0]), refused);
            check_outcome!(
                "a walk of two levels",
                instruction::invalidate_ept(1, [ept.pointer() & !0x38 | 8, 0]),
                refused
            );
            check_outcome!(
                "bit 11 of the pointer",
                instruction::invalidate_ept(1, [ept.pointer() | 1 << 11, 0]),
                refused
            );
            check_outcome!(
                "bit 63 of the pointer",
                instruction::invalidate_ept(1, [ept.pointer() | 1 << 63, 0]),
                refused
            );
        }
    });
}

/// INVVPID refuses types, VPID 0, bits above the VPID, and linear addresses that are not canonical, each with error 28.
#[case(feature = VmxFailures, spec = [sdm3c("INVVPID—Invalidate Translations Based on VPID"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_INVVPID)]
fn operands_of_invvpid() {
    const NAMES: &[Text] = names!["type 0", "type 1", "type 2", "type 3", "type 4", "type 2^32"];
    let types = capability::read(number::EPT_VPID) >> 40 & 15;
    let due = |is_legal| if is_legal { Outcome::COMPLETED } else { valid(error::INVALIDATION_OPERAND) };
    with_guest(end, |_| {
        for (row, kind) in [0, 1, 2, 3, 4, 1 << 32].into_iter().enumerate() {
            let is_offered = kind < 4 && types >> kind & 1 != 0;
            let with = |descriptor| instruction::invalidate_vpid(kind, descriptor);
            check_outcome!("INVVPID", [NAMES; row], with([1, 0x1000]), due(is_offered));
            check_outcome!("VPID 0", [NAMES; row], with([0, 0x1000]), due(is_offered && kind == 2));
            check_outcome!("bit 16", [NAMES; row], with([1 | 1 << 16, 0x1000]), due(false));
            check_outcome!("bit 63", [NAMES; row], with([1 | 1 << 63, 0x1000]), due(false));
            check_outcome!("not canonical", [NAMES; row], with([1, 1 << 62]), due(is_offered && kind != 0));
        }
    });
}

/// A failed VMREAD leaves its destination alone, in a register and in memory.
#[case(feature = VmxFailures, spec = sdm3c("VMREAD—Read Field from Virtual-Machine Control Structure"), needs = Needs::INTEL | Needs::VMX)]
fn a_failed_vmread_writes_nothing() {
    const MARK: u64 = 0x1234_5678_9abc_def0;
    with_guest(end, |_| {
        let mut value = MARK;
        let _ = rt::instruction!("vmread {value}, {number}", value = inout(reg) value, number = in(reg) u64::MAX);
        check_eq!("register", value, MARK);
        let frame = rt::paging::frame(2);
        mmio::write_u64(frame, MARK);
        let _ = rt::instruction!("vmread [{place}], {number}", place = in(reg) frame, number = in(reg) u64::MAX);
        check_eq!("memory", mmio::read_u64(frame), MARK);
    });
}
