//! Bases of segments that are not canonical: VMRUN and VMLOAD make them so. And addresses of VMCBs that there are not.

use super::{end_of, ending::COMPLETED, with_svm};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{cpuid::read_leaf, msr},
    mmio, names, paging,
    svm::{
        self, Guest,
        field::{self, segment},
    },
    user_code,
    vocabulary::{Needs, Text},
};

/// Addresses that are not canonical, with 48 bits or with 57.
const ADDRESSES: [u64; 8] = [
    0x0000_8000_0000_0000,
    0xffff_7fff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x1234_5678_9abc_def0,
    0x0001_0000_0000_0000,
    0xfffe_ffff_ffff_fff8,
    0x0100_0000_0000_0000,
    0xfeff_ffff_ffff_f000,
];

/// Number of bits of a linear address that the processor implements.
fn read_linear_address_bits() -> u32 {
    read_leaf(0x8000_0008, 0).eax >> 8 & 0xff
}

/// What becomes of an address: the bits above the last one that is implemented are copies of it.
const fn canonical(address: u64, bits: u32) -> u64 {
    ((address << (64 - bits)) as i64 >> (64 - bits)) as u64
}

/// VMLOAD makes the bases of FS and GS canonical.
#[case(feature = SvmInstructions, spec = [apm3("VMLOAD"), apm2("Canonicalization and Consistency Checks")], needs = Needs::SVM)]
fn vmload_makes_bases_canonical() {
    let (page, again) = (paging::frame(1), paging::frame(2));
    let rows = [(msr::number::IA32_FS_BASE, field::FS), (msr::number::IA32_GS_BASE, field::GS)];
    const NAMES: &[Text] = names!["FS", "GS"];
    let bits = read_linear_address_bits();
    with_svm(|| {
        for (row, (number, at)) in rows.into_iter().enumerate() {
            for address in ADDRESSES {
                let _ = svm::save_at(page);
                let before = mmio::read_u64(page + at + segment::BASE);
                mmio::write_u64(page + at + segment::BASE, address);
                check!("VMLOAD", [NAMES; row], svm::load_at(page).is_ok());
                let told = msr::read(number).unwrap_or(!canonical(address, bits));
                let _ = svm::save_at(again);
                mmio::write_u64(page + at + segment::BASE, before);
                let _ = svm::load_at(page);
                check_eq!("base by its MSR", [NAMES; row], told, canonical(address, bits));
                let stored = mmio::read_u64(again + at + segment::BASE);
                check_eq!("base by VMSAVE", [NAMES; row], stored, canonical(address, bits));
            }
        }
    });
}

user_code!(end: "vmmcall");

/// VMRUN takes bases that are not canonical, and what the exit stores is canonical.
#[case(feature = SvmState, spec = [apm3("VMRUN"), apm2("Canonicalization and Consistency Checks")], needs = Needs::SVM)]
fn vmrun_makes_bases_canonical() {
    const NAMES: &[Text] = names!["ES", "CS", "SS", "DS"];
    let bits = read_linear_address_bits();
    let fields = [field::ES, field::CS, field::SS, field::DS];
    with_svm(|| {
        for (row, at) in fields.into_iter().enumerate() {
            for address in ADDRESSES {
                let mut guest = Guest::new(end);
                guest.write_u64(at + segment::BASE, address);
                check_eq!("ending", [NAMES; row], end_of(guest.run()), COMPLETED);
                check_eq!("base", [NAMES; row], guest.read_u64(at + segment::BASE), canonical(address, bits));
            }
        }
    });
}

/// An address of VMRUN, VMLOAD or VMSAVE with any bit from the width of physical addresses on raises #GP(0).
#[case(feature = SvmInstructions, spec = [apm3("VMRUN"), apm3("VMLOAD"), apm3("VMSAVE")], needs = Needs::SVM)]
fn every_bit_beyond_physical_addresses() {
    let width = paging::read_physical_address_bits();
    let page = paging::frame(1);
    with_svm(|| {
        for bit in width..64 {
            let address = page | 1 << bit;
            check_outcome!("VMRUN", [&[]; bit], svm::run_at(address), Outcome::GP);
            check_outcome!("VMLOAD", [&[]; bit], svm::load_at(address), Outcome::GP);
            check_outcome!("VMSAVE", [&[]; bit], svm::save_at(address), Outcome::GP);
        }
        check_eq!("memory", mmio::read_u64(page + field::STAR), 0);
    });
}

/// Neither does one of a part of a page: every bit below it.
#[case(feature = SvmInstructions, spec = [apm3("VMRUN"), apm3("VMLOAD"), apm3("VMSAVE")], needs = Needs::SVM)]
fn every_bit_below_a_page() {
    let page = paging::frame(1);
    with_svm(|| {
        for bit in 0..12 {
            let address = page | 1 << bit;
            check_outcome!("VMRUN", [&[]; bit], svm::run_at(address), Outcome::GP);
            check_outcome!("VMLOAD", [&[]; bit], svm::load_at(address), Outcome::GP);
            check_outcome!("VMSAVE", [&[]; bit], svm::save_at(address), Outcome::GP);
        }
        check_eq!("memory", mmio::read_u64(page + field::STAR), 0);
    });
}
