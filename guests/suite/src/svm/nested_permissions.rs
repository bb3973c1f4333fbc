//! Nested paging: what the entries of four levels allow, against the model of ordinary paging.

use super::{
    WINDOW_FRAME,
    nested_access::{judge, nested_mode},
    nested_model::entries,
    with_nested,
};
use crate::paging::decision::{Operation, bit};
use rt::{
    case,
    cpu::{cpuid::read_leaf, msr},
    paging::{frame, read_physical_address_bits},
    skip,
    svm::nested::Tables,
    vocabulary::Needs,
};

const HAS_PAGE_1G: u32 = 1 << 26;

/// Each of the 15 sets of levels with these bits set or cleared, by each operation. The row is levels and operation.
fn walk(set: u64, clear: u64) {
    let physical_bits = read_physical_address_bits();
    if physical_bits < 40 {
        skip!("the window takes 40 bits of physical address");
        return;
    }
    // The host's EFER counts: it is in force when SVM is enabled.
    let nxe = msr::read(msr::number::IA32_EFER).unwrap_or(0) | msr::efer::NXE;
    let Ok(_efer) = msr::With::value(msr::number::IA32_EFER, nxe) else { return };
    let mode = nested_mode(true, physical_bits, read_leaf(0x8000_0001, 0).edx & HAS_PAGE_1G != 0);
    with_nested(|tables| {
        for levels in 0..16 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = levels << 4 | number as u64;
                let window = entries(Tables::window(frame(WINDOW_FRAME)), levels, set, clear);
                judge(row, tables, window, operation, &mode);
            }
        }
    });
}

/// Entries that are not present, at every set of levels.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn not_present() {
    walk(0, bit::P);
}

/// Entries that are not writable.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn not_writable() {
    walk(0, bit::RW);
}

/// Entries of the supervisor alone: all accesses of L2 are those of a user.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn not_of_the_user() {
    walk(0, bit::US);
}

/// Entries that forbid execution.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn not_executable() {
    walk(bit::XD, 0);
}

/// Entries that are neither writable nor executable.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn readable_alone() {
    walk(bit::XD, bit::RW);
}

/// Entries that are not the user's and forbid execution: both are told by the same bits.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn of_the_supervisor_and_not_executable() {
    walk(bit::XD, bit::US);
}

/// Without the host's EFER.NXE the bit that forbids execution is reserved, whatever L2's is.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn execute_disable_without_nxe() {
    let physical_bits = read_physical_address_bits();
    if physical_bits < 40 {
        skip!("the window takes 40 bits of physical address");
        return;
    }
    let efer = msr::read(msr::number::IA32_EFER).unwrap_or(0) & !msr::efer::NXE;
    let Ok(_efer) = msr::With::value(msr::number::IA32_EFER, efer) else { return };
    let mode = nested_mode(false, physical_bits, true);
    with_nested(|tables| {
        for level in 0..4_u64 {
            // Whether a fetch is told as such without EFER.NXE, the manual leaves open.
            for (number, operation) in [Operation::Read, Operation::Write].into_iter().enumerate() {
                let window = entries(Tables::window(frame(WINDOW_FRAME)), 1 << level, bit::XD, 0);
                judge(level << 4 | number as u64, tables, window, operation, &mode);
            }
        }
    });
}

/// Reserved bits of each level: addresses beyond the physical ones, the size bit where there is none, and the bits below a large
/// page.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Page Faults"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn reserved_bits() {
    let physical_bits = read_physical_address_bits();
    if physical_bits < 40 {
        skip!("the window takes 40 bits of physical address");
        return;
    }
    let nxe = msr::read(msr::number::IA32_EFER).unwrap_or(0) | msr::efer::NXE;
    let Ok(_efer) = msr::With::value(msr::number::IA32_EFER, nxe) else { return };
    let mode = nested_mode(true, physical_bits, read_leaf(0x8000_0001, 0).edx & HAS_PAGE_1G != 0);
    let mut rows = [(0_u64, 0_u64); 12];
    let candidates = [
        (1, 1 << 51),
        (2, 1 << 51),
        (4, 1 << 51),
        (8, 1 << 51),
        (1, 1 << physical_bits),
        (2, 1 << physical_bits),
        (4, 1 << physical_bits),
        (8, 1 << physical_bits),
        (8, bit::PS),
        (2, bit::PS | 1 << 13),
        (2, bit::PS | 1 << 20),
        (4, bit::PS | 1 << 29),
    ];
    rows.copy_from_slice(&candidates);
    with_nested(|tables| {
        for (row, (levels, set)) in rows.into_iter().enumerate() {
            if set >> 52 != 0 || set & 1 << 51 != 0 && physical_bits > 51 {
                continue;
            }
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let window = entries(Tables::window(frame(WINDOW_FRAME)), levels, set, 0);
                judge((row << 4 | number) as u64, tables, window, operation, &mode);
            }
        }
    });
}
