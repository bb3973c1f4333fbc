//! VMLOAD and VMSAVE: each field, and nothing else.

use super::with_svm;
use rt::{
    case, check, check_eq,
    cpu::msr,
    mmio, names, paging,
    svm::{self, field, field::segment},
    tables::selector,
    vocabulary::{Needs, Text},
};

/// What VMSAVE writes of a VMCB: first byte, and how many.
const STORED: [(u64, u64); 12] = [
    (field::FS, 16),
    (field::GS, 16),
    (field::LDTR, 16),
    (field::TR, 16),
    (field::STAR, 8),
    (field::LSTAR, 8),
    (field::CSTAR, 8),
    (field::SFMASK, 8),
    (field::KERNEL_GS_BASE, 8),
    (field::SYSENTER_CS, 8),
    (field::SYSENTER_ESP, 8),
    (field::SYSENTER_EIP, 8),
];

const fn is_stored(offset: u64) -> bool {
    let mut index = 0;
    while index < STORED.len() {
        if offset >= STORED[index].0 && offset < STORED[index].0 + STORED[index].1 {
            return true;
        }
        index += 1;
    }
    false
}

/// MSRs with their fields, and values that each takes.
const MSRS: [(u32, u64, [u64; 3]); 8] = [
    (msr::number::IA32_STAR, field::STAR, [0, 0x0023_0010_0000_0000, 0xffff_ffff_ffff_ffff]),
    (msr::number::IA32_LSTAR, field::LSTAR, [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000]),
    (msr::number::IA32_CSTAR, field::CSTAR, [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000]),
    (msr::number::IA32_FMASK, field::SFMASK, [0, 0x4700, 0xffff_ffff]),
    (msr::number::IA32_KERNEL_GS_BASE, field::KERNEL_GS_BASE, [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000]),
    (msr::number::IA32_SYSENTER_CS, field::SYSENTER_CS, [0, 8, 0xfff8]),
    (msr::number::IA32_SYSENTER_ESP, field::SYSENTER_ESP, [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000]),
    (msr::number::IA32_SYSENTER_EIP, field::SYSENTER_EIP, [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000]),
];
const MSR_NAMES: &[Text] =
    names!["STAR", "LSTAR", "CSTAR", "SFMASK", "KERNEL_GS_BASE", "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP"];

/// VMSAVE stores each MSR.
#[case(feature = SvmInstructions, spec = [apm3("VMSAVE"), apm2("VMSAVE and VMLOAD Instructions")], needs = Needs::SVM)]
fn vmsave_stores_msrs() {
    let page = paging::frame(1);
    with_svm(|| {
        for (row, (number, at, values)) in MSRS.into_iter().enumerate() {
            for value in values {
                let Ok(_with) = msr::With::value(number, value) else {
                    check!("WRMSR", [MSR_NAMES; row], false);
                    continue;
                };
                check!("VMSAVE", [MSR_NAMES; row], svm::save_at(page).is_ok());
                check_eq!("stored", [MSR_NAMES; row], mmio::read_u64(page + at), value);
            }
        }
    });
}

/// VMLOAD loads each MSR.
#[case(feature = SvmInstructions, spec = [apm3("VMLOAD"), apm2("VMSAVE and VMLOAD Instructions")], needs = Needs::SVM)]
fn vmload_loads_msrs() {
    let page = paging::frame(1);
    with_svm(|| {
        for (row, (number, at, values)) in MSRS.into_iter().enumerate() {
            for value in values {
                check!("VMSAVE", [MSR_NAMES; row], svm::save_at(page).is_ok());
                let before = mmio::read_u64(page + at);
                mmio::write_u64(page + at, value);
                check!("VMLOAD", [MSR_NAMES; row], svm::load_at(page).is_ok());
                check_eq!("loaded", [MSR_NAMES; row], msr::read(number).unwrap_or(!value), value);
                mmio::write_u64(page + at, before);
                let _ = svm::load_at(page);
                check_eq!("loaded again", [MSR_NAMES; row], msr::read(number).unwrap_or(!before), before);
            }
        }
    });
}

