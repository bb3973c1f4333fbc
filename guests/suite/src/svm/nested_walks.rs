//! Nested paging: the guest's own tables, accessed and dirty bits, large pages, and faults that are repaired.

use super::{
    WINDOW_FRAME, end_of,
    ending::COMPLETED,
    nested_access::{self, CONTENT, completes, faults, information, nested_mode, rip_of_fault},
    nested_model::{WALK_FORBIDDEN, WALK_NOT_PRESENT, entries},
    with_nested,
};
use crate::paging::decision::{Operation, bit, decide, flags_agree};
use rt::{
    case, check, check_eq, layout, mmio, names,
    paging::{self, frame},
    svm::{
        Guest,
        field::{self, exit},
        mode::Mode,
        nested::{ALL, Tables, WINDOW, root},
    },
    tables::page_bit,
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "vmmcall");

/// L2 runs on nested page tables as without them, in every mode.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Paging"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn every_mode_runs() {
    const NAMES: &[Text] =
        names!["64-bit", "64-bit, CPL 3", "compatibility", "32-bit protected", "16-bit protected", "real"];
    let modes = [Mode::Long, Mode::User, Mode::Compatibility, Mode::Protected32, Mode::Protected16, Mode::Real];
    with_nested(|tables| {
        for (row, mode) in modes.into_iter().enumerate() {
            let mut guest = Guest::new(end);
            guest.start_in(mode);
            if mode == Mode::User {
                guest.write_u32(field::EXCEPTIONS, u32::MAX);
            }
            tables.attach(&guest);
            check_eq!("ending", [NAMES; row], end_of(guest.run()), COMPLETED);
        }
    });
}

/// Pages of the guest's own tables: a walk reads them as a user who writes, so that neither an absent page will do nor one that is
/// read-only or the supervisor's. The address is that of the entry.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested Page Faults"), apm2("Nested Table Walk")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn tables_of_the_guest() {
    // The window's own tables, by the entry that the access needs.
    let places = [layout::WINDOW_PT, layout::WINDOW_PD, layout::WINDOW_PDPT];
    let rights = [(page_bit::P, WALK_NOT_PRESENT), (page_bit::RW, WALK_FORBIDDEN), (page_bit::US, WALK_FORBIDDEN)];
    with_nested(|tables| {
        let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
        for (place, entry) in places.into_iter().enumerate() {
            for (right, (bits, information)) in rights.into_iter().enumerate() {
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    let row = (place << 8 | right << 4 | number) as u64;
                    let (at, former) = tables.forbid(entry, bits);
                    let mut guest = nested_access::guest(operation, linear);
                    tables.attach(&guest);
                    faults(row, &mut guest, information, entry);
                    check_eq!("RIP", [&[]; row], guest.read_u64(field::RIP), rip_of_fault(operation, linear));
                    mmio::write_u64(at, former);
                    // Repaired, the same instruction completes.
                    tables.attach(&guest);
                    completes(row, &mut guest);
                }
            }
        }
    });
}

/// The tables through which L2's code is fetched: its first instruction faults, at the entry that maps it.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested Page Faults"), apm2("Nested Table Walk")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn tables_of_the_guests_code() {
    let code = super::start_of(end);
    let entries = [layout::PML4, layout::IDENTITY_PDPT, layout::IDENTITY_PD + (code >> 21) * 8];
    with_nested(|tables| {
        for (row, entry) in entries.into_iter().enumerate() {
            for (right, (bits, information)) in
                [(page_bit::P, WALK_NOT_PRESENT), (page_bit::RW, WALK_FORBIDDEN)].into_iter().enumerate()
            {
                let (at, former) = tables.forbid(entry & !0xfff, bits);
                let mut guest = Guest::new(end);
                tables.attach(&guest);
                faults((row << 4 | right) as u64, &mut guest, information, entry);
                mmio::write_u64(at, former);
            }
        }
    });
}

/// A walk sets the nested entries' accessed bits, and the dirty bit of the one that maps the page if it is written.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested Table Walk"), apm2("Accessed (A) Bit"), apm2("Dirty (D) Bit")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn accessed_and_dirty() {
    let mode = nested_mode(false, 52, true);
    with_nested(|tables| {
        let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
        for levels in 0..16 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = levels << 4 | number as u64;
                let before = entries(Tables::window(frame(WINDOW_FRAME)), levels, 0, bit::RW);
                tables.set_window(before);
                let mut guest = nested_access::guest(operation, linear);
                tables.attach(&guest);
                let _ = guest.run();
                let decision = decide(&before, operation, &mode);
                let after = tables.read_window();
                check!("bits as defined", [&[]; row], flags_agree(&before, &after, operation, &decision));
            }
        }
    });
}

/// The pages of the guest's tables become accessed and dirty when they are walked: that is how walks access them.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Table Walk"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn walks_make_tables_dirty() {
    const BOTH: u64 = page_bit::A | page_bit::D;
    with_nested(|tables| {
        for (row, page) in
            [layout::WINDOW_PT, layout::WINDOW_PD, layout::WINDOW_PDPT, layout::PML4].into_iter().enumerate()
        {
            let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
            let at = tables.entry_of(page);
            mmio::write_u64(at, page | ALL);
            let mut guest = nested_access::guest(Operation::Read, linear);
            tables.attach(&guest);
            completes(row as u64, &mut guest);
            check_eq!("accessed and dirty", [&[]; row], mmio::read_u64(at) & BOTH, BOTH);
        }
    });
}

