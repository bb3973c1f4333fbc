//! Instructions that few processors have, and exit by controls of their own: each a case, which is skipped without them.

use super::{
    exit_slots::{Code, run},
    with_guest,
};
use rt::{
    case, check_eq,
    cpu::cpuid::read_leaf,
    mmio, paging, skip,
    user::register::RDI,
    user_code,
    vmx::{
        Guest,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::Needs,
};

user_code!(encls: ".byte 0x0f, 0x01, 0xcf", "vmcall");
user_code!(umwait: ".byte 0xf2, 0x0f, 0xae, 0xf1", "vmcall");
user_code!(tpause: ".byte 0x66, 0x0f, 0xae, 0xf1", "vmcall");
user_code!(pconfig: ".byte 0x0f, 0x01, 0xc5", "vmcall");
user_code!(getsec: ".byte 0x0f, 0x37", "vmcall");
user_code!(split_lock: "lock inc dword ptr [rdi]", "vmcall");

/// CR4.SMXE.
const SMXE: u64 = 1 << 14;

/// Whether CPUID leaf 7 has a bit in EBX, ECX or EDX.
fn has_7(register: usize, bit: u32) -> bool {
    let leaf = read_leaf(7, 0);
    [leaf.ebx, leaf.ecx, leaf.edx][register] >> bit & 1 != 0
}

/// Lets an instruction exit, with the qualification 0, and without having been executed.
fn exits(guest: &mut Guest, code: Code, reason: u32, length: u64) {
    guest.start_at(code);
    let exit = run(guest);
    let start = guest.start();
    guest.reset();
    check_eq!("exit reason", exit.reason, reason);
    check_eq!("exit qualification", exit.qualification, 0);
    check_eq!("instruction length", exit.length, length);
    check_eq!("RIP from the start", exit.rip.wrapping_sub(start), 0);
}

/// ENCLS exits by its bitmap.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn encls_exits() {
    with_guest(encls, |guest| {
        if !guest.controls.secondary.allows(secondary::ENCLS) || !has_7(0, 2) {
            skip!("the processor has no ENCLS exiting");
            return;
        }
        guest.activate(secondary::ENCLS);
        let _ = guest.set(field::ENCLS_EXITING, u64::MAX);
        exits(guest, encls, reason::ENCLS, 3);
    });
}

/// UMWAIT exits by "RDTSC exiting" where it is enabled.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn umwait_exits() {
    with_guest(umwait, |guest| {
        if !guest.controls.secondary.allows(secondary::USER_WAIT) || !has_7(1, 5) {
            skip!("the processor has no user-level waits");
            return;
        }
        guest.activate(secondary::USER_WAIT);
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::RDTSC.into());
        exits(guest, umwait, reason::UMWAIT, 4);
    });
}

/// TPAUSE exits by "RDTSC exiting" where it is enabled.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn tpause_exits() {
    with_guest(tpause, |guest| {
        if !guest.controls.secondary.allows(secondary::USER_WAIT) || !has_7(1, 5) {
            skip!("the processor has no user-level waits");
            return;
        }
        guest.activate(secondary::USER_WAIT);
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::RDTSC.into());
        exits(guest, tpause, reason::TPAUSE, 4);
    });
}

/// PCONFIG exits by its bitmap.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn pconfig_exits() {
    with_guest(pconfig, |guest| {
        if !guest.controls.secondary.allows(secondary::PCONFIG) || !has_7(2, 18) {
            skip!("the processor has no PCONFIG");
            return;
        }
        guest.activate(secondary::PCONFIG);
        let _ = guest.set(field::PCONFIG_EXITING, u64::MAX);
        exits(guest, pconfig, reason::PCONFIG, 3);
    });
}

/// GETSEC exits always, where CR4 enables it.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Unconditionally"), needs = Needs::INTEL | Needs::VMX)]
fn getsec_exits() {
    with_guest(getsec, |guest| {
        if read_leaf(1, 0).ecx >> 6 & 1 == 0 {
            skip!("the processor has no SMX");
            return;
        }
        let _ = guest.set_bits(field::GUEST_CR4, SMXE);
        exits(guest, getsec, reason::GETSEC, 2);
    });
}

/// A locked access across two cache lines exits behind the instruction, which has been executed.
#[case(feature = VmxExits, spec = sdm3c("Other Causes of VM Exits"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn bus_lock_exits() {
    with_guest(split_lock, |guest| {
        if !guest.controls.secondary.allows(secondary::BUS_LOCK) {
            skip!("the processor has no bus-lock detection in VMX");
            return;
        }
        let at = paging::frame(2) + 62;
        mmio::write_u64(at, 0);
        guest.activate(secondary::BUS_LOCK);
        guest.registers[RDI] = at;
        let exit = run(guest);
        let start = guest.start();
        guest.reset();
        check_eq!("exit reason", exit.reason, reason::BUS_LOCK);
        check_eq!("RIP from the start", exit.rip.wrapping_sub(start), 3);
        check_eq!("memory", mmio::read_u64(at), 1);
    });
}
