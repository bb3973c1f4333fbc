//! Process-context identifiers, INVPCID and global pages: what each way of invalidating must drop.
//!
//! What a processor may keep cached is no rule: only what must be gone is checked.

use rt::{
    Exception, Outcome, case, catch, check_eq, check_outcome,
    cpu::{
        control::{self, cr4, write_cr3},
        cpuid::read_leaf,
    },
    instruction, layout, mmio, names,
    paging::{ALL_RIGHTS, Level, frame, map, table, write_entry_only},
    tables::page_bit::G,
    user, user_code,
    vocabulary::{Needs, Text},
};

use super::probe::PAGE;

user_code!(read_quadword: "mov rax, [rdi]", "ret");

const OLD: u64 = 0x01d0;
const NEW: u64 = 0x4e44;
/// Bit 63 of what is written to CR3: keep what is cached for the PCID.
const KEEP: u64 = 1 << 63;

fn invpcid(kind: u64, pcid: u64, address: u64) -> Result<(), Exception> {
    let descriptor = [pcid, address];
    instruction!("invpcid {0}, [{1}]", in(reg) kind, in(reg) &raw const descriptor)
}

fn read(is_user: bool, address: u64) -> u64 {
    if is_user {
        user::call(read_quadword, address).unwrap_or(0)
    } else {
        catch(|| mmio::read_u64(address)).unwrap_or(0)
    }
}

/// Maps [`PAGE`] to the frame with [`OLD`] and has it cached at both privilege levels under the present PCID.
fn prepare(global: u64) -> u64 {
    mmio::write_u64(frame(0), OLD);
    mmio::write_u64(frame(1), NEW);
    let address = map(PAGE, frame(0), ALL_RIGHTS | global);
    let _ = (read(false, address), read(true, address));
    address
}

fn remap(global: u64) {
    write_entry_only(Level::Pt, PAGE, frame(1) | ALL_RIGHTS | global);
}

/// A way to drop the translation: whether global pages are included, whether it acts on another PCID than the
/// present one, and what it executes for the PCID and the address.
type Way = (bool, bool, fn(u64, u64) -> Result<(), Exception>);

const WAYS: [Way; 6] = [
    (false, true, |pcid, address| invpcid(0, pcid, address)),
    (false, true, |pcid, _| invpcid(1, pcid, 0)),
    (true, true, |_, _| invpcid(2, 0, 0)),
    (false, true, |_, _| invpcid(3, 0, 0)),
    (true, false, |_, address| {
        rt::paging::invalidate(address);
        Ok(())
    }),
    (true, true, |_, _| control::With::cr4(cr4::PGE, 0).map(drop)),
];
const WAY_NAMES: &[Text] =
    names!["individual address", "single context", "all contexts", "all but global", "INVLPG", "CR4.PGE"];

/// What was cached under a PCID is gone after each kind of INVPCID for it, after INVLPG, and after a change of CR4.PGE.
#[case(feature = PagingContexts, spec = [sdm2("INVPCID—Invalidate Process-Context Identifier"),
       sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")], needs = Needs::PCID | Needs::INVPCID)]
fn invalidation_for_the_present_pcid() {
    let _pcide = control::With::cr4(cr4::PCIDE, 0);
    for (row, (_, _, drop_it)) in WAYS.into_iter().enumerate() {
        for (pcid, is_user) in [(1, false), (0xfff, true)] {
            let _ = write_cr3(layout::PML4 | pcid);
            let address = prepare(0);
            remap(0);
            let result = drop_it(pcid, address);
            let value = read(is_user, address);
            check_outcome!("executed", [WAY_NAMES; row], result, Outcome::COMPLETED);
            if is_user {
                check_eq!("CPL 3", [WAY_NAMES; row], value, NEW);
            } else {
                check_eq!("CPL 0", [WAY_NAMES; row], value, NEW);
            }
        }
    }
    let _ = write_cr3(layout::PML4);
}

/// What was cached under another PCID is gone when that PCID is returned to with bit 63 of CR3 set.
#[case(feature = PagingContexts, spec = sdm2("INVPCID—Invalidate Process-Context Identifier"),
       needs = Needs::PCID | Needs::INVPCID)]
fn invalidation_for_another_pcid() {
    let _pcide = control::With::cr4(cr4::PCIDE, 0);
    for (row, (_, other, drop_it)) in WAYS.into_iter().enumerate() {
        if !other {
            continue;
        }
        for is_user in [false, true] {
            let _ = write_cr3(layout::PML4 | 5);
            let address = prepare(0);
            let _ = write_cr3(layout::PML4 | 6 | KEEP);
            remap(0);
            let result = drop_it(5, address);
            let _ = write_cr3(layout::PML4 | 5 | KEEP);
            let value = read(is_user, address);
            check_outcome!("executed", [WAY_NAMES; row], result, Outcome::COMPLETED);
            if is_user {
                check_eq!("CPL 3", [WAY_NAMES; row], value, NEW);
            } else {
                check_eq!("CPL 0", [WAY_NAMES; row], value, NEW);
            }
        }
    }
    let _ = write_cr3(layout::PML4);
}

/// A global translation is gone after INVPCID of all contexts, INVLPG, and a change of CR4.PGE.
#[case(feature = PagingContexts, spec = [sdm3a("Global Pages"),
       sdm2("INVPCID—Invalidate Process-Context Identifier")], needs = Needs::INVPCID)]