/// Nested pages of 2 MiB and of 1 GiB lead to the bytes that their offset tells.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Table Walk"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn large_pages() {
    let target = frame(WINDOW_FRAME);
    with_nested(|tables| {
        for (row, (level, size)) in [(2_usize, 1_u64 << 21), (1, 1 << 30)].into_iter().enumerate() {
            if size == 1 << 30 && rt::cpu::cpuid::read_leaf(0x8000_0001, 0).edx >> 26 & 1 == 0 {
                continue;
            }
            let mut window = Tables::window(target);
            window[level] = target & !(size - 1) | ALL | page_bit::PS;
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                tables.set_window(window);
                let address = WINDOW | target & (size - 1);
                let linear = paging::map(1, address, paging::ALL_RIGHTS);
                let mut guest = nested_access::guest(operation, linear);
                tables.attach(&guest);
                let row = (row << 4 | number) as u64;
                completes(row, &mut guest);
                if operation == Operation::Read {
                    check_eq!("value", [&[]; row], guest.read_u64(field::RAX), CONTENT);
                }
                let due = page_bit::A | if operation == Operation::Write { page_bit::D } else { 0 };
                check_eq!(
                    "accessed and dirty",
                    [&[]; row],
                    tables.read_window()[level] & (page_bit::A | page_bit::D),
                    due
                );
                // And without the right to write it.
                window[level] &= !page_bit::RW;
                tables.set_window(window);
                let decision = decide(&window[..=level], operation, &nested_mode(false, 52, true));
                let mut guest = nested_access::guest(operation, linear);
                tables.attach(&guest);
                match information(decision) {
                    Some(information) => faults(row, &mut guest, information, address),
                    None => completes(row, &mut guest),
                }
                window[level] |= page_bit::RW;
            }
        }
    });
}

/// The guest's own page fault comes before a nested one, with its address and error code.
#[case(feature = SvmNestedPaging, spec = apm2("Nested versus Guest Page Faults, Fault Ordering"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn page_faults_of_the_guest_come_first() {
    with_nested(|tables| {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            // Neither the guest's page nor the nested one is there.
            let linear = paging::map(0, WINDOW, 0);
            tables.set_window(entries(Tables::window(frame(WINDOW_FRAME)), 1, 0, bit::P));
            let mut guest = nested_access::guest(operation, linear);
            tables.attach(&guest);
            let exit = guest.run();
            let information = exit.as_ref().map_or(0, |exit| exit.info_2);
            check_eq!("ending", [&[]; number], end_of(exit), exit::EXCEPTION + 14);
            check_eq!("EXITINFO2", [&[]; number], information, linear);
        }
    });
}

/// Without paging of its own, L2's addresses are guest-physical ones.
#[case(feature = SvmNestedPaging, spec = apm2("Nested Paging"), needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn without_paging_of_the_guest() {
    user_code!(load: ".byte 0x8b, 0x07", "vmmcall");
    with_nested(|tables| {
        for mode in [Mode::Protected32, Mode::Long] {
            let page = frame(9);
            mmio::write_u64(page, CONTENT);
            let (at, former) = tables.forbid(page, page_bit::P);
            let mut guest = Guest::new(load);
            guest.start_in(mode);
            guest.registers.rdi = page;
            tables.attach(&guest);
            faults(mode as u64, &mut guest, 1 << 32 | 4, page);
            mmio::write_u64(at, former);
            tables.attach(&guest);
            completes(mode as u64, &mut guest);
            check_eq!("value", [&[]; mode as u64], guest.read_u64(field::RAX) & 0xffff_ffff, CONTENT & 0xffff_ffff);
        }
    });
}

/// A nested CR3 beyond the physical addresses is refused; its bits below a page do not make it so.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested Paging"), apm2("Canonicalization and Consistency Checks")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn nested_cr3() {
    with_nested(|tables| {
        for bit in 52..64_u64 {
            let mut guest = Guest::new(end);
            tables.attach(&guest);
            guest.write_u64(field::NESTED_CR3, root() | 1 << bit);
            check_eq!("bit set", [&[]; bit], end_of(guest.run()), super::ending::REFUSED);
            // Without nested paging the field does not count.
            let mut guest = Guest::new(end);
            guest.write_u64(field::NESTED_CR3, root() | 1 << bit);
            check_eq!("bit set, nested paging off", [&[]; bit], end_of(guest.run()), COMPLETED);
        }
    });
}

/// With nested paging, a memory type in G_PAT that there is not is refused, in each of its eight fields; without it G_PAT does not
/// count.
#[case(feature = SvmNestedPaging, spec = [apm2("Memory Types"), apm2("Canonicalization and Consistency Checks")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn guest_pat() {
    const LEGAL: [u64; 6] = [0, 1, 4, 5, 6, 7];
    with_nested(|tables| {
        for part in 0..8_u64 {
            for value in [0, 1, 2, 3, 4, 5, 6, 7, 8, 0xff] {
                let pat = 0x0007_0406_0007_0406 & !(0xff << (part * 8)) | value << (part * 8);
                let row = part << 8 | value;
                let mut guest = Guest::new(end);
                tables.attach(&guest);
                guest.write_u64(field::G_PAT, pat);
                let due = if LEGAL.contains(&value) { COMPLETED } else { super::ending::REFUSED };
                check_eq!("ending", [&[]; row], end_of(guest.run()), due);
            }
            let mut guest = Guest::new(end);
            guest.write_u64(field::G_PAT, 2 << (part * 8));
            check_eq!("ending, nested paging off", [&[]; part], end_of(guest.run()), COMPLETED);
        }
    });
}
