//! Both walks of an access: every set of rights of the guest's own entry with every one of the nested entry, at both privileges and
//! in each size of the guest's page.

use super::{
    WINDOW_FRAME,
    nested_access::{guest, information, nested_mode, rip_of_fault},
    nested_model::entries,
    with_nested,
};
use crate::paging::decision::{Mode, Operation, bit, decide};
use rt::{
    case, check_eq,
    cpu::{control, cpuid::read_leaf, msr},
    paging::{self, Level, frame, read_physical_address_bits},
    skip,
    svm::{
        field::exit,
        mode,
        nested::{Tables, WINDOW},
    },
    vocabulary::{Needs, message::outcome},
};

const HAS_PAGE_1G: u32 = 1 << 26;
const CR0_WP: u64 = 1 << 16;

/// Bits that an entry has: all eight sets of rights, and one that is not present.
const RIGHTS: [u64; 9] = [
    bit::P,
    bit::P | bit::RW,
    bit::P | bit::US,
    bit::P | bit::RW | bit::US,
    bit::P | bit::XD,
    bit::P | bit::RW | bit::XD,
    bit::P | bit::US | bit::XD,
    bit::P | bit::RW | bit::US | bit::XD,
    bit::RW | bit::US,
];
const ALL: u64 = bit::P | bit::RW | bit::US;

/// Every pair with a guest's page of this level. The row is guest's rights, nested rights, privilege and operation.
fn walk(level: Level) {
    let physical_bits = read_physical_address_bits();
    if physical_bits < 40 {
        skip!("the window takes 40 bits of physical address");
        return;
    }
    let nxe = msr::read(msr::number::IA32_EFER).unwrap_or(0) | msr::efer::NXE;
    let Ok(_efer) = msr::With::value(msr::number::IA32_EFER, nxe) else { return };
    let write_protect = control::read_cr0() & CR0_WP != 0;
    let nested = nested_mode(true, physical_bits, true);
    let (nr_levels, size_bit) = match level {
        Level::Pt => (4, 0),
        Level::Pd => (3, bit::PS),
        Level::Pdpt | Level::Pml4 => (2, bit::PS),
    };
    let linear = paging::address(0);
    let former = paging::read_entry(level, 0);
    with_nested(|tables| {
        for (own_row, own) in RIGHTS.into_iter().enumerate() {
            for (nested_row, nested_rights) in RIGHTS.into_iter().enumerate() {
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    for user in [false, true] {
                        let row = (own_row << 12 | nested_row << 8 | usize::from(user) << 4 | number) as u64;
                        let entry = WINDOW | own | size_bit;
                        paging::write_entry(level, 0, entry);
                        let mut walked = [ALL; 4];
                        walked[nr_levels - 1] = entry;
                        let window = entries(Tables::window(frame(WINDOW_FRAME)), 1, nested_rights, ALL | bit::XD);
                        tables.set_window(window);
                        let mut guest = guest(operation, linear);
                        if user {
                            guest.start_in(mode::Mode::User);
                        }
                        tables.attach(&guest);
                        let guest_mode = Mode {
                            user,
                            write_protect,
                            execute_disable: true,
                            physical_bits,
                            has_page_1g: true,
                            ..Mode::SUPERVISOR
                        };
                        let ran = guest.run();
                        let seen =
                            ran.map_or([0xffff_fffe, 0, 0, 0], |exit| [exit.code, exit.info_1, exit.info_2, exit.rip]);
                        let own_decision = decide(&walked[..nr_levels], operation, &guest_mode);
                        let due = match outcome::decode(own_decision.outcome) {
                            Some((_, code)) => Some((exit::EXCEPTION + 14, u64::from(code), linear)),
                            None => information(decide(&window, operation, &nested))
                                .map(|code| (exit::NESTED_PAGE_FAULT, code, WINDOW)),
                        };
                        let Some((code, error, address)) = due else {
                            check_eq!("exit code", [&[]; row], seen[0], exit::VMMCALL);
                            continue;
                        };
                        check_eq!("exit code", [&[]; row], seen[0], code);
                        check_eq!("EXITINFO1", [&[]; row], seen[1], error);
                        check_eq!("EXITINFO2", [&[]; row], seen[2], address);
                        check_eq!("RIP", [&[]; row], seen[3], rip_of_fault(operation, linear));
                    }
                }
            }
        }
    });
    paging::write_entry(level, 0, former);
}

/// Guest's pages of 4 KiB.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested versus Guest Page Faults, Fault Ordering"), apm2("Nested Page Faults")],
       needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn both_walks_with_pages_of_4_kib() {
    walk(Level::Pt);
}

/// Guest's pages of 2 MiB.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested versus Guest Page Faults, Fault Ordering"), apm2("Nested Page Faults")],
       needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn both_walks_with_pages_of_2_mib() {
    walk(Level::Pd);
}

/// Guest's pages of 1 GiB.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested versus Guest Page Faults, Fault Ordering"), apm2("Nested Page Faults")],
       needs = Needs::SVM | Needs::SVM_NESTED_PAGING | Needs::NX)]
fn both_walks_with_pages_of_1_gib() {
    if read_leaf(0x8000_0001, 0).edx & HAS_PAGE_1G == 0 {
        skip!("no pages of 1 GiB");
        return;
    }
    walk(Level::Pdpt);
}
