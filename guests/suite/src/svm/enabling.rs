//! Where SVM's instructions are none: in real mode and at CPL 3; VM_CR, which can forbid SVM; and what CPUID tells of it.

use super::{end_of, ending::COMPLETED, with_svm};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{cpuid::read_leaf, msr},
    names, paging,
    svm::{
        self, Guest,
        field::{self, INTERCEPTS_2, exit, intercept_2},
        mode::Mode,
        number,
    },
    user, user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

const UD: u64 = exit::EXCEPTION + 6;

user_code!(vmrun: "vmrun rax", "vmmcall");
user_code!(vmload: "vmload rax", "vmmcall");
user_code!(vmsave: "vmsave rax", "vmmcall");
user_code!(clgi: "clgi", "vmmcall");
user_code!(invlpga: "invlpga rax, ecx", "vmmcall");
user_code!(stgi: "stgi", "vmmcall");

/// All of them but STGI, which processors with SKINIT have without SVM.
const CODES: [Code; 5] = [vmrun, vmload, vmsave, clgi, invlpga];
const NAMES: &[Text] = names!["VMRUN", "VMLOAD", "VMSAVE", "CLGI", "INVLPGA"];

/// A guest in which all of them are intercepted.
fn guest(code: Code) -> Guest {
    let guest = Guest::new(code);
    for bit in intercept_2::VMRUN..=intercept_2::SKINIT {
        guest.intercept(INTERCEPTS_2, bit);
    }
    guest.intercept(field::INTERCEPTS_1, field::intercept_1::INVLPGA);
    guest.write_u64(field::RAX, paging::frame(1));
    guest
}

/// In real mode they are invalid opcodes, intercepted or not. VMMCALL is an instruction in every mode.
#[case(feature = SvmInstructions, spec = [apm3("VMRUN"), apm3("VMLOAD"), apm3("VMSAVE"), apm3("CLGI"), apm3("INVLPGA")],
       needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn in_real_mode_they_are_invalid() {
    with_svm(|| {
        for (row, code) in CODES.into_iter().enumerate() {
            let mut guest = guest(code);
            guest.start_in(Mode::Real);
            let ran = guest.run();
            let rip = ran.as_ref().map_or(1, |exit| exit.rip);
            check_eq!("ending", [NAMES; row], end_of(ran), UD);
            check_eq!("RIP", [NAMES; row], rip, 0);
        }
    });
}

/// At CPL 3 of the host they raise #GP(0) while SVM is enabled, and #UD while it is not.
#[case(feature = SvmInstructions, spec = [apm3("VMRUN"), apm3("VMLOAD"), apm3("VMSAVE"), apm3("CLGI"), apm3("INVLPGA")], needs = Needs::SVM)]
fn at_cpl_3_of_the_host() {
    let ran = |code: Code| user::call(code, 0);
    for (row, code) in CODES.into_iter().enumerate() {
        check_outcome!("without SVM", [NAMES; row], ran(code), Outcome::UD);
    }
    with_svm(|| {
        for (row, code) in CODES.into_iter().enumerate() {
            check_outcome!("with SVM", [NAMES; row], ran(code), Outcome::GP);
        }
        check_outcome!("STGI with SVM", ran(stgi), Outcome::GP);
    });
}

/// Bits of VM_CR.
mod vm_cr {
    /// SVM_LOCK: this bit and the next one keep what they have.
    pub(super) const LOCK: u64 = 1 << 3;
    /// SVMDIS: EFER.SVME must be zero.
    pub(super) const DISABLE: u64 = 1 << 4;
}