/// VMLOAD and VMSAVE carry FS and GS whole: selector, attributes, limit and base, hidden parts too.
#[case(feature = SvmInstructions, spec = [apm3("VMLOAD"), apm3("VMSAVE")], needs = Needs::SVM)]
fn segments_with_their_hidden_parts() {
    const BASES: [u64; 4] = [0, 0x1234_5000, 0x7fff_ffff_f000, 0xffff_8000_0000_0000];
    const ATTRIBUTES: [u64; 2] = [0xc93, 0x0f3];
    let (page, again) = (paging::frame(1), paging::frame(2));
    with_svm(|| {
        for (row, at) in [field::FS, field::GS].into_iter().enumerate() {
            let number = [msr::number::IA32_FS_BASE, msr::number::IA32_GS_BASE][row];
            for base in BASES {
                for attributes in ATTRIBUTES {
                    let _ = svm::save_at(page);
                    let before = [mmio::read_u64(page + at), mmio::read_u64(page + at + 8)];
                    let head = u64::from(selector::KERNEL_DATA) | attributes << 16 | 0x000f_ffff << 32;
                    mmio::write_u64(page + at, head);
                    mmio::write_u64(page + at + segment::BASE, base);
                    check!("VMLOAD", [&[]; row], svm::load_at(page).is_ok());
                    let _ = svm::save_at(again);
                    let told = msr::read(number).unwrap_or(!base);
                    mmio::write_u64(page + at, before[0]);
                    mmio::write_u64(page + at + 8, before[1]);
                    let _ = svm::load_at(page);
                    check_eq!("base by its MSR", [&[]; row], told, base);
                    check_eq!("base", [&[]; row], mmio::read_u64(again + at + segment::BASE), base);
                    check_eq!("limit", [&[]; row], mmio::read_u32(again + at + segment::LIMIT), 0x000f_ffff);
                    check_eq!("attributes", [&[]; row], mmio::read_u16(again + at + segment::ATTRIBUTES), attributes);
                    check_eq!("selector", [&[]; row], mmio::read_u16(again + at), selector::KERNEL_DATA);
                }
            }
        }
    });
}

/// VMSAVE stores TR and LDTR; whether TR is told as busy, processors differ in.
#[case(feature = SvmInstructions, spec = apm3("VMSAVE"), needs = Needs::SVM)]
fn task_register_and_local_table() {
    let page = paging::frame(1);
    with_svm(|| {
        check!("VMSAVE", svm::save_at(page).is_ok());
        check_eq!("TR", mmio::read_u16(page + field::TR), selector::TSS);
        check_eq!("TR's base", mmio::read_u64(page + field::TR + segment::BASE), rt::layout::TSS);
        check_eq!("TR's limit", mmio::read_u32(page + field::TR + segment::LIMIT), rt::tables::TSS_LIMIT);
        check_eq!("TR's attributes", mmio::read_u16(page + field::TR + segment::ATTRIBUTES) & 0xfd, 0x89);
        check_eq!("LDTR", mmio::read_u16(page + field::LDTR), 0);
    });
}

/// VMSAVE writes nothing else of the page.
#[case(feature = SvmInstructions, spec = apm3("VMSAVE"), needs = Needs::SVM)]
fn vmsave_writes_nothing_else() {
    const MARK: u64 = 0xa5a5_5a5a_1234_8765;
    let page = paging::frame(1);
    with_svm(|| {
        for offset in (0..4096).step_by(8) {
            mmio::write_u64(page + offset, MARK);
        }
        check!("VMSAVE", svm::save_at(page).is_ok());
        // The areas of 256 bytes, each with what is no field of it.
        for area in 0..16_u64 {
            let mut changed = 0_u64;
            for offset in (area * 256..area * 256 + 256).step_by(8).filter(|&offset| !is_stored(offset)) {
                changed += u64::from(mmio::read_u64(page + offset) != MARK);
            }
            check_eq!("quadwords changed", [&[]; area], changed, 0);
        }
        for (offset, length) in STORED {
            // The last quadword of each; attributes and selectors may be what stood there only by chance.
            let at = page + offset + length - 8;
            check!("stored", [&[]; offset], mmio::read_u64(at) != MARK);
        }
    });
}

/// They need no alignment beyond a page's, and the same page can be loaded again and again.
#[case(feature = SvmInstructions, spec = [apm3("VMLOAD"), apm3("VMSAVE")], needs = Needs::SVM)]
fn any_page_will_do() {
    with_svm(|| {
        for index in 1..paging::NR_FRAMES {
            let page = paging::frame(index);
            check!("VMSAVE", [&[]; index], svm::save_at(page).is_ok());
            check!("VMLOAD", [&[]; index], svm::load_at(page).is_ok());
        }
    });
}
