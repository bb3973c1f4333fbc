//! Changed paging structures, seen after each kind of flush: random edits, see [`super::consistency`], and single ones.

use super::{
    consistency::{Flush, Plan, run},
    probe::PAGE,
};
use rt::{
    Outcome, case, catch, check_eq, check_outcome, layout, mmio, names,
    paging::{self, ALL_RIGHTS, Level, frame, table},
    tables::page_bit::{ADDRESS, PS},
    user, user_code,
    vocabulary::{Needs, Text},
};

user_code!(read_quadword: "mov rax, [rdi]", "ret");

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after INVLPG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn invlpg_shows_edits_by_user_to_user() {
    run(Plan { seed: 1, flush: Flush::Invlpg, edits_as_user: true, accesses_as_user: true, nr_rounds: 20 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after INVLPG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn invlpg_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 2, flush: Flush::Invlpg, edits_as_user: true, accesses_as_user: false, nr_rounds: 20 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after INVLPG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn invlpg_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 3, flush: Flush::Invlpg, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after INVLPG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn invlpg_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 4, flush: Flush::Invlpg, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after MOV to CR3.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn cr3_shows_edits_by_user_to_user() {
    run(Plan { seed: 5, flush: Flush::Cr3, edits_as_user: true, accesses_as_user: true, nr_rounds: 20 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after MOV to CR3.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn cr3_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 6, flush: Flush::Cr3, edits_as_user: true, accesses_as_user: false, nr_rounds: 20 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after MOV to CR3.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn cr3_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 7, flush: Flush::Cr3, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after MOV to CR3.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn cr3_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 8, flush: Flush::Cr3, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after a change of CR4.PGE.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pge_shows_edits_by_user_to_user() {
    run(Plan { seed: 9, flush: Flush::Pge, edits_as_user: true, accesses_as_user: true, nr_rounds: 20 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after a change of CR4.PGE.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pge_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 10, flush: Flush::Pge, edits_as_user: true, accesses_as_user: false, nr_rounds: 20 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after a change of CR4.PGE.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pge_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 11, flush: Flush::Pge, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after a change of CR4.PGE.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pge_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 12, flush: Flush::Pge, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after a change of CR4.PSE.
#[case(feature = PagingConsistency, spec = sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"))]
fn pse_shows_edits_by_user_to_user() {
    run(Plan { seed: 13, flush: Flush::Pse, edits_as_user: true, accesses_as_user: true, nr_rounds: 20 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after a change of CR4.PSE.
#[case(feature = PagingConsistency, spec = sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"))]
fn pse_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 14, flush: Flush::Pse, edits_as_user: true, accesses_as_user: false, nr_rounds: 20 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after a change of CR4.PSE.
#[case(feature = PagingConsistency, spec = sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"))]
fn pse_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 15, flush: Flush::Pse, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after a change of CR4.PSE.
#[case(feature = PagingConsistency, spec = sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"))]
fn pse_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 16, flush: Flush::Pse, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after a change of CR0.PG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pg_shows_edits_by_user_to_user() {
    run(Plan { seed: 17, flush: Flush::Pg, edits_as_user: true, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after a change of CR0.PG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pg_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 18, flush: Flush::Pg, edits_as_user: true, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after a change of CR0.PG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pg_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 19, flush: Flush::Pg, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after a change of CR0.PG.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn pg_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 20, flush: Flush::Pg, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after INVPCID.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), needs = Needs::INVPCID)]
fn invpcid_shows_edits_by_user_to_user() {
    run(Plan { seed: 21, flush: Flush::Invpcid, edits_as_user: true, accesses_as_user: true, nr_rounds: 20 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after INVPCID.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), needs = Needs::INVPCID)]
fn invpcid_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 22, flush: Flush::Invpcid, edits_as_user: true, accesses_as_user: false, nr_rounds: 20 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after INVPCID.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), needs = Needs::INVPCID)]
fn invpcid_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 23, flush: Flush::Invpcid, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after INVPCID.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), needs = Needs::INVPCID)]
fn invpcid_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 24, flush: Flush::Invpcid, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 3 see them after nothing but a page fault, if rights are only raised.
#[case(feature = PagingConsistency, spec = sdm3a("Optional Invalidation"))]
fn nothing_shows_edits_by_user_to_user() {
    run(Plan { seed: 25, flush: Flush::None, edits_as_user: true, accesses_as_user: true, nr_rounds: 20 });
}

/// Random edits at CPL 3 of live tables: accesses at CPL 0 see them after nothing but a page fault, if rights are only raised.
#[case(feature = PagingConsistency, spec = sdm3a("Optional Invalidation"))]
fn nothing_shows_edits_by_user_to_supervisor() {
    run(Plan { seed: 26, flush: Flush::None, edits_as_user: true, accesses_as_user: false, nr_rounds: 20 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 3 see them after nothing but a page fault, if rights are only raised.
#[case(feature = PagingConsistency, spec = sdm3a("Optional Invalidation"))]
fn nothing_shows_edits_by_supervisor_to_user() {
    run(Plan { seed: 27, flush: Flush::None, edits_as_user: false, accesses_as_user: true, nr_rounds: 16 });
}

/// Random edits at CPL 0 of live tables: accesses at CPL 0 see them after nothing but a page fault, if rights are only raised.
#[case(feature = PagingConsistency, spec = sdm3a("Optional Invalidation"))]
fn nothing_shows_edits_by_supervisor_to_supervisor() {
    run(Plan { seed: 28, flush: Flush::None, edits_as_user: false, accesses_as_user: false, nr_rounds: 16 });
}

/// What each step of [`table_becomes_data_and_table_again`] reads.
const STEPS: &[Text] = names!["as a table", "as data", "as a table again", "with other entries"];

/// A frame that is a page table, then data, then a page table again is at each time what the tables make of it.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn table_becomes_data_and_table_again() {
    mmio::write_u64(frame(1) + 0x10, 0x1111);
    mmio::write_u64(frame(2) + 0x10, 0x2222);
    let (own, address) = (paging::read_entry(Level::Pd, PAGE), paging::address(PAGE) + 0x10);
    let read = |is_user: bool| {
        if is_user {
            user::call(read_quadword, address).unwrap_or(0)
        } else {
            catch(|| mmio::read_u64(address)).unwrap_or(0)
        }
    };
    for is_user in [false, true] {
        let mut values = [0; 4];
        table::write(frame(0), PAGE, frame(1) | ALL_RIGHTS);
        paging::write_entry(Level::Pd, PAGE, frame(0) | ALL_RIGHTS);
        values[0] = read(is_user);
        // Now it is data behind the window's own table, and what looks like an entry is a number.
        paging::write_entry(Level::Pd, PAGE, own);
        paging::map(PAGE, frame(0), ALL_RIGHTS);
        mmio::write_u64(paging::address(PAGE) + 0x10, 0x3333);
        mmio::write_u64(paging::address(PAGE) + PAGE as u64 * 8, 0x4445);
        values[1] = read(is_user);
        table::write(frame(0), PAGE, frame(1) | ALL_RIGHTS);
        paging::write_entry(Level::Pd, PAGE, frame(0) | ALL_RIGHTS);
        values[2] = read(is_user);
        table::write(frame(0), PAGE, frame(2) | ALL_RIGHTS);
        paging::invalidate(address);
        values[3] = read(is_user);
        paging::write_entry(Level::Pd, PAGE, own);
        for (row, (value, expected)) in values.into_iter().zip([0x1111, 0x3333, 0x1111, 0x2222]).enumerate() {
            if is_user {
                check_eq!("CPL 3", [STEPS; row], value, expected);
            } else {
                check_eq!("CPL 0", [STEPS; row], value, expected);
            }
        }
    }
}

user_code!(write_entry: "mov rax, [rdi]", "mov rdx, [rdi + 8]", "mov [rax], rdx", "ret");

/// A write to a page table through a page that the same table maps changes what it maps, at either privilege level and for
/// each size of the write.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn page_table_is_written_through_a_page_of_its_own() {
    const OTHER: usize = 9;
    const ROWS: &[Text] = names!["CPL 0", "CPL 3", "CPL 0 again", "CPL 3 again"];
    let own = paging::map(PAGE, layout::WINDOW_PT, ALL_RIGHTS);
    for number in 1..5 {
        mmio::write_u64(frame(number), number as u64 * 0x1111);
    }
    for row in 0..4 {
        let entry = frame(row + 1) | ALL_RIGHTS;
        let written: Outcome = if row % 2 == 0 {
            catch(|| mmio::write_u64(own + OTHER as u64 * 8, entry)).into()
        } else {
            let arguments = [own + OTHER as u64 * 8, entry];
            user::call(write_entry, (&raw const arguments) as u64).into()
        };
        paging::invalidate(paging::address(OTHER));
        check_outcome!("write of the entry", [ROWS; row], written, Outcome::COMPLETED);
        let expected = (row as u64 + 1) * 0x1111;
        check_eq!(
            "read at CPL 0",
            [ROWS; row],
            catch(|| mmio::read_u64(paging::address(OTHER))).unwrap_or(0),
            expected
        );
        let read = user::call(read_quadword, paging::address(OTHER)).unwrap_or(0);
        check_eq!("read at CPL 3", [ROWS; row], read, expected);
    }
}

/// A page table that takes the place of a 2 MiB page, and the reverse, many times: every page leads where the tables say.
#[case(feature = PagingConsistency, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn large_page_and_table_alternate() {
    let base = frame(0) & !((2 << 20) - 1);
    let index = |number: usize| (frame(number) >> 12 & 511) as usize;
    for number in 0..4 {
        mmio::write_u64(frame(number), number as u64 + 0x100);
        // The table turns the order around.
        table::write(frame(5), index(number), frame(3 - number) | ALL_RIGHTS);
    }
    for row in 0..12 {
        let is_large = row % 2 == 0;
        let entry = if is_large { base | PS | ALL_RIGHTS } else { frame(5) | ALL_RIGHTS };
        paging::write_entry_only(Level::Pd, 0, entry);
        for number in 0..4 {
            paging::invalidate(paging::address(index(number)));
        }
        for number in 0..4 {
            let expected = 0x100 + if is_large { number } else { 3 - number } as u64;
            let address = paging::address(index(number));
            let actual = if row % 4 < 2 {
                user::call(read_quadword, address).unwrap_or(0)
            } else {
                catch(|| mmio::read_u64(address)).unwrap_or(0)
            };
            check_eq!("read", [&[]; row * 4 + number], actual, expected);
        }
    }
    check_eq!("entry of the directory", paging::read_entry(Level::Pd, 0) & ADDRESS, frame(5));
}