/// VM_CR.SVMDIS forbids to set EFER.SVME, can be taken back while VM_CR is not locked, and cannot be set while SVM is enabled.
#[case(feature = SvmLifeCycle, spec = apm2("VM_CR MSR (C001_0114h)"), needs = Needs::SVM)]
fn vm_cr_disables_svm() {
    let Ok(before) = msr::read(number::VM_CR) else {
        check!("VM_CR can be read", false);
        return;
    };
    if before & vm_cr::LOCK != 0 {
        rt::skip!("VM_CR is locked");
        return;
    }
    let efer = msr::read(msr::number::IA32_EFER).unwrap_or(0);
    check_outcome!("WRMSR of SVMDIS", msr::write(number::VM_CR, before | vm_cr::DISABLE), Outcome::COMPLETED);
    check_eq!("SVMDIS", msr::read(number::VM_CR).unwrap_or(0) & vm_cr::DISABLE, vm_cr::DISABLE);
    check_outcome!("SVME while SVMDIS is set", msr::write(msr::number::IA32_EFER, efer | svm::SVME), Outcome::GP);
    let _ = msr::write(msr::number::IA32_EFER, efer);
    check_outcome!("EFER without SVME", msr::write(msr::number::IA32_EFER, efer), Outcome::COMPLETED);
    check_outcome!("WRMSR back", msr::write(number::VM_CR, before & !vm_cr::DISABLE), Outcome::COMPLETED);
    check_eq!("SVMDIS again", msr::read(number::VM_CR).unwrap_or(u64::MAX) & vm_cr::DISABLE, 0);
    with_svm(|| {
        check_outcome!("SVMDIS while enabled", msr::write(number::VM_CR, before | vm_cr::DISABLE), Outcome::GP);
        let mut guest = Guest::new(stgi);
        check_eq!("a guest runs", end_of(guest.run()), COMPLETED);
    });
}

/// VM_CR.SVM_LOCK keeps both bits as they are: writes of them are ignored.
#[case(feature = SvmLifeCycle, spec = apm2("VM_CR MSR (C001_0114h)"), needs = Needs::SVM)]
fn vm_cr_is_locked() {
    const BOTH: u64 = vm_cr::LOCK | vm_cr::DISABLE;
    let Ok(before) = msr::read(number::VM_CR) else {
        check!("VM_CR can be read", false);
        return;
    };
    if before & vm_cr::LOCK == 0 {
        check_outcome!("locking", msr::write(number::VM_CR, before & !BOTH | vm_cr::LOCK), Outcome::COMPLETED);
    }
    let locked = msr::read(number::VM_CR).unwrap_or(0);
    check_eq!("locked", locked & vm_cr::LOCK, vm_cr::LOCK);
    for value in [locked ^ vm_cr::LOCK, locked ^ vm_cr::DISABLE, locked ^ BOTH] {
        check_outcome!("WRMSR", [&[]; value], msr::write(number::VM_CR, value), Outcome::COMPLETED);
        check_eq!("VM_CR", [&[]; value], msr::read(number::VM_CR).unwrap_or(!locked) & BOTH, locked & BOTH);
    }
}

/// Reserved bits of VM_CR raise #GP(0).
#[case(feature = SvmLifeCycle, spec = apm2("VM_CR MSR (C001_0114h)"), needs = Needs::SVM)]
fn reserved_bits_of_vm_cr() {
    let before = msr::read(number::VM_CR).unwrap_or(0);
    for bit in 5..64 {
        check_outcome!("WRMSR", [&[]; bit], msr::write(number::VM_CR, before | 1 << bit), Outcome::GP);
        check_eq!("VM_CR", [&[]; bit], msr::read(number::VM_CR).unwrap_or(!before), before);
    }
}

/// What CPUID tells of SVM: reserved bits are clear, and what builds upon something else comes with it.
#[case(feature = SvmLifeCycle, spec = apm3("Function 8000_000Ah—SVM Features"), needs = Needs::SVM)]
fn features_agree_with_each_other() {
    use svm::feature;
    /// Bits of EDX that have no meaning.
    const RESERVED: u32 = 1 << 9 | 1 << 14;
    const PAIRS: [(u32, u32); 3] = [
        (feature::PAUSE_FILTER_THRESHOLD, feature::PAUSE_FILTER),
        (feature::AVIC, feature::NESTED_PAGING),
        (feature::VIRTUAL_VMLOAD, feature::NESTED_PAGING),
    ];
    let leaf = read_leaf(svm::FEATURE_LEAF, 0);
    check_eq!("EAX above the revision", leaf.eax >> 8, 0);
    check_eq!("reserved bits of EDX", leaf.edx & RESERVED, 0);
    for (row, (feature, base)) in PAIRS.into_iter().enumerate() {
        check!("with what it builds upon", [&[]; row], leaf.edx & feature == 0 || leaf.edx & base != 0);
    }
    with_svm(|| {
        let enabled = read_leaf(svm::FEATURE_LEAF, 0);
        check_eq!("EDX while SVM is enabled", enabled.edx, leaf.edx);
        check_eq!("EBX while SVM is enabled", enabled.ebx, leaf.ebx);
    });
}
