//! CR4.SMEP.

use super::{
    model::{Mode, Operation, predict},
    probe::{self, attempt},
};
use rt::{
    Outcome, case, check_outcome,
    cpu::control::{self, cr4},
    names,
    paging::supervisor::SupervisorRuntime,
    tables::page_bit::{P, RW, US},
    vocabulary::Needs,
};

const MODE: Mode = Mode { smep: true, ..Mode::SUPERVISOR };

/// Which entries lack U/S: a page is a user page only if all four have it.
const ROWS: [[u64; 4]; 6] = [[0; 4], [US, 0, 0, 0], [0, US, 0, 0], [0, 0, US, 0], [0, 0, 0, US], [0, 0, 0, P]];

/// With CR4.SMEP set CPL 0 may not fetch from a page whose four entries all have U/S.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::SMEP)]
fn smep_forbids_fetch_from_user_pages() {
    let _runtime = SupervisorRuntime::new();
    let smep = control::With::cr4(cr4::SMEP, 0);
    check_outcome!("SMEP can be set", smep.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    for (row, missing) in ROWS.into_iter().enumerate() {
        let address = probe::map_without(missing);
        check_outcome!(
            "fetch",
            [names!["user page", "PML4E without US", "PDPTE without US", "PDE without US", "PTE without US", "absent"];
                row],
            attempt(false, Operation::Fetch, address),
            predict(&probe::entries(), Operation::Fetch, MODE)
        );
        probe::restore_parents();
    }
}

/// CR4.SMEP concerns fetches only: CPL 0 reads and writes a user page as before.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::SMEP)]
fn smep_leaves_data_alone() {
    let _runtime = SupervisorRuntime::new();
    let _smep = control::With::cr4(cr4::SMEP, 0);
    for (row, missing) in [[0; 4], [0, 0, 0, RW]].into_iter().enumerate() {
        let address = probe::map_without(missing);
        for operation in [Operation::Read, Operation::Write] {
            probe::check_access!(
                names!["user page", "read-only user page"];
                row, operation, attempt(false, operation, address), predict(&probe::entries(), operation, MODE)
            );
        }
    }
}

/// A change of CR4.SMEP takes effect for a page that was executed before it.
#[case(feature = PagingPermissions, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"),
       needs = Needs::SMEP)]
fn smep_takes_effect_at_once() {
    let _runtime = SupervisorRuntime::new();
    let address = probe::map_without([0; 4]);
    for row in 0..4 {
        let smep = row % 2 == 1;
        let bits = if smep { (cr4::SMEP, 0) } else { (0, cr4::SMEP) };
        let _with = control::With::cr4(bits.0, bits.1);
        // A clear bit 4 of the error code is only Intel's rule while SMEP is clear, but then nothing faults.
        check_outcome!(
            "fetch",
            [names!["clear", "set", "clear again", "set again"]; row],
            attempt(false, Operation::Fetch, address),
            predict(&probe::entries(), Operation::Fetch, Mode { smep, ..Mode::SUPERVISOR })
        );
    }
}
