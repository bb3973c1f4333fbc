//! VMFUNC: EPTP switching, and what else it does.

use super::{exit_slots::run, with_guest};
use rt::{
    case, check_eq, mmio,
    user::register::{RAX, RCX},
    user_code,
    vmx::{Guest, Page, control::secondary, ept::Ept, field, reason},
    vocabulary::Needs,
};

user_code!(vmfunc: "vmfunc", "vmcall");

/// A second EPT pointer: a copy of the first table, with the same tables below.
fn other_pointer(ept: &Ept) -> u64 {
    let first = ept.pointer() & !0xfff;
    for offset in (0..4096).step_by(8) {
        mmio::write_u64(Page::Free.address() + offset, mmio::read_u64(first + offset));
    }
    Page::Free.address() | ept.pointer() & 0xfff
}

/// Gives L2 VM functions with these controls and a list in which this index leads to `entry`.
fn prepare(guest: &mut Guest, ept: &Ept, controls: u64, index: u64, entry: u64) {
    Page::EptpList.fill(0);
    mmio::write_u64(Page::EptpList.address() + index % 512 * 8, entry);
    ept.attach(guest);
    guest.activate(secondary::EPT | secondary::FUNCTIONS);
    let _ = guest.set(field::FUNCTION_CONTROLS, controls);
    let _ = guest.set(field::EPTP_LIST, Page::EptpList.address());
}

/// EPTP switching loads the entry of the list that ECX tells: the VMCS has the new pointer, and L2 goes on.
#[case(feature = VmxFunctions, spec = [sdm3c("EPTP Switching"), sdm3c("VMFUNC—Invoke VM function")], needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT
       | Needs::VMX_EPTP_SWITCHING)]
fn eptp_switching() {
    with_guest(vmfunc, |guest| {
        let ept = Ept::new();
        let other = other_pointer(&ept);
        for index in (0..9).map(|bit| 1_u64 << bit).chain([0, 3, 255, 511]) {
            prepare(guest, &ept, 1, index, other);
            guest.registers[RCX] = index;
            let exit = run(guest);
            let pointer = guest.read(field::EPT_POINTER);
            guest.reset();
            check_eq!("exit reason", [&[]; index], exit.reason, reason::VMCALL);
            check_eq!("RIP from the start", [&[]; index], exit.rip.wrapping_sub(guest.start()), 3);
            check_eq!("EPT pointer", [&[]; index], pointer, other);
        }
    });
}

/// EPTP switching exits for an index beyond the list, and for an entry that is no legal EPT pointer; the pointer stays.
#[case(feature = VmxFunctions, spec = [sdm3c("EPTP Switching"), sdm3d("VMX Basic Exit Reasons")], needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT
       | Needs::VMX_EPTP_SWITCHING)]
fn eptp_switching_exits() {
    with_guest(vmfunc, |guest| {
        let ept = Ept::new();
        let other = other_pointer(&ept);
        let beyond = 1 << rt::paging::read_physical_address_bits();
        let rows = [
            (512, other),
            (513, other),
            (0x8000_0000, other),
            (0xffff_ffff, other),
            (4, 0),
            // Memory types, length of the walk, reserved bits.
            (4, other & !7 | 1),
            (4, other & !7 | 7),
            (4, other & !(7 << 3)),
            (4, other & !(7 << 3) | 1 << 3),
            (4, other | 7 << 3),
            (4, other | 1 << 11),
            (4, other | beyond),
            (4, other | 1 << 63),
        ];
        for (row, (index, entry)) in rows.into_iter().enumerate() {
            prepare(guest, &ept, 1, index, entry);
            guest.registers[RCX] = index;
            let exit = run(guest);
            let pointer = guest.read(field::EPT_POINTER);
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, reason::VMFUNC);
            check_eq!("instruction length", [&[]; row], exit.length, 3);
            check_eq!("exit qualification", [&[]; row], exit.qualification, 0);
            check_eq!("EPT pointer", [&[]; row], pointer, ept.pointer());
        }
    });
}

/// A function whose control is 0 exits; one above 63 raises #UD, and so does each where VM functions are not enabled.
#[case(feature = VmxFunctions, spec = [sdm3c("VMFUNC—Invoke VM function"), sdm3c("Enabling VM Functions")], needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT
       | Needs::VMX_EPTP_SWITCHING)]
fn functions_that_there_are_not() {
    with_guest(vmfunc, |guest| {
        let ept = Ept::new();
        for function in (0..64_u64).chain([64, 65, 0x100, 0x8000_0000, 0xffff_ffff]) {
            prepare(guest, &ept, u64::from(function != 0), 0, ept.pointer());
            guest.registers[RAX] = function;
            let exit = run(guest);
            guest.reset();
            let due = if function < 64 { reason::VMFUNC } else { reason::EXCEPTION_OR_NMI };
            check_eq!("exit reason", [&[]; function], exit.reason, due);
            ept.attach(guest);
            guest.registers[RAX] = function;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason where they are not enabled", [&[]; function], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("vector where they are not enabled", [&[]; function], exit.interruption & 0xff, 6);
        }
    });
}
