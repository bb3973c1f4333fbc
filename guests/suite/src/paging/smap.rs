//! CR4.SMAP.

use super::{
    model::{Mode, Operation, error_code, predict},
    probe::{self, PAGE, RET},
};
use rt::{
    Exception, Outcome, case, check_outcome,
    cpu::control::{self, cr0, cr4},
    instruction, layout, mmio, names,
    paging::{self, ALL_RIGHTS, frame, supervisor::SupervisorRuntime},
    tables::{
        GDT_LIMIT,
        page_bit::{RW, US},
        selector,
    },
    vocabulary::Needs,
};

fn access(operation: Operation, address: u64, alignment_check: bool) -> Result<(), Exception> {
    match (operation, alignment_check) {
        (Operation::Write, true) => {
            instruction!("stac", "mov byte ptr [{0}], {1}", "clac", in(reg) address, const RET)
        }
        (_, true) => instruction!("stac", "mov al, [{}]", "clac", in(reg) address, out("al") _),
        (_, false) => probe::supervisor(operation, address),
    }
}

const ROWS: [[u64; 4]; 7] =
    [[0; 4], [US, 0, 0, 0], [0, US, 0, 0], [0, 0, US, 0], [0, 0, 0, US], [0, 0, 0, RW], [0, 0, 0, RW | US]];

fn check_rows(alignment_check: bool, write_protect: bool) {
    let _runtime = SupervisorRuntime::new();
    let smap = control::With::cr4(cr4::SMAP, 0);
    check_outcome!("SMAP can be set", smap.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    let _wp = control::With::cr0(if write_protect { cr0::WP } else { 0 }, if write_protect { 0 } else { cr0::WP });
    let mode = Mode { smap: true, alignment_check, write_protect, ..Mode::SUPERVISOR };
    for (row, missing) in ROWS.into_iter().enumerate() {
        let address = probe::map_without(missing);
        for operation in [Operation::Read, Operation::Write] {
            probe::check_access!(
                names![
                    "user page", "PML4E without US", "PDPTE without US", "PDE without US", "PTE without US",
                    "read-only user page", "read-only supervisor page",
                ];
                row, operation, access(operation, address, alignment_check),
                predict(&probe::entries(), operation, mode)
            );
        }
        probe::restore_parents();
    }
}

/// With CR4.SMAP set and EFLAGS.AC clear CPL 0 may neither read nor write a page whose four entries all have U/S.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::SMAP)]
fn smap_forbids_data_of_user_pages() {
    check_rows(false, true);
}

/// CR4.SMAP also forbids the writes that a clear CR0.WP would allow.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::SMAP)]
fn smap_without_write_protection() {
    check_rows(false, false);
}

/// EFLAGS.AC suspends CR4.SMAP, and STAC and CLAC set and clear it.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"),
       sdm2("STAC—Set AC Flag in EFLAGS Register")], needs = Needs::SMAP)]
fn smap_is_suspended_by_ac() {
    check_rows(true, true);
}

/// CR4.SMAP concerns data only: CPL 0 fetches from a user page as before.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::SMAP)]
fn smap_leaves_fetches_alone() {
    let _runtime = SupervisorRuntime::new();
    let _smap = control::With::cr4(cr4::SMAP, 0);
    let address = probe::map_without([0; 4]);
    check_outcome!("fetch", probe::supervisor(Operation::Fetch, address), Outcome::COMPLETED);
    check_outcome!("read", probe::supervisor(Operation::Read, address), Outcome::pf(error_code::P));
}

/// The load of a segment descriptor is an implicit supervisor access, which EFLAGS.AC does not exempt from CR4.SMAP.
#[case(feature = PagingPermissions, spec = sdm3a("Access Rights"), needs = Needs::SMAP)]
fn smap_forbids_implicit_accesses_despite_ac() {
    let _runtime = SupervisorRuntime::new();
    // A copy of the GDT across two pages: the code segment, which delivering an exception loads, stands in the first,
    // a supervisor page; the data segment starts the second.
    let before = u64::from(selector::KERNEL_DATA);
    for index in 0..(u64::from(GDT_LIMIT) + 1) / 8 {
        mmio::write_u64(frame(2) - before + index * 8, mmio::read_u64(layout::GDT + index * 8));
    }
    paging::map(PAGE, frame(1), ALL_RIGHTS & !US);
    let moved = pointer(paging::address(PAGE + 1) - before);
    let original = pointer(layout::GDT);
    let (moved, original) = (&raw const moved, &raw const original);
    for row in 0..3 {
        paging::map(PAGE + 1, frame(2), if row == 2 { ALL_RIGHTS & !US } else { ALL_RIGHTS });
        let bits = if row == 0 { (0, cr4::SMAP) } else { (cr4::SMAP, 0) };
        let _smap = control::With::cr4(bits.0, bits.1);
        let result = instruction!("lgdt [{0}]", "stac", "mov es, {1:x}", "clac", in(reg) moved,
                                  in(reg) selector::KERNEL_DATA);
        let _ = instruction!("lgdt [{0}]", in(reg) original);
        let expected = if row == 1 { Outcome::pf(error_code::P) } else { Outcome::COMPLETED };
        check_outcome!("load of ES", [names!["SMAP clear", "SMAP set", "supervisor page"]; row], result, expected);
    }
}

/// What LGDT loads.
fn pointer(base: u64) -> [u16; 5] {
    [GDT_LIMIT, base as u16, (base >> 16) as u16, (base >> 32) as u16, (base >> 48) as u16]
}