fn invalidation_of_global_pages() {
    let _pge = control::With::cr4(cr4::PGE, 0);
    for (row, (global, _, drop_it)) in WAYS.into_iter().enumerate() {
        if !global || row == 5 {
            continue;
        }
        for is_user in [false, true] {
            let address = prepare(G);
            remap(G);
            let result = drop_it(0, address);
            let value = read(is_user, address);
            check_outcome!("executed", [WAY_NAMES; row], result, Outcome::COMPLETED);
            if is_user {
                check_eq!("CPL 3", [WAY_NAMES; row], value, NEW);
            } else {
                check_eq!("CPL 0", [WAY_NAMES; row], value, NEW);
            }
        }
    }
}

/// INVPCID raises #GP(0) for each undefined type, each reserved bit of the PCID's quadword, and, for an individual address,
/// each address that is not canonical.
#[case(feature = PagingContexts, spec = sdm2("INVPCID—Invalidate Process-Context Identifier"),
       needs = Needs::INVPCID | Needs::PCID)]
fn invpcid_refuses() {
    let _pcide = control::With::cr4(cr4::PCIDE, 0);
    for kind in 4..64 {
        check_outcome!("type", [&[]; kind], invpcid(kind, 0, 0), Outcome::GP);
    }
    for bit in 12..64 {
        for kind in 0..4 {
            const KINDS: u64 = 4;
            check_outcome!(
                "bit of the PCID's quadword",
                [&[]; bit * KINDS + kind],
                invpcid(kind, 1 << bit, 0),
                Outcome::GP
            );
        }
    }
    // The width that counts is the largest that the processor has, whatever CR4.LA57 is.
    let linear_bits = read_leaf(0x8000_0008, 0).eax >> 8 & 0xff;
    for bit in linear_bits - 1..63 {
        check_outcome!("bit of the address alone", [&[]; bit], invpcid(0, 0, 1 << bit), Outcome::GP);
    }
    for kind in 0..4 {
        check_outcome!(
            "legal",
            [names!["individual", "single", "all", "all but global"]; kind],
            invpcid(kind, 1, 0),
            Outcome::COMPLETED
        );
    }
}

/// CR4.PCIDE can be cleared whatever the PCID is.
#[case(feature = PagingContexts, spec = [sdm3a("Process-Context Identifiers (PCIDs)"),
       sdm2("MOV—Move to/from Control Registers")], needs = Needs::PCID)]
fn pcide_can_be_cleared() {
    let before = control::read_cr4();
    check_outcome!("set", control::write_cr4(before | cr4::PCIDE), Outcome::COMPLETED);
    check_outcome!("PCID 7", write_cr3(layout::PML4 | 7), Outcome::COMPLETED);
    let cleared = control::write_cr4(before);
    check_outcome!("cleared", cleared, Outcome::COMPLETED);
    check_eq!("CR4", control::read_cr4(), before);
    let _ = write_cr3(layout::PML4);
}

/// Global pages see their entries again after INVLPG and after CR4.PGE changes, whatever writes to CR3 came between.
#[case(feature = PagingContexts, spec = [sdm3a("Global Pages"),
       sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")])]
fn global_pages_and_cr3() {
    const ROWS: &[Text] = names!["INVLPG, CPL 0", "INVLPG, CPL 3", "PGE cleared, CPL 0", "PGE cleared, CPL 3"];
    let pge = control::With::cr4(cr4::PGE, 0);
    check_outcome!("PGE can be set", pge.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    for row in 0..ROWS.len() {
        let address = prepare(G);
        table::reload_cr3();
        check_eq!("before, after a write to CR3", [ROWS; row], read(row % 2 == 1, address), OLD);
        remap(G);
        table::reload_cr3();
        if row < 2 {
            rt::paging::invalidate(address)
        } else {
            drop(control::With::cr4(0, cr4::PGE))
        }
        check_eq!("after", [ROWS; row], read(row % 2 == 1, address), NEW);
        // The page loses G: from now on a write to CR3 drops it.
        write_entry_only(Level::Pt, PAGE, frame(0) | ALL_RIGHTS);
        rt::paging::invalidate(address);
        let _ = (read(false, address), read(true, address));
        remap(0);
        table::reload_cr3();
        check_eq!("not global, after CR3", [ROWS; row], read(row % 2 == 1, address), NEW);
    }
}

/// G in entries that refer to tables is ignored: a write to CR3 drops what they translate.
///
/// That of a PML4E is left out: it must be zero by AMD's manual.
#[case(feature = PagingContexts, spec = sdm3a("Global Pages"))]
fn global_bit_above_the_page_is_ignored() {
    let _pge = control::With::cr4(cr4::PGE, 0);
    for level in [Level::Pd, Level::Pdpt] {
        let entry = rt::paging::read_entry(level, PAGE);
        rt::paging::write_entry(level, PAGE, entry | G);
    }
    for (row, is_user) in [false, true].into_iter().enumerate() {
        let address = prepare(0);
        remap(0);
        table::reload_cr3();
        check_eq!("after CR3", [names!["CPL 0", "CPL 3"]; row], read(is_user, address), NEW);
    }
}
