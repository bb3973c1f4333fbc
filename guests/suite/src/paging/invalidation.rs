//! Cached translations: what INVLPG, CR3 and CR4.PGE drop, and what needs no invalidation.

use super::{
    model::{Mode, Operation, predict},
    probe::{self, LEVELS, PAGE, attempt},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{self, cr4},
    layout, mmio, names,
    paging::{self, ALL_RIGHTS, Level, frame, read_entry, table, write_entry, write_entry_only},
    tables::page_bit::{G, P, PS, RW, US},
    user, user_code,
    vocabulary::Text,
};

user_code!(read_quadword: "mov rax, [rdi]", "ret");

const OLD: u64 = 0x01d0_01d0;
const NEW: u64 = 0x4e44_4e44;

/// Another set of tables for [`PAGE`], that leads to frame 1 with the value [`NEW`], while the present ones lead to
/// frame 0 with [`OLD`]. The result are the entries that, put in at their level, lead there, the PML4's first.
fn prepare() -> [u64; 4] {
    mmio::write_u64(frame(0), OLD);
    mmio::write_u64(frame(1), NEW);
    paging::map(PAGE, frame(0), ALL_RIGHTS);
    table::write(frame(4), 0, frame(3) | ALL_RIGHTS);
    table::write(frame(3), 0, frame(2) | ALL_RIGHTS);
    table::write(frame(2), PAGE, frame(1) | ALL_RIGHTS);
    [frame(4), frame(3), frame(2), frame(1)].map(|table| table | ALL_RIGHTS)
}

fn read(is_user: bool) -> u64 {
    let address = paging::address(PAGE);
    if is_user { user::call(read_quadword, address).unwrap_or(0) } else { mmio::read_u64(address) }
}

/// Changes the entry at each level in turn, invalidates, and checks that both privilege levels see the new frame.
fn check_changes(invalidate: fn()) {
    let entries = prepare();
    for (row, (level, entry)) in LEVELS.into_iter().zip(entries).enumerate() {
        for is_user in [false, true] {
            // Both translations are used before the change.
            check_eq!(
                "CPL 0 before",
                [names!["PML4E", "PDPTE", "PDE", "PTE", "PML4E, second", "PDPTE, second", "PDE, second", "PTE, second"];
                    row + 4 * usize::from(is_user)],
                read(false),
                OLD
            );
            let _ = read(true);
            let previous = read_entry(level, PAGE);
            write_entry_only(level, PAGE, entry);
            invalidate();
            let actual = read(is_user);
            if is_user {
                check_eq!("CPL 3 after", [names!["PML4E", "PDPTE", "PDE", "PTE"]; row], actual, NEW);
            } else {
                check_eq!("CPL 0 after", [names!["PML4E", "PDPTE", "PDE", "PTE"]; row], actual, NEW);
            }
            write_entry_only(level, PAGE, previous);
            invalidate();
        }
    }
}

/// After INVLPG for an address, a change of any entry of its walk is seen.
#[case(feature = PagingInvalidation, spec = [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"),
       sdm2("INVLPG—Invalidate TLB Entries")])]
fn invlpg_shows_changes_at_each_level() {
    check_changes(|| paging::invalidate(paging::address(PAGE)));
}

/// INVLPG for any byte of a page drops the page's translation.
#[case(feature = PagingInvalidation, spec = sdm2("INVLPG—Invalidate TLB Entries"))]
fn invlpg_takes_any_byte_of_the_page() {
    check_changes(|| paging::invalidate(paging::address(PAGE) + 0xfff));
}

/// After a write to CR3, a change of any entry is seen.
#[case(feature = PagingInvalidation, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn cr3_write_shows_changes_at_each_level() {
    check_changes(table::reload_cr3);
}

/// After CR4.PGE changes, a change of any entry is seen.
#[case(feature = PagingInvalidation, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn cr4_pge_shows_changes_at_each_level() {
    check_changes(|| drop(control::With::cr4(cr4::PGE, 0)));
}

/// A write to CR3 with another PML4 leads to other translations, also for pages accessed before.
#[case(feature = PagingInvalidation, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn other_cr3_has_other_translations() {
    let entries = prepare();
    // The runtime is the same in both: the identity map's entry.
    table::write(frame(5), 0, table::read(layout::PML4, 0));
    table::write(frame(5), 1, entries[0]);
    for (row, (root, expected)) in
        [(layout::PML4, OLD), (frame(5), NEW), (layout::PML4, OLD), (frame(5), NEW)].into_iter().enumerate()
    {
        check_outcome!(
            "MOV to CR3",
            [names!["first", "second", "first again", "second again"]; row],
            control::write_cr3(root),
            Outcome::COMPLETED
        );
        check_eq!("CPL 0", [names!["first", "second", "first again", "second again"]; row], read(false), expected);
        check_eq!("CPL 3", [names!["first", "second", "first again", "second again"]; row], read(true), expected);
    }
    let _ = control::write_cr3(layout::PML4);
}

