//! Values of MSRs over accesses that may leave the guest: whoever emulates a device keeps them meanwhile.

use case::{Needs, Text};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        msr::{
            self,
            number::{
                IA32_FMASK, IA32_KERNEL_GS_BASE, IA32_LSTAR, IA32_STAR, IA32_SYSENTER_CS, IA32_SYSENTER_EIP,
                IA32_SYSENTER_ESP, IA32_TSC_AUX,
            },
        },
        port,
    },
    mmio, names,
    vocabulary::image::board::{UNCLAIMED_MMIO, UNCLAIMED_PORT},
};

const NAMES: &[Text] = names![
    "IA32_STAR",
    "IA32_LSTAR",
    "IA32_FMASK",
    "IA32_SYSENTER_CS",
    "IA32_SYSENTER_ESP",
    "IA32_SYSENTER_EIP",
    "IA32_KERNEL_GS_BASE",
    "IA32_TSC_AUX"
];

/// MSRs in the order of [`NAMES`], and a value for each.
const VALUES: [(u32, u64); 8] = [
    (IA32_STAR, 0x0123_4567_89ab_cdef),
    (IA32_LSTAR, 0xffff_8000_1234_5678),
    (IA32_FMASK, 0x0004_7700),
    (IA32_SYSENTER_CS, 0x1238),
    (IA32_SYSENTER_ESP, 0x1234_5678),
    (IA32_SYSENTER_EIP, 0x1234_9abc),
    (IA32_KERNEL_GS_BASE, 0xffff_8000_dead_0000),
    (IA32_TSC_AUX, 0x89ab_cdef),
];

/// Writes MSRs, reads a port and a page that no device claims, and reads the MSRs again; afterwards they hold what they held before.
fn kept<const N: usize>(rows: [usize; N]) {
    let rows = rows.map(|row| (row, VALUES[row]));
    let before = rows.map(|(_, (number, _))| msr::read(number));
    for (row, (number, value)) in rows {
        check_outcome!("it is written", [NAMES; row], msr::write(number, value), Outcome::COMPLETED);
    }
    let _ = (port::read_u8(UNCLAIMED_PORT), mmio::read_u32(UNCLAIMED_MMIO));
    let after = rows.map(|(_, (number, _))| msr::read(number));
    for ((_, (number, _)), before) in rows.into_iter().zip(before) {
        if let Ok(before) = before {
            let _ = msr::write(number, before);
        }
    }
    for ((row, (_, value)), after) in rows.into_iter().zip(after) {
        check_eq!("value behind both accesses", [NAMES; row], after.unwrap_or(!value), value);
    }
}

/// MSRs of SYSCALL keep their values.
#[case(
    feature = MsrSyscall,
    spec = [sdm2("WRMSR—Write to Model Specific Register"), apm2("SYSCALL and SYSRET MSRs")],
    needs = Needs::SYSCALL | Needs::UNCLAIMED,
)]
fn syscall_msrs_are_kept_over_exits() {
    kept([0, 1, 2]);
}

/// MSRs of SYSENTER keep their values.
#[case(feature = MsrSyscall, spec = sdm2("WRMSR—Write to Model Specific Register"), needs = Needs::UNCLAIMED)]
fn sysenter_msrs_are_kept_over_exits() {
    kept([3, 4, 5]);
}

/// The GS base that SWAPGS loads keeps its value.
#[case(feature = MsrSegmentBases, spec = sdm2("WRMSR—Write to Model Specific Register"), needs = Needs::UNCLAIMED)]
fn kernel_gs_base_is_kept_over_exits() {
    kept([6]);
}

/// IA32_TSC_AUX keeps its value.
#[case(
    feature = MsrTsc,
    spec = [sdm2("WRMSR—Write to Model Specific Register"), sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID")],
    needs = Needs::RDTSCP | Needs::UNCLAIMED,
)]
fn tsc_aux_is_kept_over_exits() {
    kept([7]);
}
