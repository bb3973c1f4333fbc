//! LBR virtualization: DEBUGCTL and the MSRs of the last branch are L2's own.

use super::{end_of, ending::COMPLETED, with_svm};
use rt::{
    case, check, check_eq,
    cpu::msr,
    svm::{
        Guest,
        field::{self, VIRTUALIZATION},
    },
    user_code,
    vocabulary::Needs,
};

const DEBUGCTL: u32 = 0x1d9;
const LAST_BRANCH_FROM: u32 = 0x1db;
/// DEBUGCTL.LBR: branches are recorded.
const LBR: u64 = 1 << 0;
/// DEBUGCTL.BTF.
const BTF: u64 = 1 << 1;
/// The bit of [`VIRTUALIZATION`].
const ENABLED: u64 = 1 << 0;

// EAX takes what is written, and what is read comes back in RAX.
user_code!(read: "rdmsr", "shl rdx, 32", "or rax, rdx", "vmmcall");
user_code!(write: "xor edx, edx", "wrmsr", "vmmcall");
user_code!(branch: "jmp 2f", "nop", "2:", "vmmcall");

/// L2 reads DEBUGCTL from its VMCB, and what it writes is there behind the exit; the host keeps its own.
#[case(feature = SvmState, spec = apm2("LBR Virtualization"), needs = Needs::SVM | Needs::SVM_LBR)]
fn debugctl_is_each_ones_own() {
    with_svm(|| {
        let before = msr::read(DEBUGCTL).unwrap_or(0);
        for value in [0, LBR, BTF, LBR | BTF] {
            let mut guest = Guest::new(read);
            guest.write_u64(VIRTUALIZATION, ENABLED);
            guest.write_u64(field::DEBUGCTL, value);
            guest.registers.rcx = DEBUGCTL.into();
            check_eq!("reading ends", [&[]; value], end_of(guest.run()), COMPLETED);
            check_eq!("read", [&[]; value], guest.read_u64(field::RAX), value);
            let mut guest = Guest::new(write);
            guest.write_u64(VIRTUALIZATION, ENABLED);
            guest.registers.rcx = DEBUGCTL.into();
            guest.write_u64(field::RAX, value);
            check_eq!("writing ends", [&[]; value], end_of(guest.run()), COMPLETED);
            check_eq!("written", [&[]; value], guest.read_u64(field::DEBUGCTL), value);
            check_eq!("DEBUGCTL of the host", [&[]; value], msr::read(DEBUGCTL).unwrap_or(!before), before);
        }
    });
}

/// The last branch of L2 is recorded in its VMCB, and the host's record stays.
#[case(feature = SvmState, spec = apm2("LBR Virtualization"), needs = Needs::SVM | Needs::SVM_LBR)]
fn branches_of_l2_are_recorded_in_its_vmcb() {
    with_svm(|| {
        let before = msr::read(LAST_BRANCH_FROM).unwrap_or(0);
        let mut guest = Guest::new(branch);
        guest.write_u64(VIRTUALIZATION, ENABLED);
        guest.write_u64(field::DEBUGCTL, LBR);
        check_eq!("ending", end_of(guest.run()), COMPLETED);
        check_eq!("from", guest.read_u64(field::LAST_BRANCH_FROM), super::start_of(branch));
        check!("to", (2..4).contains(&(guest.read_u64(field::LAST_BRANCH_TO).wrapping_sub(super::start_of(branch)))));
        check_eq!("of the host", msr::read(LAST_BRANCH_FROM).unwrap_or(!before), before);
    });
}

/// Without it the fields of the VMCB do not count, and stay.
#[case(feature = SvmState, spec = apm2("LBR Virtualization"), needs = Needs::SVM | Needs::SVM_LBR)]
fn without_it_the_fields_do_not_count() {
    with_svm(|| {
        let before = msr::read(DEBUGCTL).unwrap_or(0);
        let mut guest = Guest::new(read);
        guest.write_u64(field::DEBUGCTL, before ^ BTF);
        guest.registers.rcx = DEBUGCTL.into();
        check_eq!("ending", end_of(guest.run()), COMPLETED);
        check_eq!("read", guest.read_u64(field::RAX), before);
        check_eq!("field", guest.read_u64(field::DEBUGCTL), before ^ BTF);
    });
}