/// An entry that becomes present needs no invalidation, at any level, although the address faulted before.
#[case(feature = PagingInvalidation, spec = [sdm3a("Optional Invalidation"),
       apm2("Translation-Lookaside Buffer (TLB)")])]
fn presence_needs_no_invalidation() {
    let address = paging::map(PAGE, frame(0), ALL_RIGHTS);
    for (row, level) in LEVELS.into_iter().enumerate() {
        let entry = read_entry(level, PAGE);
        for is_user in [false, true] {
            write_entry(level, PAGE, entry & !P);
            let absent = attempt(is_user, Operation::Write, address);
            write_entry_only(level, PAGE, entry);
            let present = attempt(is_user, Operation::Write, address);
            let code = if is_user { 6 } else { 2 };
            if is_user {
                check_outcome!(
                    "CPL 3 absent",
                    [names!["PML4E", "PDPTE", "PDE", "PTE"]; row],
                    absent,
                    Outcome::pf(code)
                );
                check_outcome!(
                    "CPL 3 present",
                    [names!["PML4E", "PDPTE", "PDE", "PTE"]; row],
                    present,
                    Outcome::COMPLETED
                );
            } else {
                check_outcome!(
                    "CPL 0 absent",
                    [names!["PML4E", "PDPTE", "PDE", "PTE"]; row],
                    absent,
                    Outcome::pf(code)
                );
                check_outcome!(
                    "CPL 0 present",
                    [names!["PML4E", "PDPTE", "PDE", "PTE"]; row],
                    present,
                    Outcome::COMPLETED
                );
            }
        }
    }
}

/// Rights taken away are gone after INVLPG, at whichever level and privilege level.
#[case(feature = PagingInvalidation, spec = sdm3a("Recommended Invalidation"))]
fn removed_rights_are_gone_after_invlpg() {
    const ROWS: &[Text] = names!["PTE RW, CPL 0", "PTE RW", "PTE US", "PDE RW", "PDPTE US", "PML4E RW, CPL 0"];
    for (row, (level, bits, is_user)) in [
        (Level::Pt, RW, false),
        (Level::Pt, RW, true),
        (Level::Pt, US, true),
        (Level::Pd, RW, true),
        (Level::Pdpt, US, true),
        (Level::Pml4, RW, false),
    ]
    .into_iter()
    .enumerate()
    {
        let address = paging::map(PAGE, frame(0), ALL_RIGHTS);
        let before = attempt(is_user, Operation::Write, address);
        write_entry(level, PAGE, read_entry(level, PAGE) & !bits);
        let mode = if is_user { Mode::USER } else { Mode::SUPERVISOR };
        check_outcome!("before", [ROWS; row], before, Outcome::COMPLETED);
        check_outcome!(
            "after",
            [ROWS; row],
            attempt(is_user, Operation::Write, address),
            predict(&probe::entries(), Operation::Write, mode)
        );
        probe::restore_parents();
    }
}

/// After rights are given without an invalidation an access may fault once more, but not twice.
#[case(feature = PagingInvalidation, spec = sdm3a("Optional Invalidation"))]
fn added_rights_fault_at_most_once() {
    for (row, (level, bits, is_user)) in
        [(Level::Pt, RW, false), (Level::Pt, RW, true), (Level::Pt, US, true), (Level::Pd, RW, true)]
            .into_iter()
            .enumerate()
    {
        let address = paging::map(PAGE, frame(0), ALL_RIGHTS);
        let entry = read_entry(level, PAGE);
        write_entry(level, PAGE, entry & !bits);
        let _ = attempt(false, Operation::Read, address);
        let denied = attempt(is_user, Operation::Write, address);
        write_entry_only(level, PAGE, entry);
        // A spurious fault drops the stale translation.
        let _ = attempt(is_user, Operation::Write, address);
        check_outcome!(
            "second attempt",
            [names!["PTE RW, CPL 0", "PTE RW", "PTE US", "PDE RW"]; row],
            attempt(is_user, Operation::Write, address),
            Outcome::COMPLETED
        );
        rt::check!(
            "denied before",
            [names!["PTE RW, CPL 0", "PTE RW", "PTE US", "PDE RW"]; row],
            denied != Outcome::COMPLETED
        );
    }
}

/// INVLPG drops the translation of a global page.
#[case(feature = PagingInvalidation, spec = [sdm3a("Global Pages"), sdm2("INVLPG—Invalidate TLB Entries")])]
fn invlpg_drops_global_pages() {
    check_global(|| paging::invalidate(paging::address(PAGE)));
}

