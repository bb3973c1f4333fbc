//! Enabling SVM, its MSRs, and the operands of its instructions.

use super::{reads, start_of, with_svm};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{cpuid::read_leaf, msr},
    names, paging,
    svm::{self, Enabled, FEATURE_LEAF, Guest, feature, is_end, number},
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "vmmcall");

/// The features of SVM are told: a revision, and at least one address space besides the host's.
#[case(feature = SvmLifeCycle, spec = [apm2("Determining Support for SVM"), apm3("Function 8000_000Ah—SVM Features")], needs = Needs::SVM)]
fn features_are_told() {
    check!("the leaf is there", read_leaf(0x8000_0000, 0).eax >= FEATURE_LEAF);
    check!("a revision", read_leaf(FEATURE_LEAF, 0).eax & 0xff != 0);
    check!("address spaces", svm::nr_asids() >= 2);
    check_eq!("ECX", u64::from(read_leaf(FEATURE_LEAF, 0).ecx), 0);
    let features = svm::features();
    let needs_nested = feature::VIRTUAL_VMLOAD | feature::AVIC;
    check!("what needs nested paging has it", features & needs_nested == 0 || features & feature::NESTED_PAGING != 0);
}

/// VM_CR and VM_HSAVE_PA can be read; VM_HSAVE_PA takes addresses of pages, and no others.
#[case(feature = SvmLifeCycle, spec = [apm2("VM_CR MSR (C001_0114h)"), apm2("VM_HSAVE_PA MSR (C001_0117h)")], needs = Needs::SVM)]
fn place_of_the_host_state() {
    const NAMES: &[Text] = names!["page", "zero", "page + 1", "page + 800H", "beyond physical addresses"];
    check!("VM_CR", reads(number::VM_CR));
    check!("VM_HSAVE_PA", reads(number::HOST_SAVE));
    let page = paging::frame(1);
    let rows = [(page, true), (0, true), (page + 1, false), (page + 0x800, false), (1 << 52, false)];
    for (row, (value, legal)) in rows.into_iter().enumerate() {
        let expected = if legal { Outcome::COMPLETED } else { Outcome::GP };
        check_outcome!("WRMSR", [NAMES; row], msr::write(number::HOST_SAVE, value), expected);
        if legal {
            check_eq!("RDMSR", [NAMES; row], msr::read(number::HOST_SAVE).unwrap_or(u64::MAX), value);
        }
    }
    let _ = msr::write(number::HOST_SAVE, 0);
}

/// EFER.SVME can be set and cleared again.
#[case(feature = SvmLifeCycle, spec = apm2("Enabling SVM"), needs = Needs::SVM)]
fn svm_can_be_enabled_and_disabled() {
    for turn in 0..3_u64 {
        let enabled = Enabled::new();
        check!("enabled", [&[]; turn], enabled.is_ok());
        check!("EFER", [&[]; turn], msr::read(msr::number::IA32_EFER).unwrap_or(0) & svm::SVME != 0);
        drop(enabled);
        check!("EFER after it", [&[]; turn], msr::read(msr::number::IA32_EFER).unwrap_or(u64::MAX) & svm::SVME == 0);
        check_outcome!("VMRUN without it", [&[]; turn], svm::run_at(paging::frame(1)), Outcome::UD);
    }
}

/// A guest runs, and ends where it says.
#[case(feature = SvmLifeCycle, spec = apm2("Basic Operation"), needs = Needs::SVM)]
fn a_guest_runs_and_ends() {
    with_svm(|| {
        for turn in 0..4_u64 {
            let exit = Guest::new(end).run();
            check!("it ends by VMMCALL", [&[]; turn], exit.as_ref().is_ok_and(is_end));
            let rip = exit.map_or(0, |exit| exit.rip);
            check_eq!("RIP", [&[]; turn], rip, start_of(end));
        }
    });
}

/// VMRUN, VMLOAD and VMSAVE take addresses of pages within the physical address space, and raise #GP(0) for others.
#[case(feature = SvmInstructions, spec = [apm3("VMRUN"), apm3("VMLOAD"), apm3("VMSAVE")], needs = Needs::SVM)]
fn operands_are_addresses_of_pages() {
    const NAMES: &[Text] = names!["page + 1", "page + 10H", "page + 800H", "2^52", "2^63"];
    let page = paging::frame(1);
    with_svm(|| {
        for (row, address) in [page + 1, page + 0x10, page + 0x800, 1 << 52, 1 << 63].into_iter().enumerate() {
            check_outcome!("VMRUN", [NAMES; row], svm::run_at(address), Outcome::GP);
            check_outcome!("VMLOAD", [NAMES; row], svm::load_at(address), Outcome::GP);
            check_outcome!("VMSAVE", [NAMES; row], svm::save_at(address), Outcome::GP);
        }
    });
}
