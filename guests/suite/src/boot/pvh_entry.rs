//! The register state at the PVH entry, as "x86/HVM direct boot ABI" of the Xen project demands it.
//!
//! Limits of the segments are not examined: they stand in no register, and an access beyond one would end the guest.

use super::pvh_entry;
use case::{Needs, Text};
use rt::{
    case, check_eq,
    cpu::control::{cr0, read_cr0},
    names,
};

/// At the PVH entry CR0.PE is set and all other writeable bits of CR0 are clear.
#[case(feature = PvhEntryState, spec = pvh("x86/HVM direct boot ABI"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn cr0_holds_only_pe() {
    // ET is not writeable: it reads as 1 on every processor with a built-in x87.
    check_eq!("CR0 without ET", u64::from(pvh_entry().cr0) & !cr0::ET, cr0::PE);
}

/// At the PVH entry all bits of CR4 are clear.
#[case(feature = PvhEntryState, spec = pvh("x86/HVM direct boot ABI"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn cr4_is_zero() {
    check_eq!("CR4", pvh_entry().cr4, 0);
}

/// At the PVH entry EFLAGS.VM, IF and TF are clear.
#[case(feature = PvhEntryState, spec = pvh("x86/HVM direct boot ABI"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn eflags_vm_if_tf_are_clear() {
    let eflags = pvh_entry().eflags;
    const NAMES: &[Text] = names!["TF", "IF", "VM"];
    for (row, bit) in [8, 9, 17].into_iter().enumerate() {
        check_eq!("flag", [NAMES; row], eflags >> bit & 1, 0);
    }
    check_eq!("the flag that is always set", eflags >> 1 & 1, 1);
}

/// At the PVH entry CS, DS, ES and SS have a base of 0.
#[case(feature = PvhEntryState, spec = pvh("x86/HVM direct boot ABI"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn segment_bases_are_zero() {
    // DS is what wrote the word: with another base, the word in the image would be none of EBX's.
    let state = pvh_entry();
    const NAMES: &[Text] = names!["CS", "ES", "SS"];
    let through = [state.ebx_through_cs, state.ebx_through_es, state.ebx_through_ss];
    for (row, value) in through.into_iter().enumerate() {
        check_eq!("EBX's copy, read through", [NAMES; row], value, state.ebx);
    }
}

/// At the PVH entry CPL is 0: no segment register that decides it holds another privilege level.
#[case(
    feature = PvhEntryState,
    spec = [pvh("x86/HVM direct boot ABI"), sdm3a("Privilege Levels")],
    needs = Needs::PVH_ENTRY,
    entry = Pvh
)]
fn privilege_level_is_zero() {
    let state = pvh_entry();
    check_eq!("RPL of CS", state.cs & 3, 0);
    check_eq!("RPL of SS", state.ss & 3, 0);
}

/// CR0.ET is set at the PVH entry and stays so: it is not writeable.
#[case(
    feature = PvhEntryState,
    spec = sdm3a("Control Registers"),
    needs = Needs::PVH_ENTRY,
    entry = Pvh
)]
fn cr0_et_is_set() {
    check_eq!("ET at the entry", u64::from(pvh_entry().cr0) & cr0::ET, cr0::ET);
    check_eq!("ET now", read_cr0() & cr0::ET, cr0::ET);
}