/// A change of CR4.PGE drops the translations of global pages.
#[case(feature = PagingInvalidation, spec = [sdm3a("Global Pages"),
       sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")])]
fn cr4_pge_drops_global_pages() {
    check_global(|| drop(control::With::cr4(0, cr4::PGE)));
}

fn check_global(invalidate: fn()) {
    let pge = control::With::cr4(cr4::PGE, 0);
    check_outcome!("PGE can be set", pge.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    let entries = prepare();
    for (row, is_user) in [false, true, false, true].into_iter().enumerate() {
        paging::map(PAGE, frame(0), ALL_RIGHTS | G);
        check_eq!("before", [names!["CPL 0", "CPL 3", "CPL 0 again", "CPL 3 again"]; row], read(is_user), OLD);
        write_entry_only(Level::Pt, PAGE, entries[3] | G);
        invalidate();
        check_eq!("after", [names!["CPL 0", "CPL 3", "CPL 0 again", "CPL 3 again"]; row], read(is_user), NEW);
    }
}

/// INVLPG for one page leaves the entries of another as they are in memory: what was mapped stays mapped.
#[case(feature = PagingInvalidation, spec = sdm2("INVLPG—Invalidate TLB Entries"))]
fn invlpg_leaves_other_pages_mapped() {
    prepare();
    paging::map(PAGE + 1, frame(1), ALL_RIGHTS);
    check_eq!("first", mmio::read_u64(paging::address(PAGE)), OLD);
    check_eq!("second", mmio::read_u64(paging::address(PAGE + 1)), NEW);
    paging::map(PAGE, frame(1), 0);
    check_outcome!("first, absent", attempt(true, Operation::Read, paging::address(PAGE)), Outcome::pf(4));
    check_eq!("second again", user::call(read_quadword, paging::address(PAGE + 1)).unwrap_or(0), NEW);
}

/// INVLPG for any address in a page of 2 MiB drops all that is cached of the page, whatever part was accessed.
#[case(feature = PagingInvalidation, spec = [sdm3a("Details of TLB Use"), sdm2("INVLPG—Invalidate TLB Entries")])]
fn invlpg_of_another_part_of_a_large_page() {
    const PARTS: &[Text] = names!["first byte", "last byte", "page behind", "middle"];
    let [old, new] = layout::LARGE_PAGES.map(|page| page | ALL_RIGHTS | PS);
    let table = read_entry(Level::Pd, PAGE);
    let in_page = PAGE as u64 * 4096;
    for (page, value) in layout::LARGE_PAGES.into_iter().zip([OLD, NEW]) {
        mmio::write_u64(page + in_page, value);
    }
    for (row, distance) in [0, 0x1f_ffff, in_page + 4096, 0x10_0000].into_iter().enumerate() {
        for is_user in [false, true] {
            write_entry(Level::Pd, PAGE, old);
            let before = read(is_user);
            write_entry_only(Level::Pd, PAGE, new);
            paging::invalidate(layout::WINDOW + distance);
            let after = read(is_user);
            if is_user {
                check_eq!("CPL 3 before", [PARTS; row], before, OLD);
                check_eq!("CPL 3 after", [PARTS; row], after, NEW);
            } else {
                check_eq!("CPL 0 before", [PARTS; row], before, OLD);
                check_eq!("CPL 0 after", [PARTS; row], after, NEW);
            }
        }
    }
    write_entry(Level::Pd, PAGE, table);
}

/// INVLPG for an address that is not canonical does nothing, and raises nothing.
#[case(feature = PagingInvalidation, spec = sdm2("INVLPG—Invalidate TLB Entries"))]
fn invlpg_of_non_canonical_addresses() {
    const ROWS: &[Text] = names!["first", "bit 48", "below bit 63", "bit 63 alone", "last"];
    prepare();
    for (row, address) in [
        0x0000_8000_0000_0000_u64,
        0x0001_0000_0000_0000,
        0x7fff_ffff_ffff_f000,
        0x8000_0000_0000_0000,
        0xffff_7fff_ffff_ffff,
    ]
    .into_iter()
    .enumerate()
    {
        let by_rax = rt::instruction!("invlpg [rax]", in("rax") address);
        let by_stack = rt::instruction!("xchg rsp, rax", "invlpg [rsp]", "xchg rsp, rax", inout("rax") address => _);
        check_outcome!("INVLPG", [ROWS; row], by_rax, Outcome::COMPLETED);
        check_outcome!("INVLPG by RSP", [ROWS; row], by_stack, Outcome::COMPLETED);
        check_eq!("the mapped page", [ROWS; row], read(true), OLD);
    }
}
